// The invalidation queue itself: head and tail, sizes, wrap-around, waits, drains, order. Sheet 1.8, 5.4, 5.5.1 to 5.5.3.
#include "testbench/vtd/invalidation_rig.h"

namespace {

using namespace iommu;
using namespace iommu::test;
using core::Command;

constexpr std::uint64_t kFence = 0x45;  // wait with FN only
constexpr core::Address kStatus = 0x50000000;

/// Wait with SW: data in 63:32, address in the upper quadword.
std::uint64_t status_wait(std::uint64_t data, std::uint64_t flags = 0x20) { return 0x5 | flags | (data << 32); }

TEST_CASE("the head follows the tail, descriptors are read where they stand, one by one") {
  Rig rig;
  rig.queue_on();
  rig.memory.reads.clear();
  rig.submit(status_wait(1), kStatus);
  rig.submit(status_wait(2), kStatus + 4);
  CHECK(rig.r64(kIqh) == 0x20);
  CHECK(rig.memory.reads == std::vector<SparseMemory::Read>{{Rig::kQueue, 16}, {Rig::kQueue + 16, 16}});
  CHECK(rig.memory.get(kStatus) == 0x0000000200000001);
}

TEST_CASE("several descriptors with one write of the tail run in their order") {
  Rig rig;
  rig.queue_on();
  for (std::uint64_t i = 0; i < 5; ++i) {
    rig.memory.put(Rig::kQueue + 16 * i, status_wait(100 + i));
    rig.memory.put(Rig::kQueue + 16 * i + 8, kStatus);
  }
  rig.w64(kIqt, 0x50);
  CHECK(rig.r64(kIqh) == 0x50);
  CHECK(rig.memory.get32(kStatus) == 104);
  CHECK(rig.unit.front_end().command_counters().waits == 5);
}

TEST_CASE("tail equal to head: nothing is fetched") {
  Rig rig;
  rig.queue_on();
  rig.memory.reads.clear();
  rig.w64(kIqt, 0);
  CHECK(rig.memory.reads.empty());
  rig.submit(kFence, 0);
  rig.memory.reads.clear();
  rig.w64(kIqt, 0x10);
  CHECK(rig.memory.reads.empty());
  CHECK(rig.r64(kIqh) == 0x10);
  CHECK(rig.r32(kFsts) == 0);
}

TEST_CASE("with the queue disabled a tail write does nothing, enabling starts with what is there") {
  Rig rig;
  rig.memory.put(Rig::kQueue, status_wait(7));
  rig.memory.put(Rig::kQueue + 8, kStatus);
  rig.w64(kIqa, Rig::kQueue);
  rig.w64(kIqt, 0x10);
  CHECK(rig.memory.reads.empty());
  CHECK(rig.r64(kIqh) == 0);
  rig.set_command(kQIE);
  CHECK(rig.r64(kIqh) == 0x10);
  CHECK(rig.memory.get32(kStatus) == 7);
}

TEST_CASE("the queue works whether translation is on or off") {
  Rig rig;
  rig.queue_on();
  rig.submit(status_wait(1), kStatus);
  rig.on();
  rig.submit(status_wait(2), kStatus + 4);
  rig.clear_command(kTE);
  rig.submit(status_wait(3), kStatus + 8);
  CHECK(rig.memory.get32(kStatus) == 1);
  CHECK(rig.memory.get32(kStatus + 4) == 2);
  CHECK(rig.memory.get32(kStatus + 8) == 3);
}

TEST_CASE("the tail may be written as a dword") {
  Rig rig;
  rig.queue_on();
  rig.memory.put(Rig::kQueue, status_wait(9));
  rig.memory.put(Rig::kQueue + 8, kStatus);
  rig.w32(kIqt, 0x10);
  CHECK(rig.memory.get32(kStatus) == 9);
}

TEST_CASE("QS 0 to 7: the queue wraps at 2^QS pages of 4 KiB") {
  for (unsigned qs = 0; qs <= 7; ++qs) {
    INFO("QS " << qs);
    const std::uint64_t bytes = std::uint64_t{0x1000} << qs;
    Rig rig;
    rig.queue_on(qs);
    for (std::uint64_t at = 0; at < bytes; at += 16) rig.memory.put(Rig::kQueue + at, kFence);
    rig.w64(kIqt, bytes - 16);
    CHECK(rig.r64(kIqh) == bytes - 16);
    // The last slot, then the first.
    rig.memory.put(Rig::kQueue + bytes - 16, status_wait(1));
    rig.memory.put(Rig::kQueue + bytes - 8, kStatus);
    rig.memory.put(Rig::kQueue, status_wait(2));
    rig.memory.put(Rig::kQueue + 8, kStatus + 4);
    rig.memory.reads.clear();
    rig.w64(kIqt, 0x10);
    CHECK(rig.r64(kIqh) == 0x10);
    CHECK(rig.memory.reads == std::vector<SparseMemory::Read>{{Rig::kQueue + bytes - 16, 16}, {Rig::kQueue, 16}});
    CHECK(rig.memory.get(kStatus) == 0x0000000200000001);
    CHECK(rig.r32(kFsts) == 0);
    CHECK(rig.unit.front_end().command_counters().descriptors == bytes / 16 + 1);
  }
}

TEST_CASE("a full queue: every slot but one") {
  Rig rig;
  rig.queue_on();
  for (int i = 0; i < 3; ++i) rig.submit(kFence, 0);
  for (std::uint64_t at = 0; at < 0x1000; at += 16) rig.memory.put(Rig::kQueue + at, kFence);
  rig.w64(kIqt, 0x20);  // head 0x30: 255 descriptors
  CHECK(rig.r64(kIqh) == 0x20);
  CHECK(rig.unit.front_end().command_counters().descriptors == 258);
}

TEST_CASE("wait: SW writes 32 bits and nothing else") {
  Rig rig;
  rig.queue_on();
  rig.memory.put(kStatus, ~0ull);
  rig.memory.writes.clear();
  rig.submit(status_wait(0x12345678), kStatus);
  CHECK(rig.memory.get(kStatus) == 0xFFFFFFFF12345678);
  CHECK(rig.memory.writes == std::vector<SparseMemory::Read>{{kStatus, 4}});
  rig.submit(status_wait(0x9ABCDEF0), kStatus + 4);
  CHECK(rig.memory.get(kStatus) == 0x9ABCDEF012345678);
  CHECK(rig.r32(kIcs) == 0);
}

TEST_CASE("wait: the status address is a host address, not translated") {
  Rig rig;
  rig.on();
  rig.map(kStatus, 0x900000);
  rig.queue_on();
  rig.submit(status_wait(5), kStatus);
  CHECK(rig.memory.get32(kStatus) == 5);
  CHECK(rig.memory.get32(0x900000) == 0);
}

TEST_CASE("wait: status address bits at and above HAW are ignored") {
  Rig rig;
  rig.queue_on();
  rig.submit(status_wait(5), kStatus | 0xFFFFC00000000000);
  CHECK(rig.memory.get32(kStatus) == 5);
  CHECK(rig.r32(kFsts) == 0);
}

TEST_CASE("wait: with SW=0 data and address are ignored") {
  Rig rig;
  rig.queue_on();
  rig.memory.writes.clear();
  rig.submit(0x12345678ull << 32 | kFence, kStatus);
  CHECK(rig.memory.writes.empty());
  CHECK(rig.r32(kFsts) == 0);
  CHECK(rig.r64(kIqh) == 0x10);
}

TEST_CASE("wait: each combination of SW, IF and FN is legal") {
  for (std::uint64_t flags = 0; flags < 8; ++flags) {
    INFO("FN SW IF " << flags);
    Rig rig;
    rig.queue_on();
    rig.w32(kIectl, 0);
    rig.w32(kIeaddr, 0xFEE00000);
    rig.submit(status_wait(0x77, flags << 4), kStatus);
    CHECK(rig.r64(kIqh) == 0x10);
    CHECK(rig.r32(kFsts) == 0);
    CHECK(rig.r32(kIcs) == (flags & 1));
    CHECK(rig.messages.size() == (flags & 1));
    CHECK(rig.memory.get32(kStatus) == ((flags & 2) != 0 ? 0x77 : 0));
  }
}

TEST_CASE("wait: the status is written before the interrupt goes out") {
  vtd::FrontEnd front_end(capabilities());
  front_end.write_register(kIectl, 4, 0);
  front_end.write_register(kIqa, 8, 0x40000000);
  front_end.write_register(kGcmd, 4, kQIE);
  front_end.write_register(kIqt, 8, 0x10);
  std::vector<Command::Kind> kinds;
  for (Command c = front_end.next_command(); c.kind != Command::Kind::Idle; c = front_end.next_command()) {
    kinds.push_back(c.kind);
    if (c.kind == Command::Kind::ReadDescriptor) {
      CHECK(c.address == 0x40000000);
      CHECK(c.bytes == 16);
      front_end.descriptor_read({true, {0x0000004200000035, 0x50000000}});
    } else if (c.kind == Command::Kind::WriteStatus) {
      CHECK(c.address == 0x50000000);
      CHECK(c.data == 0x42);
      CHECK(front_end.read_register(kIcs, 4) == 0);
    } else if (c.kind == Command::Kind::Message) {
      CHECK(front_end.read_register(kIcs, 4) == 1);
    }
  }
  CHECK(kinds == std::vector<Command::Kind>{Command::Kind::Decode, Command::Kind::ReadDescriptor, Command::Kind::Decode,
                                            Command::Kind::WriteStatus, Command::Kind::Message});
}

TEST_CASE("the head has moved on when a descriptor has been taken, not when it is done") {
  vtd::FrontEnd front_end(capabilities());
  front_end.write_register(kIqa, 8, 0x40000000);
  front_end.write_register(kGcmd, 4, kQIE);
  front_end.write_register(kIqt, 8, 0x10);
  CHECK(front_end.next_command().kind == Command::Kind::Decode);  // of QIE
  REQUIRE(front_end.next_command().kind == Command::Kind::ReadDescriptor);
  CHECK(front_end.read_register(kIqh, 8) == 0);
  front_end.descriptor_read({true, {0x11, 0}});  // context cache, global
  CHECK(front_end.read_register(kIqh, 8) == 0x10);
  CHECK(front_end.next_command().kind == Command::Kind::Decode);
  CHECK(front_end.next_command().kind == Command::Kind::InvalidateContext);
}

/// Runs a queue of descriptors on a front end alone and notes the kinds of the commands that matter.
std::string trace(const vtd::Capabilities& c, std::vector<std::pair<std::uint64_t, std::uint64_t>> queue) {
  vtd::FrontEnd front_end(c);
  front_end.write_register(kIqa, 8, 0x40000000);
  front_end.write_register(kGcmd, 4, kQIE);
  front_end.write_register(kIqt, 8, 16 * queue.size());
  std::string kinds;
  for (Command command = front_end.next_command(); command.kind != Command::Kind::Idle;
       command = front_end.next_command()) {
    switch (command.kind) {
      case Command::Kind::ReadDescriptor: {
        const auto& d = queue.at((command.address - 0x40000000) / 16);
        front_end.descriptor_read({true, {d.first, d.second}});
        break;
      }
      case Command::Kind::InvalidateContext:
        kinds += 'C';
        break;
      case Command::Kind::InvalidateTranslation:
        kinds += 'T';
        break;
      case Command::Kind::Drain:
        kinds += 'D';
        break;
      case Command::Kind::WriteStatus:
        kinds += 'S';
        break;
      default:
        break;
    }
  }
  CHECK(front_end.read_register(kFsts, 4) == 0);
  return kinds;
}

TEST_CASE("drains: before the wait that follows, when DR or DW was asked for, once, never otherwise below version 2") {
  const std::pair<std::uint64_t, std::uint64_t> plain{0x12, 0}, write{0x52, 0}, read{0x92, 0}, both{0xD2, 0},
      wait{0x25, 0x50000000}, context{0x11, 0};
  auto c = capabilities();
  CHECK(trace(c, {plain, wait}) == "TS");
  CHECK(trace(c, {write, wait}) == "TDS");
  CHECK(trace(c, {read, wait}) == "TDS");
  CHECK(trace(c, {both, wait}) == "TDS");
  CHECK(trace(c, {write, plain, wait}) == "TTDS");        // any earlier descriptor
  CHECK(trace(c, {write, read, wait, wait}) == "TTDSS");  // the second wait has nothing to drain
  CHECK(trace(c, {plain, wait, write, wait}) == "TSTDS");
  CHECK(trace(c, {context, wait}) == "CS");
  CHECK(trace(c, {wait}) == "S");  // a wait does not drain by itself
  CHECK(trace(c, {write}) == "T");
  CHECK(trace(c, {{0xE2 | (5ull << 16), 0}, wait}) == "TDS");           // domain-selective
  CHECK(trace(c, {{0xF2 | (5ull << 16), 0x1000}, wait}) == "TDS");      // page-selective
  CHECK(trace(c, {{0x32 | (5ull << 16), 0x1000}, {0x45, 0}}) == "T");   // FN does not drain either
  CHECK(trace(c, {{0x72 | (5ull << 16), 0x1000}, {0x45, 0}}) == "TD");  // unless asked for
  c.version_major = 2;
  CHECK(trace(c, {plain, wait}) == "TDS");
  CHECK(trace(c, {both, wait, wait}) == "TDSS");
  CHECK(trace(c, {context, wait}) == "CS");
  c.version_major = 6;
  CHECK(trace(c, {context, plain, wait}) == "CTDS");
}

TEST_CASE("descriptors take effect in the order of the queue") {
  const std::pair<std::uint64_t, std::uint64_t> context{0x11, 0}, iotlb{0x12, 0}, wait{0x25, 0x50000000},
      fence{0x45, 0};
  CHECK(trace(capabilities(), {context, iotlb, wait}) == "CTS");
  CHECK(trace(capabilities(), {iotlb, context, fence, wait, iotlb}) == "TCST");
}

TEST_CASE("from version 6 on the queue works as before") {
  auto c = capabilities();
  c.version_major = 6;
  InvalidationRig rig(Interface::Queue, c);
  rig.map(0x1000, 0x900000);
  REQUIRE(rig.reads(0x1000));
  rig.invalidate_iotlb(3, 5, 0x1000);
  CHECK_FALSE(rig.cached(InvalidationRig::kA, 0x1000));
  rig.invalidate_context(3, 5, InvalidationRig::kA);
  CHECK_FALSE(rig.context_cached(InvalidationRig::kA));
}

TEST_CASE("the usual sequence of a driver: change, context, IOTLB, wait, the next access sees the change") {
  InvalidationRig rig(Interface::Queue);
  rig.map(0x1000, 0x900000);
  rig.memory.put(0x901000, 0x5A);
  REQUIRE(rig.writes(0x1000));
  rig.map(0x1000, 0x901000);
  rig.invalidate_context(3, 5, Rig::kSid);
  rig.invalidate_iotlb(3, 5, 0x1000);
  rig.submit(status_wait(1), kStatus);
  CHECK(rig.memory.get32(kStatus) == 1);
  CHECK(rig.value_at(0x1000) == 0x5A);
}

}  // namespace
