// Functions on the machine, explained: which there are, what some of them say, and that the lines are all accesses.
#include "platform/explain.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "platform/explain_cases.h"
#include "platform/explain_report.h"
#include "testbench/platform/catch.h"

namespace {

using namespace iommu;
using namespace iommu::platform;

const std::string kScenario = "[device.device0]\nmapping = \"none\"\n";

Explanation explained(const std::string& function, const std::vector<std::string>& overrides = {}) {
  return explain(load_config_text(kScenario, "explain", overrides), function);
}

std::vector<std::string> texts(const ExplainedCall& call) {
  std::vector<std::string> result;
  for (const Transaction& transaction : call.transactions) result.push_back(transaction.text);
  return result;
}

bool has_line(const ExplainedCall& call, const std::string& beginning) {
  const std::vector<std::string> lines = texts(call);
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return line.rfind(beginning, 0) == 0; });
}

}  // namespace

TEST_CASE("each of the 22 functions of version 2 has a situation") {
  for (std::size_t i = 0; i < api::kV2Functions; ++i) {
    const std::string name = api::function_name(static_cast<api::Function>(i));
    CAPTURE(name);
    const auto& cases = explain_cases();
    CHECK(std::any_of(cases.begin(), cases.end(), [&](const ExplainCase& c) { return name == c.function; }));
  }
}

TEST_CASE("every situation comes to its call, and its lines are all of its accesses") {
  for (const char* setting : {"ddi.invalidation=queued", "ddi.invalidation=register", "ddi.profile=as_documented"}) {
    for (std::size_t i = 0; i < api::kV2Functions; ++i) {
      const std::string name = api::function_name(static_cast<api::Function>(i));
      const Explanation explanation = explained(name, {setting});
      CHECK_FALSE(explanation.calls.empty());
      for (const ExplainedCall& call : explanation.calls) {
        CAPTURE(setting, name, call.situation, call.refused);
        CHECK(call.refused.empty());
        std::uint64_t lines = 0;
        for (const Transaction& transaction : call.transactions) {
          lines += transaction.accesses;
          CHECK(transaction.begin >= call.begin);
          CHECK(transaction.end <= call.begin + call.duration);
          CHECK(transaction.text.find("memory at") == std::string::npos);  // nothing is without a name
          CHECK(transaction.text.find("register 0x") == std::string::npos);
        }
        const AccessCounts& counts = call.accesses;
        CHECK(lines == counts.register_reads + counts.register_writes + counts.memory_reads + counts.memory_writes);
      }
    }
  }
}

TEST_CASE("mapping a first page, line by line") {
  const Explanation explanation = explained("MapLogicalRangeEx");
  const ExplainedCall& call = explanation.calls.at(0);
  CHECK(call.status == STATUS_SUCCESS);
  CHECK(texts(call) ==
        std::vector<std::string>{
            "zero 4 KiB at 0x105000 (page table level 2 of domain id 1)",
            "page table level 3 of domain id 1, entry 0 (logical 0x0) <- {R=1, W=1, address=0x105000}",
            "zero 4 KiB at 0x106000 (page table level 1 of domain id 1)",
            "page table level 2 of domain id 1, entry 0 (logical 0x0) <- {R=1, W=1, address=0x106000}",
            "page table level 1 of domain id 1, entry 0 (logical 0x0) <- {R=1, W=1, address=0x100000000}"});
  CHECK(call.set_up ==
        std::vector<std::string>{"CreateDevice", "CreateDomainEx (Translate, buddy allocator)", "AttachDeviceEx"});
}

TEST_CASE("a domain's table is named although it is attached only later") {
  const Explanation explanation = explained("CreateDomainEx");
  CHECK(texts(explanation.calls.at(0)) ==
        std::vector<std::string>{"zero 4 KiB at 0x103000 (page table level 3 of domain id 1)"});
  CHECK(explanation.calls.at(0).set_up == std::vector<std::string>{"CreateDevice"});
}

TEST_CASE("the invalidation follows the settings") {
  const ExplainedCall queued = explained("UnmapLogicalRange").calls.at(0);
  CHECK(has_line(queued, "invalidation queue[3] <- IOTLB invalidate, page-selective, DID=1, address=0x1000, AM=0"));
  CHECK(has_line(queued, "wait status word -> 2 (completed)"));
  const ExplainedCall registers = explained("UnmapLogicalRange", {"ddi.invalidation=register"}).calls.at(0);
  CHECK(has_line(registers, "IVA <- ADDR=0x1000 IH=1 AM=0"));
  CHECK(has_line(registers, "IOTLB <- IVT=1 IIRG=3(page) DR=1 DW=1 DID=1"));
  const ExplainedCall cached = explained("AttachDeviceEx", {"iommu.0.caching_mode=true"}).calls.at(0);
  CHECK(has_line(cached, "invalidation queue[3] <- context-cache invalidate, device-selective, DID=0, SID=00:03.0"));
}

