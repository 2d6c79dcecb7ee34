// The program as a user sees it: output, files and exit codes. Runs fake_iommu_vp, which is iommu-vp with a closed form
// as simulation.
#include <sys/wait.h>

#include <nlohmann/json.hpp>

#include "models/core/version.h"
#include "platform/parameter_docs.h"
#include "platform/progress_line.h"
#include "testbench/platform/catch.h"
#include "testbench/platform/scenario_folder.h"

namespace {

struct Outcome {
  int code;
  std::string output;
  std::string errors;
};

/// Runs the program through the shell with its arguments as one line.
Outcome run(const ScenarioFolder& folder, const std::string& arguments) {
  const int status = std::system((std::string(IOMMU_PROGRAM) + " " + arguments + " >output.txt 2>errors.txt").c_str());
  const Outcome outcome{WIFEXITED(status) ? WEXITSTATUS(status) : -1, folder.read("output.txt"),
                        folder.read("errors.txt")};
  std::filesystem::remove("output.txt");
  std::filesystem::remove("errors.txt");
  return outcome;
}

std::vector<std::string> files_below(const std::string& directory) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) files.push_back(entry.path().lexically_normal().generic_string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

const std::string kScenario = "[device.dma0]\ncount = 100\n";

}  // namespace

TEST_CASE("the version and the help") {
  const ScenarioFolder folder;
  const Outcome version = run(folder, "--version");
  CHECK(version.code == 0);
  CHECK(version.output == std::string("iommu-vp ") + iommu::core::version() + "\n");
  CHECK(version.errors.empty());
  const Outcome help = run(folder, "--help");
  CHECK(help.code == 0);
  CHECK(help.output.rfind("Usage:\n  iommu-vp run FILE... [--set KEY=VALUE]... [--out DIR] [--quiet]\n", 0) == 0);
  CHECK(run(folder, "run --help").output == help.output);
  CHECK(run(folder, "check --help").output == help.output);
  CHECK(run(folder, "params --help").output == help.output);
  CHECK(run(folder, "explain --help").output == help.output);
  CHECK(run(folder, "validate --help").output == help.output);
}

TEST_CASE("params") {
  const ScenarioFolder folder;
  CHECK(run(folder, "params").output == iommu::platform::parameters_as_text());
  CHECK(run(folder, "params --markdown").output == iommu::platform::parameters_as_markdown());
  CHECK(run(folder, "params --json-schema").output == iommu::platform::parameters_as_json_schema());
  CHECK(run(folder, "params").code == 0);
}

TEST_CASE("explain") {
  const ScenarioFolder folder;
  const std::string situation = "explain, 1 IOMMU, 1 device, memory latency ";
  const Outcome text = run(folder, "explain FlushDomain --set memory.latency_ns=90");
  CHECK(text.code == 0);
  CHECK(text.output.rfind("FlushDomain: " + situation + "90 ns\n", 0) == 0);
  const Outcome json = run(folder, "explain --json QueryAvailableDomainTypes");
  CHECK(json.code == 0);
  CHECK(nlohmann::ordered_json::parse(json.output)["calls"][0]["situation"] == situation + "70 ns");
  // All functions of version 2 in the table's order, behind the one that hands the table out.
  const std::string page = run(folder, "explain --markdown").output;
  std::size_t sections = 0;
  for (std::size_t at = page.find("\n## "); at != std::string::npos; at = page.find("\n## ", at + 1)) ++sections;
  CHECK(sections == 1 + 1 + 22);
  CHECK(page.find("\n## IoGetIommuInterfaceEx\n") < page.find("\n## CreateDomainEx\n"));
  CHECK(page.find("\n## CreateDevice\n") < page.find("\n## DeleteDevice\n"));
  CHECK(page.find("\n## CreateDomain\n") == std::string::npos);
}

