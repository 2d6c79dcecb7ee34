// Errors of the invalidation queue: IQE, IQEI, where the head stays, what still works, and recovery. Sheet 5.5.2 (reserved bits),
// 5.5.4, 5.5.5.
#include <functional>
#include <string>

#include "testbench/vtd/invalidation_rig.h"

namespace {

using namespace iommu;
using namespace iommu::test;

constexpr core::Address kStatus = 0x50000000;
constexpr std::uint64_t kGoodWait = 0x25;

/// Queue on, one good wait done: the head is at 0x10.
struct QueueRig : InvalidationRig {
  explicit QueueRig(const vtd::Capabilities& c = capabilities(), unsigned qs = 0)
      : InvalidationRig(Interface::Registers, c) {
    queue_on(qs);
    submit(kGoodWait | (1ull << 32), kStatus);
    REQUIRE(memory.get32(kStatus) == 1);
    REQUIRE(r64(kIqh) == 0x10);
  }
  void check_error(std::uint64_t iqei, std::uint64_t head) {
    CHECK(r32(kFsts) == 0x10);
    CHECK(r64(kIqercd) == iqei);
    CHECK(r64(kIqh) == head);
  }
  /// The driver's way out: a good wait over the bad descriptor, then IQE cleared; both it and what follows must run.
  void check_recovery() {
    const std::uint64_t head = r64(kIqh);
    memory.put(kQueue + head, kGoodWait | (0x77ull << 32));
    memory.put(kQueue + head + 8, kStatus + 16);
    // Nothing runs before IQE is cleared, tail writes or not.
    w64(kIqt, r64(kIqt));
    CHECK(memory.get32(kStatus + 16) == 0);
    w32(kFsts, 0x10);
    CHECK(r32(kFsts) == 0);
    CHECK(memory.get32(kStatus + 16) == 0x77);
    CHECK(r64(kIqh) == r64(kIqt));
  }
};

struct Bad {
  std::string name;
  std::uint64_t lo, hi;
  std::uint64_t iqei;
};

std::vector<Bad> bad_descriptors() {
  std::vector<Bad> all;
  // Types: 3 (no device TLB), 4 (no interrupt remapping), 6 to 9 (scalable mode), 10 (no HPT), 0 and the rest (undefined).
  for (std::uint64_t type = 0; type < 128; ++type) {
    if (type == 1 || type == 2 || type == 5) continue;
    all.push_back({"type " + std::to_string(type), (type & 0xF) | ((type >> 4) << 9), 0, 3});
  }
  all.push_back({"context cache, G 00", 0x01, 0, 4});
  all.push_back({"IOTLB, G 00", 0x02, 0, 4});
  // Every reserved bit of the three descriptors.
  for (unsigned bit = 0; bit < 64; ++bit) {
    const std::uint64_t one = 1ull << bit;
    const std::string b = std::to_string(bit);
    // Context cache: 3:0 type, 5:4 G, 8:6 reserved, 11:9 type, 15:12 reserved, 31:16 DID, 47:32 SID, 49:48 FM, 63:50 reserved.
    if ((bit >= 6 && bit <= 8) || (bit >= 12 && bit <= 15) || bit >= 50) {
      all.push_back({"context cache, bit " + b, 0x11 | one, 0, 4});
    }
    all.push_back({"context cache, bit 64 + " + b, 0x11, one, 4});
    // IOTLB: 6 DW, 7 DR, 8 reserved, 15:12 reserved, 31:16 DID, 63:32 reserved; 69:64 AM, 70 IH, 75:71 reserved, 127:76 ADDR.
    if (bit == 8 || (bit >= 12 && bit <= 15) || bit >= 32) all.push_back({"IOTLB, bit " + b, 0x12 | one, 0, 4});
    if (bit >= 7 && bit <= 11) all.push_back({"IOTLB, bit 64 + " + b, 0x12, one, 4});
    // Wait: 4 IF, 5 SW, 6 FN, 7 PD (reserved without ECAP.PDS), 8 reserved, 31:12 reserved; 65:64 reserved.
    if (bit == 7 || bit == 8 || (bit >= 12 && bit <= 31)) all.push_back({"wait, bit " + b, 0x25 | one, kStatus, 4});
    if (bit <= 1) all.push_back({"wait, bit 64 + " + b, 0x25, kStatus | one, 4});
  }
  all.push_back({"page-selective with AM above MAMV", 0x32, 19, 4});
  all.push_back({"page-selective with the largest AM", 0x32, 0x3F, 4});
  return all;
}

TEST_CASE("each kind of bad descriptor: IQE, IQEI, the head stays at it, nothing was done, recovery") {
  for (const Bad& bad : bad_descriptors()) {
    INFO(bad.name);
    QueueRig rig;
    rig.map(0x1000, 0x900000);
    REQUIRE(rig.reads(0x1000));
    rig.submit(bad.lo, bad.hi);
    rig.check_error(bad.iqei, 0x10);
    CHECK(rig.context_cached(Rig::kSid));
    CHECK(rig.cached(Rig::kSid, 0x1000));
    CHECK(rig.r32(kIcs) == 0);
    rig.check_recovery();
  }
}

TEST_CASE("what is ignored in a descriptor is no error") {
  struct {
    const char* name;
    std::uint64_t lo, hi;
  } const good[] = {
      {"context cache, global, with DID, SID and FM", 0x0003FFFFFFFF0011, 0},
      {"context cache, domain, with SID and FM", 0x0003FFFF00050021, 0},
      {"IOTLB, global, with DID, AM, IH and ADDR", 0x00000000FFFF00D2, 0xFFFFFFFFFFFFF07F},
      {"IOTLB, domain, with AM above MAMV", 0x0000000000050022, 0xFFFFFFFFFFFFF07F},
      {"IOTLB, pages, AM = MAMV", 0x0000000000050032, 18},
      {"wait without SW, IF and FN", 0x0000000000000005, 0},
      {"wait without SW, data and address", 0xFFFFFFFF00000045, 0xFFFFFFFFFFFFFFFC},
  };
  for (const auto& d : good) {
    INFO(d.name);
    QueueRig rig;
    rig.submit(d.lo, d.hi);
    CHECK(rig.r32(kFsts) == 0);
    CHECK(rig.r64(kIqh) == 0x20);
  }
}

TEST_CASE("page-selective descriptors need PSI") {
  auto c = capabilities();
  c.page_selective = false;
  QueueRig rig(c);
  rig.submit(0x32, 0x1000);
  rig.check_error(4, 0x10);
  rig.check_recovery();
  rig.submit(0x22, 0);  // domain-selective ones don't
  CHECK(rig.r32(kFsts) == 0);
}

TEST_CASE("AM is bounded by MAMV as CAP reports it") {
  auto c = capabilities();
  c.max_address_mask = 9;
  QueueRig rig(c);
  rig.submit(0x32, 9);
  CHECK(rig.r32(kFsts) == 0);
  rig.submit(0x32, 10);
  rig.check_error(4, 0x20);
}

TEST_CASE("IQEI 1: a tail outside the queue, for each size") {
  for (unsigned qs = 0; qs <= 6; ++qs) {
    INFO("QS " << qs);
    QueueRig rig(capabilities(), qs);
    const std::uint64_t bytes = std::uint64_t{0x1000} << qs;
    rig.memory.reads.clear();
    rig.w64(kIqt, bytes);
    rig.check_error(1, 0x10);
    CHECK(rig.memory.reads.empty());
    rig.w64(kIqt, 0x10);
    rig.w32(kFsts, 0x10);
    CHECK(rig.r32(kFsts) == 0);
    rig.submit(kGoodWait | (3ull << 32), kStatus);
    CHECK(rig.memory.get32(kStatus) == 3);
    rig.w64(kIqt, 0x7FFF0);
    rig.check_error(1, 0x20);
  }
}

TEST_CASE("IQEI 1: without correction it comes back at once") {
  QueueRig rig;
  rig.w64(kIqt, 0x1000);
  rig.w32(kFsts, 0x10);
  rig.check_error(1, 0x10);
  CHECK(rig.unit.front_end().command_counters().queue_errors == 2);
}

TEST_CASE("IQEI 2: a descriptor that can't be read") {
  QueueRig rig;
  rig.memory.refuse(Rig::kQueue);
  rig.submit(kGoodWait | (2ull << 32), kStatus);
  rig.check_error(2, 0x10);
  CHECK(rig.memory.get32(kStatus) == 1);
  rig.memory.accept(Rig::kQueue);
  rig.w32(kFsts, 0x10);
  CHECK(rig.r32(kFsts) == 0);
  CHECK(rig.r64(kIqh) == 0x20);
  CHECK(rig.memory.get32(kStatus) == 2);
}

TEST_CASE("IQEI 2: a queue beyond host memory") {
  InvalidationRig rig(Interface::Registers);
  rig.w64(kIqa, 0x0000400000000000);
  rig.set_command(kQIE);
  rig.w64(kIqt, 0x10);
  CHECK(rig.r32(kFsts) == 0x10);
  CHECK(rig.r64(kIqercd) == 2);
}

TEST_CASE("IQEI 5: 256-bit descriptors need scalable mode or abort-DMA mode") {
  InvalidationRig rig(Interface::Registers);
  rig.w64(kIqa, Rig::kQueue | 0x800);
  rig.set_command(kQIE);
  CHECK(rig.r32(kFsts) == 0);  // not before something is there to fetch
  rig.memory.reads.clear();
  rig.w64(kIqt, 0x20);
  CHECK(rig.r32(kFsts) == 0x10);
  CHECK(rig.r64(kIqercd) == 5);
  CHECK(rig.r64(kIqh) == 0);
  CHECK(rig.memory.reads.empty());
}

TEST_CASE("IQEI 7: the latched TTM is none that this unit has") {
  for (const std::uint64_t ttm : {1ull, 2ull, 3ull}) {
    INFO("TTM " << ttm);
    QueueRig rig;
    rig.set_root(rig.tables.root() | (ttm << 10));
    rig.submit(kGoodWait | (2ull << 32), kStatus);
    rig.check_error(7, 0x10);
    rig.set_root(rig.tables.root());
    rig.check_recovery();
  }
}

TEST_CASE("earlier descriptors complete, later ones wait for the repair") {
  QueueRig rig;
  rig.map(0x1000, 0x900000);
  REQUIRE(rig.reads(0x1000));
  const std::uint64_t queue[][2] = {{0x22 | (5ull << 16), 0},  // IOTLB of domain 5
                                    {kGoodWait | (2ull << 32), kStatus},
                                    {0x0, 0},   // bad
                                    {0x11, 0},  // context cache
                                    {kGoodWait | (3ull << 32), kStatus}};
  for (std::uint64_t i = 0; i < 5; ++i) {
    rig.memory.put(Rig::kQueue + 0x10 + 16 * i, queue[i][0]);
    rig.memory.put(Rig::kQueue + 0x18 + 16 * i, queue[i][1]);
  }
  rig.w64(kIqt, 0x60);
  rig.check_error(3, 0x30);
  CHECK_FALSE(rig.cached(Rig::kSid, 0x1000));
  CHECK(rig.context_cached(Rig::kSid));
  CHECK(rig.memory.get32(kStatus) == 2);
  rig.check_recovery();
  CHECK_FALSE(rig.context_cached(Rig::kSid));
  CHECK(rig.memory.get32(kStatus) == 3);
  CHECK(rig.r64(kIqh) == 0x60);
}

TEST_CASE("a bad descriptor in the last slot: the head stays there and wraps after the repair") {
  QueueRig rig;
  for (std::uint64_t at = 0x10; at < 0xFF0; at += 16) rig.memory.put(Rig::kQueue + at, 0x45);
  rig.memory.put(Rig::kQueue + 0xFF0, 0xF);
  rig.w64(kIqt, 0);
  rig.check_error(3, 0xFF0);
  rig.check_recovery();
  CHECK(rig.r64(kIqh) == 0);
}

TEST_CASE("a second error has its own IQEI") {
  QueueRig rig;
  rig.submit(0x0, 0);
  rig.check_error(3, 0x10);
  rig.check_recovery();
  rig.submit(0x01, 0);
  rig.check_error(4, 0x20);
}

TEST_CASE("while IQE is set tail writes fetch nothing, clearing it with an empty queue fetches nothing either") {
  QueueRig rig;
  rig.submit(0x0, 0);
  rig.memory.reads.clear();
  rig.submit(kGoodWait, kStatus);
  rig.submit(kGoodWait, kStatus);
  CHECK(rig.memory.reads.empty());
  rig.w64(kIqt, 0x10);  // software gives the queue up
  rig.w32(kFsts, 0x10);
  CHECK(rig.memory.reads.empty());
  CHECK(rig.r32(kFsts) == 0);
}

TEST_CASE("disabling the queue while IQE is set: the head returns to 0, IQE stays until it is cleared") {
  QueueRig rig;
  rig.submit(0x0, 0);
  rig.clear_command(kQIE);
  CHECK(rig.r64(kIqh) == 0);
  CHECK(rig.r32(kFsts) == 0x10);
  rig.w32(kFsts, 0x10);
  rig.queue_on();
  rig.submit(kGoodWait | (9ull << 32), kStatus);
  CHECK(rig.memory.get32(kStatus) == 9);
}

TEST_CASE("a queue error does not disturb translation") {
  QueueRig rig;
  rig.map(0x1000, 0x900000);
  rig.submit(0x0, 0);
  CHECK(rig.writes(0x1000));
  CHECK_FALSE(rig.writes(0x2000));
  CHECK(rig.record_hi(0) == 0x8000000500000310);
  CHECK(rig.r32(kFsts) == 0x12);
}

TEST_CASE("a drain asked for before an error is not forgotten: it comes before the wait after the repair") {
  vtd::FrontEnd front_end(capabilities());
  std::uint64_t queue[4][2] = {{0xD2, 0}, {0, 0}, {0x25, 0x50000000}, {0, 0}};
  front_end.write_register(kIqa, 8, 0x40000000);
  front_end.write_register(kGcmd, 4, kQIE);
  front_end.write_register(kIqt, 8, 0x30);
  std::string kinds;
  const auto run = [&] {
    for (auto c = front_end.next_command(); c.kind != core::Command::Kind::Idle; c = front_end.next_command()) {
      if (c.kind == core::Command::Kind::ReadDescriptor) {
        const auto& d = queue[(c.address - 0x40000000) / 16];
        front_end.descriptor_read({true, {d[0], d[1]}});
      }
      if (c.kind == core::Command::Kind::InvalidateTranslation) kinds += 'T';
      if (c.kind == core::Command::Kind::Drain) kinds += 'D';
      if (c.kind == core::Command::Kind::WriteStatus) kinds += 'S';
    }
  };
  run();
  CHECK(kinds == "T");
  queue[1][0] = 0x05;
  front_end.write_register(kFsts, 4, 0x10);
  run();
  CHECK(kinds == "TDS");
}

}  // namespace
