// ddi_lifetime N [SEED]: N lives of domains (after some that warm up) on modeled hardware, and proof that nothing of them is left.
//
// A life: create device handle and domain, attach, map, DMA, unmap, DMA again, detach, DMA again, delete; with random
// device, kind of domain and mapping, descriptor and size. Some lives overlap. What it checks: each call succeeds; DMA
// through a mapping moves its data, and DMA through each removed one faults, every time; in the end frames, tables,
// domain ids, handles, the allocator of a domain that lives all the time, and the memory of the process are where they
// were when it began. Exit 0: all is as it has to be; 1: a sentence says what is not.
#include <malloc.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "testbench/api/modeled_machine.h"

namespace {

/// Blocks and bytes that operator new has given out.
struct Heap {
  long long blocks = 0;
  long long bytes = 0;
};
Heap heap;

}  // namespace

void* operator new(std::size_t size) {
  void* block = std::malloc(size == 0 ? 1 : size);
  if (block == nullptr) throw std::bad_alloc();
  ++heap.blocks;
  heap.bytes += static_cast<long long>(malloc_usable_size(block));
  return block;
}
void operator delete(void* block) noexcept {
  if (block == nullptr) return;
  --heap.blocks;
  heap.bytes -= static_cast<long long>(malloc_usable_size(block));
  std::free(block);
}
void operator delete(void* block, std::size_t) noexcept { operator delete(block); }

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr unsigned kSharedWidth = 30;
constexpr std::uint64_t kLogical = 0x40000000, kPhysical = 0x80000000;
constexpr std::size_t kLivesAtATime = 4;
constexpr std::uint64_t kWarmUp = 6000;  // lives before anything is measured
constexpr std::size_t kFrames = 4096;    // more than are ever in use

enum class Kind : unsigned {
  Plain,     ///< MapLogicalRangeEx at an explicit address
  Buddy,     ///< MapLogicalRangeEx at an address of the allocator
  Identity,  ///< MapIdentityRangeEx
  Reserved,  ///< a reserved range with two segments
  ReservedBuddy,
  Version1,  ///< MapLogicalRange
  Version1Identity,
  PassThrough,  ///< nothing to map
  Shared,       ///< MapLogicalRangeEx in the domain that lives all the time
  Kinds
};

void check(bool right, const char* what) {
  if (!right) throw std::runtime_error(what);
}
void check(NTSTATUS status, const char* what) {
  if (status == STATUS_SUCCESS) return;
  char text[160];
  std::snprintf(text, sizeof text, "%s answers 0x%08X", what, static_cast<unsigned>(status));
  throw std::runtime_error(text);
}

/// A device that lives can use.
struct Device {
  const char* name;
  std::vector<unsigned> requesters;
  bool busy = false;
};

struct Life {
  bool running = false;
  unsigned step = 0;
  unsigned rounds = 0;
  Kind kind = Kind::Plain;
  Device* device = nullptr;
  PIOMMU_DMA_DEVICE handle = nullptr;
  PIOMMU_DMA_DOMAIN domain = nullptr;
  std::vector<PFN_NUMBER> frames;             // of the mapping
  std::vector<IOMMU_DMA_LOGICAL_ADDRESS> at;  // of each of its pages
  PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token = nullptr;
  std::array<IOMMU_DMA_LOGICAL_ADDRESS_TOKEN_MAPPED_SEGMENT, 2> segments{};
};

class Lifetime {
 public:
  explicit Lifetime(std::uint64_t seed) : machine_(options()), v2_(machine_.v2()), v1_(machine_.v1()), random_(seed) {
    touch_frames();
    shared_device_ = machine_.device("fn0");
    shared_ = machine_.domain(kSharedWidth);
    check(v2_.AttachDeviceEx(shared_, shared_device_), "AttachDeviceEx");
    shared_requesters_ = {0x0300};
    first_domain_id_ = probe_domain_id();
  }

  /// Lives until `lives` more have ended and none runs.
  void run(std::uint64_t lives) {
    std::uint64_t begun = 0;
    std::size_t running = 0;
    while (begun < lives || running != 0) {
      Life& life = lives_[draw(kLivesAtATime)];
      if (!life.running && begun == lives) continue;
      if (!life.running) {
        begin(life);
        ++begun;
        ++running;
      } else if (!advance(life)) {
        --running;
        ++ended_;
      }
    }
  }