TEST_CASE("wrong command lines: exit code 2, one helpful line, nothing on standard output") {
  const ScenarioFolder folder;
  folder.write("s.toml", kScenario);
  const auto message = [&](const std::string& arguments) {
    const Outcome outcome = run(folder, arguments);
    CHECK(outcome.code == 2);
    CHECK(outcome.output.empty());
    return outcome.errors;
  };
  const std::string hint = " (\"iommu-vp --help\" shows all)\n";
  CHECK(message("") == "iommu-vp: a command is missing: run, check, explain, validate or params" + hint);
  CHECK(message("rnu s.toml") == "iommu-vp: unknown command \"rnu\"; did you mean \"run\"?" + hint);
  CHECK(message("simulate") == "iommu-vp: unknown command \"simulate\"" + hint);
  CHECK(message("--versoin") == "iommu-vp: unknown option \"--versoin\"; did you mean \"--version\"?" + hint);
  CHECK(message("--version now") == "iommu-vp: unexpected \"now\" after --version" + hint);
  CHECK(message("run") == "iommu-vp: run: which scenario? FILE is missing" + hint);
  CHECK(message("run s.toml --sett a=1") == "iommu-vp: unknown option \"--sett\"; did you mean \"--set\"?" + hint);
  CHECK(message("run s.toml --ou x") == "iommu-vp: unknown option \"--ou\"; did you mean \"--out\"?" + hint);
  CHECK(message("run s.toml --set") == "iommu-vp: the required argument for option '--set' is missing" + hint);
  CHECK(message("run s.toml --out=a --out=b") == "iommu-vp: option '--out' cannot be specified more than once" + hint);
  CHECK(message("run s.toml --out ''") == "iommu-vp: run: --out needs the name of a folder" + hint);
  CHECK(message("run s.toml --quiet=yes").rfind("iommu-vp: option '--quiet' does not take any arguments", 0) == 0);
  CHECK(message("check") == "iommu-vp: check: exactly one FILE, found 0" + hint);
  CHECK(message("check s.toml s.toml") == "iommu-vp: check: exactly one FILE, found 2" + hint);
  CHECK(message("check s.toml --out x") == "iommu-vp: unknown option \"--out\"" + hint);
  CHECK(message("params x") == "iommu-vp: params: unexpected \"x\"" + hint);
  CHECK(message("params --markdown --json-schema") == "iommu-vp: params: either --markdown or --json-schema" + hint);
  CHECK(message("explian CreateDevice") == "iommu-vp: unknown command \"explian\"; did you mean \"explain\"?" + hint);
  CHECK(message("explain") == "iommu-vp: explain: which function? FUNCTION is missing" + hint);
  CHECK(message("explain CreateDevice DeleteDevice") == "iommu-vp: explain: exactly one FUNCTION, found 2" + hint);
  const std::string allowed =
      "; allowed: IoGetIommuInterfaceEx CreateDomainEx DeleteDomain AttachDeviceEx DetachDeviceEx FlushDomain "
      "FlushDomainByVaList QueryInputMappings MapLogicalRangeEx UnmapLogicalRange MapIdentityRangeEx "
      "UnmapIdentityRangeEx SetDeviceFaultReportingEx ConfigureDomain QueryAvailableDomainTypes "
      "RegisterInterfaceStateChangeCallback UnregisterInterfaceStateChangeCallback ReserveLogicalAddressRange "
      "FreeReservedLogicalAddressRange MapReservedLogicalRange UnmapReservedLogicalRange CreateDevice DeleteDevice";
  CHECK(message("explain MapLogicalRangEx") ==
        "iommu-vp: explain: unknown function \"MapLogicalRangEx\"; did you mean \"MapLogicalRangeEx\"?" + allowed +
            hint);
  CHECK(message("explain frobnicate") == "iommu-vp: explain: unknown function \"frobnicate\"" + allowed + hint);
  CHECK(message("explain AttachDevice") ==
        "iommu-vp: explain: AttachDevice belongs to version 1 of the interface; version 2 has AttachDeviceEx" + hint);
  CHECK(message("explain --markdown CreateDevice") ==
        "iommu-vp: explain: --markdown is for all functions, unexpected \"CreateDevice\"" + hint);
  CHECK(message("explain --markdown --json") == "iommu-vp: explain: either --json or --markdown" + hint);
  CHECK(message("explain CreateDevice --out x") == "iommu-vp: unknown option \"--out\"" + hint);
  CHECK(message("explain CreateDevice --set memory.latency=9") ==
        "--set: unknown key \"memory.latency\"; did you mean \"memory.latency_ns\"?\n");
  CHECK(message("explain CreateDevice --set device.device.count=9") ==
        "--set: there is no device \"device\"; did you mean \"device0\"?\n");
}

TEST_CASE("run: a table, and files only when asked for") {
  const ScenarioFolder folder;
  folder.write("s.toml", kScenario);
  const Outcome outcome = run(folder, "run s.toml");
  CHECK(outcome.code == 0);
  CHECK(outcome.output.rfind("s  (iommu-vp ", 0) == 0);
  CHECK(outcome.output.find("\nmemory                   100   100.0 %") != std::string::npos);
  CHECK(outcome.output.find("queue") == std::string::npos);  // it never took place
  CHECK(outcome.errors.empty());
  CHECK(files_below(".") == std::vector<std::string>{"s.toml"});
}

