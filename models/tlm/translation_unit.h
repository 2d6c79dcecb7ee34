// The IOMMU's translation unit as a module: DMA comes in untranslated and goes out translated, by what software has set
// up in registers and memory.
//
// What it does: runs core::TranslationFlow for each DMA, blocking (LT, b_transport; what passes all of its steps takes a
// shorter way with the same result) or event by event (AT, nb_transport), keeps the context cache, asks the IOTLB and
// the walker, carries out software's commands (invalidations, drains, waits), records faults through its front end and
// sends its interrupt messages. What it does not do: know an architecture (core::FrontEnd does), store translations
// (IotlbIf), walk (WalkerIf).
//
// Requests of one port may overtake each other, or are delivered in their order (TranslationUnitConfig::in_order).
//
// The pages of a DMA that crosses pages are translated one after the other, each access going to memory as soon as its
// page is translated. So a DMA never competes with itself for a port, a slot or a cache entry, and LT needs no events
// to get the times of AT.
//
// Sockets
//   dma        (in)   any number of initiators, 64 bit, DmaExtension optional
//   registers  (in)   the register window, at absolute addresses from `register_base` on
//   memory     (out)  translated DMA
//   structures (out)  root and context entries, queue descriptors, status writes, interrupt messages
// Ports: iotlb, walker.
//
// Both modes may not be mixed on one unit: initiators all use b_transport, or all use nb_transport.
#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>
#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "models/core/context_cache.h"
#include "models/core/translation_flow.h"
#include "models/tlm/indexed_target_socket.h"
#include "models/tlm/iotlb.h"
#include "models/tlm/page_table_walker.h"

namespace iommu::sim {

struct TranslationUnitConfig {
  core::Address register_base = 0xFED90000;
  core::RequesterId default_requester = 0;  ///< of a DMA without DmaExtension
  std::uint32_t context_entries = 64;       ///< of the context cache; 0 switches it off
  core::Tick context_latency = 1000;        ///< of one context-cache look-up; pipelined
  core::Tick decode = 10000;                ///< of one command of software (descriptor, register command)
  core::Tick invalidation_busy = 0;         ///< in which one invalidation takes the IOTLB's ports
  core::Tick register_latency = 10000;      ///< of one register access
  /// AT: send BEGIN_RESP at the exact time with no delay annotated, one at a time; false: annotate the time that is
  /// known already.
  bool exact_responses = false;
  /// AT: a DMA within one page that needs no read of a structure or a table goes on to memory within its request's call,
  /// with the time of its look-ups annotated. Where memory completes early, so does the DMA, without an event here. Its
  /// access can then come in front of another's that is due in these few cycles, and an invalidation that takes effect
  /// within them lets it pass; a drain waits for it. Not together with exact_responses; in_order leaves it without effect.
  bool early_hits = false;
  /// Each port's translations are delivered in the order of its requests: what is ready waits until all before it have
  /// gone on to memory or have been blocked. And they are looked up in order as far as misses go: between a miss and the
  /// moment its walk has a slot, no other look-up of the port begins. Both waits are Stage::OrderWait.
  bool in_order = false;
  /// In order: how many of a port's reads, and of its writes, can be between their first look-up and their delivery; the
  /// look-ups of those behind wait (Stage::OrderWait). 0: without limit; 1: a miss holds up every look-up behind it.
  std::uint32_t order_reads = 0;
  std::uint32_t order_writes = 0;
};

struct TranslationCounters {
  std::uint64_t requests = 0;
  std::uint64_t pieces = 0;  ///< pages touched: a request that crosses pages counts each
  std::uint64_t bytes = 0;
  std::uint64_t retries = 0;  ///< translations begun anew because an invalidation covered them
  std::array<std::uint64_t, core::kOutcomeCount> outcomes{};  ///< of requests
  std::array<std::uint64_t, 256> faults_by_reason{};          ///< blocked pieces, silently blocked ones under 0
  std::uint64_t messages = 0;                                 ///< interrupt messages sent
  std::uint64_t commands = 0;                                 ///< commands decoded
  core::Tick command_time = 0;                                ///< ticks in which the control logic was busy
};

class TranslationUnit : public sc_core::sc_module, private WalkClient {
 public:
  IndexedTargetSocket<TranslationUnit, kSocketWidthBits> dma;
  tlm_utils::simple_target_socket<TranslationUnit, kSocketWidthBits> registers;
  tlm_utils::simple_initiator_socket<TranslationUnit, kSocketWidthBits> memory;
  tlm_utils::simple_initiator_socket<TranslationUnit, kSocketWidthBits> structures;
  sc_core::sc_port<IotlbIf> iotlb;
  sc_core::sc_port<WalkerIf> walker;

