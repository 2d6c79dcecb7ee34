// The translation unit's register window and its control logic: the process that carries out what software asks for.
#include <algorithm>
#include <cstring>

#include "models/core/probe.h"
#include "models/tlm/translation_state.h"

namespace iommu::sim {

// --- Register window
// --------------------------------------------------------------------------------------------------------

void TranslationUnit::registers_b(::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  delay += to_sc_time(config_.register_latency);
  const core::Address address = payload.get_address();
  const std::uint32_t bytes = payload.get_data_length();
  const std::uint32_t window = front_end_->register_window_bytes();
  if (address < config_.register_base || address - config_.register_base + bytes > window) {
    payload.set_response_status(::tlm::TLM_ADDRESS_ERROR_RESPONSE);
    return;
  }
  if (bytes == 0 || bytes > 8 || payload.get_byte_enable_ptr() != nullptr) {
    payload.set_response_status(::tlm::TLM_BURST_ERROR_RESPONSE);
    return;
  }
  const auto offset = static_cast<std::uint32_t>(address - config_.register_base);
  std::uint64_t value = 0;
  if (payload.is_read()) {
    value = front_end_->read_register(offset, bytes);
    std::memcpy(payload.get_data_ptr(), &value, bytes);
  } else if (payload.is_write()) {
    std::memcpy(&value, payload.get_data_ptr(), bytes);
    front_end_->write_register(offset, bytes, value);
    known_->forget();
    commands_from_ = std::max(commands_from_, now_ticks(delay));
    control_event_.notify(delay);
  }
  payload.set_response_status(::tlm::TLM_OK_RESPONSE);
}

::tlm::tlm_sync_enum TranslationUnit::registers_nb(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                                   sc_core::sc_time& delay) {
  if (phase != ::tlm::BEGIN_REQ) return ::tlm::TLM_ACCEPTED;
  registers_b(payload, delay);
  return ::tlm::TLM_COMPLETED;
}

unsigned TranslationUnit::registers_dbg(::tlm::tlm_generic_payload& payload) {
  const core::Address address = payload.get_address();
  const std::uint32_t bytes = payload.get_data_length();
  if (!payload.is_read() || (bytes != 4 && bytes != 8) || address < config_.register_base) return 0;
  if (address - config_.register_base + bytes > front_end_->register_window_bytes()) return 0;
  const std::uint64_t value =
      front_end_->read_register(static_cast<std::uint32_t>(address - config_.register_base), bytes);
  std::memcpy(payload.get_data_ptr(), &value, bytes);
  return bytes;
}

// --- Commands
// ---------------------------------------------------------------------------------------------------------------

void TranslationUnit::control() {
  for (;;) {
    // Whatever woke this process, a register write has no effect before its time.
    if (commands_from_ > now_ticks()) wait(delay_until(commands_from_));
    const core::Tick began = now_ticks();
    const core::Command command = front_end_->next_command();
    known_->forget();
    if (command.kind == core::Command::Kind::Idle) {
      wait(control_event_);
    } else {
      carry_out(command);
      counters_.command_time += now_ticks() - began;
    }
  }
}

void TranslationUnit::carry_out(const core::Command& command) {
  switch (command.kind) {
    case core::Command::Kind::Idle:
      break;
    case core::Command::Kind::Decode:
      ++counters_.commands;
      wait(to_sc_time(config_.decode));
      break;
    case core::Command::Kind::ReadDescriptor:
      front_end_->descriptor_read(access_structure(::tlm::TLM_READ_COMMAND, command.address, command.bytes, 0));
      known_->forget();
      break;
    case core::Command::Kind::InvalidateContext:
      invalidate(command.context);
      iotlb->occupy(now_ticks(), config_.invalidation_busy);
      break;
    case core::Command::Kind::InvalidateTranslation:
      invalidate(command.translation);
      iotlb->occupy(now_ticks(), config_.invalidation_busy);
      break;
    case core::Command::Kind::Drain:
      drain();
      break;
    case core::Command::Kind::WriteStatus:
      access_structure(::tlm::TLM_WRITE_COMMAND, command.address, 4, command.data);
      break;
    case core::Command::Kind::Message:
      ++counters_.messages;
      access_structure(::tlm::TLM_WRITE_COMMAND, command.address, 4, command.data);
      break;
  }
}

core::StructureRead TranslationUnit::access_structure(::tlm::tlm_command command, core::Address address,
                                                      std::uint32_t bytes, std::uint64_t data) {
  AccessSlot& slot = pool_.take();
  slot.words[0] = data;
  slot.prepare(command, address, bytes);
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  structures->b_transport(slot, delay);
  if (delay != sc_core::SC_ZERO_TIME) wait(delay);
  const core::StructureRead result = slot.result();
  pool_.give_back(slot);
  return result;
}

// Every access that has been translated by now reaches memory before this returns.
void TranslationUnit::drain() {
  const Downstream& before = downstream_[downstream_epoch_];
  downstream_epoch_ ^= 1;
  // Commands are carried out one after the other: the place that is taken now is empty but for its times, which are over.
  for (;;) {
    if (before.until > now_ticks()) {
      wait(delay_until(before.until));
    } else if (before.open != 0) {
      wait(downstream_event_);
    } else {
      break;
    }
  }
  // Direct accesses can't be waited for. At the end, so that nothing is granted by what this drain is the end of:
  // translation off, protected memory open.
  withdraw_dmi(0, ~core::Address{0});
}

void TranslationUnit::invalidate(const core::ContextScope& scope) {
  context_cache_.invalidate(scope);
  known_->forget();
  for (Piece* piece : in_flight_) {
    // While its domain is unknown, a piece is covered as soon as its requester may be.
    const core::RequesterId requester = piece->flow.request().requester;
    const std::uint32_t domain = piece->flow.has_space() ? piece->flow.space().domain : scope.domain;
    if (!scope.covers(domain, requester)) continue;
    piece->stale = true;
    if (piece->held) release_held(*piece);  // translated anew while the others are waited for
  }
  for (std::size_t i = 0; i < simple_walks_open_; ++i) {
    SimpleWalk& walk = *simple_walks_[i];
    walk.stale = walk.stale || scope.covers(walk.job.space.domain, walk.requester);
  }
  withdraw_dmi(0, ~core::Address{0});
}

void TranslationUnit::invalidate(const core::TranslationScope& scope) {
  iotlb->invalidate(scope);
  walker->invalidate(scope);
  for (Piece* piece : in_flight_) {
    if (!piece->flow.has_space()) continue;  // has found nothing yet that could be stale
    const core::Address page = piece->flow.request().address & ~(core::kPageBytes - 1);
    if (scope.covers(piece->flow.space().domain, page, core::kPageBytes) ||
        (piece->flow.mapping_valid() && scope.covers(piece->flow.mapping().domain, page, core::kPageBytes))) {
      piece->stale = true;
      if (piece->held) release_held(*piece);
    }
  }
  for (std::size_t i = 0; i < simple_walks_open_; ++i) {
    SimpleWalk& walk = *simple_walks_[i];
    const core::Address page = walk.job.input & ~(core::kPageBytes - 1);
    walk.stale = walk.stale || scope.covers(walk.job.space.domain, page, core::kPageBytes);
  }
  const bool pages = scope.kind == core::TranslationScope::Kind::Pages;
  withdraw_dmi(pages ? scope.first : 0, pages ? scope.last : ~core::Address{0});
}

// --- Debug accesses and DMI
// -------------------------------------------------------------------------------------------------

namespace {

// Memory behind a socket, without time.
template <class Socket>
class DebugMemory final : public core::PhysicalMemory {
 public:
  explicit DebugMemory(Socket& socket) : socket_(socket) {}
  bool read(core::Address address, void* data, std::size_t bytes) override {
    return access(::tlm::TLM_READ_COMMAND, address, data, bytes);
  }
  bool write(core::Address address, const void* data, std::size_t bytes) override {
    return access(::tlm::TLM_WRITE_COMMAND, address, const_cast<void*>(data), bytes);
  }