  /// What has to be the same whenever no life runs.
  struct State {
    std::size_t frames, domains, devices, tokens;
    unsigned domain_id;
    Heap heap;
  };
  State state() {
    State state{};
    state.frames = machine_.frames.in_use();
    state.domains = machine_.system->domain_count();
    state.devices = machine_.system->device_count();
    state.tokens = machine_.system->token_count();
    state.heap = heap;
    state.domain_id = probe_domain_id();
    return state;
  }

  void check_rest() {
    check(machine_.breaches.empty(), "a rule for software was broken");
    check(machine_.host.diagnostics.empty(), "there are diagnostics");
    check(removed_ == removed_blocked_, "DMA through a removed mapping did not fault");
    const auto& faults = machine_.units[0]->model().front_end().fault_counters();
    check(faults.recorded + faults.overflowed == machine_.units[0]->blocked, "the unit did not count every fault");
    whole_space();
  }

  void print() const {
    std::printf("  lives %llu, mappings %llu, pages mapped %llu\n", ull(ended_), ull(mappings_), ull(pages_));
    std::printf("  DMA through mappings: %llu, each moved its data\n", ull(moved_));
    std::printf("  DMA through removed mappings: %llu, blocked %llu\n", ull(removed_), ull(removed_blocked_));
  }

 private:
  static unsigned long long ull(std::uint64_t value) { return value; }
  static modeled::Options options() {
    modeled::Options options;
    options.extra_devices = 4;
    return options;
  }

  std::uint64_t draw(std::uint64_t below) { return random_() % below; }
  modeled::Unit& unit() { return *machine_.units[0]; }

  // So that memory that a new peak of frames in use would need is there from the beginning.
  void touch_frames() {
    std::vector<std::uint64_t> taken;
    for (std::size_t i = 0; i < kFrames; ++i) taken.push_back(machine_.frames.allocate().value());
    for (const std::uint64_t frame : taken) machine_.memory.zero_page(frame);
    for (std::size_t i = taken.size(); i-- != 0;) machine_.frames.free(taken[i]);
  }

  /// The domain id that the next attachment gets, read from the context entry.
  unsigned probe_domain_id() {
    const PIOMMU_DMA_DEVICE device = machine_.device("fn3");
    const PIOMMU_DMA_DOMAIN domain = machine_.domain();
    check(v2_.AttachDeviceEx(domain, device), "AttachDeviceEx");
    const std::uint64_t roots = unit().read64(0x20) & ~std::uint64_t{0xFFF};
    const std::uint64_t contexts = machine_.memory.get(roots + 16 * 3) & ~std::uint64_t{0xFFF};
    const std::uint64_t high = machine_.memory.get(contexts + 16 * 3 + 8);
    check(v2_.DetachDeviceEx(device), "DetachDeviceEx");
    check(v2_.DeleteDomain(domain), "DeleteDomain");
    check(v2_.DeleteDevice(device), "DeleteDevice");
    return static_cast<unsigned>(high >> 8 & 0xFFFF);
  }

  /// The allocator has all pages in one block again: it gives them away as one.
  void whole_space() {
    PIOMMU_DMA_LOGICAL_ADDRESS_TOKEN token = nullptr;
    check(v2_.ReserveLogicalAddressRange(shared_, std::uint64_t{1} << kSharedWidth, nullptr, nullptr, nullptr, &token),
          "ReserveLogicalAddressRange of the whole space");
    check(token->LogicalAddressBase == 0, "the whole space does not begin at 0");
    check(v2_.FreeReservedLogicalAddressRange(token), "FreeReservedLogicalAddressRange");
  }

  void begin(Life& life) {
    life.running = true;
    life.step = 0;
    life.rounds = 1 + static_cast<unsigned>(draw(2));
    life.kind = static_cast<Kind>(draw(static_cast<unsigned>(Kind::Kinds)));
    life.device = nullptr;
    if (life.kind == Kind::Shared) return;
    while (life.device == nullptr || life.device->busy) life.device = &devices_[draw(devices_.size())];
    life.device->busy = true;
  }