TEST_CASE("the start of the unit can be explained, too") {
  const Explanation explanation = explained(kOpenFunction);
  REQUIRE(explanation.calls.size() == 1);
  CHECK(texts(explanation.calls[0]).front() == "VER -> MAX=1 MIN=0");
  CHECK(has_line(explanation.calls[0], "GSTS -> TES=1 RTPS=1 QIES=1"));
}

TEST_CASE("a set-up that the machine refuses says so") {
  const ExplainedCall call = explained("AttachDeviceEx", {"iommu.0.pass_through=false"}).calls.at(2);
  CHECK(call.refused == "CreateDomainEx (PassThrough) answers STATUS_NOT_SUPPORTED");
  CHECK(call.transactions.empty());
}

TEST_CASE("the smallest machine has room for every situation") {
  for (const ExplainCase& example : explain_cases()) {
    CHECK_FALSE(explained(example.function, {"memory.size_bytes=16MiB"}).calls.empty());
  }
}

namespace {

Explanation made_up() {
  ExplainedCall call;
  call.situation = "a situation";
  call.set_up = {"CreateDevice", "AttachDeviceEx"};
  call.begin = 5'000;
  call.duration = 97'300;
  call.accesses.register_writes = 1;
  call.accesses.memory_reads = 3;
  call.status = STATUS_IN_USE;
  call.transactions = {{Access::Space::Registers, true, 1, 5'000, 22'000, "IQT <- 0x20"},
                       {Access::Space::Memory, false, 3, 22'000, 102'300, "wait status word -> 7 (completed)"}};
  call.diagnostics = {{api::Severity::Note, "FlushDomain", "domain 1", "a remark"}};
  ExplainedCall refused;
  refused.situation = "another one";
  refused.refused = "CreateDevice answers STATUS_NOT_FOUND";
  ExplainedCall silent;
  silent.situation = "nothing to do";
  silent.has_status = false;
  return {"FlushDomain", {call, refused, silent}};
}

}  // namespace

TEST_CASE("an explanation as text") {
  CHECK(explanation_as_text(made_up()) ==
        "FlushDomain: a situation\n"
        "after CreateDevice, AttachDeviceEx\n"
        "       0.0  register write      IQT <- 0x20\n"
        "      17.0  memory read x3      wait status word -> 7 (completed)\n"
        "registers: 0 read, 1 written; memory: 3 read, 0 written; 97.3 ns; STATUS_RESOURCE_IN_USE\n"
        "note: FlushDomain, domain 1: a remark\n"
        "\n"
        "FlushDomain: another one\n"
        "not possible here: CreateDevice answers STATUS_NOT_FOUND\n"
        "\n"
        "FlushDomain: nothing to do\n"
        "            no register or memory access\n"
        "registers: 0 read, 0 written; memory: 0 read, 0 written; 0.0 ns; returns nothing\n");
}

TEST_CASE("an explanation as JSON") {
  const nlohmann::ordered_json json = explanation_as_json(made_up());
  CHECK(json["function"] == "FlushDomain");
  CHECK(json["calls"][0]["status"] == "STATUS_RESOURCE_IN_USE");
  CHECK(json["calls"][0]["simulated_ns"] == 97.3);
  CHECK(json["calls"][0]["registers"]["writes"] == 1);
  CHECK(json["calls"][0]["memory"]["reads"] == 3);
  CHECK(json["calls"][0]["transactions"][1]["begin_ns"] == 17.0);
  CHECK(json["calls"][0]["transactions"][1]["end_ns"] == 97.3);
  CHECK(json["calls"][0]["transactions"][1]["accesses"] == 3);
  CHECK(json["calls"][0]["transactions"][1]["space"] == "memory");
  CHECK(json["calls"][0]["transactions"][1]["write"] == false);
  CHECK(json["calls"][1]["refused"] == "CreateDevice answers STATUS_NOT_FOUND");
  CHECK_FALSE(json["calls"][2].contains("status"));
}

TEST_CASE("the page has a row and a section for each situation") {
  const std::string page = explanations_as_markdown({made_up()}, {"ddi.profile=as_documented"});
  CHECK(page.find("\n| FlushDomain | a situation | 0 | 1 | 3 | 0 | 97.3 | STATUS_RESOURCE_IN_USE |\n") !=
        std::string::npos);
  CHECK(
      page.find("\n| FlushDomain | another one | | | | | | not possible: CreateDevice answers STATUS_NOT_FOUND |\n") !=
      std::string::npos);
  CHECK(page.find("\nDifferent from the defaults here: ddi.profile=as_documented.\n") != std::string::npos);
  CHECK(page.find("\n### FlushDomain: nothing to do\n\n```text\n            no register") != std::string::npos);
  CHECK(explanations_as_markdown({}, {}).find("Different") == std::string::npos);
}
