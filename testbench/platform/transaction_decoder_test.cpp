// What accesses mean. Words are literals with the bit positions of the VT-d specification (chapters 9 and 11, 6.5.2), not made by the model's
// records.
#include "platform/transaction_decoder.h"

#include "platform/record_text.h"
#include "testbench/platform/catch.h"

namespace {

using namespace iommu;
using namespace iommu::platform;

/// A log as system software would leave it, each access 10 ns long, one after the other.
class Script {
 public:
  Script& write(core::Address address, std::uint64_t value) {
    return add(Access::Space::Memory, true, address, 8, value);
  }
  Script& read(core::Address address, std::uint64_t value) {
    return add(Access::Space::Memory, false, address, 8, value);
  }
  Script& zero(core::Address frame) { return add(Access::Space::Memory, true, frame, 4096, 0); }
  Script& set(std::uint32_t offset, std::uint64_t value, std::uint32_t bytes = 8, std::size_t unit = 0) {
    return add(Access::Space::Registers, true, offset, bytes, value, unit);
  }
  Script& get(std::uint32_t offset, std::uint64_t value, std::uint32_t bytes = 8) {
    return add(Access::Space::Registers, false, offset, bytes, value);
  }
  /// What follows belongs to a call of its own.
  Script& call(api::Function function) {
    LoggedCall logged;
    logged.function = function;
    log_.calls.push_back(logged);
    current_ = log_.calls.size() - 1;
    return *this;
  }

  [[nodiscard]] std::vector<Transaction> decode(std::optional<std::size_t> call, std::size_t units = 1) const {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < units; ++i) names.push_back("iommu." + std::to_string(i));
    return TransactionDecoder(log_, names).decode(call);
  }
  [[nodiscard]] std::vector<std::string> lines(std::optional<std::size_t> call = std::nullopt) const {
    std::vector<std::string> texts;
    for (const Transaction& transaction : decode(call)) texts.push_back(transaction.text);
    return texts;
  }

