#include "models/tlm/dma_master.h"

#include <algorithm>
#include <functional>

#include "models/core/payload_pattern.h"

namespace iommu::sim {

struct DmaMaster::Slot : DmaOperation {
  core::Access access{};
  std::vector<unsigned char> buffer;
};

namespace {

DmaMasterConfig with_limits(DmaMasterConfig config) {
  config.outstanding = std::max<std::uint32_t>(config.outstanding, 1);
  return config;
}

/// Calls piece(packet, offset in the packet, start in the data, bytes) for each page's part; stops when it says false.
template <class Piece>
bool for_each_page(std::uint64_t window_tag, std::uint64_t offset, std::size_t n, Piece&& piece) {
  for (std::size_t done = 0; done < n;) {
    const std::uint64_t at = offset + done;
    const std::uint64_t in_page = at % core::kPageBytes;
    const std::size_t bytes = std::min<std::size_t>(n - done, core::kPageBytes - in_page);
    if (!piece(window_tag + at / core::kPageBytes, static_cast<std::uint32_t>(in_page), done, bytes)) return false;
    done += bytes;
  }
  return true;
}

}  // namespace

void DmaMaster::fill_window(std::uint64_t window_tag, std::uint64_t offset, void* data, std::size_t n) {
  auto* bytes_out = static_cast<unsigned char*>(data);
  for_each_page(window_tag, offset, n,
                [&](std::uint64_t packet, std::uint32_t in_page, std::size_t start, std::size_t bytes) {
                  core::fill_payload(packet, in_page, bytes_out + start, bytes);
                  return true;
                });
}

bool DmaMaster::check_window(std::uint64_t window_tag, std::uint64_t offset, const void* data, std::size_t n) {
  const auto* bytes_in = static_cast<const unsigned char*>(data);
  return for_each_page(window_tag, offset, n,
                       [&](std::uint64_t packet, std::uint32_t in_page, std::size_t start, std::size_t bytes) {
                         return core::check_payload(packet, in_page, bytes_in + start, bytes);
                       });
}

DmaMaster::DmaMaster(sc_core::sc_module_name name, const DmaMasterConfig& config)
    : sc_module(name),
      port("port", DmaPortConfig{config.mode, config.requester, config.outstanding, config.dmi}, *this),
      socket(port.socket),
      config_(with_limits(config)),
      pattern_(config.pattern) {
  for (std::uint32_t i = 0; i < (event_driven() ? config_.outstanding : 1); ++i) add_slot();
  using SC_CURRENT_USER_MODULE = DmaMaster;
  if (event_driven()) {
    SC_METHOD(issue_ready);
    sensitive << ready_event_;
    dont_initialize();
  } else {
    SC_THREAD(run_ahead);
  }
}

DmaMaster::~DmaMaster() = default;

void DmaMaster::start() {
  if (started_) return;
  started_ = true;
  next_ready_ = now_ticks() + config_.start;
  if (event_driven()) {
    ready_event_.notify(to_sc_time(config_.start));
  } else {
    start_event_.notify(sc_core::SC_ZERO_TIME);
  }
}

void DmaMaster::add_slot() {
  Slot& slot = *slots_.emplace_back(std::make_unique<Slot>());
  slot.buffer.resize(config_.pattern.transfer_bytes);
  free_.push_back(&slot);
}

/// The next access of the pattern, in a free slot.
DmaMaster::Slot& DmaMaster::prepare(core::Tick ready_at) {
  if (free_.empty()) add_slot();
  Slot& slot = *free_.back();
  free_.pop_back();
  slot.access = pattern_.next();
  slot.address = config_.base + slot.access.offset;
  slot.data = slot.buffer.data();
  slot.length = slot.access.length;
  slot.write = slot.access.write;
  slot.ready_at = ready_at;
  slot.counted = issued_ >= config_.warmup;
  if (slot.write) {
    if (config_.verify) {
      fill_window(config_.window_tag, slot.access.offset, slot.data, slot.length);
    } else {
      core::fill_payload(issued_, 0, slot.data, slot.length);
    }
  }
  ++issued_;
  if (slot.counted) {
    ++counters_.issued;
    if (slot.access.escape) ++counters_.escapes;
  }
  return slot;
}

void DmaMaster::conclude(const Slot& slot) {
  ++ended_;
  if (slot.counted) {
    ++counters_.completed;
    if (slot.direct) ++counters_.direct;
    if (!slot.ok()) ++counters_.failed;
  } else {
    warm_until_ = std::max(warm_until_, slot.end);
    if (++warm_ended_ == config_.warmup) warm_up_ended();
  }
  if (slot.ok() && config_.verify && !slot.write && !slot.access.escape) {
    ++counters_.verified;
    if (!check_window(config_.window_tag, slot.access.offset, slot.data, slot.length)) ++counters_.mismatches;
  }
}

void DmaMaster::warm_up_ended() {
  port.statistics.begin_rate(warm_until_);
  if (on_warm_) on_warm_();
}

void DmaMaster::finish() {
  done_ = true;
  done_event_.notify(sc_core::SC_ZERO_TIME);
}

// Event by event. Everything that is ready and may go goes; afterwards either an access is under way whose end calls
// again, or ready_event_ is armed, or all are issued.
void DmaMaster::issue_ready() {
  if (done_) return;
  if (config_.count == 0) {
    finish();
    return;
  }
  const core::Tick now = now_ticks();
  while (issued_ < config_.count && port.has_room() && awaited_ == nullptr) {
    if (next_ready_ > now) {
      ready_event_.notify(delay_until(next_ready_));
      return;
    }
    Slot& slot = prepare(next_ready_);
    awaited_ = config_.outstanding == 1 ? &slot : nullptr;
    next_ready_ = now + config_.gap;
    port.issue(slot);
  }
}

/// With one outstanding: the next access is wanted `gap` after this.
void DmaMaster::place_free(const DmaOperation& operation) {
  if (awaited_ != &operation) return;
  awaited_ = nullptr;
  next_ready_ = operation.freed_at + config_.gap;
}

void DmaMaster::dma_done(DmaOperation& operation) {
  auto& slot = static_cast<Slot&>(operation);
  conclude(slot);
  free_.push_back(&slot);
  place_free(operation);
  if (ended_ == config_.count) {
    finish();
    return;
  }
  issue_ready();
}

void DmaMaster::dma_accepted(DmaOperation& operation) {
  place_free(operation);
  issue_ready();
}

// LT. The same times without an event for each: the thread knows each access's end at once and remembers those that
// are outstanding at its local time.
void DmaMaster::run_ahead() {
  if (!started_) wait(start_event_);
  core::Tick last_end = now_ticks();
  while (issued_ < config_.count) {
    core::Tick local = next_ready_;
    if (ends_.size() == config_.outstanding) {
      local = std::max(local, ends_.top());
      ends_.pop();
    }
    if (local > now_ticks() + config_.quantum) wait(delay_until(local));
    // A target may have called wait().
    Slot& slot = prepare(next_ready_);
    const core::Tick end = port.perform(slot, std::max(local, now_ticks()));
    next_ready_ = (config_.outstanding == 1 ? slot.freed_at : slot.issued_at) + config_.gap;
    ends_.push(slot.freed_at);
    last_end = std::max(last_end, end);
    conclude(slot);
    free_.push_back(&slot);
  }
  if (last_end > now_ticks()) wait(delay_until(last_end));
  finish();
}

}  // namespace iommu::sim
