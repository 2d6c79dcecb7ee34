// Every granularity of context-cache and IOTLB invalidation by both interfaces: what must go and what must stay.
// Sheet 4.2, 5.1 to 5.3, 5.5.2.
#include "testbench/vtd/invalidation_rig.h"

namespace {

using namespace iommu;
using namespace iommu::test;

constexpr auto kA = InvalidationRig::kA, kB = InvalidationRig::kB, kC = InvalidationRig::kC, kD = InvalidationRig::kD;
constexpr Interface kBoth[] = {Interface::Registers, Interface::Queue};

// --- Context cache

/// A rig with all four requesters' context entries cached.
struct ContextRig : InvalidationRig {
  explicit ContextRig(Interface which, const vtd::Capabilities& c = capabilities()) : InvalidationRig(which, c) {
    map(0x1000, 0x900000);
    tables.map(other_table, 4, 0x1000, 0x901000);
    for (const core::RequesterId sid : {kA, kB, kC, kD}) REQUIRE(reads(0x1000, sid));
    for (const core::RequesterId sid : {kA, kB, kC, kD}) REQUIRE(context_cached(sid));
  }
  /// Which of A, B, C, D are still cached.
  std::string left() {
    std::string names;
    if (context_cached(kA)) names += 'A';
    if (context_cached(kB)) names += 'B';
    if (context_cached(kC)) names += 'C';
    if (context_cached(kD)) names += 'D';
    return names;
  }
};

TEST_CASE("context cache, global: everything goes, the IOTLB is not touched") {
  for (const Interface interface : kBoth) {
    INFO(name_of(interface));
    ContextRig rig(interface);
    CHECK(rig.invalidate_context(1) == 1);
    CHECK(rig.left().empty());
    CHECK(rig.cached(kA, 0x1000));
    CHECK(rig.cached(kC, 0x1000));
  }
}

TEST_CASE("context cache, domain: the entries of that domain go") {
  for (const Interface interface : kBoth) {
    INFO(name_of(interface));
    {
      ContextRig rig(interface);
      CHECK(rig.invalidate_context(2, 5) == 2);
      CHECK(rig.left() == "C");
      CHECK(rig.cached(kA, 0x1000));
    }
    {
      ContextRig rig(interface);
      CHECK(rig.invalidate_context(2, 6) == 2);
      CHECK(rig.left() == "ABD");
    }
    {
      ContextRig rig(interface);
      rig.invalidate_context(2, 7);
      CHECK(rig.left() == "ABCD");
    }
  }
}

TEST_CASE("context cache, device: requester and domain have to match") {
  for (const Interface interface : kBoth) {
    INFO(name_of(interface));
    {
      ContextRig rig(interface);
      CHECK(rig.invalidate_context(3, 5, kA) == 3);
      CHECK(rig.left() == "BCD");
    }
    {
      ContextRig rig(interface);
      rig.invalidate_context(3, 6, kA);  // the wrong domain
      CHECK(rig.left() == "ABCD");
      rig.invalidate_context(3, 6, kC);
      CHECK(rig.left() == "ABD");
    }
  }
}

TEST_CASE("context cache, device with each function mask") {
  // Functions 0 to 7 of bus 3, device 2, and function 0 of the next device, all in domain 5.
  struct {
    std::uint64_t fm;
    core::RequesterId sid;
    unsigned gone;  // bit n: function n
  } const cases[] = {
      {0, 0x0310, 0x01}, {0, 0x0315, 0x20},                     // all bits compared
      {1, 0x0310, 0x11}, {1, 0x0314, 0x11}, {1, 0x0312, 0x44},  // bit 2 left out
      {2, 0x0310, 0x55}, {2, 0x0316, 0x55}, {2, 0x0311, 0xAA},  // bits 2:1
      {3, 0x0310, 0xFF}, {3, 0x0317, 0xFF},                     // bits 2:0
  };
  for (const Interface interface : kBoth) {
    for (const auto& c : cases) {
      INFO(name_of(interface) << ", FM " << c.fm << ", SID " << c.sid);
      InvalidationRig rig(interface);
      rig.map(0x1000, 0x900000);
      for (core::RequesterId sid = 0x0310; sid <= 0x0318; ++sid) {
        rig.tables.context(sid, kTtTable, rig.table, 2, 5);
        REQUIRE(rig.reads(0x1000, sid));
      }
      rig.invalidate_context(3, 5, c.sid, c.fm);
      unsigned gone = 0;
      for (unsigned function = 0; function < 8; ++function) {
        if (!rig.context_cached(static_cast<core::RequesterId>(0x0310 + function))) gone |= 1u << function;
      }
      CHECK(gone == c.gone);
      CHECK(rig.context_cached(0x0318));
    }
  }
}

TEST_CASE("after a context invalidation the entry is read again") {
  for (const Interface interface : kBoth) {
    INFO(name_of(interface));
    ContextRig rig(interface);
    rig.tables.context(kA, kTtTable, rig.other_table, 2, 7);
    rig.memory.put(0x901000, 0x42);
    rig.invalidate_context(3, 5, kA);
    rig.invalidate_iotlb(2, 5);
    CHECK(rig.value_at(0x1000) == 0x42);
    CHECK(rig.unit.context_cache().peek(kA)->domain == 7);
  }
}

TEST_CASE("domain-id bits that the unit does not have are ignored in commands (5.10: 11.4.6.1, 11.4.6.3, 6.5.2.3)") {
  for (const Interface interface : kBoth) {
    INFO(name_of(interface));
    auto c = capabilities();
    c.domain_bits = 8;
    ContextRig rig(interface, c);
    CHECK(rig.invalidate_context(2, 0xAB05) == 2);
    CHECK(rig.left() == "C");
    CHECK(rig.invalidate_iotlb(3, 0x0105, 0x1000) == 3);
    CHECK_FALSE(rig.cached(kA, 0x1000));
    CHECK(rig.cached(kC, 0x1000));
    CHECK(rig.invalidate_iotlb(2, 0xFF06) == 2);
    CHECK_FALSE(rig.cached(kC, 0x1000));
    CHECK(rig.r32(kFsts) == 0);
  }
}

// --- IOTLB

/// Translations of all leaf sizes for A, B (domain 5) and C (domain 6).
struct TranslationRig : InvalidationRig {
  static constexpr core::Address kSmall[] = {0x10000000, 0x10001000, 0x10002000, 0x10003000};
  static constexpr core::Address kMedium = 0x20000000, kMedium2 = 0x20200000, kLarge = 0x80000000, kLarge2 = 0xC0000000;

