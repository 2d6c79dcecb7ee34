#include "platform/command_line.h"

#include <boost/program_options.hpp>
#include <iostream>

#include "models/core/version.h"
#include "platform/explain_command.h"
#include "platform/parameter_docs.h"
#include "platform/scenario_run.h"
#include "platform/suggest.h"
#include "platform/validate_command.h"

namespace iommu::platform {

namespace {

namespace po = boost::program_options;

constexpr const char* kUsage = R"(Usage:
  iommu-vp run FILE... [--set KEY=VALUE]... [--out DIR] [--quiet]
      Run scenarios. Several files run side by side, each in a process of its own.
      --set KEY=VALUE  override a key of the files, for instance --set iommu.0.iotlb.ways=64
      --out DIR        write DIR/result.json and DIR/latency.csv, of several files DIR/NAME/...
      --quiet          no table, no progress
  iommu-vp check FILE [--set KEY=VALUE]...
      Check a scenario and everything that it names, run and write nothing; prints the resolved scenario.
  iommu-vp explain FUNCTION [--set KEY=VALUE]... [--json]
      Call a function of the IOMMU interface on a small machine and print each register and memory access that it causes.
      --set KEY=VALUE  change the machine, for instance --set iommu.0.caching_mode=true or --set ddi.invalidation=register
  iommu-vp explain --markdown
      The same for all functions, as a page.
  iommu-vp validate [EXPERIMENT...] [--short] [--jobs N] [--out DIR] [--markdown]
      Run published experiments and print measured beside published values; without EXPERIMENT all of them.
      --short          fewer points and samples
      --jobs N         processes at a time; otherwise as many as there are processors
      --out DIR        write DIR/validation.csv, .json, .md and plots DIR/validation/*.svg
      --markdown       print the page instead of tables
  iommu-vp validate [EXPERIMENT...] --list
      List the experiments, or all points of those that are named.
  iommu-vp validate [EXPERIMENT...] [--short] --scenarios DIR
      Write the scenario file of each run into DIR, run nothing.
  iommu-vp params [--markdown | --json-schema]
      List all keys of scenario files.
  iommu-vp --version
  iommu-vp --help

Exit codes: 0 all is well; 1 an expectation of a scenario does not hold, or a point of an experiment is out; 2 the command line, a scenario or a file
that it names is wrong; 3 a defect of iommu-vp itself.
)";

/// A mistake on the command line.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Parsed {
  po::variables_map values;
  std::vector<std::string> files;
};

/// Parses what stands behind the command. `options` gets the command's own.
Parsed parse(const std::vector<std::string>& arguments, po::options_description options) {
  options.add_options()("help", "");
  po::options_description hidden;
  hidden.add_options()("file", po::value<std::vector<std::string>>());
  po::options_description all;
  all.add(options).add(hidden);
  po::positional_options_description positional;
  positional.add("file", -1);
  Parsed parsed;
  try {
    using Style = po::command_line_style::style_t;
    const int style = Style::allow_long | Style::long_allow_adjacent | Style::long_allow_next;
    po::store(po::command_line_parser(arguments).options(all).positional(positional).style(style).run(), parsed.values);
  } catch (const po::unknown_option& error) {
    std::vector<std::string> known;
    for (const auto& option : options.options()) known.push_back("--" + option->long_name());
    throw UsageError("unknown option \"" + error.get_option_name() + "\"" +
                     did_you_mean(error.get_option_name(), known));
  } catch (const po::error& error) {
    throw UsageError(error.what());
  }
  if (parsed.values.count("file") != 0) parsed.files = parsed.values["file"].as<std::vector<std::string>>();
  return parsed;
}

void add_set(po::options_description& options) {
  options.add_options()("set", po::value<std::vector<std::string>>()->composing(), "");
}

std::vector<std::string> overrides_of(const Parsed& parsed) {
  return parsed.values.count("set") == 0 ? std::vector<std::string>{}
                                         : parsed.values["set"].as<std::vector<std::string>>();
}

int show_usage() {
  std::cout << kUsage;
  return kExitOk;
}

int command_run(const std::vector<std::string>& arguments, const SimulationFactory& factory) {
  po::options_description options;
  add_set(options);
  options.add_options()("out", po::value<std::string>(), "")("quiet", po::bool_switch(), "");
  const Parsed parsed = parse(arguments, options);
  if (parsed.values.count("help") != 0) return show_usage();
  if (parsed.files.empty()) throw UsageError("run: which scenario? FILE is missing");
  RunOptions run;
  run.overrides = overrides_of(parsed);
  run.quiet = parsed.values["quiet"].as<bool>();
  if (parsed.values.count("out") != 0) {
    run.out = parsed.values["out"].as<std::string>();
    if (run.out.empty()) throw UsageError("run: --out needs the name of a folder");
  }
  return parsed.files.size() == 1 ? run_scenario(parsed.files.front(), run, factory) : run_scenarios(parsed.files, run);
}

int command_check(const std::vector<std::string>& arguments, const SimulationFactory& factory) {
  po::options_description options;
  add_set(options);
  const Parsed parsed = parse(arguments, options);
  if (parsed.values.count("help") != 0) return show_usage();
  if (parsed.files.size() != 1)
    throw UsageError("check: exactly one FILE, found " + std::to_string(parsed.files.size()));
  return check_scenario(parsed.files.front(), overrides_of(parsed), factory);
}

int command_explain(const std::vector<std::string>& arguments, const Explainer& explainer) {
  po::options_description options;
  add_set(options);
  options.add_options()("json", po::bool_switch(), "")("markdown", po::bool_switch(), "");
  const Parsed parsed = parse(arguments, options);
  if (parsed.values.count("help") != 0) return show_usage();
  const bool json = parsed.values["json"].as<bool>();
  if (parsed.values["markdown"].as<bool>()) {
    if (json) throw UsageError("explain: either --json or --markdown");
    if (!parsed.files.empty()) {
      throw UsageError("explain: --markdown is for all functions, unexpected \"" + parsed.files.front() + "\"");
    }
    return explain_all(overrides_of(parsed), explainer);
  }
  if (parsed.files.empty()) throw UsageError("explain: which function? FUNCTION is missing");
  if (parsed.files.size() != 1) {
    throw UsageError("explain: exactly one FUNCTION, found " + std::to_string(parsed.files.size()));
  }
  const std::string problem = function_problem(parsed.files.front());
  if (!problem.empty()) throw UsageError("explain: " + problem);
  return explain_function(parsed.files.front(), overrides_of(parsed), json, explainer);
}

int command_params(const std::vector<std::string>& arguments) {
  po::options_description options;
  options.add_options()("markdown", po::bool_switch(), "")("json-schema", po::bool_switch(), "");
  const Parsed parsed = parse(arguments, options);
  if (parsed.values.count("help") != 0) return show_usage();
  if (!parsed.files.empty()) throw UsageError("params: unexpected \"" + parsed.files.front() + "\"");
  const bool markdown = parsed.values["markdown"].as<bool>();
  const bool schema = parsed.values["json-schema"].as<bool>();
  if (markdown && schema) throw UsageError("params: either --markdown or --json-schema");
  std::cout << (markdown ? parameters_as_markdown() : schema ? parameters_as_json_schema() : parameters_as_text());
  return kExitOk;
}

/// The name of a folder behind an option, empty when the option is not there.
std::string folder_of(const Parsed& parsed, const char* option) {
  if (parsed.values.count(option) == 0) return "";
  const auto folder = parsed.values[option].as<std::string>();
  if (folder.empty()) throw UsageError(std::string("validate: --") + option + " needs the name of a folder");
  return folder;
}

int command_validate(const std::vector<std::string>& arguments) {
  po::options_description options;
  options.add_options()("short", po::bool_switch(), "")("jobs", po::value<std::string>(), "");
  options.add_options()("out", po::value<std::string>(), "")("scenarios", po::value<std::string>(), "");
  options.add_options()("markdown", po::bool_switch(), "")("list", po::bool_switch(), "");
  const Parsed parsed = parse(arguments, options);
  if (parsed.values.count("help") != 0) return show_usage();
  ValidateOptions validation;
  validation.experiments = parsed.files;
  validation.short_form = parsed.values["short"].as<bool>();
  validation.markdown = parsed.values["markdown"].as<bool>();
  validation.list = parsed.values["list"].as<bool>();
  validation.out = folder_of(parsed, "out");
  validation.scenarios = folder_of(parsed, "scenarios");
  if (parsed.values.count("jobs") != 0) {
    const auto jobs = parsed.values["jobs"].as<std::string>();
    const bool digits = !jobs.empty() && jobs.size() <= 4 && jobs.find_first_not_of("0123456789") == std::string::npos;
    validation.jobs = digits ? std::stoul(jobs) : 0;
    if (validation.jobs == 0) throw UsageError("validate: --jobs = \"" + jobs + "\": allowed: 1 to 9999");
  }
  // What lists or writes scenarios does not run: options of runs would be without effect.
  const bool of_runs = validation.jobs != 0 || validation.markdown || !validation.out.empty();
  if (validation.list && (of_runs || !validation.scenarios.empty())) {
    throw UsageError("validate: --list goes with names of experiments and --short only");
  }
  if (!validation.scenarios.empty() && of_runs) {
    throw UsageError("validate: --scenarios goes with names of experiments and --short only");
  }
  const std::string problem = experiments_problem(validation.experiments);
  if (!problem.empty()) throw UsageError("validate: " + problem);
  return validate(validation);
}

int dispatch(const std::vector<std::string>& arguments, const SimulationFactory& factory, const Explainer& explainer) {
  if (arguments.empty()) throw UsageError("a command is missing: run, check, explain, validate or params");
  const std::string& command = arguments.front();
  const std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
  if (command == "run") return command_run(rest, factory);
  if (command == "check") return command_check(rest, factory);
  if (command == "explain") return command_explain(rest, explainer);
  if (command == "validate") return command_validate(rest);
  if (command == "params") return command_params(rest);
  const bool option = command == "--help" || command == "--version";
  if (option && !rest.empty()) throw UsageError("unexpected \"" + rest.front() + "\" after " + command);
  if (command == "--help") return show_usage();
  if (command == "--version") {
    std::cout << "iommu-vp " << core::version() << "\n";
    return kExitOk;
  }
  throw UsageError((command.rfind('-', 0) == 0 ? "unknown option \"" : "unknown command \"") + command + "\"" +
                   did_you_mean(command, {"run", "check", "explain", "validate", "params", "--version", "--help"}));
}

}  // namespace

int run_command_line(const std::vector<std::string>& arguments, const SimulationFactory& factory,
                     const Explainer& explainer) {
  try {
    const int code = dispatch(arguments, factory, explainer);
    std::cout.flush();
    return code;
  } catch (const UsageError& error) {
    std::cerr << "iommu-vp: " << error.what() << " (\"iommu-vp --help\" shows all)\n";
    return kExitUser;
  } catch (const ConfigError& error) {
    std::cerr << error.what() << "\n";
    return kExitUser;
  } catch (const std::exception& error) {
    std::cerr << "iommu-vp: internal error: " << error.what() << "\n";
    return kExitInternal;
  }
}

}  // namespace iommu::platform