TEST_CASE("run --out writes result.json and latency.csv, the same every time") {
  const ScenarioFolder folder;
  folder.write("s.toml", kScenario);
  CHECK(run(folder, "run s.toml --out a/b --set memory.latency_ns=90 --set=mode=at").code == 0);
  CHECK(files_below("a") == std::vector<std::string>{"a/b/latency.csv", "a/b/result.json"});
  const auto result = nlohmann::ordered_json::parse(folder.read("a/b/result.json"));
  CHECK(result["schema"] == "iommu-vp/result/1");
  CHECK(result["mode"] == "at");
  CHECK(result["latency"]["min_ns"] == 90.0);
  CHECK(result["config"]["memory"]["latency_ns"] == 90.0);
  CHECK(folder.read("a/b/latency.csv").rfind("master,outcome,stage,count,", 0) == 0);
  const std::string json = folder.read("a/b/result.json");
  const std::string csv = folder.read("a/b/latency.csv");
  CHECK(run(folder, "run s.toml --out a/b --set memory.latency_ns=90 --set=mode=at").code == 0);
  CHECK(folder.read("a/b/result.json") == json);
  CHECK(folder.read("a/b/latency.csv") == csv);
  CHECK(json.find(folder.path().string()) == std::string::npos);
}

TEST_CASE("run --quiet says nothing about success") {
  const ScenarioFolder folder;
  folder.write("s.toml", kScenario);
  const Outcome outcome = run(folder, "run --quiet s.toml");
  CHECK(outcome.code == 0);
  CHECK(outcome.output.empty());
  CHECK(outcome.errors.empty());
}

TEST_CASE("a violated expectation: exit code 1, all of them named, results written") {
  const ScenarioFolder folder;
  folder.write("s.toml", kScenario + "[expect]\nfaults = 2\nlatency.p99_ns = { max = 50 }\nrequests = 100\n");
  const Outcome outcome = run(folder, "run s.toml --out o --quiet");
  CHECK(outcome.code == 1);
  CHECK(outcome.output.empty());
  CHECK(outcome.errors ==
        "s.toml:4:1: expected faults = 2, found 0\n"
        "s.toml:5:9: expected latency.p99_ns at most 50, found 70.099\n");
  CHECK(files_below("o").size() == 2);
}

TEST_CASE("an expectation about something that is not in the result: exit code 2") {
  const ScenarioFolder folder;
  folder.write("s.toml", kScenario + "[expect]\nfalts = 0\nfaults = 1\n");
  const Outcome outcome = run(folder, "run s.toml --quiet");
  CHECK(outcome.code == 2);
  CHECK(outcome.errors ==
        "s.toml:4:1: expect.falts: the result has no \"falts\"; did you mean \"faults\"?\n"
        "s.toml:5:1: expected faults = 1, found 0\n");
}

TEST_CASE("a mistake: exit code 2, nothing written, check and run say the same") {
  const ScenarioFolder folder;
  folder.write("key.toml", "sede = 1\n" + kScenario);
  folder.write("inputs.toml", "description = \"refuse\"\n" + kScenario);
  for (const std::string file : {"key.toml", "inputs.toml", "none.toml"}) {
    CAPTURE(file);
    const Outcome ran = run(folder, "run " + file + " --out o");
    const Outcome checked = run(folder, "check " + file);
    CHECK(ran.code == 2);
    CHECK(checked.code == 2);
    CHECK(ran.output.empty());
    CHECK(checked.output.empty());
    CHECK_FALSE(ran.errors.empty());
    CHECK(ran.errors == checked.errors);
    CHECK_FALSE(std::filesystem::exists("o"));
  }
  CHECK(run(folder, "run key.toml").errors == "key.toml:1:1: unknown key \"sede\"; did you mean \"seed\"?\n");
  CHECK(run(folder, "run inputs.toml").errors == "inputs.toml:1:15: refused by the elaboration\n");
  CHECK(run(folder, "run none.toml").errors == "none.toml: can't be read: No such file or directory\n");
}

TEST_CASE("check prints the resolved scenario and writes nothing") {
  const ScenarioFolder folder;
  folder.write("s.toml", kScenario);
  const Outcome outcome = run(folder, "check s.toml --set seed=5");
  CHECK(outcome.code == 0);
  CHECK(outcome.errors.empty());
  CHECK(outcome.output == iommu::platform::load_config("s.toml", {"seed=5"}).to_toml());
  CHECK(files_below(".") == std::vector<std::string>{"s.toml"});
}

TEST_CASE("an output folder that can't be made is found before the simulation") {
  const ScenarioFolder folder;
  folder.write("s.toml", "description = \"crash\"\n" + kScenario);  // would abort if it ran
  folder.write("file", "");
  const Outcome outcome = run(folder, "run s.toml --out file");
  CHECK(outcome.code == 2);
  CHECK(outcome.errors == "--out = \"file\": can't be made: Not a directory\n");
}

