#include "models/tlm/dma_port.h"

#include <algorithm>
#include <cstring>

namespace iommu::sim {

/// A payload with its extension and, while it is under way, its operation.
struct DmaPort::Slot : ::tlm::tlm_generic_payload {
  DmaExtension extension;
  DmaOperation* operation = nullptr;
  bool accepted = false;  // by a link: when is in the extension
  bool place_free = false;
  unsigned char nothing = 0;  // the data of a zero-length read

  explicit Slot(::tlm::tlm_mm_interface& owner) : tlm_generic_payload(&owner) { set_extension(&extension); }
  ~Slot() override { clear_extension(&extension); }  // a member, which the payload must not delete
};

/// Slots are used again when the last holder of their payload has let go, which may be a target.
class DmaPort::Pool : public ::tlm::tlm_mm_interface {
 public:
  Slot& take() {
    if (free_.empty()) {
      slots_.push_back(std::make_unique<Slot>(*this));
      free_.reserve(slots_.size());
      free_.push_back(slots_.back().get());
    }
    Slot& slot = *free_.back();
    free_.pop_back();
    slot.acquire();
    return slot;
  }
  void free(::tlm::tlm_generic_payload* payload) override { free_.push_back(static_cast<Slot*>(payload)); }

 private:
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Slot*> free_;
};

DmaPort::DmaPort(sc_core::sc_module_name name, const DmaPortConfig& config, DmaClient& client)
    : sc_module(name),
      socket("socket"),
      config_(config),
      client_(client),
      pool_(std::make_unique<Pool>()),
      initiator_(socket, ResponseEnded{this}) {
  require_picosecond_resolution();
  config_.outstanding = std::max<std::uint32_t>(config_.outstanding, 1);
  socket.register_nb_transport_bw(this, &DmaPort::backward);
  socket.register_invalidate_direct_mem_ptr(this, &DmaPort::withdraw_grants);
  using SC_CURRENT_USER_MODULE = DmaPort;
  SC_METHOD(run_due);
  sensitive << due_.event();
  dont_initialize();
}

DmaPort::~DmaPort() = default;

void DmaPort::check(const DmaOperation& operation) const {
  if (operation.zero_length || (operation.length != 0 && operation.data != nullptr)) return;
  SC_REPORT_ERROR("iommu-vp", (std::string(name()) + ": a DMA operation has no data").c_str());
}

void DmaPort::issue(DmaOperation& operation) {
  check(operation);
  operation.ready_at = std::min(operation.ready_at, now_ticks());
  operation.next = nullptr;
  if (has_room()) {
    send(operation);
    return;
  }
  (waiting_first_ == nullptr ? waiting_first_ : waiting_last_->next) = &operation;
  waiting_last_ = &operation;
}

DmaPort::Slot& DmaPort::prepare(DmaOperation& operation, core::Tick at) {
  Slot& slot = pool_->take();
  slot.operation = &operation;
  slot.accepted = slot.place_free = false;
  operation.issued_at = at;
  operation.direct = false;
  slot.set_command(operation.write && !operation.zero_length ? ::tlm::TLM_WRITE_COMMAND : ::tlm::TLM_READ_COMMAND);
  slot.set_address(operation.address);
  const std::uint32_t length = operation.zero_length ? 1 : operation.length;
  slot.set_data_ptr(operation.zero_length ? &slot.nothing : operation.data);
  slot.set_data_length(length);
  slot.set_streaming_width(length);
  slot.set_byte_enable_ptr(nullptr);
  slot.set_byte_enable_length(0);
  slot.set_dmi_allowed(false);
  slot.set_response_status(::tlm::TLM_INCOMPLETE_RESPONSE);
  DmaExtension& extension = slot.extension;
  extension.requester = config_.requester;
  extension.zero_length = operation.zero_length;
  extension.atomic = operation.atomic;
  extension.tell_accepted = true;
  extension.clear_report();
  return slot;
}

void DmaPort::send(DmaOperation& operation) {
  Slot& slot = prepare(operation, now_ticks());
  ++in_flight_;
  ++open_;
  if (config_.mode == TransportMode::Lt) {
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    socket->b_transport(slot, delay);
    const core::Tick end = now_ticks(delay);
    if (slot.extension.accepted != 0 && slot.extension.accepted < end) note_accepted(slot, slot.extension.accepted);
    conclude(slot, end);
  } else if (const auto end = initiator_.issue(slot)) {
    conclude(slot, *end);
  } else if (slot.extension.accepted != 0) {
    note_accepted(slot, slot.extension.accepted);
  }
}

/// The link has the write from `at` on; its place is free then.
void DmaPort::note_accepted(Slot& slot, core::Tick at) {
  if (slot.accepted) return;
  slot.accepted = true;
  due_.push(std::max(at, now_ticks()), {&slot, false});
}

void DmaPort::ResponseEnded::operator()(::tlm::tlm_generic_payload& payload, core::Tick at) const {
  port->conclude(static_cast<Slot&>(payload), at);
}

/// The end is known; the client hears of it when it has come.
void DmaPort::conclude(Slot& slot, core::Tick end) {
  slot.operation->end = end;
  due_.push(end, {&slot, true});
}

namespace {

/// What the targets have reported becomes the operation's result; stages are completed to sum to its whole latency.
void take_report(DmaExtension& report, ::tlm::tlm_response_status status, DmaOperation& operation,
                 DmaStatistics& statistics) {
  operation.status = status;
  if (!operation.ok()) report.outcome = core::OutcomeClass::Fault;
  // Time that no target below has explained went by on the way there and back.
  const core::Tick under_way = operation.end - operation.issued_at;
  const core::Tick explained = report.stages.total();
  if (explained < under_way) report.stages.charge(core::Stage::Upstream, under_way - explained);
  report.stages.charge(core::Stage::IssueWait, operation.issued_at - operation.ready_at);
  operation.outcome = report.outcome;
  operation.fault_reason = report.fault_reason;
  operation.stages = report.stages;
  if (!operation.counted) return;
  statistics.record(report, operation.ready_at, operation.end, operation.zero_length ? 0 : operation.length);
}

}  // namespace

core::Tick DmaPort::perform(DmaOperation& operation, core::Tick at) {
  check(operation);
  operation.ready_at = std::min(operation.ready_at, at);
  // Both permissions of an atomic one, and the checks that a zero-length one is made for, are the translation unit's.
  const bool may_be_direct = config_.dmi && !operation.zero_length && !operation.atomic;
  if (may_be_direct) {
    if (const auto* grant = grants_.find(operation.address, operation.length, operation.write)) {
      return access(operation, *grant, at);
    }
  }
  Slot& slot = prepare(operation, at);
  sc_core::sc_time delay = delay_until(at);
  socket->b_transport(slot, delay);
  operation.end = now_ticks(delay);
  const core::Tick accepted = slot.extension.accepted;
  operation.freed_at = accepted == 0 ? operation.end : std::min(accepted, operation.end);
  take_report(slot.extension, slot.get_response_status(), operation, statistics);
  if (may_be_direct && operation.ok()) ask_for_grant(slot, operation);
  slot.operation = nullptr;
  slot.release();
  return operation.end;
}

core::Tick DmaPort::access(DmaOperation& operation, const DirectGrants::Grant& grant, core::Tick at) {
  unsigned char* memory = grant.bytes + (operation.address - grant.first);
  unsigned char* to = operation.write ? memory : operation.data;
  const unsigned char* from = operation.write ? operation.data : memory;
  // The usual length without a call.
  if (operation.length == 64) {
    std::memcpy(to, from, 64);
  } else {
    std::memcpy(to, from, operation.length);
  }
  const core::Tick latency = operation.write ? grant.write_latency : grant.read_latency;
  operation.direct = true;
  operation.issued_at = at;
  operation.end = operation.freed_at = at + latency;
  operation.status = ::tlm::TLM_OK_RESPONSE;
  operation.outcome = core::OutcomeClass::Untranslated;
  operation.fault_reason = 0;
  operation.stages.clear();
  operation.stages.charge(core::Stage::IssueWait, at - operation.ready_at);
  operation.stages.charge(core::Stage::Downstream, latency);
  return operation.end;
}

/// After an operation that has succeeded. The hint in its response is not looked at: translation units don't give it.
void DmaPort::ask_for_grant(Slot& slot, const DmaOperation& operation) {
  const core::Address address = operation.address;
  // One that goes beyond its grant's end has its grant.
  if (grants_.refused(address) || grants_.find(address, 1, operation.write) != nullptr) return;
  slot.set_address(address);
  ::tlm::tlm_dmi granted;
  const bool allowed = socket->get_direct_mem_ptr(slot, granted) &&
                       (operation.write ? granted.is_write_allowed() : granted.is_read_allowed());
  if (allowed) {
    grants_.keep(address, granted);
  } else {
    grants_.keep_refusal(granted.get_start_address(), granted.get_end_address());
  }
}

void DmaPort::run_due() {
  Due due{};
  while (due_.pop_due(due)) {
    if (due.end) {
      complete(*due.slot);
    } else {
      due.slot->place_free = true;
      free_place(*due.slot->operation);
      client_.dma_accepted(*due.slot->operation);
    }
  }
}

void DmaPort::free_place(DmaOperation& operation) {
  operation.freed_at = now_ticks();
  --in_flight_;
  while (waiting_first_ != nullptr && in_flight_ < config_.outstanding) {
    DmaOperation& next = *waiting_first_;
    waiting_first_ = next.next;
    next.next = nullptr;
    send(next);
  }
}

void DmaPort::complete(Slot& slot) {
  DmaOperation& operation = *slot.operation;
  take_report(slot.extension, slot.get_response_status(), operation, statistics);
  const bool place_free = slot.place_free;
  slot.operation = nullptr;
  slot.release();
  --open_;
  if (!place_free) free_place(operation);
  client_.dma_done(operation);
}

::tlm::tlm_sync_enum DmaPort::backward(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                       sc_core::sc_time& delay) {
  if (phase == DMA_ACCEPTED) {
    auto& slot = static_cast<Slot&>(payload);
    note_accepted(slot, slot.extension.accepted);
    return ::tlm::TLM_ACCEPTED;
  }
  return initiator_.backward(payload, phase, delay);
}

}  // namespace iommu::sim
