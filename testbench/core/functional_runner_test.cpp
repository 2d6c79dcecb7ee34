// FunctionalRunner: commands carried out, DMAs split at pages, fills, reset; on a front end that is told what to say.
#include "models/core/functional_runner.h"

#include <cstring>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "testbench/core/fake_front_end.h"
#include "testbench/core/sparse_memory.h"

namespace {

using namespace iommu::core;
using iommu::test::FakeFrontEnd;
using iommu::test::SparseMemory;

struct RunnerRig {
  FakeFrontEnd front_end;
  SparseMemory memory;
  FunctionalRunner runner{front_end, memory};
  PageFormat format;
  std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(0x4000);

  RunnerRig() {
    format.read_bit = 1;
    format.write_bit = 2;
    format.leaf_bit = 0x80;
    format.address_mask = 0x000FFFFFFFFFF000;
    for (auto& level : format.level) level.leaf_supported = true;
    AddressSpace space;
    space.levels = 3;
    space.tag = 7;
    space.domain = 5;
    space.root = 0x10000;
    space.format = &format;
    front_end.context_steps = {FakeFrontEnd::read(0x8000, 16), FakeFrontEnd::resolved(space)};
    memory.put(0x10000, 0x11000 | 3);
    memory.put(0x11000, 0x12000 | 3);
  }
  FunctionalRunner::DmaResult dma(AccessKind kind, Address address, std::uint32_t length) {
    Request r;
    r.kind = kind;
    r.address = address;
    r.length = length;
    r.requester = 7;
    return runner.dma(r, buffer.data());
  }
  Command command(Command::Kind kind) {
    Command c;
    c.kind = kind;
    return c;
  }
};

TEST_CASE("register accesses go to the front end, commands are carried out until it is idle") {
  RunnerRig rig;
  CHECK(rig.runner.read_register(0x20, 8) == 3208);
  std::vector<std::pair<Address, std::uint32_t>> messages;
  rig.runner.on_message = [&](Address a, std::uint32_t d) { messages.emplace_back(a, d); };
  Command read = rig.command(Command::Kind::ReadDescriptor);
  read.address = 0x3000;
  read.bytes = 16;
  Command status = rig.command(Command::Kind::WriteStatus);
  status.address = 0x4000;
  status.data = 0xABCD;
  Command message = rig.command(Command::Kind::Message);
  message.address = 0xFEE00000;
  message.data = 0x41;
  rig.front_end.commands = {rig.command(Command::Kind::Decode), read, rig.command(Command::Kind::Drain), status,
                            message};
  rig.memory.put(0x3000, 111);
  rig.memory.put(0x3008, 222);
  rig.runner.write_register(0, 4, 0);
  CHECK(rig.front_end.commands.empty());
  REQUIRE(rig.front_end.descriptors.size() == 1);
  CHECK(rig.front_end.descriptors[0].readable);
  CHECK(rig.front_end.descriptors[0].words[0] == 111);
  CHECK(rig.front_end.descriptors[0].words[1] == 222);
  CHECK(rig.memory.get32(0x4000) == 0xABCD);
  CHECK(messages == std::vector<std::pair<Address, std::uint32_t>>{{0xFEE00000, 0x41}});
}

TEST_CASE("a descriptor that can't be read is handed on as such, a message that nobody takes is dropped") {
  RunnerRig rig;
  Command read = rig.command(Command::Kind::ReadDescriptor);
  read.address = 0x3000;
  read.bytes = 16;
  rig.memory.refuse(0x3000);
  rig.front_end.commands = {read, rig.command(Command::Kind::Message)};
  rig.runner.write_register(0, 4, 0);
  REQUIRE(rig.front_end.descriptors.size() == 1);
  CHECK_FALSE(rig.front_end.descriptors[0].readable);
}

TEST_CASE("a DMA fills the context cache, the paging-structure caches and the IOTLB, and uses them") {
  RunnerRig rig;
  rig.memory.put(0x12008, 0x900003);
  CHECK(rig.dma(AccessKind::Write, 0x1010, 8).completed);
  CHECK(rig.memory.reads == std::vector<SparseMemory::Read>{{0x8000, 16}, {0x10000, 8}, {0x11000, 8}, {0x12008, 8}});
  CHECK(rig.memory.writes == std::vector<SparseMemory::Read>{{0x900010, 8}});
  CHECK(rig.runner.context_cache().peek(7) != nullptr);
  CHECK(rig.runner.iotlb().peek(7, 0x1010) != nullptr);
  rig.memory.reads.clear();
  CHECK(rig.dma(AccessKind::Write, 0x1020, 8).completed);
  CHECK(rig.memory.reads.empty());
  rig.memory.put(0x12010, 0x901003);
  CHECK(rig.dma(AccessKind::Write, 0x2000, 8).completed);  // same lowest table
  CHECK(rig.memory.reads == std::vector<SparseMemory::Read>{{0x12010, 8}});
}

TEST_CASE("invalidation commands reach the caches they name") {
  RunnerRig rig;
  rig.memory.put(0x12008, 0x900003);
  REQUIRE(rig.dma(AccessKind::Write, 0x1000, 8).completed);
  rig.front_end.commands = {rig.command(Command::Kind::InvalidateContext)};
  rig.runner.write_register(0, 4, 0);
  CHECK(rig.runner.context_cache().peek(7) == nullptr);
  CHECK(rig.runner.iotlb().size() == 1);
  rig.front_end.commands = {rig.command(Command::Kind::InvalidateTranslation)};
  rig.runner.write_register(0, 4, 0);
  CHECK(rig.runner.iotlb().size() == 0);
  CHECK(rig.runner.walk_cache().counters().invalidated == 2);
}

TEST_CASE("commands that a fault causes are carried out after the DMA") {
  RunnerRig rig;
  int messages = 0;
  rig.runner.on_message = [&](Address, std::uint32_t) { ++messages; };
  rig.front_end.commands = {rig.command(Command::Kind::Message)};
  CHECK_FALSE(rig.dma(AccessKind::Read, 0x1000, 8).completed);
  CHECK(messages == 1);
  REQUIRE(rig.front_end.reported.size() == 1);
  CHECK(rig.front_end.reported[0].reason == 0x40 + static_cast<int>(FaultCause::NoRead));
  CHECK(rig.runner.iotlb().size() == 0);
}

TEST_CASE("a DMA is split at 4 KiB, never elsewhere, data lands in its place") {
  RunnerRig rig;
  for (Address page = 0; page < 4; ++page) rig.memory.put(0x12000 + 8 * page, (0x900000 + 0x10000 * page) | 3);
  for (std::size_t i = 0; i < rig.buffer.size(); ++i) rig.buffer[i] = static_cast<std::uint8_t>(i % 251);
  CHECK(rig.dma(AccessKind::Write, 0x0FFF, 0x2002).completed);
  CHECK(rig.memory.writes ==
        std::vector<SparseMemory::Read>{{0x900FFF, 1}, {0x910000, 0x1000}, {0x920000, 0x1000}, {0x930000, 1}});
  const std::vector<std::uint8_t> sent = rig.buffer;
  std::fill(rig.buffer.begin(), rig.buffer.end(), std::uint8_t{0});
  CHECK(rig.dma(AccessKind::Read, 0x0FFF, 0x2002).completed);
  CHECK(std::memcmp(sent.data(), rig.buffer.data(), 0x2002) == 0);
  CHECK(rig.buffer[0x2002] == 0);
}

TEST_CASE("a DMA of length 0 touches nothing but is translated") {
  RunnerRig rig;
  rig.memory.put(0x12008, 0x900003);
  CHECK(rig.dma(AccessKind::Write, 0x1000, 0).completed);
  CHECK_FALSE(rig.dma(AccessKind::Write, 0x2000, 0).completed);
}

TEST_CASE("the first of several faults is the result, all of them are reported, the other pieces are done") {
  RunnerRig rig;
  rig.memory.put(0x12008, 0x900001);  // page 1: read-only
  rig.memory.put(0x12010, 0x901003);  // page 2; page 3 not present
  const auto result = rig.dma(AccessKind::Write, 0x1FF8, 0x2000);
  CHECK_FALSE(result.completed);
  CHECK(result.fault.reason == 0x40 + static_cast<int>(FaultCause::NoWrite));
  CHECK(rig.front_end.reported.size() == 2);
  CHECK(rig.memory.writes == std::vector<SparseMemory::Read>{{0x901000, 0x1000}});
}

TEST_CASE("a fault is the result also when later pieces complete or fault for another reason") {
  RunnerRig rig;
  rig.memory.put(0x12008, 0x900001);  // page 1: read-only
  rig.memory.put(0x12010, 0x901003);
  const auto write = rig.dma(AccessKind::Write, 0x1FF8, 16);
  CHECK_FALSE(write.completed);
  CHECK(write.fault.reason == 0x40 + static_cast<int>(FaultCause::NoWrite));
  rig.memory.put(0x12FF8,
                 0x903002);  // the last page below 0x200000: write-only; the table of the next one can't be read
  rig.memory.put(0x11008, 0x13003);
  rig.memory.refuse(0x13000);
  const auto read = rig.dma(AccessKind::Read, 0x1FFFF8, 16);
  CHECK_FALSE(read.completed);
  CHECK(read.fault.reason == 0x40 + static_cast<int>(FaultCause::NoRead));
  CHECK(rig.front_end.reported.back().reason == 0x40 + static_cast<int>(FaultCause::LowerTableAccess));
}

TEST_CASE("memory that refuses gives no fault") {
  RunnerRig rig;
  rig.memory.put(0x12008, 0x900003);
  rig.memory.refuse(0x900000);
  const auto result = rig.dma(AccessKind::Read, 0x1000, 8);
  CHECK_FALSE(result.completed);
  CHECK(result.fault.reason == 0);
  CHECK_FALSE(result.fault.recorded);
  CHECK(rig.front_end.reported.empty());
}

TEST_CASE("an interrupt is reported with its data and does not reach memory") {
  RunnerRig rig;
  rig.front_end.gate_result.kind = Gate::Kind::Interrupt;
  rig.buffer[0] = 0x31;
  rig.buffer[3] = 0x40;
  CHECK(rig.dma(AccessKind::Write, 0xFEE00000, 4).completed);  // nobody listens: dropped
  std::vector<std::pair<Address, std::uint32_t>> messages;
  rig.runner.on_message = [&](Address a, std::uint32_t d) { messages.emplace_back(a, d); };
  CHECK(rig.dma(AccessKind::Write, 0xFEE00000, 4).completed);
  CHECK(messages == std::vector<std::pair<Address, std::uint32_t>>{{0xFEE00000, 0x40000031}});
  CHECK(rig.memory.writes.empty());
}

TEST_CASE("reset empties all caches and tells the front end which reset it is") {
  RunnerRig rig;
  rig.memory.put(0x12008, 0x900003);
  REQUIRE(rig.dma(AccessKind::Write, 0x1000, 8).completed);
  rig.runner.reset(true);
  CHECK(rig.runner.context_cache().peek(7) == nullptr);
  CHECK(rig.runner.iotlb().size() == 0);
  CHECK(rig.runner.walk_cache().counters().fills == 0);
  CHECK(rig.runner.iotlb().capacity() == 128);
  rig.runner.reset(false);
  CHECK(rig.front_end.resets == std::vector<bool>{true, false});
}

TEST_CASE("with every cache switched off each DMA reads everything, with the same result") {
  FakeFrontEnd front_end;
  SparseMemory memory;
  CacheConfig none;
  none.context_entries = 0;
  none.iotlb.sets = 0;
  none.walk.entries = {};
  FunctionalRunner runner(front_end, memory, none);
  RunnerRig tables;  // for its format
  AddressSpace space = tables.front_end.context_steps[1].space;
  front_end.context_steps = {FakeFrontEnd::read(0x8000, 16), FakeFrontEnd::resolved(space)};
  memory.put(0x10000, 0x11003);
  memory.put(0x11000, 0x12003);
  memory.put(0x12008, 0x900003);
  Request r;
  r.kind = AccessKind::Write;
  r.address = 0x1000;
  r.length = 8;
  std::uint64_t data = 1;
  for (int i = 0; i < 3; ++i) CHECK(runner.dma(r, &data).completed);
  CHECK(memory.reads.size() == 12);
  CHECK(memory.get(0x900000) == 1);
}

}  // namespace
