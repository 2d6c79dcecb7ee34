// Random sequences of the functions beside a plain map from page to page: after every step, what devices can reach by
// DMA, through caches that keep everything they may, is what the map says. Fixed seeds, printed on failure.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <map>
#include <random>

#include "testbench/api/fake_machine.h"

namespace {

struct Mapped {
  std::uint64_t physical = 0;  // page
  unsigned permissions = 0;
};

struct World {
  explicit World(const fake::Options& options, std::uint64_t seed) : machine(options), v2(machine.v2()), random(seed) {}

  struct Space {
    PIOMMU_DMA_DOMAIN handle = nullptr;
    bool buddy = false;
    std::map<std::uint64_t, Mapped> pages;
  };

  fake::Machine machine;
  const DMA_IOMMU_INTERFACE_V2& v2;
  std::mt19937_64 random;
  std::vector<Space> spaces;
  std::map<unsigned, std::size_t> attached;  // device index -> space
  std::vector<PIOMMU_DMA_DEVICE> devices;
  static constexpr unsigned kDevices = 3;
  unsigned wrong = 0;

  std::uint64_t draw(std::uint64_t below) { return random() % below; }

  void make_space() {
    Space space;
    space.buddy = draw(2) == 0;
    IOMMU_DMA_RESERVED_REGION region{};
    region.Base = 0x40000;
    region.NumberOfPages = 3;
    region.ShouldMap = TRUE;
    space.handle = machine.domain(space.buddy ? 26 : 0, &region);
    for (std::uint64_t page = 0x40; page < 0x43; ++page) space.pages[page] = {page, 3};
    spaces.push_back(space);
  }

  static bool reserved(std::uint64_t page) { return page >= 0x40 && page < 0x43; }

  void map() {
    Space& space = spaces[draw(spaces.size())];
    std::uint64_t pages = 1 + draw(draw(8) == 0 ? 1500 : 12);
    const unsigned permissions = static_cast<unsigned>(draw(8) == 0 ? 0 : 1 + draw(3));
    std::vector<PFN_NUMBER> frames;
    std::uint64_t base = draw(1u << 20);
    if (draw(3) == 0) base &= ~511ull;
    for (std::uint64_t i = 0; i < pages; ++i) {
      if (draw(50) == 0) base = draw(1u << 20);
      frames.push_back(base + i);
    }
    auto physical = fake::pfn_array(frames);
    IOMMU_DMA_LOGICAL_ADDRESS at = draw(6000) << 12;
    if (draw(3) == 0) at &= ~0x1FFFFFull;
    bool overlap = false;
    for (std::uint64_t i = 0; i < pages; ++i) overlap = overlap || space.pages.count((at >> 12) + i) != 0;
    IOMMU_DMA_LOGICAL_ADDRESS out = 0;
    const NTSTATUS status =
        v2.MapLogicalRangeEx(space.handle, permissions, &physical, space.buddy ? nullptr : &at, nullptr, nullptr, &out);
    if (!space.buddy && (status == STATUS_RESOURCE_IN_USE) != overlap) ++wrong;
    if (status != STATUS_SUCCESS) return;
    for (std::uint64_t i = 0; i < pages; ++i) {
      if (!space.pages.emplace((out >> 12) + i, Mapped{frames[i], permissions}).second) ++wrong;
    }
  }

  void unmap() {
    Space& space = spaces[draw(spaces.size())];
    if (space.pages.empty()) return;
    auto it = space.pages.lower_bound(draw(6000));
    if (it == space.pages.end()) it = space.pages.begin();
    const std::uint64_t first = it->first;
    std::uint64_t pages = 0;
    const std::uint64_t wanted = 1 + draw(draw(6) == 0 ? 1500 : 20);
    bool fits = true;
    while (pages < wanted && it != space.pages.end() && it->first == first + pages) {
      fits = fits && !reserved(it->first);
      ++it;
      ++pages;
    }
    if (draw(20) == 0) {  // one page too many
      fits = fits && it != space.pages.end() && it->first == first + pages && !reserved(it->first);
      ++pages;
    }
    const NTSTATUS status = v2.UnmapLogicalRange(space.handle, first << 12, pages);
    if (status != (fits ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER)) ++wrong;
    if (fits) space.pages.erase(space.pages.find(first), space.pages.lower_bound(first + pages));
  }

  void attach_or_detach() {
    const auto device = static_cast<unsigned>(draw(kDevices));
    const auto where = attached.find(device);
    if (where != attached.end()) {
      if (v2.DetachDeviceEx(devices[device]) != STATUS_SUCCESS) ++wrong;
      attached.erase(where);
    } else {
      const std::size_t space = draw(spaces.size());
      if (v2.AttachDeviceEx(spaces[space].handle, devices[device]) != STATUS_SUCCESS) ++wrong;
      attached[device] = space;
    }
  }

