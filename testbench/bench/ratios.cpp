// The speed of whole paths, each beside its floor: the same path with only the translation unit replaced.
//
// What it does: for each row of docs/performance.md, runs subject and floor in turns in one simulation and gives the median of the ratios of
// neighbouring runs. What it does not do: judge (scripts/measure-ratios does).
//
// usage: iommu-bench [--pairs=N] [--batch=N] and google-benchmark's options.
#include <benchmark/benchmark.h>
#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "testbench/bench/map_call.h"
#include "testbench/bench/path.h"
#include "testbench/platform/new_simulation.h"

namespace iommu::bench {
namespace {

std::int64_t pairs = 41;
std::uint64_t batch = 20'000;

struct Pair {
  double subject_ns = 0;
  double floor_ns = 0;
};

double nanoseconds_of(Path& path, std::uint64_t operations) {
  const auto begin = std::chrono::steady_clock::now();
  path.run(operations);
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

/// `measure` runs both, each for `operations` operations; the floor counts `floors` times.
void compare(benchmark::State& state, std::uint64_t operations, double floors, const std::function<Pair()>& measure) {
  std::vector<double> subjects;
  std::vector<double> floor_times;
  std::vector<double> ratios;
  static_cast<void>(measure());
  for (auto _ : state) {
    const Pair pair = measure();
    subjects.push_back(pair.subject_ns / static_cast<double>(operations));
    floor_times.push_back(pair.floor_ns * floors / static_cast<double>(operations));
    ratios.push_back(pair.subject_ns / (pair.floor_ns * floors));
    state.SetIterationTime(pair.subject_ns * 1e-9);
  }
  state.counters["ratio"] = median(ratios);
  state.counters["subject_ns"] = median(subjects);
  state.counters["floor_ns"] = median(floor_times);
}

struct Row {
  PathConfig subject;
  PathConfig floor;
  core::OutcomeClass outcome = core::OutcomeClass::Hit;
  double floors = 1;
};

void compare_paths(benchmark::State& state, const Row& row) {
  test::new_simulation();
  Path subject("subject", row.subject);
  Path floor("floor", row.floor);
  sc_core::sc_start(sc_core::SC_ZERO_TIME);
  subject.enable();
  floor.enable();
  const std::uint64_t operations = row.subject.mode == sim::TransportMode::At ? batch / 4 : batch;
  bool subject_first = false;
  compare(state, operations, row.floors, [&] {
    Pair pair;
    subject_first = !subject_first;
    if (subject_first) pair.subject_ns = nanoseconds_of(subject, operations);
    pair.floor_ns = nanoseconds_of(floor, operations);
    if (!subject_first) pair.subject_ns = nanoseconds_of(subject, operations);
    return pair;
  });
  subject.check(row.outcome);
  if (row.floor.dmi) floor.check(row.outcome);
}

Row row(UnitKind floor, sim::TransportMode mode, Addresses addresses, bool link = true) {
  Row made;
  made.subject.mode = mode;
  made.subject.addresses = addresses;
  made.subject.link = link;
  made.floor = made.subject;
  made.floor.kind = floor;
  if (addresses == Addresses::NewPages) {
    made.subject.ours = always_walks();
    made.outcome = core::OutcomeClass::Walk4;
  }
  return made;
}

void add(const std::string& name, const std::function<void(benchmark::State&)>& run) {
  benchmark::RegisterBenchmark(name.c_str(), run)->Iterations(pairs)->UseManualTime();
}

void add_rows() {
  using sim::TransportMode;
  const auto paths = [](const std::string& name, const Row& made) {
    add(name, [made](benchmark::State& state) { compare_paths(state, made); });
  };
  for (const bool link : {true, false}) {
    const std::string how = link ? "" : "_no_link";
    paths("lt_hit" + how, row(UnitKind::PassThrough, TransportMode::Lt, Addresses::Sequential, link));
    paths("lt_hit_random" + how, row(UnitKind::PassThrough, TransportMode::Lt, Addresses::RandomPages, link));
    paths("lt_miss" + how, row(UnitKind::Minimal, TransportMode::Lt, Addresses::NewPages, link));
    Row direct = row(UnitKind::MinimalByDmi, TransportMode::Lt, Addresses::NewPages, link);
    direct.subject.ours.walker.dmi = true;
    paths("lt_miss_dmi" + how, direct);
    for (const Addresses addresses : {Addresses::Sequential, Addresses::RandomPages}) {
      if (!link) break;  // what is accessed directly never uses it
      Row granted = row(UnitKind::PassThrough, TransportMode::Lt, addresses);
      granted.subject.dmi = granted.floor.dmi = true;
      paths(addresses == Addresses::Sequential ? "lt_granted_dmi" : "lt_granted_dmi_random", granted);
    }
    paths("at_hit" + how, row(UnitKind::PassThrough, TransportMode::At, Addresses::Sequential, link));
    Row miss = row(UnitKind::PassThrough, TransportMode::At, Addresses::NewPages, link);
    miss.subject.ours.walker.slots = 5;
    miss.floors = 5;
    paths("at_miss" + how, miss);
  }
  for (const Addresses addresses : {Addresses::Sequential, Addresses::NewPages}) {
    Row statistics = row(UnitKind::Ours, TransportMode::Lt, addresses);
    statistics.floor = statistics.subject;
    statistics.floor.statistics = false;
    paths(addresses == Addresses::Sequential ? "statistics_hit" : "statistics_miss", statistics);
  }
  add("map_call", [](benchmark::State& state) {
    test::new_simulation();
    MapCalls calls;
    compare(state, MapCalls::kCalls, 1, [&] {
      const MapCalls::Times times = calls.measure();
      return Pair{times.calls_ns, times.transactions_ns};
    });
    state.counters["transactions"] = static_cast<double>(calls.transactions()) / MapCalls::kCalls;
  });
}

// Takes "--name=N" out of the arguments.
template <class Number>
void take_option(int& argc, char** argv, const std::string& name, Number& value) {
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], name.c_str(), name.size()) != 0) continue;
    value = static_cast<Number>(std::strtoull(argv[i] + name.size(), nullptr, 10));
    std::move(argv + i + 1, argv + argc, argv + i);
    --argc;
    return;
  }
}

}  // namespace
}  // namespace iommu::bench

int sc_main(int argc, char** argv) {
  iommu::bench::take_option(argc, argv, "--pairs=", iommu::bench::pairs);
  iommu::bench::take_option(argc, argv, "--batch=", iommu::bench::batch);
  iommu::bench::add_rows();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