 private:
  bool access(::tlm::tlm_command command, core::Address address, void* data, std::size_t bytes) {
    ::tlm::tlm_generic_payload payload;
    payload.set_command(command);
    payload.set_address(address);
    payload.set_data_ptr(static_cast<unsigned char*>(data));
    payload.set_data_length(static_cast<unsigned>(bytes));
    payload.set_streaming_width(static_cast<unsigned>(bytes));
    return socket_->transport_dbg(payload) == bytes;
  }
  Socket& socket_;
};

}  // namespace

void TranslationUnit::translate_untimed(core::TranslationFlow& flow) {
  DebugMemory memory_view(structures);
  std::optional<core::Mapping> held;
  core::probe(
      flow, memory_view, [this](core::RequesterId requester) { return context_cache_.peek(requester); },
      [&](const core::AddressSpace& space, core::Address address) -> const core::Mapping* {
        held = iotlb->peek(space.tag, address);
        return held ? &*held : nullptr;
      });
}

unsigned TranslationUnit::transport_dbg(int, ::tlm::tlm_generic_payload& payload) {
  const core::Request whole = request_of(payload);
  DebugMemory target(memory);
  unsigned done = 0;
  while (done < whole.length) {
    core::Request request = whole;
    request.address += done;
    const std::uint64_t to_page_end = core::kPageBytes - (request.address & (core::kPageBytes - 1));
    request.length = static_cast<std::uint32_t>(std::min<std::uint64_t>(whole.length - done, to_page_end));
    core::TranslationFlow flow(*front_end_, request);
    translate_untimed(flow);
    if (flow.route() != core::TranslationFlow::Route::Memory) break;
    unsigned char* data = payload.get_data_ptr() + done;
    const bool ok = payload.is_read() ? target.read(flow.host_address(), data, request.length)
                                      : target.write(flow.host_address(), data, request.length);
    if (!ok) break;
    done += request.length;
  }
  return done;
}

// Grants what one page's translation allows, as far as the memory behind grants it.
bool TranslationUnit::get_direct_mem_ptr(int, ::tlm::tlm_generic_payload& payload, ::tlm::tlm_dmi& dmi) {
  core::Request request = request_of(payload);
  request.length = 1;
  core::TranslationFlow flow(*front_end_, request);
  translate_untimed(flow);
  const core::Address page_mask =
      flow.used_table() && flow.mapping_valid() ? core::level_bytes(flow.mapping().level) - 1 : core::kPageBytes - 1;
  dmi.init();
  dmi.set_start_address(request.address & ~page_mask);
  dmi.set_end_address(request.address | page_mask);
  if (flow.route() != core::TranslationFlow::Route::Memory) return false;

  ::tlm::tlm_generic_payload below;
  below.set_command(payload.get_command());
  below.set_address(flow.host_address());
  ::tlm::tlm_dmi granted;
  if (!memory->get_direct_mem_ptr(below, granted)) return false;
  const core::Address host_first = flow.host_address() & ~page_mask;
  const core::Address first = std::max<core::Address>(host_first, granted.get_start_address());
  const core::Address last = std::min<core::Address>(host_first | page_mask, granted.get_end_address());
  dmi.set_start_address((request.address & ~page_mask) + (first - host_first));
  dmi.set_end_address((request.address & ~page_mask) + (last - host_first));
  dmi.set_dmi_ptr(granted.get_dmi_ptr() + (first - granted.get_start_address()));
  dmi.set_read_latency(granted.get_read_latency());
  dmi.set_write_latency(granted.get_write_latency());
  const core::Permissions table = flow.used_table() ? flow.mapping().permissions : core::Permissions::ReadWrite;
  const core::Permissions memory_allows =
      (granted.is_read_allowed() ? core::Permissions::Read : core::Permissions::None) |
      (granted.is_write_allowed() ? core::Permissions::Write : core::Permissions::None);
  const core::Permissions allowed = table & memory_allows;
  dmi.set_granted_access(static_cast<::tlm::tlm_dmi::dmi_access_e>(allowed));
  dmi_granted_ = dmi_granted_ || allowed != core::Permissions::None;
  return core::allows(allowed, request.wanted());
}

void TranslationUnit::downstream_dmi_invalid(sc_dt::uint64, sc_dt::uint64) {
  // Host addresses are no input addresses: every grant may be concerned.
  withdraw_dmi(0, ~core::Address{0});
}

void TranslationUnit::withdraw_dmi(core::Address first, core::Address last) {
  if (!dmi_granted_) return;
  if (first == 0 && last == ~core::Address{0}) dmi_granted_ = false;
  for (unsigned port = 0; port < dma.size(); ++port) {
    dma[static_cast<int>(port)]->invalidate_direct_mem_ptr(first, last);
  }
}

}  // namespace iommu::sim