TEST_CASE("several files: each on its own, in order, the highest exit code wins") {
  const ScenarioFolder folder;
  folder.write("good.toml", kScenario);
  folder.write("d/violated.toml", kScenario + "[expect]\nfaults = 1\n");
  folder.write("wrong.toml", "sede = 1\n" + kScenario);
  const Outcome good = run(folder, "run good.toml d/violated.toml --out o --set expect.faults=0");
  CHECK(good.code == 0);
  CHECK(files_below("o") == std::vector<std::string>{"o/good/latency.csv", "o/good/result.json",
                                                     "o/violated/latency.csv", "o/violated/result.json"});
  CHECK(good.output.find("== good.toml ==\ngood  (iommu-vp ") == 0);
  CHECK(good.output.find("== d/violated.toml ==\nviolated  (iommu-vp ") != std::string::npos);
  CHECK(good.errors.empty());

  const Outcome violated = run(folder, "run d/violated.toml good.toml --quiet");
  CHECK(violated.code == 1);
  CHECK(violated.output.empty());
  CHECK(violated.errors ==
        "== d/violated.toml ==\nd/violated.toml:4:1: expected faults = 1, found 0\nNot all scenarios passed:\n  "
        "d/violated.toml: exit code 1\n");

  const Outcome all = run(folder, "run wrong.toml d/violated.toml good.toml --out p --quiet");
  CHECK(all.code == 2);
  CHECK(all.errors ==
        "== wrong.toml ==\nwrong.toml:1:1: unknown key \"sede\"; did you mean \"seed\"?\n"
        "== d/violated.toml ==\nd/violated.toml:4:1: expected faults = 1, found 0\n"
        "Not all scenarios passed:\n  wrong.toml: exit code 2\n  d/violated.toml: exit code 1\n");
  CHECK(files_below("p").size() == 4);
}

TEST_CASE("many files at once") {
  const ScenarioFolder folder;
  std::string files;
  for (int i = 0; i < 20; ++i) {
    const std::string name = "s" + std::to_string(i) + ".toml";
    folder.write(name, "[device.dma0]\ncount = " + std::to_string(i + 1) + "\n");
    files += " " + name;
  }
  const Outcome outcome = run(folder, "run" + files + " --out o");
  CHECK(outcome.code == 0);
  std::size_t last = 0;
  for (int i = 0; i < 20; ++i) {
    const std::size_t at = outcome.output.find("== s" + std::to_string(i) + ".toml ==\n");
    REQUIRE(at != std::string::npos);
    CHECK(at >= last);
    last = at;
    CHECK(nlohmann::ordered_json::parse(folder.read("o/s" + std::to_string(i) + "/result.json"))["requests"] == i + 1);
  }
}

TEST_CASE("results of two files would go to the same place") {
  const ScenarioFolder folder;
  folder.write("a/s.toml", kScenario);
  folder.write("b/s.toml", kScenario);
  const Outcome outcome = run(folder, "run a/s.toml b/s.toml --out o");
  CHECK(outcome.code == 2);
  CHECK(outcome.errors ==
        "--out: results of \"a/s.toml\" and \"b/s.toml\" would both go to s/; allowed: files of different names\n");
  CHECK_FALSE(std::filesystem::exists("o"));
  CHECK(run(folder, "run a/s.toml b/s.toml --quiet").code == 0);
}

TEST_CASE("defects of the simulator are told apart from mistakes") {
  const ScenarioFolder folder;
  folder.write("throw.toml", "description = \"throw\"\n" + kScenario);
  folder.write("crash.toml", "description = \"crash\"\n" + kScenario);
  folder.write("s.toml", kScenario);
  const Outcome thrown = run(folder, "run throw.toml");
  CHECK(thrown.code == 3);
  CHECK(thrown.errors == "iommu-vp: internal error: thrown by the simulation\n");
  const Outcome crashed = run(folder, "run s.toml crash.toml --quiet");
  CHECK(crashed.code == 134);  // SIGABRT
  CHECK(crashed.errors.find("== crash.toml ==\n") != std::string::npos);
  CHECK(crashed.errors.find("ended by signal 6\nNot all scenarios passed:\n  crash.toml: exit code 134\n") !=
        std::string::npos);
}

TEST_CASE("the progress line") {
  using iommu::platform::progress_text;
  CHECK(progress_text("n", 1234567, 45, 100) == "n: 45 %, 45 of 100, 1.235 ms simulated");
  CHECK(progress_text("n", 0, 999, 1000) == "n: 99 %, 999 of 1000, 0.000 ms simulated");
  CHECK(progress_text("n", 0, 7, 5) == "n: 100 %, 7 of 5, 0.000 ms simulated");
  CHECK(progress_text("n", 0, 7, 0) == "n: 7 done, 0.000 ms simulated");
}