  /// One step of a life; false after the last one.
  bool advance(Life& life) {
    switch (life.step++) {
      case 0:
        open(life);
        return true;
      case 1:
        draw_pages(life);
        map(life);
        ++mappings_;
        pages_ += life.frames.size();
        use(life);
        return true;
      case 2:
        use(life);
        unmap(life);
        try_removed(life);
        if (--life.rounds != 0) life.step = 1;
        return true;
      default:
        close(life);
        life.running = false;
        return false;
    }
  }

  static bool version_1(const Life& life) { return life.kind == Kind::Version1 || life.kind == Kind::Version1Identity; }
  const std::vector<unsigned>& requesters(const Life& life) const {
    return life.kind == Kind::Shared ? shared_requesters_ : life.device->requesters;
  }

  void open(Life& life) {
    if (life.kind == Kind::Shared) {
      life.domain = shared_;
      return;
    }
    if (version_1(life)) {
      check(v1_.CreateDomain(TRUE, &life.domain), "CreateDomain");
      check(v1_.AttachDevice(life.domain, machine_.pdo(life.device->name), 0, 1), "AttachDevice");
      return;
    }
    life.handle = machine_.device(life.device->name);
    const bool buddy = life.kind == Kind::Buddy || life.kind == Kind::ReservedBuddy;
    IOMMU_DMA_RESERVED_REGION region{nullptr, 0x3000000, 4, TRUE};
    life.domain = life.kind == Kind::PassThrough ? machine_.pass_through()
                                                 : machine_.domain(buddy ? 26 + static_cast<unsigned>(draw(12)) : 0,
                                                                   draw(4) == 0 ? &region : nullptr);
    check(v2_.AttachDeviceEx(life.domain, life.handle), "AttachDeviceEx");
  }

  void draw_pages(Life& life) {
    const std::uint64_t pages = draw(40) == 0 ? 512 + draw(700) : 1 + draw(24);
    std::uint64_t frame = (kPhysical >> 12) + draw(1u << 16);
    if (draw(4) == 0) frame &= ~std::uint64_t{511};
    const bool scattered = draw(3) == 0;
    life.frames.clear();
    for (std::uint64_t i = 0; i < pages; ++i) {
      life.frames.push_back(frame);
      frame += scattered && draw(8) == 0 ? 3u : 1u;
    }
  }

  void map(Life& life) {
    fake::MdlBuffer mdl(life.frames);
    const std::uint64_t type = version_1(life) ? 0 : draw(2);
    IOMMU_MAP_PHYSICAL_ADDRESS physical = type == 0 ? mdl.descriptor() : fake::pfn_array(life.frames);
    if (life.frames.back() - life.frames.front() + 1 == life.frames.size() && draw(2) == 0 && !version_1(life)) {
      physical = fake::contiguous(life.frames.front() * kPage, life.frames.size() * kPage);
    }
    IOMMU_DMA_LOGICAL_ADDRESS at = kLogical + draw(1u << 18) * kPage;
    if (draw(4) == 0) at &= ~std::uint64_t{0x1FFFFF};
    switch (life.kind) {
      case Kind::Plain:
        check(v2_.MapLogicalRangeEx(life.domain, 3, &physical, &at, nullptr, nullptr, &at), "MapLogicalRangeEx");
        break;
      case Kind::Buddy:
      case Kind::Shared:
        check(v2_.MapLogicalRangeEx(life.domain, 3, &physical, nullptr, nullptr, nullptr, &at), "MapLogicalRangeEx");
        break;
      case Kind::Version1:
        check(v1_.MapLogicalRange(life.domain, 3, physical.Mdl.Mdl, at), "MapLogicalRange");
        break;
      case Kind::Identity:
      case Kind::PassThrough:
        check(v2_.MapIdentityRangeEx(life.domain, 3, &physical), "MapIdentityRangeEx");
        break;
      case Kind::Version1Identity:
        check(v1_.MapIdentityRange(life.domain, 3, physical.Mdl.Mdl), "MapIdentityRange");
        break;
      case Kind::Reserved:
      case Kind::ReservedBuddy:
        at = map_reserved(life, physical, at);
        break;
      case Kind::Kinds:
        break;
    }
    const bool identity =
        life.kind == Kind::Identity || life.kind == Kind::Version1Identity || life.kind == Kind::PassThrough;
    life.at.clear();
    for (std::size_t i = 0; i < life.frames.size(); ++i) {
      life.at.push_back(identity ? life.frames[i] * kPage : at + i * kPage);
    }
  }