 private:
  Script& add(Access::Space space, bool write, core::Address address, std::uint32_t bytes, std::uint64_t value,
              std::size_t unit = 0) {
    const core::Tick begin = log_.accesses.size() * 10'000;
    log_.accesses.push_back({Access{space, write, unit, address, bytes, value, begin, begin + 10'000}, current_});
    return *this;
  }

  AccessLog log_;
  std::optional<std::size_t> current_;
};

using Lines = std::vector<std::string>;

std::string written(std::uint32_t offset, std::uint64_t value, std::uint32_t bytes = 8) {
  return register_text({0x500, 0x600, 2}, offset, bytes, true, value);
}
std::string answered(std::uint32_t offset, std::uint64_t value, std::uint32_t bytes = 8) {
  return register_text({0x500, 0x600, 2}, offset, bytes, false, value);
}

}  // namespace

TEST_CASE("registers") {
  CHECK(answered(0x00, 0x10, 4) == "VER -> MAX=1 MIN=0");
  CHECK(written(0x88, 0x20) == "IQT <- 0x20");
  CHECK(answered(0x1C, 0xC4000000, 4) == "GSTS -> TES=1 RTPS=1 QIES=1");
  CHECK(answered(0x1C, 0, 4) == "GSTS -> 0");
  CHECK(written(0x18, 0x84000000, 4) == "GCMD <- TE=1 QIE=1");
  CHECK(written(0x20, 0x101000) == "RTADDR <- RTA=0x101000 TTM=0(legacy)");
  CHECK(written(0x20, 0xC00) == "RTADDR <- RTA=0x0 TTM=3");
  CHECK(written(0x90, 0x102801) == "IQA <- IQA=0x102000 DW=1 QS=1");
  CHECK(written(0x28, 0xE000000000180003) == "CCMD <- ICC=1 CIRG=3(device) SID=00:03.0 DID=3");
  CHECK(answered(0x28, 0x2800000000000003) == "CCMD -> CIRG=1(global) CAIG=1(global) DID=3");
  CHECK(written(0x34, 0x10, 4) == "FSTS <- IQE=1");
  CHECK(answered(0x34, 0x0302, 4) == "FSTS -> FRI=3 PPF=1");
  CHECK(written(0x38, 0, 4) == "FECTL <- IM=0 IP=0");
  CHECK(written(0x3C, 0x41, 4) == "FEDATA <- 0x41");
  CHECK(written(0x40, 0xFEE00000, 4) == "FEADDR <- 0xfee00000");
  CHECK(answered(0x64, 0x80000001, 4) == "PMEN -> EPM=1 PRS=1");
}

TEST_CASE("registers without a fixed place, and none at all") {
  CHECK(written(0x500, 0x1049) == "IVA <- ADDR=0x1000 IH=1 AM=9");
  CHECK(written(0x508, 0xB003000300000000) == "IOTLB <- IVT=1 IIRG=3(page) DR=1 DW=1 DID=3");
  CHECK(answered(0x508, 0x2400000C00000000) == "IOTLB -> IIRG=2(domain) IAIG=2(domain) DID=12");
  CHECK(answered(0x600, 0x7FFF000) == "FRCD_LO[0] -> 0x7fff000");
  CHECK(answered(0x618, 0xC000000600000018) == "FRCD_HI[1] -> F=1 T1=1 FR=0x6 SID=00:03.0");
  CHECK(written(0x61C, 0x80000000, 4) == "FRCD_HI[1][63:32] <- F=1");
  CHECK(answered(0x700, 5) == "register 0x700 -> 0x5");
  CHECK(register_text({}, 0x500, 8, true, 1) == "register 0x500 <- 0x1");  // ECAP has not been read
  CHECK(written(0x1C, 0x80000001, 4) == "GSTS <- TES=1 and bits 0x1");
}

TEST_CASE("records") {
  CHECK(root_entry_text({0x104001, 0}) == "{P=1, CTP=0x104000}");
  CHECK(root_entry_text({0, 0}) == "{P=0}");
  CHECK(context_entry_text({0x105001, 0x302}) == "{P=1, TT=0, DID=3, SSPTPTR=0x105000, AW=2}");
  CHECK(context_entry_text({0x9, 0x1203}) == "{P=1, TT=2, DID=18, AW=3}");
  CHECK(context_entry_text({0x107003, 0x101}) == "{P=1, FPD=1, TT=0, DID=1, SSPTPTR=0x107000, AW=1}");
  CHECK(context_entry_text({0, 0}) == "{P=0}");
  CHECK(page_entry_text(0x107003, 2) == "{R=1, W=1, address=0x107000}");
  CHECK(page_entry_text(0x107001, 1) == "{R=1, W=0, address=0x107000}");
  CHECK(page_entry_text(0x107802, 1) == "{R=0, W=1, SNP=1, address=0x107000}");
  CHECK(page_entry_text(0x200083, 2) == "{R=1, W=1, PS=1, address=0x200000}");
  CHECK(page_entry_text(0x107000, 1) == "{R=0, W=0}");
}

TEST_CASE("invalidation descriptors") {
  CHECK(descriptor_text({0x300F2, 0x1040}) ==
        "IOTLB invalidate, page-selective, DID=3, address=0x1000, AM=0, DR=1, DW=1, IH=1");
  CHECK(descriptor_text({0x300E2, 0}) == "IOTLB invalidate, domain-selective, DID=3, DR=1, DW=1");
  CHECK(descriptor_text({0x92, 0}) == "IOTLB invalidate, global, DR=1, DW=0");
  CHECK(descriptor_text({0x2, 0}) == "IOTLB invalidate, reserved-selective, DID=0, DR=0, DW=0");
  CHECK(descriptor_text({0x11, 0}) == "context-cache invalidate, global");
  CHECK(descriptor_text({0x30021, 0}) == "context-cache invalidate, domain-selective, DID=3");
  CHECK(descriptor_text({0x0001001800030031, 0}) ==
        "context-cache invalidate, device-selective, DID=3, SID=00:03.0, FM=1");
  CHECK(descriptor_text({0x700000025, 0x103004}) == "wait, status word at 0x103004 <- 7");
  CHECK(descriptor_text({0x700000075, 0x103000}) == "wait, status word at 0x103000 <- 7, IF=1, FN=1");
  CHECK(descriptor_text({0x45, 0}) == "wait, FN=1");
  CHECK(descriptor_text({0x3, 0x5000}) == "descriptor of type 3, 0x3, 0x5000");
  CHECK(wait_data(0x700000025) == 7u);
  CHECK(!wait_data(0x700000045));  // without SW
  CHECK(!wait_data(0x300E2));
}

namespace {

/// Root table 0x100000, queue 0x101000, status word 0x102000.
Script started() {
  Script script;
  script.get(0x08, 0x0).get(0x10, 0x5000);  // ECAP.IRO = 0x50
  script.zero(0x100000).zero(0x101000).zero(0x102000);
  script.set(0x90, 0x101000).set(0x20, 0x100000);
  return script;
}

}  // namespace

TEST_CASE("memory is named by what points to it, also when that comes later") {
  Script script = started();
  // A page table of three levels is built before anything points to its root, then the device is attached.
  script.call(api::Function::MapLogicalRangeEx).zero(0x105000).zero(0x106000).zero(0x107000);
  script.write(0x107000 + 8 * 3, 0xAAA003).write(0x106000 + 8 * 5, 0x107003).write(0x105000, 0x106003);
  script.call(api::Function::AttachDeviceEx).zero(0x104000).write(0x100008, 0).write(0x100000, 0x104001);
  script.write(0x104000 + 16 * 0x18 + 8, 0x301).write(0x104000 + 16 * 0x18, 0x105001);
  CHECK(script.lines() == Lines{"CAP -> 0", "ECAP -> IRO=0x50", "zero 4 KiB at 0x100000 (root table)",
                                "zero 4 KiB at 0x101000 (invalidation queue)", "zero 4 KiB at 0x102000",
                                "IQA <- IQA=0x101000 DW=0 QS=0", "RTADDR <- RTA=0x100000 TTM=0(legacy)"});
  CHECK(script.lines(0) ==
        Lines{"zero 4 KiB at 0x105000 (page table level 3 of domain id 3)",
              "zero 4 KiB at 0x106000 (page table level 2 of domain id 3)",
              "zero 4 KiB at 0x107000 (page table level 1 of domain id 3)",
              "page table level 1 of domain id 3, entry 3 (logical 0xa03000) <- {R=1, W=1, address=0xaaa000}",
              "page table level 2 of domain id 3, entry 5 (logical 0xa00000) <- {R=1, W=1, address=0x107000}",
              "page table level 3 of domain id 3, entry 0 (logical 0x0) <- {R=1, W=1, address=0x106000}"});
  CHECK(script.lines(1) == Lines{"zero 4 KiB at 0x104000 (context table of bus 00)",
                                 "root entry of bus 00 <- {P=1, CTP=0x104000}",
                                 "context entry 00:03.0 <- {P=1, TT=0, DID=3, SSPTPTR=0x105000, AW=1}"});
}

TEST_CASE("a frame that is used again has another name each time") {
  Script script = started();
  script.zero(0x104000).write(0x100000, 0x104001).zero(0x105000);
  script.write(0x104000 + 16 * 0x18 + 8, 0x301).write(0x104000 + 16 * 0x18, 0x105001);
  script.call(api::Function::MapLogicalRangeEx).zero(0x106000).write(0x105000, 0x106003);
  script.call(api::Function::UnmapLogicalRange).write(0x105000, 0);
  script.call(api::Function::MapLogicalRangeEx)
      .zero(0x107000)
      .write(0x105008, 0x107003)
      .zero(0x106000)
      .write(0x107000, 0x106003);
  CHECK(script.lines(0).front() == "zero 4 KiB at 0x106000 (page table level 2 of domain id 3)");
  CHECK(script.lines(1) == Lines{"page table level 3 of domain id 3, entry 0 (logical 0x0) <- {R=0, W=0}"});
  CHECK(script.lines(2).at(2) == "zero 4 KiB at 0x106000 (page table level 1 of domain id 3)");
  CHECK(script.lines(2).at(3) ==
        "page table level 2 of domain id 3, entry 0 (logical 0x40000000) <- {R=1, W=1, address=0x106000}");
}

TEST_CASE("a large page is no table, and a context entry that passes through has none") {
  Script script = started();
  script.zero(0x104000).write(0x100000, 0x104001).zero(0x105000).zero(0x200000);
  script.write(0x104008, 0x301).write(0x104000, 0x105001);
  script.write(0x104018, 0x402).write(0x104010, 0x200009);
  script.call(api::Function::MapLogicalRangeEx).write(0x105000, 0x200083).zero(0x200000);
  CHECK(script.lines(0) ==
        Lines{"page table level 3 of domain id 3, entry 0 (logical 0x0) <- {R=1, W=1, PS=1, address=0x200000}",
              "zero 4 KiB at 0x200000"});
}

TEST_CASE("the queue, its wait and the polls for it") {
  Script script = started();
  script.call(api::Function::UnmapLogicalRange);
  script.write(0x101040, 0x300F2).write(0x101048, 0x1040);
  script.write(0x101050, 0x700000025).write(0x101058, 0x102000).set(0x88, 0x60);
  script.read(0x102000, 6).read(0x102000, 6).get(0x34, 0, 4).read(0x102000, 6).read(0x102000, 7);
  const std::vector<Transaction> transactions = script.decode(0);
  REQUIRE(transactions.size() == 7);
  CHECK(transactions[0].text ==
        "invalidation queue[4] <- IOTLB invalidate, page-selective, DID=3, address=0x1000, AM=0, DR=1, DW=1, IH=1");
  CHECK(transactions[0].accesses == 2);
  CHECK(transactions[0].end - transactions[0].begin == 20'000);
  CHECK(transactions[1].text == "invalidation queue[5] <- wait, status word at 0x102000 <- 7");
  CHECK(transactions[2].text == "IQT <- 0x60");
  CHECK((transactions[2].space == Access::Space::Registers && transactions[2].write));
  CHECK(transactions[3].text == "wait status word -> 6 (waiting for 7)");
  CHECK(transactions[3].accesses == 2);
  CHECK_FALSE(transactions[3].write);
  CHECK(transactions[3].end == transactions[4].begin);
  CHECK(transactions[4].text == "FSTS -> 0");
  CHECK(transactions[5].accesses == 1);
  CHECK(transactions[6].text == "wait status word -> 7 (completed)");
  // The zeros of the status word's page came long before the descriptor that names it.
  CHECK(script.lines().at(4) == "zero 4 KiB at 0x102000 (wait status word)");
}

TEST_CASE("numbers of submissions wrap around") {
  Script script = started();
  script.call(api::Function::FlushDomain);
  script.write(0x101000, 0x25).write(0x101008, 0x102000).read(0x102000, 0xFFFFFFFF).read(0x102000, 0);
  CHECK(script.lines(0) == Lines{"invalidation queue[0] <- wait, status word at 0x102000 <- 0",
                                 "wait status word -> 4294967295 (waiting for 0)",
                                 "wait status word -> 0 (completed)"});
}

TEST_CASE("half a record, unknown memory, and reads that differ") {
  Script script = started();
  script.zero(0x104000).write(0x100000, 0x104001);
  script.call(api::Function::DetachDeviceEx).write(0x104180, 0).read(0x104188, 0x301).write(0x300000, 0x12);
  script.read(0x300000, 1).read(0x300000, 2).read(0x300008, 2).read(0x101040, 0x11);
  CHECK(script.lines(0) == Lines{"context entry 00:03.0, bits 63:0 <- {P=0}",
                                 "context entry 00:03.0, bits 127:64 -> {DID=3, AW=1}", "memory at 0x300000 <- 0x12",
                                 "memory at 0x300000 -> 0x1", "memory at 0x300000 -> 0x2", "memory at 0x300008 -> 0x2",
                                 "invalidation queue[4], bits 63:0 -> 0x11"});
}

TEST_CASE("several units are told apart by their names") {
  Script script;
  script.set(0x88, 0x10, 8, 0).set(0x88, 0x20, 8, 1);
  const auto transactions = script.decode(std::nullopt, 2);
  REQUIRE(transactions.size() == 2);
  CHECK(transactions[0].text == "iommu.0 IQT <- 0x10");
  CHECK(transactions[1].text == "iommu.1 IQT <- 0x20");
}
