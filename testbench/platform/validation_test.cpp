// What `iommu-vp validate` is made of: tolerances and verdicts, scenarios and their plan, reports, plots.
#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "platform/validate_command.h"
#include "platform/validation/experiments.h"
#include "platform/validation/number_format.h"
#include "platform/validation/pcie_bench.h"
#include "platform/validation/plot.h"
#include "platform/validation/report.h"
#include "platform/validation/runs.h"
#include "testbench/platform/catch.h"

namespace {

using namespace iommu::platform::validation;
using Json = nlohmann::ordered_json;

Point point(std::optional<double> published, const Tolerance& tolerance) {
  Point made;
  made.name = "p";
  made.published = published;
  made.tolerance = tolerance;
  return made;
}

bool in(std::optional<double> published, const Tolerance& tolerance, double measured) {
  return judge(point(published, tolerance), measured).in;
}

/// Two experiments; the second one's run is one of the first one's.
std::vector<Experiment> small_experiments() {
  const Scenario base = Scenario("machine").with("device.dma.count", 10);
  Series rate{"rate", "rates & <more>", "Gb/s", bytes_axis("window"), {}, "known, \"somehow\""};
  rate.add({"64KiB", 65536, {base.with("device.dma.window_bytes", 65536)}, value_of("a"), 10, percent(10), ""});
  rate.add({"1MiB", 1048576, {base.with("device.dma.window_bytes", 1048576)}, value_of("a"), 20, absolute(1), ""});
  Series range{"range", "a range", "%", no_axis(), {}, ""};
  range.add(
      {"only", 0, {base.with("device.dma.window_bytes", 65536), base}, value_of("a"), {}, between(1, 2), "because"});
  return {{"V91", "First", "section 1", "A setup.", {"One difference."}, {rate}},
          {"V92", "Second", "section 2", "", {}, {range}}};
}

/// Verdicts on them for these measured values.
std::vector<ExperimentVerdict> verdicts_on(const std::vector<Experiment>& experiments, double first, double second,
                                           double third) {
  const Series& rate = experiments[0].series[0];
  const Series& range = experiments[1].series[0];
  return {
      {&experiments[0], {{&rate, {judge(rate.points[0], first, rate.note), judge(rate.points[1], second, rate.note)}}}},
      {&experiments[1], {{&range, {judge(range.points[0], third, range.note)}}}}};
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

}  // namespace

TEST_CASE("a point is in up to its bounds, both included") {
  CHECK(in(613, absolute(10), 603));
  CHECK(in(613, absolute(10), 623));
  CHECK_FALSE(in(613, absolute(10), 602.99));
  CHECK_FALSE(in(613, absolute(10), 623.01));
  CHECK(in(55, percent(3), 53.35));
  CHECK(in(55, percent(3), 56.65));
  CHECK_FALSE(in(55, percent(3), 53.34));
  CHECK_FALSE(in(55, percent(3), 56.66));
  CHECK(in(-50, percent(10), -45));
  CHECK_FALSE(in(-50, percent(10), -44.9));
  CHECK(in({}, between(20, 25), 20));
  CHECK(in({}, between(20, 25), 25));
  CHECK_FALSE(in({}, between(20, 25), 19.999));
  CHECK_FALSE(in({}, between(20, 25), 25.001));
  CHECK(in({}, at_least(0.3), 0.3));
  CHECK(in({}, at_least(0.3), 1e9));
  CHECK_FALSE(in({}, at_least(0.3), 0.29));
  CHECK(in({}, at_most(0), 0));
  CHECK(in({}, at_most(0), -1));
  CHECK_FALSE(in({}, at_most(0), 0.001));
}

TEST_CASE("what can't be judged is out") {
  CHECK_FALSE(in(613, absolute(10), std::numeric_limits<double>::quiet_NaN()));
  CHECK_FALSE(in({}, at_least(1), std::numeric_limits<double>::infinity()));
  CHECK_FALSE(in({}, absolute(10), 613));  // no published value to be near to
  CHECK_FALSE(in({}, percent(10), 0));
}

TEST_CASE("deviation, and how much of the tolerance it takes") {
  const PointVerdict near = judge(point(600, absolute(10)), 605);
  CHECK(near.deviation == 5);
  CHECK(near.share == 0.5);
  const PointVerdict below = judge(point(50, percent(4)), 47);
  CHECK(below.deviation == -3);
  CHECK(below.share == 1.5);
  CHECK(below.bounds.low == 48.0);
  CHECK(below.bounds.high == 52.0);
  // A range beside a published value is measured from that value, on either side.
  CHECK(judge(point(21.0, between(20, 25)), 23).share == 0.5);
  CHECK(judge(point(21.0, between(20, 25)), 20.5).share == 0.5);
  // A range alone: from its middle; what passes it is the deviation.
  const PointVerdict over = judge(point({}, between(20, 30)), 32.5);
  CHECK(over.deviation == 2.5);
  CHECK(over.share == 1.5);
  CHECK(judge(point({}, between(20, 30)), 27).deviation == 0);
  // One side: nothing inside, more than the whole of it outside.
  CHECK(judge(point({}, at_most(2)), 1.9).share == 0);
  CHECK(judge(point({}, at_most(2)), 3).share == 1.5);
  CHECK(judge(point({}, at_most(0)), 0.25).share == 1.25);
}

TEST_CASE("notes: a point's own goes before its series'") {
  Point with = point(1, absolute(1));
  CHECK(judge(with, 5, "series").note == "series");
  with.note = "own";
  CHECK(judge(with, 5, "series").note == "own");
}

TEST_CASE("an experiment's count and its worst point") {
  const std::vector<Experiment> experiments = small_experiments();
  const std::vector<ExperimentVerdict> verdicts = verdicts_on(experiments, 10.5, 21.5, 1.5);
  CHECK(verdicts[0].points() == 2);
  CHECK(verdicts[0].points_in() == 1);
  CHECK(verdicts[0].worst().point->point->name == "1MiB");
  CHECK(verdicts[0].worst().point->share == 1.5);
  CHECK(verdicts[1].points_in() == 1);
  CHECK(ExperimentVerdict{}.worst().point == nullptr);
}

TEST_CASE("a point within a range is the worst only where all others are like it") {
  const std::vector<Experiment> experiments = small_experiments();
  ExperimentVerdict experiment = verdicts_on(experiments, 10.5, 21.5, 1.5)[0];
  SeriesVerdict& series = experiment.series[0];
  REQUIRE(series.points.size() == 2);
  const Point range = [&] {
    Point point = *series.points[0].point;
    point.published.reset();
    return point;
  }();
  PointVerdict inside = series.points[0];
  inside.point = &range;
  inside.share = 0.99;
  inside.in = true;
  series.points[1] = inside;
  CHECK(experiment.worst().point == &series.points[0]);
  // One that is out of its range counts with its share.
  series.points[1].in = false;
  series.points[1].share = 1.25;
  CHECK(experiment.worst().point == &series.points[1]);
  series.points.erase(series.points.begin());
  series.points[0].in = true;
  CHECK(experiment.worst().point == series.points.data());
}

TEST_CASE("scenarios as files") {
  CHECK(Scenario().to_toml().empty());
  const Scenario base = Scenario("bdw").with("mode", "at").with("a.b", 7).with("a.c", 15.7).with("a.d", true);
  CHECK(base.to_toml() == "base = \"presets/bdw.toml\"\nmode = \"at\"\na.b = 7\na.c = 15.7\na.d = true\n");
  // A later value takes the place of an earlier one; the original keeps its own.
  CHECK(base.with("a.b", std::uint64_t{8}).to_toml() ==
        "base = \"presets/bdw.toml\"\nmode = \"at\"\na.b = 8\na.c = 15.7\na.d = true\n");
  CHECK(base.with("a.b", 7).to_toml() == base.to_toml());
  CHECK(base.preset() == "bdw");
}

TEST_CASE("each scenario is planned once, for the first point that wants it") {
  const std::vector<PlannedRun> runs = plan(small_experiments());
  REQUIRE(runs.size() == 3);
  CHECK(runs[0].wanted_by == "V91 rate 64KiB");
  CHECK(runs[0].text == "base = \"presets/machine.toml\"\ndevice.dma.count = 10\ndevice.dma.window_bytes = 65536\n");
  CHECK(runs[1].wanted_by == "V91 rate 1MiB");
  CHECK(runs[2].wanted_by == "V92 range only");
  CHECK(runs[2].text == "base = \"presets/machine.toml\"\ndevice.dma.count = 10\n");
}

TEST_CASE("measures") {
  const Json first = {{"masters", {{"dma", {{"gbit_per_s", 512.0}}}}},
                      {"m", {{"dma", {{"mean", 12.5}, {"name", "x"}}}}}};
  const Json second = {{"m", {{"dma", {{"mean", 2.5}}}}}};
  const Results results({&first, &second});
  CHECK(value_of("m.dma.mean")(results) == 12.5);
  CHECK(value_of("m.dma.mean", 100)(results) == 1250);
  CHECK(difference_of("m.dma.mean")(results) == 10);
  CHECK(ratio_of("m.dma.mean")(results) == 5);
  CHECK(gbit_per_s()(results) == 512);
  CHECK(gbit_per_s(0.5)(results) == 256);
  CHECK_THROWS_WITH(value_of("m.dma.meen")(results), "the result has no number \"m.dma.meen\"");
  CHECK_THROWS_AS(value_of("m.dma.name")(results), MissingResult);
  CHECK_THROWS_AS(value_of("m.dma.mean.x")(results), MissingResult);
}

TEST_CASE("modes: the mean of the fullest bin of 13.3 ns") {
  // 593.3 to 606.7 is one bin, 606.7 to 620 the next.
  const Json result = Json::parse(
      R"({"masters": {"dma": {"histogram": [[594.0, 2], [606.0, 4], [607.0, 5], [880.0, 3], [900.0, 1]]}}})");
  const Results results({&result});
  CHECK(mode_between(0, 740)(results) == Approx(602.0));
  CHECK(mode_between(607, 740)(results) == Approx(607.0));
  CHECK(mode_between(740, 1e9)(results) == Approx(880.0));
  CHECK(mode_between(880.5, 1e9)(results) == Approx(900.0));
  CHECK_THROWS_AS(mode_between(0, 594)(results), MissingResult);
}

TEST_CASE("windows of pcie-bench") {
  CHECK(window_name(64 * kKiB) == "64KiB");
  CHECK(window_name(kMiB * 3 / 2) == "1.5MiB");
  CHECK(window_name(3 * kMiB) == "3MiB");
  Series series;
  const std::vector<WindowValue> rows = {{64 * kKiB, 1}, {512 * kKiB, 2}, {3 * kMiB, 3}, {64 * kMiB, 4}};
  add_windows(series, Form::Full, Scenario(), value_of("a"), rows, absolute(1));
  REQUIRE(series.points.size() == 4);
  CHECK(series.points[2].name == "3MiB");
  CHECK(series.points[2].published == 3.0);
  CHECK(series.points[2].runs.front().to_toml() == "device.dma.window_bytes = 3145728\n");
  series.points.clear();
  add_windows(series, Form::Short, Scenario(), value_of("a"), rows, absolute(1));
  CHECK(series.points.size() == 2);
}

TEST_CASE("numbers in reports") {
  CHECK(measured_text(613.04) == "613.0");
  CHECK(measured_text(1187.4) == "1187");
  CHECK(measured_text(24.314) == "24.31");
  CHECK(measured_text(0.7141) == "0.714");
  CHECK(measured_text(-0.0001) == "0.000");
  CHECK(measured_text(99.996) == "100.0");
  CHECK(fixed_text(-0.04, 1) == "0.0");
  CHECK(fixed_text(-0.06, 1) == "-0.1");
  CHECK(tolerance_text(absolute(13.3), "ns") == "±13.3 ns");
  CHECK(tolerance_text(percent(1), "Gb/s") == "±1 %");
  CHECK(tolerance_text(between(20, 25), "Gb/s") == "20 to 25 Gb/s");
  CHECK(tolerance_text(at_least(0.3), "misses") == "at least 0.3 misses");
  CHECK(tolerance_text(at_most(7), "%") == "at most 7 %");
  CHECK(deviation_text(judge(point(600, absolute(10)), 603), "ns") == "+3.000 ns (+0.5 %)");
  CHECK(deviation_text(judge(point(600, absolute(10)), 540), "ns") == "-60.00 ns (-10.0 %)");
  CHECK(deviation_text(judge(point(0, absolute(5)), 2), "ns") == "+2.000 ns");
  CHECK(deviation_text(judge(point({}, at_most(7)), 8), "%") == "+1.000 %");
  CHECK(display_width("±1 %") == 4);
}

TEST_CASE("ticks are round and cover what is shown") {
  const Ticks ns = round_ticks(603, 911, 6);
  CHECK(ns.at == std::vector<double>{600, 700, 800, 900, 1000});
  CHECK(ns.decimals == 0);
  const Ticks small = round_ticks(0, 0.81, 6);
  CHECK(small.at.size() == 6);
  CHECK(small.at.back() == Approx(1.0));
  CHECK(small.decimals == 1);
  CHECK(round_ticks(-5, 5, 4).at == std::vector<double>{-5, 0, 5});
}

TEST_CASE("the report as a table") {
  const std::vector<Experiment> experiments = small_experiments();
  const std::string text = report_as_text(verdicts_on(experiments, 10.5, 21.5, 2.5));
  CHECK(text.find("V91: First (section 1)\n\n  rates & <more> [rate]\n") == 0);
  CHECK(text.find("  64KiB  10.50 Gb/s         10  +0.500 Gb/s (+5.0 %)      ±10 %       ok\n") != std::string::npos);
  CHECK(text.find("  out (1MiB): known, \"somehow\"\n") != std::string::npos);
  CHECK(text.find("  out (only): because\n") != std::string::npos);
  CHECK(text.find("V91         First   1 of 2  rate 1MiB, +1.500 Gb/s (+7.5 %)\n") != std::string::npos);
  CHECK(text.find("V92         Second  0 of 1  range only, +0.500 %\n") != std::string::npos);
}

TEST_CASE("the report as CSV, JSON and a page") {
  const std::vector<Experiment> experiments = small_experiments();
  const std::vector<ExperimentVerdict> verdicts = verdicts_on(experiments, 10.5, 21.5, 1.5);
  CHECK(report_as_csv(verdicts) ==
        "experiment,series,point,unit,measured,published,low,high,tolerance,deviation,share_of_tolerance,verdict,note\n"
        "V91,rate,64KiB,Gb/s,10.5,10,9,11,±10 %,0.5,0.5,ok,\n"
        "V91,rate,1MiB,Gb/s,21.5,20,19,21,±1 Gb/s,1.5,1.5,out,\"known, \"\"somehow\"\"\"\n"
        "V92,range,only,%,1.5,,1,2,1 to 2 %,0,0,ok,\n");
  const Json json = report_as_json(verdicts, Form::Short);
  CHECK(json.at("schema") == "iommu-vp/validation/1");
  CHECK(json.at("form") == "short");
  CHECK(json.at("experiments").at(0).at("points_in") == 1);
  const Json& out = json.at("experiments").at(0).at("series").at(0).at("points").at(1);
  CHECK(out.at("measured") == 21.5);
  CHECK(out.at("verdict") == "out");
  CHECK(json.at("experiments").at(1).at("series").at(0).at("points").at(0).at("published").is_null());
  const std::string page = report_as_markdown(verdicts, Form::Full, "plots");
  CHECK(page.find("| V91 | First | 1 of 2 | rate 1MiB, +1.500 Gb/s (+7.5 %) |\n") != std::string::npos);
  CHECK(page.find("![rates & <more>](plots/v91-rate.svg)\n") != std::string::npos);
  CHECK(page.find("| 1MiB | 21.50 Gb/s | 20 | +1.500 Gb/s (+7.5 %) | ±1 Gb/s | **out** |\n") != std::string::npos);
  CHECK(page.find("- One difference.\n") != std::string::npos);
  CHECK(page.find("v92-range.svg") == std::string::npos);
}

TEST_CASE("a plot has a line, dots, a band, and rings around what is out") {
  const std::vector<Experiment> experiments = small_experiments();
  const Series& series = experiments[0].series[0];
  CHECK(has_plot(series));
  CHECK_FALSE(has_plot(experiments[1].series[0]));
  CHECK(plot_name(experiments[0], series) == "v91-rate.svg");
  const std::vector<ExperimentVerdict> fine = verdicts_on(experiments, 10.5, 20, 1.5);
  const std::string svg = plot_as_svg(experiments[0], fine[0].series[0]);
  CHECK(svg.find("rates &amp; &lt;more&gt;") != std::string::npos);
  CHECK(count(svg, "<polygon") == 1);
  CHECK(count(svg, "<polyline") == 1);
  CHECK(count(svg, "fill=\"#d9730d\"") == 3);  // two dots, and the legend's
  CHECK(count(svg, "stroke=\"#c0182b\"") == 0);
  CHECK(svg.find(">64KiB</text>") != std::string::npos);
  CHECK(svg.find(">1MiB</text>") != std::string::npos);
  CHECK(svg.find(">Gb/s</text>") != std::string::npos);
  const std::vector<ExperimentVerdict> off = verdicts_on(experiments, 10.5, 30, 1.5);
  CHECK(count(plot_as_svg(experiments[0], off[0].series[0]), "stroke=\"#c0182b\"") == 2);  // and the legend's
}

TEST_CASE("every experiment is whole: names are unique, each point has runs, a measure and bounds") {
  for (const Form form : {Form::Short, Form::Full}) {
    std::set<std::string> ids;
    for (const Experiment& experiment : all_experiments(form)) {
      INFO(experiment.id);
      CHECK(ids.insert(experiment.id).second);
      CHECK_FALSE(experiment.title.empty());
      CHECK_FALSE(experiment.source.empty());
      CHECK_FALSE(experiment.setup.empty());
      std::set<std::string> keys;
      for (const Series& series : experiment.series) {
        INFO(series.key);
        CHECK(keys.insert(series.key).second);
        CHECK(series.key.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos);
        CHECK_FALSE(series.points.empty());
        std::set<std::string> names;
        for (const Point& one : series.points) {
          INFO(one.name);
          CHECK(names.insert(one.name).second);
          CHECK_FALSE(one.runs.empty());
          CHECK(one.measure);
          const Bounds bounds = bounds_of(one);
          CHECK((bounds.low || bounds.high));
          CHECK((one.published || one.tolerance.kind == Tolerance::Kind::Range));
        }
      }
    }
  }
}

TEST_CASE("names of experiments that there are not") {
  using iommu::platform::experiments_problem;
  CHECK(experiments_problem({}).empty());
  CHECK(experiments_problem({"V3", "v3"}).empty());
  const std::string problem = experiments_problem({"V3", "W3"});
  CHECK(problem.find("unknown experiment \"W3\"; did you mean \"V3\"?; allowed: ") == 0);
}