  /// A range of twice the size with a segment at its beginning, and one behind that.
  IOMMU_DMA_LOGICAL_ADDRESS map_reserved(Life& life, IOMMU_MAP_PHYSICAL_ADDRESS& physical,
                                         IOMMU_DMA_LOGICAL_ADDRESS at) {
    const std::uint64_t bytes = life.frames.size() * kPage;
    auto* const place = life.kind == Kind::Reserved ? &at : nullptr;
    check(v2_.ReserveLogicalAddressRange(life.domain, 2 * bytes, place, nullptr, nullptr, &life.token),
          "ReserveLogicalAddressRange");
    check(v2_.MapReservedLogicalRange(life.token, 0, 3, &physical, &life.segments[0]), "MapReservedLogicalRange");
    check(v2_.MapReservedLogicalRange(life.token, bytes, 1, &physical, &life.segments[1]), "MapReservedLogicalRange");
    return life.token->LogicalAddressBase;
  }

  void unmap(Life& life) {
    fake::MdlBuffer mdl(life.frames);
    IOMMU_MAP_PHYSICAL_ADDRESS physical = mdl.descriptor();
    switch (life.kind) {
      case Kind::Plain:
      case Kind::Buddy:
      case Kind::Shared:
      case Kind::Version1:
        unmap_plain(life);
        break;
      case Kind::Identity:
      case Kind::PassThrough:
        check(v2_.UnmapIdentityRangeEx(life.domain, &physical), "UnmapIdentityRangeEx");
        break;
      case Kind::Version1Identity:
        check(v1_.UnmapIdentityRange(life.domain, mdl.mdl()), "UnmapIdentityRange");
        break;
      case Kind::Reserved:
      case Kind::ReservedBuddy:
        for (auto& segment : life.segments) check(v2_.UnmapReservedLogicalRange(&segment), "UnmapReservedLogicalRange");
        check(v2_.FreeReservedLogicalAddressRange(life.token), "FreeReservedLogicalAddressRange");
        break;
      case Kind::Kinds:
        break;
    }
  }

  /// All at once, or in two parts.
  void unmap_plain(const Life& life) {
    const std::size_t pages = life.frames.size();
    const std::size_t part = draw(2) == 0 ? pages : draw(pages);
    if (part != 0) check(v2_.UnmapLogicalRange(life.domain, life.at[0], part), "UnmapLogicalRange");
    if (part != pages) {
      check(v2_.UnmapLogicalRange(life.domain, life.at[part], pages - part), "UnmapLogicalRange");
    }
  }

  void close(Life& life) {
    if (life.kind == Kind::Shared) return;
    if (version_1(life)) {
      check(v1_.DetachDevice(life.domain, machine_.pdo(life.device->name), 0), "DetachDevice");
    } else {
      check(v2_.DetachDeviceEx(life.handle), "DetachDeviceEx");
      check(v2_.DeleteDevice(life.handle), "DeleteDevice");
    }
    check(v2_.DeleteDomain(life.domain), "DeleteDomain");
    life.device->busy = false;
    // The detachment has removed PassThrough's way to memory, too.
    for (const unsigned requester : life.device->requesters) try_blocked(requester, life.at[draw(life.at.size())]);
  }

  /// Data goes to its page and comes from there, at the first, the last and a few other pages.
  void use(const Life& life) {
    for (const unsigned requester : requesters(life)) {
      for (const std::size_t i : {std::size_t{0}, life.at.size() - 1, draw(life.at.size()), draw(life.at.size())}) {
        const std::uint64_t offset = 8 * draw(512);
        const std::uint64_t physical = life.frames[i] * kPage + offset;
        const std::uint64_t value = random_();
        check(unit().write(requester, life.at[i] + offset, value), "a write through a mapping is blocked");
        check(machine_.memory.get(physical) == value, "a write went elsewhere");
        check(unit().read(requester, life.at[i] + offset) == value, "a read came from elsewhere");
        machine_.memory.forget(physical);
        moved_ += 2;
      }
    }
  }

