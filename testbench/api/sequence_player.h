// Plays a sequence of random calls on a machine, beside the reference.
//
// What it does: makes each operation's call with arguments drawn from its numbers, compares the status with the
// predicted one, sees that a failed call changed nothing, and tries DMA of every device at pages that matter and at
// others: data goes exactly where the reference says, or the access is blocked. At the end everything is taken down,
// and frames and objects are counted. What it does not do: draw or shrink sequences (call_sequence.h).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "testbench/api/call_sequence.h"
#include "testbench/api/sequence_arguments.h"
#include "testbench/api/sequence_rig.h"

namespace sequence {

struct Failure {
  std::size_t step = 0;
  std::string what;
};

class Player {
 public:
  /// @param log  takes a line for each call; none: nothing is put into words
  explicit Player(const Configuration& configuration, reference::Flaw flaw = reference::Flaw::None,
                  std::vector<std::string>* log = nullptr);

  /// The first difference; nothing when there is none. Once per Player.
  [[nodiscard]] std::optional<Failure> play(const Sequence& sequence);
  /// One operation, without the ending; empty when all is as it has to be.
  [[nodiscard]] std::string step(const Operation& operation);
  /// Takes everything down; empty when nothing is left.
  [[nodiscard]] std::string finish();

  /// Statuses and addresses that the calls gave, as one number; equal runs have equal ones.
  [[nodiscard]] std::uint64_t trace() const { return trace_; }
  [[nodiscard]] testing_api::InterfaceUser& user() { return rig_->user(); }
  /// Calls that succeeded, by Function.
  [[nodiscard]] const std::vector<std::uint64_t>& successes() const { return successes_; }
  /// Accesses of devices that were tried, and those of them that reached memory.
  [[nodiscard]] std::uint64_t accesses() const { return accesses_; }
  [[nodiscard]] std::uint64_t completed() const { return completed_; }
  /// Faults that handlers were told of.
  [[nodiscard]] std::uint64_t faults() const { return all_faults_; }

 private:
  using Object = reference::Model::Object;
  using Numbers = std::array<std::uint64_t, 8>;
  template <typename Handle>
  struct Picked {
    Object object;  ///< none: NULL, stale or made up
    Handle handle = nullptr;
    std::string text;
  };
  /// What a callback of a driver heard.
  struct Heard {
    reference::Index handle;
    reference::Index callback;
    unsigned types;
  };
  /// Context of a callback: about a handle's state, or about a device's faults.
  struct Listener {
    Player* player;
    reference::Index subject;
  };
  /// A fault as a driver hears of it.
  struct Fault {
    reference::Index device;
    PVOID domain;
    std::uint64_t address;
    FAULT_INFORMATION_X64_TYPE type;
  };
  /// A segment as a driver keeps it.
  struct Segment {
    IOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT value{};
    reference::Index range = 0;
  };

  // Choosing. `number` decides; most of the time it is something that is there.
  [[nodiscard]] Picked<PIOMMU_DMA_DOMAIN> pick_domain(std::uint64_t number);
  [[nodiscard]] Picked<PIOMMU_DMA_DEVICE> pick_handle(std::uint64_t number);
  [[nodiscard]] Picked<PDEVICE_OBJECT> pick_device(std::uint64_t number);
  [[nodiscard]] Picked<PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN> pick_range(std::uint64_t number);
  [[nodiscard]] const reference::Domain* model_of(const Object& domain) const {
    return domain ? &model_.domains[*domain] : nullptr;
  }

  // Around a call.
  void begin(std::uint64_t number);
  /// Compares statuses; true when the call succeeded.
  bool judge(NTSTATUS status, NTSTATUS predicted);
  void wrong(const std::string& what);
  void say(const std::string& text);
  [[nodiscard]] bool saying() const { return log_ != nullptr; }
  void look_at(reference::PageNumber first, reference::PageNumber pages) { focus_ = {first, pages}; }

  void dispatch(const Operation& operation);
  // sequence_calls.cpp: devices, domains, policy
  void create_device(const Numbers& n);
  void delete_device(const Numbers& n);
  void create_domain(const Numbers& n);
  void create_domain_v1(const Numbers& n);
  void delete_domain(const Numbers& n);
  void attach(const Numbers& n);
  void attach_v1(const Numbers& n);
  void detach(const Numbers& n);
  void detach_v1(const Numbers& n);
  void flush(const Numbers& n);
  void flush_pages(const Numbers& n);
  void query_mappings(const Numbers& n);
  void configure(const Numbers& n);
  void query_types(const Numbers& n);
  void report_faults(const Numbers& n);
  void report_faults_v1(const Numbers& n);
  void switched_faults(reference::Index device, bool on);
  void register_callback(const Numbers& n);
  void unregister_callback(const Numbers& n);
  void change_policy(const Numbers& n);
  void run_work();
  void invalidate_all();
  // sequence_mappings.cpp
  void map(const Numbers& n);
  void map_v1(const Numbers& n);
  void unmap(const Numbers& n);
  void map_identity(const Numbers& n, bool version_1);
  void unmap_identity(const Numbers& n, bool version_1);
  void reserve(const Numbers& n);
  void free_range(const Numbers& n);
  void map_reserved(const Numbers& n);
  void unmap_reserved(const Numbers& n);
  void took_place(const Object& domain, const std::string& complaint, std::uint64_t address, std::uint64_t pages);
  void finish_domain(reference::Index domain);

  [[nodiscard]] static IOMMU_INTERFACE_STATE_CHANGE_CALLBACK* callback(reference::Index which);
  template <reference::Index Which>
  static void heard(PIOMMU_INTERFACE_STATE_CHANGE change, PVOID context);
  static void heard_fault(PVOID context, PFAULT_INFORMATION information);
  void compare_faults();

  void probe(std::uint64_t number);
  void try_access(reference::Index which, unsigned requester, std::uint64_t address, bool write);
  [[nodiscard]] reference::PageNumber page_to_try(const reference::Device& device, Chooser& choose) const;

  std::unique_ptr<Rig> rig_;
  const DMA_IOMMU_INTERFACE_V2& v2_;
  const DMA_IOMMU_INTERFACE_V1& v1_;
  reference::Model model_;
  std::vector<std::string>* log_;
  std::size_t frames_at_start_;

  std::vector<PDEVICE_OBJECT> devices_;
  std::vector<PIOMMU_DMA_DEVICE> handles_;
  std::vector<PIOMMU_DMA_DOMAIN> domains_;
  std::vector<PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN> ranges_;
  std::deque<Segment> segments_;
  std::deque<Listener> listeners_;
  std::vector<Heard> heard_;
  std::vector<Heard> expected_;  // when the worker has caught up
  std::vector<Fault> faults_;
  std::vector<Fault> expected_faults_;
  std::uint64_t all_faults_ = 0;

  std::pair<reference::PageNumber, reference::PageNumber> focus_{kFirstPage, kPages};
  std::uint64_t changes_before_ = 0;
  std::size_t frames_before_ = 0;
  std::size_t function_ = 0;  // of the call under way
  bool scarce_ = false;       // frames are few during the call
  std::string wrong_;
  std::uint64_t trace_ = 0;
  std::uint64_t accesses_ = 0;
  std::uint64_t completed_ = 0;
  std::vector<std::uint64_t> successes_ = std::vector<std::uint64_t>(iommu::api::kFunctions);
};

/// Names and call of an object for the log.
[[nodiscard]] std::string status_name(NTSTATUS status);

}  // namespace sequence
