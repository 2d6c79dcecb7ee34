#include "platform/simulation.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "platform/driver_lab/lab_driver.h"
#include "platform/generator_driver.h"
#include "platform/nic_driver.h"
#include "platform/page_stream_driver.h"
#include "platform/results.h"

namespace iommu::platform {

namespace {

constexpr core::Tick kSlice = 100'000'000;  // progress is shown between slices of 100 us

class RealSimulation final : public Simulation {
 public:
  explicit RealSimulation(const Config& config) : config_(config), machine_(config_) {
    for (std::size_t i = 0; i < machine_.devices.size(); ++i) {
      if (machine_.devices[i].generator != nullptr) {
        drivers_.push_back(std::make_unique<GeneratorDriver>(machine_, i));
      } else if (machine_.devices[i].stream != nullptr) {
        drivers_.push_back(std::make_unique<PageStreamDriver>(machine_, i));
      } else if (!machine_.devices[i].config->nic.driver.shown.empty()) {
        if (kernel_ == nullptr) kernel_ = std::make_unique<lab::Kernel>(machine_);
        drivers_.push_back(std::make_unique<LabDriver>(machine_, i, *kernel_));
      } else {
        drivers_.push_back(std::make_unique<NicDriver>(machine_, i));
      }
    }
    for (const auto& driver : drivers_) {
      machine_.host->spawn("driver_" + driver->device().config->name, [&d = *driver] { d.run(); });
    }
    if (!config_.events.empty()) {
      machine_.host->spawn("events", [this] { events(); });
    }
  }

  [[nodiscard]] std::optional<std::string> failure() const override {
    for (const auto& driver : drivers_) {
      if (driver->failure()) return driver->failure()->what();
    }
    return std::nullopt;
  }

  nlohmann::ordered_json run(ProgressSink& progress) override {
    const core::Tick limit = to_picoseconds(config_.duration_ns);
    std::uint64_t total = 0;
    for (const auto& driver : drivers_) total += driver->work_total();
    while (!all_finished() && (limit == 0 || sim::now_ticks() < limit)) {
      core::Tick slice = kSlice;
      if (limit != 0) slice = std::min(slice, limit - sim::now_ticks());
      sc_core::sc_start(sim::to_sc_time(slice));
      if (failure()) break;
      std::uint64_t done = 0;
      for (const auto& driver : drivers_) done += driver->work_done();
      progress.progress(static_cast<double>(sim::now_ticks()) / 1000.0, done, total);
      if (!sc_core::sc_pending_activity()) break;
    }
    core::Tick end = limit;
    if (all_finished()) {
      end = 0;
      for (const auto& driver : drivers_) end = std::max(end, driver->finished_at());
    } else if (limit == 0) {
      end = sim::now_ticks();
    }
    for (const auto& driver : drivers_) {
      if (driver->finished()) continue;
      machine_.diagnostics.push_back({api::Severity::Warning, "driver", "device " + driver->device().config->name,
                                      "had not finished when the simulation ended"});
    }
    if (machine_.warming_up()) {
      machine_.diagnostics.push_back({api::Severity::Warning, "warm-up", "",
                                      "was not over when the simulation ended: counters of IOMMUs, memory and bus "
                                      "include it"});
    }
    if (all_finished()) machine_.system->report_leftovers();
    report_missed_events();
    return measured_part(machine_, drivers_, end);
  }

 private:
  [[nodiscard]] bool all_finished() const {
    return std::all_of(drivers_.begin(), drivers_.end(), [](const auto& driver) { return driver->finished(); });
  }

  // The scenario's timed changes, in order of time.
  void events() {
    // A member of the simulation, not of this thread, which may not have ended with it.
    events_ = config_.events;
    std::stable_sort(events_.begin(), events_.end(),
                     [](const EventConfig& a, const EventConfig& b) { return a.at_ns < b.at_ns; });
    for (const EventConfig& event : events_) {
      const core::Tick at = to_picoseconds(event.at_ns);
      const core::Tick now = machine_.host->now();
      if (at > now) machine_.host->delay(at - now);
      ++events_begun_;
      if (needs_no_device(event.action)) {
        apply(event.action);
        continue;
      }
      const auto driver = std::find_if(drivers_.begin(), drivers_.end(), [&](const auto& candidate) {
        return candidate->device().config->name == event.device;
      });
      (*driver)->apply(event.action);
    }
  }

  // On the machine as a whole.
  void apply(EventAction action) {
    if (action == EventAction::InvalidateGlobal) {
      if (NT_SUCCESS(machine_.system->invalidate_all())) return;
      machine_.diagnostics.push_back({api::Severity::Error, "invalidate_all", "", "a unit did not answer"});
    } else {
      machine_.system->set_screen_locked(action == EventAction::LockScreen);
    }
  }

  void report_missed_events() {
    if (events_begun_ >= config_.events.size()) return;
    const std::size_t missed = config_.events.size() - events_begun_;
    machine_.diagnostics.push_back({api::Severity::Warning, "events", "",
                                    (missed == 1 ? std::string("1 event") : std::to_string(missed) + " events") +
                                        " had not happened when the simulation ended"});
  }

  Config config_;
  std::vector<EventConfig> events_;  // in order of time
  std::size_t events_begun_ = 0;
  Machine machine_;
  std::unique_ptr<lab::Kernel> kernel_;  // where drivers are loaded
  std::vector<std::unique_ptr<DeviceDriver>> drivers_;
};

}  // namespace

std::unique_ptr<Simulation> Simulation::elaborate(const Config& config) {
  return std::make_unique<RealSimulation>(config);
}

}  // namespace iommu::platform