  void try_removed(const Life& life) {
    if (life.kind == Kind::PassThrough) return;
    // Each page, of a long mapping some.
    const std::size_t step = life.at.size() <= 32 ? 1 : life.at.size() / 24;
    for (const unsigned requester : requesters(life)) {
      for (std::size_t i = 0; i < life.at.size(); i += step) try_blocked(requester, life.at[i]);
      try_blocked(requester, life.at.back());
    }
  }

  void try_blocked(unsigned requester, std::uint64_t address) {
    const std::uint64_t offset = 8 * draw(512);
    removed_ += 2;
    if (!unit().read(requester, address + offset)) ++removed_blocked_;
    if (!unit().write(requester, address + offset, 0xBAD)) ++removed_blocked_;
  }

  modeled::Machine machine_;
  const DMA_IOMMU_INTERFACE_V2& v2_;
  const DMA_IOMMU_INTERFACE_V1& v1_;
  std::mt19937_64 random_;
  std::vector<Device> devices_ = {
      {"nic0", {0x0018}}, {"disk0", {0x0100}}, {"gpu0", {0x0200, 0x0210}}, {"fn1", {0x0301}}, {"fn2", {0x0302}}};
  std::array<Life, kLivesAtATime> lives_;
  PIOMMU_DMA_DEVICE shared_device_ = nullptr;
  PIOMMU_DMA_DOMAIN shared_ = nullptr;
  std::vector<unsigned> shared_requesters_;
  unsigned first_domain_id_ = 0;
  std::uint64_t ended_ = 0, mappings_ = 0, pages_ = 0, moved_ = 0, removed_ = 0, removed_blocked_ = 0;
};

void print(const char* when, const Lifetime::State& state) {
  std::printf(
      "  %-8s frames %zu, domains %zu, devices %zu, tokens %zu, next domain id %u, heap %lld bytes in %lld blocks\n",
      when, state.frames, state.domains, state.devices, state.tokens, state.domain_id, state.heap.bytes,
      state.heap.blocks);
}

void live(std::uint64_t lives, std::uint64_t seed) {
  Lifetime lifetime(seed);
  // Lists reach their size first; 1,024 freed tokens are remembered.
  lifetime.run(kWarmUp);
  lifetime.check_rest();
  const Lifetime::State before = lifetime.state();
  print("before", before);
  lifetime.run(lives);
  lifetime.check_rest();
  const Lifetime::State after = lifetime.state();
  print("after", after);
  lifetime.print();
  check(after.frames == before.frames, "frames are left");
  check(after.domains == before.domains && after.devices == before.devices, "objects are left");
  check(after.tokens == 0 && before.tokens == 0, "tokens are left");
  check(after.domain_id == before.domain_id, "domain ids are left");
  // A queue of what rests before it is used again may have a block more or less.
  check(std::llabs(after.heap.blocks - before.heap.blocks) <= 8, "blocks of the heap are left");
  check(std::llabs(after.heap.bytes - before.heap.bytes) <= 8192, "bytes of the heap are left");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3 || std::strtoull(argv[1], nullptr, 10) == 0) {
    std::fprintf(stderr, "usage: ddi_lifetime N [SEED]\n");
    return 2;
  }
  const std::uint64_t lives = std::strtoull(argv[1], nullptr, 10);
  const std::uint64_t seed = argc == 3 ? std::strtoull(argv[2], nullptr, 10) : 1;
  std::printf("ddi_lifetime: %s lives, seed %llu\n", argv[1], static_cast<unsigned long long>(seed));
  const auto start = std::chrono::steady_clock::now();
  try {
    live(lives, seed);
  } catch (const std::exception& error) {
    std::printf("ddi_lifetime: %s\n", error.what());
    return 1;
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("nothing is left, %.1f s\n", seconds.count());
  return 0;
}
