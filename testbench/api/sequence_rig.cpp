#include "testbench/api/sequence_rig.h"

#include "testbench/api/modeled_machine.h"

namespace sequence {

namespace {

constexpr std::size_t kMaxDomains = 6;
constexpr std::size_t kMaxHandles = 10;

iommu::api::Policy policy_of(const Configuration& configuration) {
  iommu::api::Policy policy;
  policy.max_domains = kMaxDomains;
  policy.max_devices = kMaxHandles;
  policy.dma_guard.enabled = true;
  policy.dma_guard.policy = configuration.guard;
  if (configuration.as_documented) policy.profile = iommu::api::Profile::AsDocumented;
  if (configuration.unattached_pass_through) policy.unattached = iommu::api::UnattachedState::PassThrough;
  return policy;
}

iommu::api::InvalidationPath path_of(const Configuration& configuration) {
  return configuration.registers ? iommu::api::InvalidationPath::Registers : iommu::api::InvalidationPath::Queue;
}

// ---- Fake -------------------------------------------------------------------------------------------------------

fake::Options fake_options(const Configuration& configuration) {
  fake::Options options;
  fake::UnitOptions unit;
  unit.cm = configuration.caching_mode;
  unit.rwbf = configuration.write_buffers;
  if (configuration.small_pages) unit.sslps = 0;
  if (configuration.small_pages) unit.mamv = 3;
  if (configuration.three_levels) unit.sagaw = 0x2;
  options.units.assign(configuration.two_units ? 2 : 1, unit);
  options.policy = policy_of(configuration);
  options.path = path_of(configuration);
  options.extra_devices = 1;
  return options;
}

class FakeRig final : public Rig {
 public:
  explicit FakeRig(const Configuration& configuration) : machine_(fake_options(configuration)) {}
  testing_api::InterfaceUser& user() override { return machine_; }
  fake::Host& host() override { return machine_.host; }
  fake::Frames& frames() override { return machine_.frames; }
  const fake::Breaches& breaches() override { return machine_.breaches; }
  std::uint64_t changes() override {
    std::uint64_t sum = machine_.memory.writes + machine_.memory.zeroed_pages;
    for (const auto& unit : machine_.units) sum += unit->accesses;
    return sum;
  }
  Outcome dma(unsigned unit, unsigned requester, std::uint64_t address, bool write, std::uint64_t physical) override {
    const fake::Access access = machine_.units[unit]->dma(requester, address, write);
    if (!access.ok) return Outcome::Blocked;
    return access.physical == physical ? Outcome::AsExpected : Outcome::Elsewhere;
  }
  void run_interrupts() override { (void)machine_.run_interrupts(); }

 private:
  fake::Machine machine_;
};

// ---- Modeled ----------------------------------------------------------------------------------------------------

modeled::Options modeled_options(const Configuration& configuration) {
  modeled::Options options;
  iommu::vtd::Capabilities unit = modeled::default_capabilities();
  unit.caching_mode = configuration.caching_mode;
  if (configuration.small_pages) unit.large_page_level = 1;
  if (configuration.small_pages) unit.max_address_mask = 3;
  if (configuration.three_levels) unit.levels = {3};
  options.units.assign(configuration.two_units ? 2 : 1, unit);
  if (configuration.hardware == Hardware::ModeledSmall) options.caches = modeled::small_caches();
  options.policy = policy_of(configuration);
  options.path = path_of(configuration);
  options.extra_devices = 1;
  return options;
}

class ModeledRig final : public Rig {
 public:
  explicit ModeledRig(const Configuration& configuration) : machine_(modeled_options(configuration)) {}
  testing_api::InterfaceUser& user() override { return machine_; }
  fake::Host& host() override { return machine_.host; }
  fake::Frames& frames() override { return machine_.frames; }
  const fake::Breaches& breaches() override { return machine_.breaches; }
  std::uint64_t changes() override {
    std::uint64_t sum = machine_.memory.stores;
    for (const auto& unit : machine_.units) sum += unit->register_writes;
    return sum;
  }

  // Data tells where an access went: memory differs at every address.
  Outcome dma(unsigned unit, unsigned requester, std::uint64_t address, bool write, std::uint64_t physical) override {
    if (!write) {
      const std::optional<std::uint64_t> data = machine_.units[unit]->read(requester, address);
      if (!data) return Outcome::Blocked;
      return *data == machine_.memory.get(physical) ? Outcome::AsExpected : Outcome::Elsewhere;
    }
    const std::uint64_t value = ++written_;
    if (!machine_.units[unit]->write(requester, address, value)) return Outcome::Blocked;
    if (machine_.memory.get(physical) != value) return Outcome::Elsewhere;
    machine_.memory.forget(physical);
    return Outcome::AsExpected;
  }
  void run_interrupts() override { (void)machine_.run_interrupts(); }

 private:
  modeled::Machine machine_;
  std::uint64_t written_ = 0;
};

}  // namespace

std::unique_ptr<Rig> make_rig(const Configuration& configuration) {
  if (configuration.hardware == Hardware::Fake) return std::make_unique<FakeRig>(configuration);
  return std::make_unique<ModeledRig>(configuration);
}

reference::Limits limits_of(const Configuration& configuration) {
  reference::Limits limits;
  limits.space_bits = configuration.three_levels ? 39 : 48;
  limits.physical_bits = 46;
  limits.domains = kMaxDomains;
  limits.handles = kMaxHandles;
  limits.modeled = !configuration.as_documented;
  if (configuration.unattached_pass_through) limits.unattached = iommu::api::UnattachedState::PassThrough;
  limits.guard.enabled = true;
  limits.guard.policy = configuration.guard;
  return limits;
}

}  // namespace sequence