  TranslationUnit(sc_core::sc_module_name name, const TranslationUnitConfig& config,
                  std::unique_ptr<core::FrontEnd> front_end);
  ~TranslationUnit() override;

  void end_of_elaboration() override;
  void start_of_simulation() override;

  /// Power-on (cold) or warm reset: registers by the architecture's rules, all caches empty. DMA under way is not
  /// touched.
  void reset(bool warm);

  [[nodiscard]] const TranslationCounters& counters() const { return counters_; }
  [[nodiscard]] const core::ContextCacheCounters& context_counters() const { return context_cache_.counters(); }
  /// Counts from here on, the front end too; IOTLB and walker have counters of their own.
  void restart_counters();
  [[nodiscard]] const core::FrontEnd& front_end() const { return *front_end_; }

 private:
  friend class IndexedTargetSocket<TranslationUnit, kSocketWidthBits>;
  struct Transaction;
  struct Piece;
  struct Upstream;
  struct KnownPages;
  struct KnownPage;
  // Responses that were not early (AT).
  struct AccessEnded {
    TranslationUnit* unit;
    void operator()(::tlm::tlm_generic_payload& payload, core::Tick at) const;
  };
  struct ReadEnded {
    TranslationUnit* unit;
    void operator()(::tlm::tlm_generic_payload& payload, core::Tick at) const;
  };

  // DMA, common.
  [[nodiscard]] core::Request request_of(const ::tlm::tlm_generic_payload& payload) const;
  Transaction* take_transaction(::tlm::tlm_generic_payload& payload, int port, core::Tick now);
  void split(Transaction& transaction, core::Tick now);
  void release(Transaction& transaction);
  Piece& take_piece();
  void release_piece(Piece& piece);
  void prepare_downstream(Piece& piece);
  void begin_context_read(Piece& piece, AccessSlot& slot);
  void context_read_ended(Piece& piece, core::Tick at);
  void note_outcome(Piece& piece);
  void downstream_ended(Piece& piece, core::Tick at);
  void finish_transaction(Transaction& transaction);
  void restart(Piece& piece, core::Tick now);
  void begin_piece(Piece& piece, core::Tick now);
  void enter_flight(Piece& piece);
  void no_longer_in_flight(Piece& piece);
  [[nodiscard]] static const char* refuse(const ::tlm::tlm_generic_payload& payload);

