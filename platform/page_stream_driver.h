// The driver of a page stream: keeps its rings filled with mapped pages, takes full ones back, checks every byte.
//
// What it does: brings the device up beside the interface, gives each ring its pages in refills of a few, and runs the
// CPU threads that release a refill when all of its pages are full, map it anew and post it again. What it does not do:
// decide how pages are released (PageMapper), a network stack, time for touching payloads or for taking completions
// (the device tells it of full pages by a call).
#pragma once

#include <deque>
#include <vector>

#include "platform/device_driver.h"
#include "platform/page_mapper.h"

namespace iommu::platform {

class PageStreamDriver final : public DeviceDriver, private sim::PageStreamClient {
 public:
  /// Throws ConfigError when memory has no room for the pages.
  PageStreamDriver(Machine& machine, std::size_t index);

  [[nodiscard]] std::uint64_t work_done() const override { return device().stream->handled(); }
  [[nodiscard]] std::uint64_t work_total() const override { return settings().count; }
  void add_results(nlohmann::ordered_json& of_master, nlohmann::ordered_json& payload) const override;

 private:
  /// Pages of one ring that come and go together.
  struct Refill {
    std::uint32_t ring = 0;
    std::uint32_t first_slot = 0;
    std::uint32_t to_fill = 0;  // pages that are not full
  };
  struct Cpu {
    std::deque<Refill*> used;  // refills whose pages are all full
    sc_core::sc_event wake;
  };

  void work() override;
  void unmap_window() override;
  void page_used(std::uint32_t ring, std::uint32_t slot) override;

  [[nodiscard]] bool map_rings();
  [[nodiscard]] bool map_pages();
  void post(const Refill& refill);
  void run_cpu(Cpu& cpu);
  [[nodiscard]] bool recycle(Refill& refill);
  void check_payload(const Refill& refill);
  [[nodiscard]] std::vector<PageMapper::ProbeResult> probe(const std::vector<core::Address>& addresses);
  [[nodiscard]] PageMapper::Page* pages_of(const Refill& refill);
  [[nodiscard]] const StreamConfig& settings() const { return device().config->stream; }

  PageMapper mapper_;
  core::Address buffers_ = 0;            // host physical: all pages of all rings
  core::Address rings_ = 0;              // descriptors and completions
  std::uint64_t descriptors_bytes_ = 0;  // of one ring, whole pages; 0: none
  std::uint64_t completions_bytes_ = 0;
  std::vector<PageMapper::Page> pages_;  // by ring and slot
  std::vector<Refill> refills_;
  std::vector<Cpu> cpus_;
  std::size_t cpus_running_ = 0;
  bool broken_ = false;  // something could not be mapped: wind down
  sc_core::sc_event cpus_over_;
  std::uint64_t checked_ = 0;
  std::uint64_t corrupted_ = 0;
};

}  // namespace iommu::platform