  void replace_space() {
    const std::size_t index = draw(spaces.size());
    const bool busy = std::any_of(attached.begin(), attached.end(), [&](const auto& a) { return a.second == index; });
    const NTSTATUS status = v2.DeleteDomain(spaces[index].handle);
    if (status != (busy ? STATUS_RESOURCE_IN_USE : STATUS_SUCCESS)) ++wrong;
    if (busy) return;
    make_space();
    spaces[index] = spaces.back();
    spaces.pop_back();
  }

  /// DMA of every device at some pages; true when each outcome is what the map says.
  bool reachable_as_mapped() {
    for (unsigned device = 0; device < kDevices; ++device) {
      for (unsigned probe = 0; probe < 12; ++probe) {
        std::uint64_t page = draw(6200);
        const auto where = attached.find(device);
        if (where != attached.end() && draw(2) == 0) {
          const auto it = spaces[where->second].pages.lower_bound(page);
          if (it != spaces[where->second].pages.end()) page = it->first;
        }
        const bool write = draw(2) == 0;
        const fake::Access access = machine.units[0]->dma(0x0300 + device, (page << 12) + 8, write);
        const Mapped* expected = nullptr;
        if (where != attached.end()) {
          const auto it = spaces[where->second].pages.find(page);
          if (it != spaces[where->second].pages.end() && (it->second.permissions & (write ? 2u : 1u)) != 0) {
            expected = &it->second;
          }
        }
        if (access.ok != (expected != nullptr)) return false;
        if (access.ok && access.physical != (expected->physical << 12) + 8) return false;
      }
    }
    return true;
  }
};

void run(fake::Options options, std::uint64_t seed, unsigned steps) {
  INFO("seed " << seed);
  options.extra_devices = World::kDevices;
  World world(options, seed);
  for (unsigned i = 0; i < World::kDevices; ++i)
    world.devices.push_back(world.machine.device("fn" + std::to_string(i)));
  for (unsigned i = 0; i < 3; ++i) world.make_space();
  for (unsigned step = 0; step < steps; ++step) {
    switch (world.draw(12)) {
      case 0:
      case 1:
        world.attach_or_detach();
        break;
      case 2:
        if (world.draw(5) == 0) world.replace_space();
        break;
      case 3:
      case 4:
      case 5:
      case 6:
      case 7:
        world.map();
        break;
      default:
        world.unmap();
    }
    if (world.wrong != 0) FAIL("a status was wrong at step " << step);
    if (!world.reachable_as_mapped()) FAIL("DMA reaches something else than what is mapped, step " << step);
    if (!world.machine.breaches.empty()) FAIL(world.machine.breaches.front() << ", step " << step);
  }
  // Everything ends where it began.
  for (unsigned i = 0; i < World::kDevices; ++i) {
    if (world.attached.count(i) != 0) REQUIRE(world.v2.DetachDeviceEx(world.devices[i]) == STATUS_SUCCESS);
    REQUIRE(world.v2.DeleteDevice(world.devices[i]) == STATUS_SUCCESS);
  }
  for (const World::Space& space : world.spaces) REQUIRE(world.v2.DeleteDomain(space.handle) == STATUS_SUCCESS);
  CHECK(world.machine.system->domain_count() == 0);
  CHECK(world.machine.system->device_count() == 0);
  const std::size_t own = options.path == iommu::api::InvalidationPath::Queue ? 3 : 1;
  CHECK(world.machine.frames.in_use() == own + 1);  // the unit's, and the context table of bus 3
  CHECK(world.machine.host.diagnostics.empty());
}

}  // namespace

TEST_CASE("random calls: DMA reaches exactly what is mapped", "[random]") { run({}, 1001, 3000); }

TEST_CASE("random calls with invalidation registers", "[random]") {
  fake::Options options;
  options.path = iommu::api::InvalidationPath::Registers;
  run(options, 1002, 2000);
}

TEST_CASE("random calls with caching mode and write buffers", "[random]") {
  fake::Options options;
  options.units[0].cm = true;
  options.units[0].rwbf = true;
  run(options, 1003, 2000);
}

TEST_CASE("random calls with 4 KiB pages, three levels and a small mask", "[random]") {
  fake::Options options;
  options.units[0].sslps = 0;
  options.units[0].sagaw = 0x2;
  options.units[0].mamv = 3;
  run(options, 1004, 2000);
}