  explicit TranslationRig(Interface which, const vtd::Capabilities& c = capabilities()) : InvalidationRig(which, c) {
    for (const core::Address top : {table, other_table}) {
      for (const core::Address input : kSmall) tables.map(top, 4, input, 0x900000);
      for (const core::Address input : {kMedium, kMedium2}) tables.map(top, 4, input, 0xA00000, 2);
      for (const core::Address input : {kLarge, kLarge2}) tables.map(top, 4, input, 0x40000000, 3);
    }
    fill();
  }
  void fill() {
    for (const core::RequesterId sid : {kA, kB, kC}) {
      for (const core::Address input : kAll) REQUIRE(reads(input, sid));
    }
  }
  static constexpr core::Address kAll[] = {kSmall[0], kSmall[1], kSmall[2], kSmall[3],
                                           kMedium,   kMedium2,  kLarge,    kLarge2};
  /// One letter per translation that is left: 0 to 3 the small ones, M, m, L, l.
  std::string left(core::RequesterId sid) {
    static const char names[] = "0123MmLl";
    std::string result;
    for (unsigned i = 0; i < 8; ++i) {
      if (cached(sid, kAll[i])) result += names[i];
    }
    return result;
  }
};

TEST_CASE("IOTLB, global: all translations and all paging structures go, context entries stay") {
  for (const Interface interface : kBoth) {
    INFO(name_of(interface));
    TranslationRig rig(interface);
    REQUIRE(rig.walk_start(kA, 0x10000000) == 1);
    CHECK(rig.invalidate_iotlb(1) == 1);
    for (const core::RequesterId sid : {kA, kB, kC}) CHECK(rig.left(sid).empty());
    CHECK(rig.walk_start(kA, 0x10000000) == 4);
    CHECK(rig.walk_start(kC, 0x10000000) == 4);
    CHECK(rig.context_cached(kA));
  }
}

TEST_CASE("IOTLB, domain: translations and paging structures of that domain go, of every requester") {
  for (const Interface interface : kBoth) {
    INFO(name_of(interface));
    TranslationRig rig(interface);
    CHECK(rig.invalidate_iotlb(2, 5) == 2);
    CHECK(rig.left(kA).empty());
    CHECK(rig.left(kB).empty());
    CHECK(rig.left(kC) == "0123MmLl");
    CHECK(rig.walk_start(kA, 0x10000000) == 4);
    CHECK(rig.walk_start(kC, 0x10000000) == 1);
    rig.fill();
    CHECK(rig.invalidate_iotlb(2, 6) == 2);
    CHECK(rig.left(kA) == "0123MmLl");
    CHECK(rig.left(kC).empty());
    rig.fill();
    rig.invalidate_iotlb(2, 7);
    CHECK(rig.left(kA) == "0123MmLl");
    CHECK(rig.left(kC) == "0123MmLl");
  }
}

TEST_CASE("IOTLB, pages: what the address and its mask cover goes, in that domain") {
  struct {
    const char* name;
    core::Address address;
    std::uint64_t am;
    const char* left;
  } const cases[] = {
      {"one page", 0x10001000, 0, "023MmLl"},
      {"two pages", 0x10002000, 1, "01MmLl"},
      {"two pages, the low bit of the page number ignored", 0x10003000, 1, "01MmLl"},
      {"four pages", 0x10000000, 2, "MmLl"},
      {"2 MiB over small pages", 0x10000000, 9, "MmLl"},
      {"2 MiB over small pages, low bits ignored", 0x101FF000, 9, "MmLl"},
      {"the next 2 MiB", 0x10200000, 9, "0123MmLl"},
      {"a 2 MiB page by its own mask", 0x20000000, 9, "0123mLl"},
      {"a 2 MiB page by an address inside it", 0x2012F000, 9, "0123mLl"},
      {"a 2 MiB page by a smaller mask", 0x20000000, 0, "0123mLl"},
      {"a 2 MiB page by a smaller mask in its middle", 0x20100000, 3, "0123mLl"},
      {"a 2 MiB page by its last 4 KiB", 0x201FF000, 0, "0123mLl"},
      {"both 2 MiB pages", 0x20000000, 10, "0123Ll"},
      {"a 1 GiB page by its own mask", 0x80000000, 18, "0123Mml"},
      {"a 1 GiB page by an address inside it", 0xBFFFF000, 18, "0123Mml"},
      {"a 1 GiB page by a smaller mask", 0x87654000, 0, "0123Mml"},
      {"a 1 GiB page by the mask of 2 MiB", 0x80200000, 9, "0123Mml"},
      {"1 GiB over small and medium pages", 0, 18, "Ll"},
      {"nothing there", 0x30000000, 9, "0123MmLl"},
  };
  for (const Interface interface : kBoth) {
    for (const auto& c : cases) {
      INFO(name_of(interface) << ": " << c.name);
      TranslationRig rig(interface);
      CHECK(rig.invalidate_iotlb(3, 5, c.address, c.am) == 3);
      CHECK(rig.left(kA) == c.left);
      CHECK(rig.left(kB) == c.left);
      CHECK(rig.left(kC) == "0123MmLl");
    }
  }
}

TEST_CASE("IOTLB, pages: address bits at and above MGAW are ignored") {
  for (const Interface interface : kBoth) {
    INFO(name_of(interface));
    TranslationRig rig(interface);
    CHECK(rig.invalidate_iotlb(3, 5, 0xFFFF000010001000, 0) == 3);
    CHECK(rig.left(kA) == "023MmLl");
  }
}

TEST_CASE("IH: with 1 the paging structures stay, with 0 those on the way to the range go") {
  for (const Interface interface : kBoth) {
    INFO(name_of(interface));
    {
      TranslationRig rig(interface);
      rig.invalidate_iotlb(3, 5, 0x10000000, 0, 1);
      CHECK(rig.left(kA) == "123MmLl");
      CHECK(rig.walk_start(kA, 0x10000000) == 1);
      // The leaf is read again, through the cached upper part.
      rig.tables.map(rig.table, 4, 0x10000000, 0x777000);
      rig.memory.put(0x777000, 0x11);
      rig.memory.reads.clear();
      CHECK(rig.value_at(0x10000000) == 0x11);
      CHECK(rig.memory.reads == std::vector<SparseMemory::Read>{{rig.entry(0x10000000), 8}, {0x777000, 8}});
    }
    {
      TranslationRig rig(interface);
      rig.invalidate_iotlb(3, 5, 0x10000000, 0, 0);
      CHECK(rig.left(kA) == "123MmLl");
      CHECK(rig.walk_start(kA, 0x10000000) == 4);  // all three entries above cover the page
      CHECK(rig.walk_start(kA, 0x10001000) == 4);  // the same ones
      CHECK(rig.walk_start(kC, 0x10000000) == 1);
    }
    {
      // The entries for another part of the address space stay: only the top one is shared.
      TranslationRig rig(interface);
      rig.tables.map(rig.table, 4, 0x100000000, 0x900000);
      REQUIRE(rig.reads(0x100000000));
      REQUIRE(rig.walk_start(kA, 0x100000000) == 1);
      rig.invalidate_iotlb(3, 5, 0x10000000, 0, 0);
      CHECK(rig.walk_start(kA, 0x100000000) == 1);
      CHECK(rig.walk_start(kA, 0x20000000) == 4);
    }
  }
}

TEST_CASE("IH says nothing for global and domain invalidation") {
  for (const Interface interface : kBoth) {
    INFO(name_of(interface));
    TranslationRig rig(interface);
    rig.invalidate_iotlb(2, 5, 0x1000, 0, 1);
    CHECK(rig.walk_start(kA, 0x10000000) == 4);
    CHECK(rig.walk_start(kC, 0x10000000) == 1);
    rig.invalidate_iotlb(1, 0, 0x1000, 0, 1);
    CHECK(rig.walk_start(kC, 0x10000000) == 4);
  }
}

TEST_CASE("a table page that software replaced is used after an invalidation with IH=0 only") {
  for (const Interface interface : kBoth) {
    INFO(name_of(interface));
    TranslationRig rig(interface);
    const core::Address fresh = rig.tables.page();
    rig.memory.put(fresh, 0x555003);  // entry 0 maps 0x10000000 to 0x555000
    rig.memory.put(rig.entry(0x10000000, 2), fresh | 3);
    rig.memory.put(0x555000, 0x22);
    rig.invalidate_iotlb(3, 5, 0x10000000, 0, 1);
    CHECK(rig.value_at(0x10000000) == 0);  // still through the old table
    rig.invalidate_iotlb(3, 5, 0x10000000, 0, 0);
    CHECK(rig.value_at(0x10000000) == 0x22);
  }
}

TEST_CASE("the largest masks: AM = MAMV is done, up to the whole address space") {
  auto c = capabilities();
  c.max_address_mask = 63;
  for (const Interface interface : kBoth) {
    for (const std::uint64_t am : {36ull, 51ull, 52ull, 63ull}) {
      INFO(name_of(interface) << ", AM " << am);
      TranslationRig rig(interface, c);
      CHECK(rig.invalidate_iotlb(3, 5, 0, am) == 3);
      CHECK(rig.left(kA).empty());
      CHECK(rig.left(kC) == "0123MmLl");
    }
  }
}

TEST_CASE("the work done is counted by granularity") {
  for (const Interface interface : kBoth) {
    TranslationRig rig(interface);
    rig.invalidate_context(1);
    rig.invalidate_context(2, 5);
    rig.invalidate_context(3, 5, kA);
    rig.invalidate_iotlb(1);
    rig.invalidate_iotlb(2, 5);
    rig.invalidate_iotlb(3, 5, 0x1000);
    const auto& counters = rig.unit.front_end().command_counters();
    CHECK(counters.context_global == 1);
    CHECK(counters.context_domain == 1);
    CHECK(counters.context_device == 1);
    CHECK(counters.iotlb_global == 1);
    CHECK(counters.iotlb_domain == 1);
    CHECK(counters.iotlb_page == 1);
    CHECK(counters.register_commands == (interface == Interface::Registers ? 6 : 0));
    CHECK(counters.descriptors == (interface == Interface::Queue ? 6 : 0));
  }
}

}  // namespace
