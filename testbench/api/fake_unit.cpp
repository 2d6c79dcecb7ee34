// The VT-d unit of the fake machine, from the fact sheet's sections 1 (registers), 2 (legacy structures), 4 and 5
// (caches and invalidation), 6 (faults). All numbers are literals of it.
#include <algorithm>
#include <utility>

#include "testbench/api/cooperative_threads.h"
#include "testbench/api/fake_machine.h"

namespace fake {

namespace {

constexpr std::uint64_t bits(std::uint64_t word, unsigned hi, unsigned lo) {
  return (word >> lo) & ((hi - lo) == 63 ? ~0ull : (1ull << (hi - lo + 1)) - 1);
}

constexpr std::uint32_t kIro = 0x500;
constexpr std::uint32_t kFro = 0x600;
constexpr std::uint32_t kPfo = 1u << 0, kPpf = 1u << 1, kIqe = 1u << 4;
constexpr std::uint32_t kIp = 1u << 30, kIm = 1u << 31;
constexpr std::uint32_t kTe = 1u << 31, kSrtp = 1u << 30, kWbf = 1u << 27, kQie = 1u << 26;

bool is_64_bit(std::uint32_t offset) {
  if (offset >= kFro && offset < kFro + 0x1000) return true;
  switch (offset) {
    case 0x08:
    case 0x10:
    case 0x20:
    case 0x28:
    case 0x80:
    case 0x88:
    case 0x90:
    case 0xB0:
    case kIro:
    case kIro + 8:
      return true;
    default:
      return false;
  }
}

}  // namespace

Unit::Unit(const UnitOptions& options, Memory& memory, Host& host, Breaches& breaches)
    : options_(options), memory_(memory), host_(host), breaches_(breaches), frcd_(options.fault_records) {
  host.on_relax.emplace_back([this] { step(); });
}

// ---- Registers --------------------------------------------------------------------------------------------------

std::uint32_t Unit::read32(std::uint32_t offset) {
  ++accesses;
  if (is_64_bit(offset)) breach("64-bit register read by 32 bits");
  if (offset == 0x34 || offset == 0x38) let_others();
  switch (offset) {
    case 0x00:
      return options_.ver;
    case 0x1C:
      if (firmware_gsts != 0) gsts_ = std::exchange(firmware_gsts, 0);
      return gsts_;
    case 0x34:
      return fsts_;
    case 0x38:
      return fectl;
    case 0x64:
      return pmen;
    default:
      breach("read of register " + std::to_string(offset));
      return 0;
  }
}

std::uint64_t Unit::read64(std::uint32_t offset) {
  ++accesses;
  if (!is_64_bit(offset)) breach("32-bit register read by 64 bits");
  if (FaultRegister* record = fault_register(offset)) {
    let_others();
    if (offset % 16 == 0) record->read = true;
    return offset % 16 == 0 ? record->low : record->high;
  }
  switch (offset) {
    case 0x08:
      return std::uint64_t{options_.nd} | std::uint64_t{options_.rwbf} << 4 |
             (options_.protected_regions ? 3ull << 5 : 0) | std::uint64_t{options_.cm} << 7 |
             std::uint64_t{options_.sagaw} << 8 | std::uint64_t{options_.mgaw_bits - 1} << 16 |
             std::uint64_t{kFro / 16} << 24 | std::uint64_t{options_.fault_records - 1} << 40 |
             std::uint64_t{options_.sslps} << 34 | std::uint64_t{options_.psi} << 39 |
             std::uint64_t{options_.mamv} << 48 | (options_.drain ? 3ull << 54 : 0) |
             std::uint64_t{options_.esrtps} << 63;
    case 0x10:
      return 1 | std::uint64_t{options_.qi} << 1 | std::uint64_t{options_.pt} << 6 | std::uint64_t{kIro / 16} << 8;
    case 0x20:
      return rtaddr_;
    case 0x28:
      return ccmd_;
    case 0x80:
      return iqh_;
    case 0x88:
      return iqt_;
    case 0x90:
      return iqa_;
    case 0xB0:
      return iqercd_;
    case kIro + 8:
      return iotlb_;
    default:
      breach("read of register " + std::to_string(offset));
      return 0;
  }
}

void Unit::write32(std::uint32_t offset, std::uint32_t value) {
  ++accesses;
  if (is_64_bit(offset)) breach("64-bit register written by 32 bits");
  if (offset == 0x34 || offset == 0x38) let_others();
  switch (offset) {
    case 0x18:
      command(value);
      break;
    case 0x34:
      fsts_ &= ~(value & 0x71);
      status_changed();
      if ((value & kIqe) != 0) run_queue();
      break;
    case 0x38:
      if (around_unmask && (value & kIm) == 0) around_unmask(false);
      if ((value & 0x3FFFFFFFu) != 0) breach("FECTL: reserved bits changed");
      fectl = (fectl & kIp) | (value & kIm);
      if (fectl == kIp) send_fault_event();
      let_others();  // the message may be there before the access has ended
      if (around_unmask && (value & kIm) == 0) around_unmask(true);
      break;
    case 0x3C:
      if (bits(value, 31, 16) != 0) breach("FEDATA has reserved bits");
      fedata = value;
      break;
    case 0x40:
      if (bits(value, 1, 0) != 0) breach("FEADDR has reserved bits");
      feaddr = value;
      break;
    case 0x44:
      breach("FEUADDR written although ECAP.EIM = 0");
      break;
    case 0x64:
      pmen = (pmen & 1) | (value & 0x80000000u);
      later([this] { pmen = (pmen & 0x80000000u) | (pmen >> 31); });
      break;
    default:
      breach("write of register " + std::to_string(offset));
  }
}

void Unit::write64(std::uint32_t offset, std::uint64_t value) {
  ++accesses;
  if (!is_64_bit(offset)) breach("32-bit register written by 64 bits");
  if (FaultRegister* record = fault_register(offset)) {
    let_others();
    if (offset % 16 != 8 || value != 1ull << 63) breach("a fault record is written other than to clear it");
    if (!record->read) breach("a fault record is cleared that nobody has read");
    record->high &= ~value;
    return status_changed();
  }
  switch (offset) {
    case 0x20:
      if (bits(value, 11, 0) != 0) breach("RTADDR has reserved bits or another mode than legacy");
      rtaddr_ = value;
      break;
    case 0x28: {
      if ((ccmd_ >> 63) != 0) breach("CCMD written while ICC is set");
      if (queue_enabled() || options_.ver >= 0x60)
        breach("CCMD used while the queue is on, or from major version 6 on");
      ccmd_ = value & ~(3ull << 59);
      Seen request{Seen::ContextGlobal, 0, 0, 0, 0, false, false};
      if (bits(value, 62, 61) == 2) request.kind = Seen::ContextDomain;
      if (bits(value, 62, 61) == 3) request.kind = Seen::ContextDevice;
      if (request.kind != Seen::ContextGlobal) request.did = static_cast<unsigned>(bits(value, 15, 0));
      if (request.kind == Seen::ContextDevice) request.sid = static_cast<unsigned>(bits(value, 31, 16));
      later([this, request, value] {
        const bool refused = bits(value, 62, 61) == 0 || (refuse && refuse(request));
        if (!refused) carry_out(request);
        ccmd_ &= ~(1ull << 63);
        if (!refused) ccmd_ |= bits(value, 62, 61) << 59;
      });
      break;
    }
    case 0x88:
      if (bits(value, 63, 19) != 0 || bits(value, 3, 0) != 0) breach("IQT has reserved bits");
      iqt_ = value;
      run_queue();
      break;
    case 0x90:
      if (queue_enabled()) breach("IQA written while the queue is on");
      if (bits(value, 11, 0) != 0) breach("IQA: another size or width than one page of 128-bit descriptors");
      iqa_ = value;
      break;
    case kIro:
      iva_ = value;
      iva_written_ = true;
      break;
    case kIro + 8: {
      if ((iotlb_ >> 63) != 0 || (ccmd_ >> 63) != 0) breach("IOTLB written while a command is outstanding");
      if (queue_enabled() || options_.ver >= 0x60)
        breach("IOTLB used while the queue is on, or from major version 6 on");
      iotlb_ = value & ~(3ull << 57);
      Seen request{Seen::IotlbGlobal, 0, 0, 0, 0, false, bits(value, 49, 48) == 3};
      if (bits(value, 61, 60) >= 2) request.did = static_cast<unsigned>(bits(value, 47, 32));
      if (bits(value, 61, 60) == 2) request.kind = Seen::IotlbDomain;
      if (bits(value, 61, 60) == 3) {
        request.kind = Seen::IotlbPages;
        request.address = iva_ & ~0xFFFull;
        request.am = static_cast<unsigned>(bits(iva_, 5, 0));
        request.ih = bits(iva_, 6, 6) != 0;
        if (!iva_written_) breach("a page-selective command without a new IVA");
        iva_written_ = false;
      }
      later([this, request, value] {
        bool refused = bits(value, 61, 60) == 0 || (refuse && refuse(request));
        if (request.kind == Seen::IotlbPages && (!options_.psi || request.am > options_.mamv)) refused = true;
        if (!refused) carry_out(request);
        iotlb_ &= ~(1ull << 63);
        if (!refused) iotlb_ |= bits(value, 61, 60) << 57;
      });
      break;
    }
    default:
      breach("write of register " + std::to_string(offset));
  }
}

void Unit::later(std::function<void()> action) {
  if (deaf) return;
  if (latency == 0) return action();
  pending_.emplace_back(latency, std::move(action));
}

void Unit::step() {
  if (deaf) return;
  for (auto& entry : pending_) --entry.first;
  while (!pending_.empty() && pending_.front().first == 0) {
    const auto action = std::move(pending_.front().second);
    pending_.pop_front();
    action();
  }
}

// Sheet 1.4: one control change per write, rebuilt from GSTS without the one-shot bits.
void Unit::command(std::uint32_t value) {
  constexpr std::uint32_t kLevels = kTe | kQie | 1u << 25 | 1u << 23;
  const std::uint32_t changed = (value ^ gsts_) & kLevels;
  const std::uint32_t shots = value & (kSrtp | kWbf | 1u << 24);
  if (__builtin_popcount(changed) + __builtin_popcount(shots) != 1) breach("GCMD does not change exactly one control");
  if ((value & 0x307FFFFFu) != 0) breach("GCMD has reserved bits");
  if ((changed & kTe & value) != 0 && (gsts_ & kSrtp) == 0) breach("TE before a root pointer was set");
  if ((changed & kQie & value) != 0 && iqt_ != 0) breach("the queue is turned on with IQT not 0");
  if ((shots & kWbf) != 0 && !options_.rwbf) breach("WBF although CAP.RWBF = 0");
  if ((shots & kSrtp) != 0) gsts_ &= ~kSrtp;
  if ((shots & kWbf) != 0) gsts_ |= kWbf;
  later([this, value, changed, shots] {
    gsts_ = (gsts_ & ~changed) | (value & changed);
    if ((shots & kSrtp) != 0) {
      root_ = rtaddr_ & ~0xFFFull;
      gsts_ |= kSrtp;
      if (options_.esrtps) {
        context_cache_.clear();
        iotlb_cache_.clear();
        table_cache_.clear();
      }
    }
    if ((shots & kWbf) != 0) {
      memory_.flush_write_buffer();
      gsts_ &= ~kWbf;
    }
    if ((changed & kQie) != 0) iqh_ = 0;
  });
}

// ---- Invalidation -----------------------------------------------------------------------------------------------

void Unit::hold_queue(bool hold) {
  queue_held_ = hold;
  run_queue();
}

void Unit::run_queue() {
  later([this] {
    while (!queue_held_ && queue_enabled() && iqh_ != iqt_ && (fsts_ & kIqe) == 0) {
      memory_.flush_write_buffer();
      const std::uint64_t at = (iqa_ & ~0xFFFull) + iqh_;
      const std::uint64_t lo = memory_.hardware_read64(at);
      const std::uint64_t hi = memory_.hardware_read64(at + 8);
      const unsigned g = static_cast<unsigned>(bits(lo, 5, 4));
      Seen request{Seen::Wait, 0, 0, 0, 0, false, false};
      std::uint64_t error = 0;
      switch (bits(lo, 3, 0)) {
        case 1:
          request.kind = g == 1 ? Seen::ContextGlobal : g == 2 ? Seen::ContextDomain : Seen::ContextDevice;
          request.did = static_cast<unsigned>(bits(lo, 31, 16));
          request.sid = static_cast<unsigned>(bits(lo, 47, 32));
          if (g == 0 || hi != 0 || bits(lo, 15, 6) != 0 || bits(lo, 63, 48) != 0) error = 4;
          break;
        case 2:
          request.kind = g == 1 ? Seen::IotlbGlobal : g == 2 ? Seen::IotlbDomain : Seen::IotlbPages;
          request.did = static_cast<unsigned>(bits(lo, 31, 16));
          request.drains = bits(lo, 7, 6) == 3;
          if (!options_.drain && bits(lo, 7, 6) != 0) breach("a drain is asked for that the unit does not have");
          if (g == 3) {
            request.address = hi & ~0xFFFull;
            request.am = static_cast<unsigned>(bits(hi, 5, 0));
            request.ih = bits(hi, 6, 6) != 0;
            if (!options_.psi || request.am > options_.mamv) error = 4;
            if ((request.address >> 12 & ((1ull << request.am) - 1)) != 0) breach("ADDR is not aligned to AM");
          } else if (hi != 0) {
            error = 4;
          }
          if (g == 0 || bits(lo, 15, 8) != 0 || bits(lo, 63, 32) != 0 || bits(hi, 11, 7) != 0) error = 4;
          break;
        case 5:
          if (bits(lo, 4, 4) != 0 || bits(lo, 5, 5) != 1 || bits(hi, 1, 0) != 0) breach("not a polled wait");
          if (bits(lo, 31, 8) != 0) error = 4;
          break;
        default:
          error = 3;
      }
      if (error == 0 && refuse && refuse(request)) error = 4;
      if (error != 0) {
        iqercd_ = error;
        set_status(kIqe);
        return;
      }
      iqh_ = (iqh_ + 16) % 4096;
      carry_out(request);
      if (request.kind == Seen::Wait) memory_.hardware_write32(hi, static_cast<std::uint32_t>(bits(lo, 63, 32)));
    }
  });
}

// Sheet 4.2: exactly what each command must remove, nothing more.
void Unit::carry_out(const Seen& request) {
  memory_.flush_write_buffer();  // sheet 4.6
  seen.push_back(request);
  const auto erase_if = [](auto& list, auto condition) {
    list.erase(std::remove_if(list.begin(), list.end(), condition), list.end());
  };
  switch (request.kind) {
    case Seen::ContextGlobal:
      context_cache_.clear();
      break;
    case Seen::ContextDomain:
      for (auto it = context_cache_.begin(); it != context_cache_.end();) {
        it = it->second.did == request.did ? context_cache_.erase(it) : std::next(it);
      }
      break;
    case Seen::ContextDevice: {
      const auto it = context_cache_.find(request.sid);
      if (it != context_cache_.end() && it->second.did == request.did) context_cache_.erase(it);
      break;
    }
    case Seen::IotlbGlobal:
      iotlb_cache_.clear();
      table_cache_.clear();
      break;
    case Seen::IotlbDomain:
      erase_if(iotlb_cache_, [&](const Cached& c) { return c.did == request.did; });
      erase_if(table_cache_, [&](const CachedTable& c) { return c.did == request.did; });
      break;
    case Seen::IotlbPages: {
      const std::uint64_t first = request.address >> 12;
      const std::uint64_t last = first + (1ull << request.am) - 1;
      // A large page may be held in pieces; only a mask that covers all of it is sure to remove it (sheet 5.2).
      erase_if(iotlb_cache_,
               [&](const Cached& c) { return c.did == request.did && c.first >= first && c.last <= last; });
      if (!request.ih) {
        erase_if(table_cache_, [&](const CachedTable& c) {
          const unsigned shift = 9 * c.level;
          const std::uint64_t table_first = c.prefix << shift;
          const std::uint64_t table_last = table_first + (1ull << shift) - 1;
          return c.did == request.did && table_first <= last && table_last >= first;
        });
      }
      break;
    }
    case Seen::Wait:
      break;
  }
}

// ---- Faults -----------------------------------------------------------------------------------------------------

Unit::FaultRegister* Unit::fault_register(std::uint32_t offset) {
  return offset < kFro || offset >= kFro + 16 * frcd_.size() ? nullptr : &frcd_[(offset - kFro) / 16];
}

unsigned Unit::records_in_use() const {
  return static_cast<unsigned>(
      std::count_if(frcd_.begin(), frcd_.end(), [](const FaultRegister& r) { return bits(r.high, 63, 63) != 0; }));
}

void Unit::let_others() {
  if (host_.threads != nullptr) host_.threads->yield();
}

// Sheet 6.5.
void Unit::record(unsigned sid, std::uint64_t address, bool write, unsigned reason) {
  FaultRegister& next = frcd_[next_record_];
  if ((fsts_ & kPfo) == 0 && bits(next.high, 63, 63) != 0) fsts_ |= kPfo;
  if ((fsts_ & kPfo) != 0) {
    ++faults_dropped;
    return;
  }
  ++faults_recorded;
  next.low = address & ~0xFFFull;
  next.high = 1ull << 63 | (write ? 0 : 1ull << 62) | std::uint64_t{reason} << 32 | sid;
  next.read = false;
  if ((fsts_ & kPpf) == 0) {
    fsts_ = (fsts_ & ~0xFF00u) | next_record_ << 8;
    set_status(kPpf);
  }
  next_record_ = (next_record_ + 1) % static_cast<unsigned>(frcd_.size());
}

// Sheet 1.7: only the first status bit of the group is an interrupt condition.
void Unit::set_status(std::uint32_t bits) {
  const bool condition = (fsts_ & 0x73) == 0;
  fsts_ |= bits;
  if (!condition) return;
  fectl |= kIp;
  if ((fectl & kIm) == 0) send_fault_event();
}

void Unit::send_fault_event() {
  fectl &= ~kIp;
  ++messages_sent;
  messages.emplace_back(feaddr, fedata);
}

void Unit::status_changed() {
  fsts_ = (fsts_ & ~kPpf) | (records_in_use() != 0 ? kPpf : 0);
  if ((fsts_ & 0x73) == 0) fectl &= ~kIp;
}

// ---- Translation ------------------------------------------------------------------------------------------------

Unit::Context Unit::context(unsigned sid) const {
  Context result;
  const std::uint64_t root = memory_.hardware_read64(root_ + 16ull * (sid >> 8));
  if ((root & 1) == 0) return result;
  const std::uint64_t at = (root & ~0xFFFull) + 16ull * (sid & 0xFF);
  const std::uint64_t lo = memory_.hardware_read64(at);
  const std::uint64_t hi = memory_.hardware_read64(at + 8);
  if ((lo & 1) == 0) return result;
  result.present = true;
  result.tt = static_cast<unsigned>(bits(lo, 3, 2));
  result.aw = static_cast<unsigned>(bits(hi, 2, 0));
  result.did = static_cast<unsigned>(bits(hi, 23, 8));
  result.root = lo & ~0xFFFull;
  if (bits(lo, 11, 4) != 0 || (hi & 0xFFFFFFFFFF000080ull) != 0 || (root & 0xFFE) != 0) result.tt = 3;
  return result;
}

Access Unit::finish(unsigned permissions, std::uint64_t physical, bool write, std::uint64_t page_bytes) const {
  Access access;
  access.page_bytes = page_bytes;
  if ((permissions & (write ? 2u : 1u)) == 0) {
    access.why = write ? "no write permission" : "no read permission";
    return access;
  }
  access.ok = true;
  access.physical = physical;
  return access;
}

Access Unit::walk(unsigned sid, std::uint64_t address, bool write) const {
  Unit copy(*this);  // caches of its own, empty
  copy.context_cache_.clear();
  copy.iotlb_cache_.clear();
  copy.table_cache_.clear();
  return copy.translate(sid, address, write);
}

Access Unit::dma(unsigned sid, std::uint64_t address, bool write) {
  const Access access = translate(sid, address, write);
  if (access.ok) return access;
  const std::string why = access.why;
  const bool root = (memory_.hardware_read64(root_ + 16ull * (sid >> 8)) & 1) != 0;
  const unsigned reason = why == "interrupt range"                             ? 0x29
                          : why == "context not present"                       ? (root ? 0x02 : 0x01)
                          : why == "context reserved"                          ? 0x0B
                          : why == "TT unsupported" || why == "AW unsupported" ? 0x03
                          : why == "beyond the width"                          ? 0x04
                          : why == "reserved"                                  ? 0x0C
                          : write                                              ? 0x05
                                                                               : 0x06;
  record(sid, address, write, reason);
  return access;
}

Access Unit::translate(unsigned sid, std::uint64_t address, bool write) {
  const auto blocked = [](const char* why) {
    Access access;
    access.why = why;
    return access;
  };
  if (!translating()) return finish(3, address, write, 0);
  if ((address >> 20) == 0xFEE) return blocked("interrupt range");
  const auto known = context_cache_.find(sid);
  const Context entry = known != context_cache_.end() ? known->second : context(sid);
  if (!entry.present) {
    if (options_.cm) context_cache_[sid] = entry;  // with domain id 0
    return blocked("context not present");
  }
  if (entry.tt == 3) return blocked("context reserved");
  context_cache_[sid] = entry;
  if (entry.tt == 2) {
    if ((options_.sagaw >> (entry.aw + 1)) != 0) breach("a pass-through entry without the largest width");
    return options_.pt ? finish(3, address, write, 0) : blocked("TT unsupported");
  }
  if ((options_.sagaw >> entry.aw & 1) == 0) return blocked("AW unsupported");
  const unsigned levels = entry.aw + 2;
  const unsigned width = std::min(options_.mgaw_bits, 12 + 9 * levels);
  if ((address >> width) != 0) return blocked("beyond the width");

  const std::uint64_t page = address >> 12;
  for (const Cached& c : iotlb_cache_) {
    if (c.did != entry.did || page < c.first || page > c.last) continue;
    if (c.why != nullptr) return blocked(c.why);
    const Access access = finish(c.permissions, c.physical + (address - (c.first << 12)), write, c.page_bytes);
    if (access.ok) return access;  // else it may be walked again
  }
  // The deepest cached table that covers the page.
  unsigned level = levels;
  std::uint64_t table = entry.root;
  for (const CachedTable& c : table_cache_) {
    if (c.did == entry.did && c.level < level && (page >> (9 * c.level)) == c.prefix) {
      level = c.level;
      table = c.table;
    }
  }
  unsigned permissions = 3;
  for (;; --level) {
    const std::uint64_t value = memory_.hardware_read64(table + 8 * (page >> (9 * (level - 1)) & 511));
    permissions &= value & 3;
    if ((value & 3) == 0) {
      if (options_.cm) iotlb_cache_.push_back({entry.did, page, page, 0, 0, "not mapped", 4096});
      return blocked("not mapped");
    }
    if (bits(value, 62, 62) != 0 || bits(value, 11, 11) != 0) return blocked("reserved");
    const bool leaf = level == 1 || (level <= 3 && bits(value, 7, 7) != 0);
    if (!leaf) {
      if (bits(value, 7, 7) != 0) return blocked("reserved");
      table = value & 0xFFFFFFFFFF000ull;
      table_cache_.push_back({entry.did, level - 1, page >> (9 * (level - 1)), table});
      continue;
    }
    if (level > 1 && (options_.sslps >> (level - 2) & 1) == 0) return blocked("reserved");
    const std::uint64_t bytes = 4096ull << (9 * (level - 1));
    const std::uint64_t output = value & 0xFFFFFFFFFF000ull;
    if ((output & (bytes - 1)) != 0) return blocked("reserved");
    const std::uint64_t first = page & ~((bytes >> 12) - 1);
    const Access access = finish(permissions, output + (address & (bytes - 1)), write, bytes);
    if (access.ok) {
      iotlb_cache_.push_back({entry.did, first, first + (bytes >> 12) - 1, output, permissions, nullptr, bytes});
    }
    return access;
  }
}

}  // namespace fake
