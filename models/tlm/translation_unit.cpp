#include "models/tlm/translation_unit.h"

#include <algorithm>
#include <string>

#include "models/tlm/translation_state.h"

namespace iommu::sim {

TranslationUnit::TranslationUnit(sc_core::sc_module_name name, const TranslationUnitConfig& config,
                                 std::unique_ptr<core::FrontEnd> front_end)
    : sc_module(name),
      dma("dma", *this),
      registers("registers"),
      memory("memory"),
      structures("structures"),
      iotlb("iotlb"),
      walker("walker"),
      config_(config),
      kernel_time_(*this),
      front_end_(std::move(front_end)),
      known_(std::make_unique<KnownPages>()),
      context_cache_(config.context_entries),
      memory_initiator_(memory, AccessEnded{this}),
      structure_initiator_(structures, ReadEnded{this}) {
  require_picosecond_resolution();
  if (config_.early_hits && config_.exact_responses) {
    SC_REPORT_ERROR("iommu-vp",
                    (std::string(this->name()) + ": early_hits and exact_responses exclude each other").c_str());
  }
  registers.register_b_transport(this, &TranslationUnit::registers_b);
  registers.register_nb_transport_fw(this, &TranslationUnit::registers_nb);
  registers.register_transport_dbg(this, &TranslationUnit::registers_dbg);
  memory.register_nb_transport_bw(this, &TranslationUnit::memory_bw);
  memory.register_invalidate_direct_mem_ptr(this, &TranslationUnit::downstream_dmi_invalid);
  structures.register_nb_transport_bw(this, &TranslationUnit::structures_bw);

  using SC_CURRENT_USER_MODULE = TranslationUnit;
  SC_THREAD(control);
  SC_METHOD(run_due);
  sensitive << queue_.event() << responses_.event();
  dont_initialize();
}

TranslationUnit::~TranslationUnit() = default;

void TranslationUnit::end_of_elaboration() {
  bound_iotlb_ = iotlb.operator->();
  bound_walker_ = walker.operator->();
  bound_memory_ = memory.operator->();
}

void TranslationUnit::start_of_simulation() { upstream_.resize(dma.size()); }

void TranslationUnit::reset(bool warm) {
  front_end_->reset(warm);
  known_->forget();
  invalidate(core::ContextScope{});
  invalidate(core::TranslationScope{});
  control_event_.notify(sc_core::SC_ZERO_TIME);
}

void TranslationUnit::restart_counters() {
  counters_ = TranslationCounters();
  context_cache_.restart_counters();
  front_end_->restart_counters();
}

// --- Requests and their pieces
// ----------------------------------------------------------------------------------------------

core::Request TranslationUnit::request_of(const ::tlm::tlm_generic_payload& payload) const {
  core::Request request;
  request.address = payload.get_address();
  request.length = payload.get_data_length();
  request.kind = payload.is_write() ? core::AccessKind::Write : core::AccessKind::Read;
  request.requester = config_.default_requester;
  const DmaExtension* extension = payload.get_extension<DmaExtension>();
  if (extension == nullptr) return request;
  request.requester = extension->requester;
  request.address_type = extension->address_type;
  request.zero_length = extension->zero_length && payload.is_read();
  if (extension->atomic) request.kind = core::AccessKind::Atomic;
  request.has_pasid = extension->has_pasid;
  request.pasid = extension->pasid;
  return request;
}

// Why a payload can't be a DMA, or nullptr.
const char* TranslationUnit::refuse(const ::tlm::tlm_generic_payload& payload) {
  if (!payload.is_read() && !payload.is_write()) return "command";
  if (payload.get_data_length() == 0 || payload.get_data_ptr() == nullptr) return "data";
  if (payload.get_streaming_width() < payload.get_data_length()) return "burst";
  return nullptr;
}

TranslationUnit::Piece& TranslationUnit::take_piece() {
  if (free_pieces_.empty()) {
    pieces_.push_back(std::make_unique<Piece>(*front_end_));
    free_pieces_.push_back(pieces_.back().get());
  }
  Piece& piece = *free_pieces_.back();
  free_pieces_.pop_back();
  return piece;
}

void TranslationUnit::release_piece(Piece& piece) {
  if (piece.slot != nullptr) pool_.give_back(*piece.slot);
  piece.slot = nullptr;
  piece.waiters.clear();
  free_pieces_.push_back(&piece);
}

TranslationUnit::Transaction* TranslationUnit::take_transaction(::tlm::tlm_generic_payload& payload, int port,
                                                                core::Tick now) {
  if (free_transactions_.empty()) {
    transactions_.push_back(std::make_unique<Transaction>());
    free_transactions_.push_back(transactions_.back().get());
  }
  Transaction& transaction = *free_transactions_.back();
  free_transactions_.pop_back();
  transaction.payload = &payload;
  transaction.extension = payload.get_extension<DmaExtension>();
  if (transaction.extension != nullptr) transaction.extension->clear_report();
  transaction.port = port;
  transaction.request = request_of(payload);
  transaction.ahead = false;
  transaction.end = now;
  split(transaction, now);
  ++counters_.requests;
  counters_.bytes += transaction.request.length;
  return &transaction;
}

// One piece for each page. begin_piece() starts them, one after the other.
void TranslationUnit::split(Transaction& transaction, core::Tick now) {
  std::uint32_t offset = 0;
  while (offset < transaction.request.length) {
    core::Request request = transaction.request;
    request.address += offset;
    const std::uint64_t to_page_end = core::kPageBytes - (request.address & (core::kPageBytes - 1));
    request.length = static_cast<std::uint32_t>(std::min<std::uint64_t>(request.length - offset, to_page_end));
    Piece& piece = take_piece();
    piece.transaction = &transaction;
    piece.flow.renew(request);
    piece.stages.clear();
    piece.begin = piece.at = now;
    piece.next = Piece::Next::Step;
    piece.looking_up = false;
    piece.held = false;
    piece.stale = piece.walking = piece.merged = false;
    piece.offset = offset;
    piece.outcome = core::OutcomeClass::Untranslated;
    transaction.pieces.push_back(&piece);
    offset += request.length;
  }
  transaction.begun = 0;
  transaction.open = transaction.pieces.size();
  counters_.pieces += transaction.open;
}

void TranslationUnit::release(Transaction& transaction) {
  for (Piece* piece : transaction.pieces) release_piece(*piece);
  transaction.pieces.clear();
  free_transactions_.push_back(&transaction);
}

void TranslationUnit::begin_piece(Piece& piece, core::Tick now) {
  piece.stages.charge(core::Stage::SplitWait, now - piece.begin);
  piece.at = now;
  enter_flight(piece);
  piece.flow.start();
}

void TranslationUnit::enter_flight(Piece& piece) {
  piece.in_flight_index = in_flight_.size();
  in_flight_.push_back(&piece);
}

void TranslationUnit::no_longer_in_flight(Piece& piece) {
  if (piece.in_flight_index == Piece::kNotInFlight) return;
  Piece* last = in_flight_.back();
  in_flight_[piece.in_flight_index] = last;
  last->in_flight_index = piece.in_flight_index;
  in_flight_.pop_back();
  piece.in_flight_index = Piece::kNotInFlight;
}

// Everything found so far is void: begin anew. The time spent stays in the account.
void TranslationUnit::restart(Piece& piece, core::Tick now) {
  ++counters_.retries;
  if (config_.in_order) leave_look_up(piece);
  forget_walk(piece);
  if (!piece.waiters.empty()) serve_waiters(piece, nullptr);  // its walk will not happen
  piece.stages.charge(core::Stage::Retry, now - piece.at);
  piece.stages.collapse_into(core::Stage::Retry);
  piece.at = now;
  piece.stale = piece.walking = piece.merged = false;
  piece.flow.start();
}

void TranslationUnit::begin_context_read(Piece& piece, AccessSlot& slot) {
  slot.prepare(::tlm::TLM_READ_COMMAND, piece.flow.read_address(), piece.flow.read_bytes());
  slot.user = &piece;
}

// A root or context entry has arrived at `at`; what it says is looked at then.
void TranslationUnit::context_read_ended(Piece& piece, core::Tick at) {
  const core::Tick waited = piece.slot->extension.wait;
  piece.stages.charge(core::Stage::ContextRead, at - piece.at - waited);
  piece.stages.charge(core::Stage::MemoryWait, waited);
  piece.at = at;
  piece.next = Piece::Next::ContextData;
}

// The payload for the access itself, on the initiator's own data.
void TranslationUnit::prepare_downstream(Piece& piece) {
  piece.epoch = downstream_epoch_;
  const Transaction& transaction = *piece.transaction;
  const core::Request& request = piece.flow.request();
  if (piece.slot == nullptr) piece.slot = &pool_.take();
  AccessSlot& slot = *piece.slot;
  slot.point_to(transaction.payload->get_command(), piece.flow.host_address(),
                transaction.payload->get_data_ptr() + piece.offset, request.length);
  slot.user = &piece;
  slot.extension.requester = request.requester;
  if (transaction.payload->get_byte_enable_ptr() != nullptr) {
    const unsigned char* all = transaction.payload->get_byte_enable_ptr();
    const unsigned period = transaction.payload->get_byte_enable_length();
    piece.enables.resize(request.length);
    for (std::uint32_t i = 0; i < request.length; ++i) piece.enables[i] = all[(piece.offset + i) % period];
    slot.set_byte_enable_ptr(piece.enables.data());
    slot.set_byte_enable_length(request.length);
  }
}

void TranslationUnit::downstream_ended(Piece& piece, core::Tick at) {
  const core::Tick waited = piece.slot->extension.wait;
  piece.stages.charge(core::Stage::Downstream, at - piece.at - waited);
  piece.stages.charge(core::Stage::DownstreamWait, waited);
  piece.at = at;
  core::Tick& until = downstream_[piece.epoch].until;
  until = std::max(until, at);
  if (!piece.slot->is_response_ok()) piece.outcome = core::OutcomeClass::Fault;
}

// The flow is done: reports a fault, and says which statistic the piece belongs to.
void TranslationUnit::note_outcome(Piece& piece) {
  const core::TranslationFlow& flow = piece.flow;
  if (flow.route() == core::TranslationFlow::Route::Blocked) {
    piece.outcome = core::OutcomeClass::Fault;
    const core::Fault& fault = flow.fault();
    ++counters_.faults_by_reason[fault.recorded ? fault.reason : 0];
    front_end_->report(flow.request(), fault);
    control_event_.notify(delay_until(piece.at));
    return;
  }
  if (!flow.used_table()) {
    piece.outcome = flow.has_space() ? core::OutcomeClass::PassThrough : core::OutcomeClass::Untranslated;
  } else if (piece.merged) {
    piece.outcome = core::OutcomeClass::Merged;
  } else if (piece.walking) {
    piece.outcome = core::walk_outcome(piece.job.entries_read);
  } else {
    piece.outcome = core::OutcomeClass::Hit;
  }
}

// All pieces have ended: the whole takes as long as its last piece, whose stages it gets; any failed piece fails it.
void TranslationUnit::finish_transaction(Transaction& transaction) {
  const Piece* last = transaction.pieces.front();
  ::tlm::tlm_response_status status = ::tlm::TLM_OK_RESPONSE;
  std::uint8_t reason = 0;
  bool failed = false;
  for (const Piece* piece : transaction.pieces) {
    if (piece->at > last->at) last = piece;
    if (piece->outcome != core::OutcomeClass::Fault || failed) continue;
    failed = true;
    const bool blocked = piece->flow.route() == core::TranslationFlow::Route::Blocked;
    reason = blocked ? piece->flow.fault().reason : std::uint8_t{0};
    status = blocked ? ::tlm::TLM_ADDRESS_ERROR_RESPONSE : piece->slot->get_response_status();
  }
  const core::OutcomeClass outcome = failed ? core::OutcomeClass::Fault : last->outcome;
  ++counters_.outcomes[static_cast<std::size_t>(outcome)];
  transaction.end = last->at;
  transaction.payload->set_response_status(status);
  if (transaction.extension != nullptr) {
    transaction.extension->stages = last->stages;
    transaction.extension->outcome = outcome;
    transaction.extension->fault_reason = reason;
  }
}

}  // namespace iommu::sim
