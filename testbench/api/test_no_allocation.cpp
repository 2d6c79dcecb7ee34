// MapReservedLogicalRange and UnmapReservedLogicalRange allocate nothing (sheet 3.1 item 7, 3.22, 3.23, OP-28): neither
// host memory nor page frames, whatever the hardware needs to be told. A program of its own: it replaces the global
// operator new by one that fails while a call is watched. What the fake machine allocates inside its ports does not
// count: on the modeled platform that is hardware and kernel, not the interface.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <cstdlib>
#include <new>

#include "testbench/api/fake_machine.h"

namespace {

bool watched = false;
std::uint64_t allocations = 0;
std::uint64_t releases = 0;

/// Ends the watch for a scope.
class Unwatched {
 public:
  Unwatched() : before_(watched) { watched = false; }
  ~Unwatched() { watched = before_; }
  Unwatched(const Unwatched&) = delete;
  Unwatched& operator=(const Unwatched&) = delete;

 private:
  bool before_;
};

}  // namespace

namespace {

/// Null when there is no memory, or while a call is watched.
void* allocate(std::size_t bytes) noexcept {
  if (!watched) return std::malloc(bytes == 0 ? 1 : bytes);
  ++allocations;
  return nullptr;
}

void* allocate_or_throw(std::size_t bytes) {
  void* memory = allocate(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void release(void* memory) noexcept {
  if (watched && memory != nullptr) ++releases;
  std::free(memory);
}

}  // namespace

// All forms: sanitizers bring each of them, too.
void* operator new(std::size_t bytes) { return allocate_or_throw(bytes); }
void* operator new[](std::size_t bytes) { return allocate_or_throw(bytes); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return allocate(bytes); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept { return allocate(bytes); }
void operator delete(void* memory) noexcept { release(memory); }
void operator delete[](void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { release(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { release(memory); }

namespace {

using Segment = IOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT;

// The fake machine's ports, unwatched inside.

struct Memory final : iommu::api::MemoryPort {
  explicit Memory(iommu::api::MemoryPort& port) : to(port) {}
  std::uint64_t read64(std::uint64_t address) override {
    const Unwatched scope;
    return to.read64(address);
  }
  void write64(std::uint64_t address, std::uint64_t value) override {
    const Unwatched scope;
    to.write64(address, value);
  }
  void zero_page(std::uint64_t frame) override {
    const Unwatched scope;
    to.zero_page(frame);
  }
  iommu::api::MemoryPort& to;
};

struct Registers final : iommu::api::RegisterPort {
  explicit Registers(iommu::api::RegisterPort& port) : to(port) {}
  std::uint32_t read32(std::uint32_t offset) override {
    const Unwatched scope;
    return to.read32(offset);
  }
  std::uint64_t read64(std::uint32_t offset) override {
    const Unwatched scope;
    return to.read64(offset);
  }
  void write32(std::uint32_t offset, std::uint32_t value) override {
    const Unwatched scope;
    to.write32(offset, value);
  }
  void write64(std::uint32_t offset, std::uint64_t value) override {
    const Unwatched scope;
    to.write64(offset, value);
  }
  iommu::api::RegisterPort& to;
};

struct Host final : iommu::api::HostServices {
  explicit Host(iommu::api::HostServices& services) : to(services) {}
  std::unique_ptr<iommu::api::Mutex> make_mutex() override {
    if (watched) ++forbidden;
    return to.make_mutex();
  }
  void relax() override {
    const Unwatched scope;
    to.relax();
  }
  void queue_work(std::function<void()> work) override {
    if (watched) ++forbidden;
    to.queue_work(std::move(work));
  }
  const void* current_thread() const override { return to.current_thread(); }
  void report(const iommu::api::Diagnostic& diagnostic) override {
    const Unwatched scope;
    to.report(diagnostic);
  }
  iommu::api::HostServices& to;
  unsigned forbidden = 0;  ///< new locks and passive-level work during a watched call
};

struct Frames final : iommu::api::FrameAllocator {
  explicit Frames(fake::Frames& allocator) : to(allocator) {}
  std::optional<std::uint64_t> allocate() override {
    if (watched) ++calls;
    return to.allocate();
  }
  void free(std::uint64_t frame) override {
    if (watched) ++calls;
    to.free(frame);
  }
  fake::Frames& to;
  unsigned calls = 0;  ///< during a watched call
};

/// A machine whose System sees the ports above.
struct World {
  explicit World(const fake::Options& options)
      : machine(options), memory(machine.memory), host(machine.host), frames(machine.frames) {
    machine.description.memory = &memory;
    machine.description.host = &host;
    machine.description.frames = &frames;
    for (iommu::api::UnitDescription& unit : machine.description.units) {
      registers.push_back(std::make_unique<Registers>(*unit.registers));
      unit.registers = registers.back().get();
    }
    machine.system = std::make_unique<iommu::api::System>(machine.description);
    machine.make_current();
  }

  /// The status of a call during which nothing may be allocated or freed.
  template <typename Call>
  NTSTATUS watch(Call call) {
    watched = true;
    const NTSTATUS status = call();
    watched = false;
    return status;
  }

  fake::Machine machine;
  Memory memory;
  Host host;
  Frames frames;
  std::vector<std::unique_ptr<Registers>> registers;
};

/// Maps and unmaps segments of one token in all ways, and reaches them by DMA of `sids` behind their units.
void use_token(World& world, PIOMMU_DMA_DOMAIN domain, const std::vector<std::pair<std::size_t, unsigned>>& sids) {
  const auto& v2 = world.machine.v2();
  PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token = nullptr;
  IOMMU_DMA_LOGICAL_ADDRESS at = 0x1FF000;
  REQUIRE(v2.ReserveLogicalAddressRange(domain, 0x300000, &at, nullptr, nullptr, &token) == STATUS_SUCCESS);
  const auto reached = [&](std::uint64_t logical, std::uint64_t physical) {
    for (const auto& [unit, sid] : sids) {
      const fake::Access access = world.machine.units[unit]->dma(sid, logical, true);
      if (physical == 0 ? access.ok : access.physical != physical) FAIL("DMA to " << logical << " goes wrong");
    }
  };
  const auto map = [&](std::uint64_t offset, IOMMU_MAP_PHYSICAL_ADDRESS physical, Segment& segment, ULONG access = 3) {
    return world.watch([&] { return v2.MapReservedLogicalRange(token, offset, access, &physical, &segment); });
  };
  const auto unmap = [&](Segment& segment) {
    return world.watch([&] { return v2.UnmapReservedLogicalRange(&segment); });
  };

  fake::MdlBuffer mdl({0x777, 0x12, 0x13});
  std::vector<PFN_NUMBER> array(600);
  for (std::size_t i = 0; i < array.size(); ++i) array[i] = 0x5000 + 2 * i;
  world.machine.frames.budget = 0;
  for (unsigned round = 0; round < 200; ++round) {  // the queue of 256 descriptors wraps
    reached(0x1FF000, 0);
    Segment contiguous{}, scattered{}, buffer{}, nothing{};
    REQUIRE(map(0x0, fake::contiguous(0x700000, 0x2000), contiguous) == STATUS_SUCCESS);
    REQUIRE(map(0x2000, mdl.descriptor(), buffer) == STATUS_SUCCESS);
    REQUIRE(map(0x5000, fake::contiguous(0x700000, 0x1000), nothing, IOMMU_ACCESS_NONE) == STATUS_SUCCESS);
    if (round < 5) {
      REQUIRE(map(0x6000, fake::pfn_array(array), scattered) == STATUS_SUCCESS);
      reached(0x205000 + 599 * 0x1000, (0x5000 + 2 * 599) << 12);
      REQUIRE(unmap(scattered) == STATUS_SUCCESS);
      reached(0x205000 + 599 * 0x1000, 0);
    }
    reached(0x200000, 0x701000);
    reached(0x203000, 0x13000);
    // The documented failures allocate nothing, either.
    Segment kept = contiguous;
    REQUIRE(map(0x1000, fake::contiguous(0x700000, 0x1000), kept) == STATUS_RESOURCE_IN_USE);
    REQUIRE(map(0x800, fake::contiguous(0x700000, 0x1000), kept) == STATUS_INVALID_PARAMETER_2);
    REQUIRE(map(0x7000, fake::contiguous(0x700000, 0x1000), kept, 8) == STATUS_INVALID_PARAMETER_3);
    REQUIRE(map(0x7000, fake::contiguous(0x700800, 0x1000), kept) == STATUS_INVALID_PARAMETER_4);
    REQUIRE(map(0x2FF000, fake::contiguous(0x700000, 0x2000), kept) == STATUS_INVALID_PARAMETER_4);
    kept.Size = 0x1000;
    REQUIRE(unmap(kept) == STATUS_INVALID_PARAMETER);
    for (Segment* segment : {&contiguous, &buffer, &nothing}) {
      REQUIRE(unmap(*segment) == STATUS_SUCCESS);
      REQUIRE(unmap(*segment) == STATUS_INVALID_PARAMETER);
    }
    reached(0x200000, 0);
    reached(0x203000, 0);
  }
  world.machine.frames.budget.reset();
  REQUIRE(v2.FreeReservedLogicalAddressRange(token) == STATUS_SUCCESS);
  CHECK(allocations == 0);
  CHECK(releases == 0);
  CHECK(world.frames.calls == 0);
  CHECK(world.host.forbidden == 0);
  CHECK(world.machine.host.diagnostics.empty());
  CHECK(world.machine.breaches == fake::Breaches{});
}

/// In a domain without devices, then with devices behind every unit.
void use_machine(const fake::Options& options) {
  World world(options);
  const auto& v2 = world.machine.v2();
  const PIOMMU_DMA_DOMAIN domain = world.machine.domain(0);
  for (auto& unit : world.machine.units) unit->latency = 2;
  use_token(world, domain, {});
  REQUIRE(v2.AttachDeviceEx(domain, world.machine.device("nic0")) == STATUS_SUCCESS);
  REQUIRE(v2.AttachDeviceEx(domain, world.machine.device("gpu0")) == STATUS_SUCCESS);
  std::vector<std::pair<std::size_t, unsigned>> sids = {{0, fake::kNic}, {0, fake::kGpuAlias}};
  if (options.units.size() > 1) {
    REQUIRE(v2.AttachDeviceEx(domain, world.machine.device("eth1")) == STATUS_SUCCESS);
    sids.emplace_back(1, fake::kNic);
  }
  use_token(world, domain, sids);
}

fake::Options with(iommu::api::InvalidationPath path, bool caching_mode, bool write_buffer, std::size_t units = 1) {
  fake::Options options;
  options.path = path;
  options.units.resize(units);
  for (fake::UnitOptions& unit : options.units) {
    unit.cm = caching_mode;
    unit.rwbf = write_buffer;
  }
  return options;
}

constexpr auto kQueue = iommu::api::InvalidationPath::Queue;
constexpr auto kRegisters = iommu::api::InvalidationPath::Registers;

}  // namespace

TEST_CASE("The watch finds an allocation", "[no_allocation]") {
  World world(with(kQueue, false, false));
  const auto use_memory = [] {
    operator delete(operator new(1));
    return STATUS_SUCCESS;
  };
  CHECK_THROWS_AS(world.watch(use_memory), std::bad_alloc);
  watched = false;
  CHECK(allocations == 1);
  allocations = 0;
}

TEST_CASE("The reserved pair allocates nothing with the invalidation queue", "[no_allocation]") {
  use_machine(with(kQueue, false, false));
}

TEST_CASE("The reserved pair allocates nothing with invalidation registers", "[no_allocation]") {
  use_machine(with(kRegisters, false, false));
}

TEST_CASE("The reserved pair allocates nothing in caching mode", "[no_allocation]") {
  use_machine(with(kQueue, true, false));
  use_machine(with(kRegisters, true, false));
}

TEST_CASE("The reserved pair allocates nothing with write buffers", "[no_allocation]") {
  use_machine(with(kQueue, false, true));
  use_machine(with(kRegisters, true, true));
}

TEST_CASE("The reserved pair allocates nothing behind two units, without selective invalidation", "[no_allocation]") {
  fake::Options options = with(kQueue, true, false, 2);
  options.units[1].psi = false;
  use_machine(options);
}
