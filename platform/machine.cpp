#include "platform/machine.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "models/tlm/nic_registers.h"
#include "platform/config_checks.h"
#include "platform/host_ports.h"

namespace iommu::platform {

namespace {

constexpr core::Address kNicRegisters = 0xFEB00000;  // one page for each NIC
constexpr std::uint8_t kFirstFaultVector = 0x20;     // of IOMMUs, one each
constexpr std::size_t kFaultVectors = 0x20;
constexpr std::uint8_t kFirstVector = 0x40;  // of devices
// Windows up to this size are filled with known bytes, and what is read from them is compared.
constexpr std::uint64_t kVerifiedWindowBytes = std::uint64_t{64} << 20;

core::Tick cycles(const IommuConfig& config, unsigned count) {
  return static_cast<core::Tick>(std::llround(1e6 / config.clock_mhz)) * count;
}

core::Replacement replacement_of(Replacement policy) {
  switch (policy) {
    case Replacement::Lru:
      return core::Replacement::Lru;
    case Replacement::Fifo:
      return core::Replacement::Fifo;
    case Replacement::Random:
      return core::Replacement::Random;
    case Replacement::Plru:
      break;
  }
  return core::Replacement::Plru;
}

api::RemappingOptIn opt_in_of(OptIn opt_in) {
  switch (opt_in) {
    case OptIn::No:
      return api::RemappingOptIn::No;
    case OptIn::Yes:
      return api::RemappingOptIn::Yes;
    case OptIn::IfExternal:
      break;
  }
  return api::RemappingOptIn::IfExternal;
}

api::EnumerationPolicy guard_policy_of(GuardPolicy policy) {
  switch (policy) {
    case GuardPolicy::BlockAlways:
      return api::EnumerationPolicy::BlockAlways;
    case GuardPolicy::BlockUntilUnlock:
      return api::EnumerationPolicy::BlockUntilUnlock;
    case GuardPolicy::AllowAll:
      break;
  }
  return api::EnumerationPolicy::AllowAll;
}

api::UnattachedState unattached_of(const DdiConfig& ddi) {
  const bool pass =
      ddi.unattached == Unattached::PassThrough || (ddi.unattached == Unattached::ByGuard && !ddi.dma_guard);
  return pass ? api::UnattachedState::PassThrough : api::UnattachedState::Blocked;
}

sim::TransportMode transport_of(const Config& config) {
  return config.mode == Mode::Lt ? sim::TransportMode::Lt : sim::TransportMode::At;
}

core::AccessPatternConfig pattern_of(const GeneratorConfig& generator, std::uint64_t seed) {
  core::AccessPatternConfig pattern;
  switch (generator.pattern) {
    case Pattern::Linear:
      pattern.pattern = core::Pattern::kLinear;
      break;
    case Pattern::Strided:
      pattern.pattern = core::Pattern::kStrided;
      break;
    case Pattern::Random:
      pattern.pattern = core::Pattern::kRandom;
      break;
  }
  pattern.window_bytes = generator.window_bytes;
  pattern.mapped_bytes = generator.mapped_bytes;
  pattern.transfer_bytes = static_cast<std::uint32_t>(generator.transfer_bytes);
  pattern.stride_bytes = generator.stride_bytes;
  pattern.write_percent = generator.write_percent;
  pattern.escape_percent = generator.escape_percent;
  pattern.seed = seed;
  return pattern;
}

sim::PageStreamConfig stream_of(const DeviceConfig& device, const Config& config, std::size_t index) {
  const StreamConfig& s = device.stream;
  sim::PageStreamConfig stream;
  stream.mode = transport_of(config);
  stream.requester = device.requester;
  stream.outstanding = device.outstanding;
  stream.rings = s.rings;
  stream.ring_pages = s.ring_pages;
  stream.buffer_bytes = static_cast<std::uint32_t>(s.buffer_bytes);
  stream.packet_bytes = static_cast<std::uint32_t>(s.packet_bytes);
  stream.count = s.count;
  stream.warmup = s.warmup_count;
  stream.offered_kbit_per_s = static_cast<std::uint64_t>(std::llround(s.offered_gbit_per_s * 1e6));
  stream.nic_buffer_bytes = s.nic_buffer_bytes;
  stream.descriptor_bytes = s.descriptor_read_bytes;
  stream.completion_bytes = s.completion_write_bytes;
  stream.order = s.ring_order == StreamRingOrder::Random ? sim::RingOrder::Random : sim::RingOrder::RoundRobin;
  stream.seed = config.seed + core::kGoldenGamma * index;
  return stream;
}

}  // namespace

vtd::Capabilities capabilities_of(const IommuConfig& config) {
  vtd::Capabilities c;
  c.version_major = config.version_major;
  c.host_address_bits = config.host_address_bits;
  c.mgaw_bits = config.mgaw_bits;
  c.levels = config.levels;
  c.large_page_level = config.large_pages == LargePages::None       ? 1u
                       : config.large_pages == LargePages::Size2MiB ? 2u
                                                                    : 3u;
  c.domain_bits = config.domain_bits;
  c.fault_records = config.fault_records;
  c.max_address_mask = config.max_address_mask;
  c.queued_invalidation = config.queued_invalidation;
  c.pass_through = config.pass_through;
  c.zero_length_read = config.zero_length_read;
  c.caching_mode = config.caching_mode;
  c.page_selective = config.page_selective;
  c.plmr = config.plmr;
  c.phmr = config.phmr;
  c.snoop_control = config.snoop_control;
  c.coherent_walk = config.coherent_walk;
  c.esrtps = config.esrtps;
  return c;
}

class Machine::Ports {
 public:
  explicit Ports(Machine& machine)
      : memory(*machine.host, machine.monitor), services(*machine.host, machine.diagnostics) {
    for (const IommuInstance& iommu : machine.iommus) {
      const auto vector = static_cast<std::uint8_t>(kFirstFaultVector + registers.size() % kFaultVectors);
      registers.push_back(std::make_unique<HostRegisterPort>(*machine.host, iommu.config->base_address,
                                                             registers.size(), machine.monitor));
      fault_interrupts.push_back(std::make_unique<HostInterruptPort>(*machine.host, vector));
    }
    pdos.resize(machine.devices.size());
    for (DEVICE_OBJECT& pdo : pdos) pdo.StackSize = 1;
  }
  std::vector<std::unique_ptr<HostRegisterPort>> registers;
  std::vector<std::unique_ptr<HostInterruptPort>> fault_interrupts;
  HostMemoryPort memory;
  PlatformServices services;
  std::vector<DEVICE_OBJECT> pdos;  // of a device without a loaded driver only the address means something
};

Machine::Machine(const Config& scenario) : config(scenario), frames(scenario.memory.size_bytes) {
  const core::Tick each_way = to_picoseconds(config.bus.latency_ns) / 2;
  bus = std::make_unique<sim::Bus>("bus", sim::BusConfig{each_way, to_picoseconds(config.bus.latency_ns) - each_way});

  sim::MemoryConfig memory_config;
  memory_config.size_bytes = config.memory.size_bytes;
  memory_config.latency = to_picoseconds(config.memory.latency_ns);
  memory_config.bandwidth_mbytes_per_s =
      static_cast<std::uint64_t>(std::llround(config.memory.bandwidth_gbytes_per_s * 1000.0));
  memory_config.channels = config.memory.channels;
  memory_config.refresh_interval = to_picoseconds(config.memory.refresh_interval_ns);
  memory_config.ranks = config.memory.ranks;
  memory_config.refresh = to_picoseconds(config.memory.refresh_ns);
  memory_config.cache.size_bytes = config.llc.size_bytes;
  memory_config.cache.ways = config.llc.ways;
  memory_config.cache.write_ways = config.llc.write_ways;
  memory_config.cache.dma_reads = config.llc.dma_reads;
  memory_config.cache.dma_writes = config.llc.dma_writes;
  memory_config.cache.structures = config.llc.walks;
  memory_config.cache_latency = to_picoseconds(config.llc.latency_ns);
  memory = std::make_unique<sim::Memory>("memory", memory_config);

  sim::HostConfig host_config;
  host_config.access_overhead = to_picoseconds(config.host.access_ns);
  host_config.store_buffer = config.host.store_buffer;
  host_config.memory_bytes = config.memory.size_bytes;
  host_config.hole_base = kHoleBase;
  host_config.hole_bytes = kHoleEnd - kHoleBase;
  host = std::make_unique<PlatformHost>("host", host_config);
  host->bus.bind(bus->initiators);
  bus->connect(host->interrupts, sim::Host::kInterruptBase, sim::Host::kInterruptBytes);

  const std::vector<MemoryRange> ranges = memory_ranges(config.memory.size_bytes);
  const std::size_t memory_target = bus->connect(memory->socket, ranges[0].base, ranges[0].bytes);
  for (std::size_t i = 1; i < ranges.size(); ++i) bus->add_range(memory_target, ranges[i].base, ranges[i].bytes);

  iommus.reserve(config.iommus.size());
  for (const IommuConfig& iommu : config.iommus) build_iommu(iommu);
  devices.reserve(config.devices.size());
  for (const DeviceConfig& device : config.devices) build_device(device);
  expect_warm_up();
  build_system();
}

Machine::~Machine() = default;

// Each device's link begins with it; what they share begins with the last of them.
void Machine::expect_warm_up() {
  for (DeviceInstance& device : devices) {
    const auto warm = [this, link = device.link.get()] {
      if (link != nullptr) link->restart_counters();
      if (--warming_up_ == 0) restart_counters();
    };
    if (device.generator != nullptr && device.config->generator.warmup_count != 0) {
      ++warming_up_;
      device.generator->on_warm(warm);
    }
    if (device.stream != nullptr && device.config->stream.warmup_count != 0) {
      ++warming_up_;
      device.stream->on_warm([warm, &statistics = device.stream->port.statistics] {
        statistics.begin_rate(sim::now_ticks());
        warm();
      });
    }
  }
}

void Machine::restart_counters() {
  counted_from_ = sim::now_ticks();
  bus->restart_counters();
  memory->restart_counters();
  for (const IommuInstance& iommu : iommus) {
    iommu.unit->restart_counters();
    iommu.iotlb->restart_counters();
    iommu.walker->restart_counters();
  }
  for (const auto& callback : on_restart_) callback();
}

void Machine::build_iommu(const IommuConfig& c) {
  const std::string name = "iommu_" + c.name;
  const vtd::Capabilities capabilities = capabilities_of(c);
  const std::string problem = vtd::validate(capabilities);
  if (!problem.empty()) throw ConfigError(config.where("iommu." + c.name), "iommu." + c.name + ": " + problem);
  const std::uint64_t window = vtd::window_bytes(capabilities);
  const core::Address nics_end = kNicRegisters + config.devices.size() * sim::nic::kWindowBytes;
  const auto refuse = [&](const std::string& why) {
    char address[32];
    std::snprintf(address, sizeof address, "0x%llx", static_cast<unsigned long long>(c.base_address));
    const std::string key = "iommu." + c.name + ".base_address";
    throw ConfigError(config.where(key), key + " = " + address + ": " + why);
  };
  if (c.base_address < kHoleBase || c.base_address + window > kHoleEnd) {
    refuse("no place for registers; allowed: 0xc0000000 to 0xfffff000");
  }
  if (c.base_address < nics_end && c.base_address + window > kNicRegisters) {
    refuse("in the range of device registers, one page for each device from 0xfeb00000 on");
  }

  IommuInstance made;
  made.config = &c;
  sim::IotlbModuleConfig iotlb;
  iotlb.array.sets = c.iotlb.sets;
  iotlb.array.ways = c.iotlb.ways;
  iotlb.array.policy = replacement_of(c.iotlb.policy);
  iotlb.ports = c.iotlb.ports;
  iotlb.cycle = cycles(c, 1);
  iotlb.latency = cycles(c, c.iotlb.latency_cycles);
  iotlb.superpage_pieces = c.iotlb.superpage_pieces;
  made.iotlb = std::make_unique<sim::Iotlb>((name + "_iotlb").c_str(), iotlb);

  sim::WalkerConfig walker;
  walker.slots = c.walker.slots;
  walker.level_overhead = cycles(c, c.walker.cycles_per_level);
  walker.cache_latency = cycles(c, c.walk_cache.latency_cycles);
  walker.cache.entries = {
      0, 0, c.walk_cache.l2_entries, c.walk_cache.l3_entries, c.walk_cache.l4_entries, c.walk_cache.l5_entries};
  walker.reply = cycles(c, c.walker.reply_cycles);
  walker.recovery = cycles(c, c.walker.recovery_cycles);
  walker.one_walk_per_superpage = c.walker.one_walk_per_superpage;
  walker.dmi = c.walker.dmi;
  made.walker = std::make_unique<sim::PageTableWalker>((name + "_walker").c_str(), walker);
  made.walker->memory.bind(bus->initiators);

  sim::TranslationUnitConfig unit;
  unit.register_base = c.base_address;
  unit.context_entries = c.context_cache.entries;
  unit.context_latency = cycles(c, c.context_cache.latency_cycles);
  unit.decode = cycles(c, c.invalidation.decode_cycles);
  unit.invalidation_busy = cycles(c, c.invalidation.iotlb_busy_cycles);
  unit.register_latency = cycles(c, c.register_latency_cycles);
  unit.in_order = c.order == TranslationOrder::InOrder;
  unit.order_reads = c.order_reads;
  unit.order_writes = c.order_writes;
  unit.early_hits = c.early_hits;
  auto front_end = std::make_unique<vtd::FrontEnd>(capabilities);
  made.front_end = front_end.get();
  made.unit = std::make_unique<sim::TranslationUnit>(name.c_str(), unit, std::move(front_end));
  made.unit->memory.bind(bus->initiators);
  made.unit->structures.bind(bus->initiators);
  made.unit->iotlb.bind(*made.iotlb);
  made.unit->walker.bind(*made.walker);
  bus->connect(made.unit->registers, c.base_address, window);
  iommus.push_back(std::move(made));
}

void Machine::build_device(const DeviceConfig& d) {
  const auto iommu = std::find_if(iommus.begin(), iommus.end(),
                                  [&](const IommuInstance& candidate) { return candidate.config->name == d.iommu; });
  DeviceInstance made;
  made.config = &d;
  const std::size_t index = devices.size();
  if (d.kind == DeviceKind::Generator) {
    const GeneratorConfig& g = d.generator;
    sim::DmaMasterConfig master;
    master.mode = transport_of(config);
    master.requester = d.requester;
    // Devices draw from streams of their own.
    master.pattern = pattern_of(g, config.seed + core::kGoldenGamma * index);
    master.count = g.count;
    master.warmup = g.warmup_count;
    master.outstanding = d.outstanding;
    master.gap = to_picoseconds(g.gap_ns);
    master.start = to_picoseconds(g.start_ns);
    master.quantum = to_picoseconds(g.quantum_ns);
    master.dmi = g.dmi;
    master.verify = g.mapping != Mapping::None && g.window_bytes <= kVerifiedWindowBytes;
    master.window_tag = (index + 1) << 32;
    made.generator = std::make_unique<sim::DmaMaster>(("device_" + d.name).c_str(), master);
  } else if (d.kind == DeviceKind::PageStream) {
    made.stream = std::make_unique<sim::PageStream>(("device_" + d.name).c_str(), stream_of(d, config, index));
  } else {
    sim::NicConfig nic;
    nic.mode = transport_of(config);
    nic.requester = d.requester;
    nic.outstanding = d.outstanding;
    if (d.link.generation != 0) {
      nic.max_payload = static_cast<std::uint32_t>(d.link.max_payload_bytes);
      nic.max_read_request = static_cast<std::uint32_t>(d.link.max_read_request_bytes);
    }
    made.registers = kNicRegisters + index * sim::nic::kWindowBytes;
    made.vector = static_cast<std::uint8_t>(kFirstVector + index % (256 - kFirstVector));
    nic.register_base = made.registers;
    made.nic = std::make_unique<sim::Nic>(("device_" + d.name).c_str(), nic);
    bus->connect(made.nic->registers, made.registers, sim::nic::kWindowBytes);
  }
  made.port().statistics.keeps_latencies = config.statistics.latencies;
  connect_dma(made, *iommu->unit);
  devices.push_back(std::move(made));
}

void Machine::connect_dma(DeviceInstance& device, sim::TranslationUnit& unit) {
  auto& socket = device.port().socket;
  const LinkConfig& c = device.config->link;
  if (c.generation == 0) {
    socket.bind(unit.dma);
    return;
  }
  sim::PcieLinkConfig link;
  link.pcie = pcie_of(c);
  link.tags = c.tags;
  link.posted_credits = c.posted_credits;
  link.propagation = to_picoseconds(c.propagation_ns);
  link.root_complex = to_picoseconds(c.root_complex_ns);
  device.link = std::make_unique<sim::PcieLink>(("link_" + device.config->name).c_str(), link);
  socket.bind(device.link->device);
  device.link->host.bind(unit.dma);
}

void Machine::build_system() {
  ports_ = std::make_unique<Ports>(*this);
  api::SystemDescription description;
  for (std::size_t i = 0; i < iommus.size(); ++i) {
    api::UnitDescription unit;
    unit.name = "iommu." + iommus[i].config->name;
    unit.registers = ports_->registers[i].get();
    unit.register_base = iommus[i].config->base_address;
    // A vector has one handler: units without a vector of their own can't report faults.
    if (i < kFaultVectors) unit.fault_interrupt = ports_->fault_interrupts[i].get();
    unit.host_address_bits = iommus[i].config->host_address_bits;
    unit.invalidation = config.ddi.invalidation == InvalidationInterface::Queued ? api::InvalidationPath::Queue
                                                                                 : api::InvalidationPath::Registers;
    description.units.push_back(unit);
  }
  for (std::size_t i = 0; i < devices.size(); ++i) {
    api::PdoDescription device;
    device.name = devices[i].config->name;
    device.object = pdo(i);
    for (std::size_t unit = 0; unit < iommus.size(); ++unit) {
      if (iommus[unit].config->name == devices[i].config->iommu) device.unit = unit;
    }
    device.requester_ids = {devices[i].config->requester};
    device.external = devices[i].config->external;
    device.opt_in = opt_in_of(devices[i].config->remapping_opt_in);
    description.pdos.push_back(device);
  }
  switch (config.ddi.max_leaf) {
    case LeafSize::Size4KiB:
      description.policy.max_leaf_level = 1;
      break;
    case LeafSize::Size2MiB:
      description.policy.max_leaf_level = 2;
      break;
    case LeafSize::Size1GiB:
      description.policy.max_leaf_level = 3;
      break;
  }
  description.policy.profile =
      config.ddi.profile == DdiProfile::Modeled ? api::Profile::Modeled : api::Profile::AsDocumented;
  description.policy.unattached = unattached_of(config.ddi);
  description.policy.dma_guard = {config.ddi.dma_guard, guard_policy_of(config.ddi.dma_guard_policy),
                                  config.ddi.screen_locked};
  description.memory = &ports_->memory;
  description.frames = &frames;
  description.host = &ports_->services;
  description.observer = &monitor;
  system = std::make_unique<api::System>(std::move(description));
  host->system = system.get();
}

api::MemoryPort& Machine::memory_port() const { return ports_->memory; }

PDEVICE_OBJECT Machine::pdo(std::size_t index) const { return &ports_->pdos[index]; }

}  // namespace iommu::platform

namespace iommu::api {

System* current_system() {
  auto* host = dynamic_cast<platform::PlatformHost*>(sim::Host::current());
  return host == nullptr ? nullptr : host->system;
}

}  // namespace iommu::api