  // LT.
  struct SimpleWalk;
  void b_transport(int port, ::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  core::Tick run_blocking(Piece& piece);
  void step_blocking(Piece& piece);
  void take_answer(Piece& piece, const IotlbAnswer& answer);
  [[gnu::always_inline]] [[nodiscard]] inline bool is_simple(const ::tlm::tlm_generic_payload& payload,
                                                             const DmaExtension* extension) const;
  [[nodiscard]] static core::Request simple_request(const ::tlm::tlm_generic_payload& payload,
                                                    const DmaExtension& extension);
  [[nodiscard]] const core::AddressSpace* find_space(const core::Request& request);
  [[gnu::always_inline]] inline void charge_look_ups(core::StageTimes& stages, core::Tick arrival,
                                                     const IotlbAnswer& answer) const;
  [[gnu::always_inline]] inline void charge_look_ups(core::StageTimes& stages, core::Tick arrival,
                                                     const IotlbHit& hit) const;
  [[gnu::always_inline]] inline void add_look_ups(sc_core::sc_time& delay, core::Tick took);
  [[gnu::always_inline]] inline void access_simple(::tlm::tlm_generic_payload& payload, DmaExtension& extension,
                                                   sc_core::sc_time& delay, core::Address host, core::Tick translated,
                                                   core::OutcomeClass outcome);
  [[gnu::always_inline]] inline void pass_simple(::tlm::tlm_generic_payload& payload, DmaExtension& extension,
                                                 sc_core::sc_time& delay, core::Tick arrival, const IotlbAnswer& answer,
                                                 core::Address host);
  [[gnu::always_inline]] inline void run_known(int port, ::tlm::tlm_generic_payload& payload, DmaExtension& extension,
                                               sc_core::sc_time& delay, const core::AddressSpace& space,
                                               KnownPage& known);
  [[gnu::noinline]] void run_unknown(int port, ::tlm::tlm_generic_payload& payload, DmaExtension& extension,
                                     sc_core::sc_time& delay);
  [[gnu::noinline]] void run_answered(int port, ::tlm::tlm_generic_payload& payload, DmaExtension& extension,
                                      sc_core::sc_time& delay, core::Tick arrival, const core::AddressSpace& space,
                                      const IotlbAnswer& answer);
  [[gnu::always_inline]] inline void walk_simple(int port, ::tlm::tlm_generic_payload& payload, DmaExtension& extension,
                                                 sc_core::sc_time& delay, core::Tick arrival,
                                                 const core::AddressSpace& space, const IotlbMiss& miss,
                                                 const KnownPage* known);
  [[gnu::noinline]] [[nodiscard]] bool note_walked(const ::tlm::tlm_generic_payload& payload,
                                                   const DmaExtension& extension, const SimpleWalk& walk,
                                                   core::Address host, bool unchanged);
  [[gnu::always_inline]] inline SimpleWalk& begin_simple_walk();
  [[gnu::noinline]] void add_simple_walk();
  [[gnu::always_inline]] inline void end_simple_walk(const SimpleWalk& walk);
  [[gnu::noinline]] void end_earlier_walk(const SimpleWalk& walk);
  [[gnu::noinline]] void run_in_full(int port, ::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  void go_on_answered(int port, ::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay, core::Tick arrival,
                      const core::AddressSpace& space, const IotlbAnswer& answer);
  [[gnu::noinline]] void go_on_walked(int port, ::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay,
                                      core::Tick arrival, const SimpleWalk& walk);
  Transaction& take_resolved(int port, ::tlm::tlm_generic_payload& payload, core::Tick arrival,
                             const core::AddressSpace& space);
  void conclude_blocking(Transaction& transaction, sc_core::sc_time& delay);

  // Order within a port (in_order only).
  [[nodiscard]] Upstream& upstream_of(const Piece& piece);
  [[nodiscard]] static bool is_write(const Piece& piece);
  [[nodiscard]] bool needs_no_place(const Piece& piece);
  [[nodiscard]] bool must_wait_for_place(const Piece& piece);
  [[nodiscard]] std::uint32_t ahead_limit(bool write) const;
  void order_look_up(Piece& piece);
  void order_delivery(Piece& piece);
  bool may_look_up(Piece& piece);
  void looked_up(Piece& piece);
  void wake_look_up(Upstream& upstream);
  void leave_look_up(Piece& piece);
  bool may_be_delivered(Piece& piece);
  void delivered(Transaction& transaction);
  void release_held(Piece& piece);

  // AT.
  ::tlm::tlm_sync_enum nb_transport_fw(int port, ::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                       sc_core::sc_time& delay);
  ::tlm::tlm_sync_enum memory_bw(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase, sc_core::sc_time& delay);
  ::tlm::tlm_sync_enum structures_bw(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay);
  void run_due();
  void handle(Piece& piece);
  void progress(Piece& piece);
  void look_up_translation(Piece& piece);
  void schedule(Piece& piece);
  static ::tlm::tlm_sync_enum end_request(::tlm::tlm_phase& phase, sc_core::sc_time& delay);
  void begin_resolved(Piece& piece, const core::AddressSpace& space);
  enum class Early : std::uint8_t { No, Ended, Accepted };
  Early pass_early(int port, ::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay,
                   const core::AddressSpace*& looked_up);
  AccessSlot& take_early_slot();
  bool ended_within(sc_core::sc_time& delay);
  void await_response(int port, ::tlm::tlm_generic_payload& payload, core::Tick arrival,
                      const core::AddressSpace& space, const IotlbHit& hit, const KnownPage& known);
  [[nodiscard]] bool may_go_early(const Piece& piece) const;
  bool goes_early(Piece& piece);
  void conclude(Piece& piece);
  void piece_ended(Piece& piece);
  void walk_started(WalkJob& job) override;
  void walk_done(WalkJob& job) override;
  void serve_waiters(Piece& walked, const core::WalkOutcome* outcome);
  [[nodiscard]] static std::uint64_t walk_key(const Piece& piece);
  [[nodiscard]] Piece* walk_under_way(const Piece& piece) const;
  void note_walk(Piece& piece);
  void forget_walk(Piece& piece);
  void respond(Transaction& transaction);
  void send_response(Transaction& transaction);
  void response_ended(int port);

  // Debug and DMI.
  void translate_untimed(core::TranslationFlow& flow);
  unsigned transport_dbg(int port, ::tlm::tlm_generic_payload& payload);
  bool get_direct_mem_ptr(int port, ::tlm::tlm_generic_payload& payload, ::tlm::tlm_dmi& dmi);
  void downstream_dmi_invalid(sc_dt::uint64 start, sc_dt::uint64 end);
  void withdraw_dmi(core::Address first, core::Address last);

  // Registers and control.
  void registers_b(::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  ::tlm::tlm_sync_enum registers_nb(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                    sc_core::sc_time& delay);
  unsigned registers_dbg(::tlm::tlm_generic_payload& payload);
  void control();
  void carry_out(const core::Command& command);
  core::StructureRead access_structure(::tlm::tlm_command command, core::Address address, std::uint32_t bytes,
                                       std::uint64_t data);
  void drain();
  void invalidate(const core::ContextScope& scope);
  void invalidate(const core::TranslationScope& scope);

  TranslationUnitConfig config_;
  KernelTime kernel_time_;
  // What the ports are bound to: they look for it in every call.
  IotlbIf* bound_iotlb_ = nullptr;
  WalkerIf* bound_walker_ = nullptr;
  ::tlm::tlm_blocking_transport_if<>* bound_memory_ = nullptr;
  std::unique_ptr<core::FrontEnd> front_end_;
  std::unique_ptr<KnownPages> known_;  // LT, and AT's early hits
  core::ContextCache context_cache_;
  TranslationCounters counters_;

  AccessPool pool_;
  NbInitiator<decltype(memory), AccessEnded> memory_initiator_;
  NbInitiator<decltype(structures), ReadEnded> structure_initiator_;
  AccessSlot* early_slot_ = nullptr;        // of the pool, for accesses without a record
  std::optional<core::Tick> ended_within_;  // such an access's end, when memory says it from within its call
  TimedQueue<Piece*> queue_;
  TimedQueue<Transaction*> responses_;  // exact_responses only
  std::vector<std::unique_ptr<Piece>> pieces_;
  std::vector<Piece*> free_pieces_;
  std::vector<std::unique_ptr<Transaction>> transactions_;
  std::vector<Transaction*> free_transactions_;
  std::vector<Piece*> in_flight_;  // begun and not yet on their way to memory
  // LT: walks of accesses without a Piece, the first ones of which are under way.
  std::vector<std::unique_ptr<SimpleWalk>> simple_walks_;
  std::size_t simple_walks_open_ = 0;
  // AT: the walks under way or about to begin, and what each is of (walk_key()).
  std::vector<Piece*> walks_;
  std::vector<std::uint64_t> walk_keys_;
  std::vector<Upstream> upstream_;
  bool in_forward_ = false;  // inside nb_transport_fw: nothing may go back up yet

  // Draining: translated accesses under way, and until when those whose end is known take. A drain lets those that come
  // after it count in the other place, so that traffic that goes on doesn't hold it up.
  struct Downstream {
    std::uint64_t open = 0;
    core::Tick until = 0;
  };
  std::array<Downstream, 2> downstream_;
  std::uint8_t downstream_epoch_ = 0;  // where new accesses count
  sc_core::sc_event downstream_event_;
  sc_core::sc_event control_event_;
  core::Tick commands_from_ = 0;  ///< the last register write takes effect then
  bool dmi_granted_ = false;
};

}  // namespace iommu::sim
