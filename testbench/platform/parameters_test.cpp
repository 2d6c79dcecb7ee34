// The parameter table itself, and the documents made from it.
#include "platform/parameters.h"

#include <nlohmann/json.hpp>
#include <set>

#include "platform/config_fields.h"
#include "platform/parameter_docs.h"
#include "platform/suggest.h"
#include "platform/units.h"
#include "testbench/platform/catch.h"
#include "testbench/platform/scenario_folder.h"

using namespace iommu::platform;

TEST_CASE("every parameter has a meaning, a default or a reason for none, and a name of its own") {
  std::set<std::string_view> names;
  for (const Parameter& parameter : parameter_table()) {
    CAPTURE(std::string(parameter.name));
    CHECK(names.insert(parameter.name).second);
    CHECK(parameter.meaning.size() > 10);
    CHECK(parameter.meaning.back() == '.');
    CHECK((parameter.required || !parameter.fallback.empty() || !parameter.computed.empty()));
    CHECK((parameter.type == ValueType::Choice) == !parameter.choices.empty());
    CHECK((parameter.type == ValueType::Duration) == (parameter.name.substr(parameter.name.size() - 3) == "_ns"));
    if (!parameter.fallback.empty()) CHECK_NOTHROW(default_value(parameter));
    for (const Condition& condition : parameter.conditions) {
      const Parameter* other = find_parameter(condition.full_key(parameter.name));
      REQUIRE(other != nullptr);
      if (other->type == ValueType::File) {
        CHECK(condition.value.empty());  // no file
        continue;
      }
      if (other->type == ValueType::Unsigned || other->type == ValueType::Size) {
        CHECK(condition.value == "0");
        CHECK(other->minimum == 0);
        continue;
      }
      CHECK(std::find(other->choices.begin(), other->choices.end(), condition.value) != other->choices.end());
    }
  }
}

TEST_CASE("the fields of Config are the table's parameters, in the table's order") {
  Config config;
  config.iommus.emplace_back().name = "*";
  config.devices.emplace_back().name = "*";
  config.events.emplace_back();
  std::vector<std::string> fields;
  visit_config(config,
               [&](const std::string& key, const auto&) { fields.push_back(key == "event.0" ? "event.*" : key); });
  REQUIRE(fields.size() == parameter_table().size());
  for (std::size_t i = 0; i < fields.size(); ++i) {
    std::string name(parameter_table()[i].name);
    if (name.rfind("event.*", 0) == 0) name.replace(6, 1, "0");
    CHECK(fields[i] == name);
  }
}

TEST_CASE("parameters are found by dotted key") {
  REQUIRE(find_parameter("iommu.0.iotlb.ways") != nullptr);
  CHECK(find_parameter("iommu.0.iotlb.ways")->name == "iommu.*.iotlb.ways");
  CHECK(find_parameter("seed")->name == "seed");
  CHECK(find_parameter("iommu.iotlb.ways") == nullptr);
  CHECK(find_parameter("iommu.0.iotlb") == nullptr);
  CHECK(find_parameter("") == nullptr);
  CHECK(is_parameter_table("iommu.0.iotlb"));
  CHECK(is_parameter_table("iommu"));
  CHECK_FALSE(is_parameter_table("iommu.0.iotlb.ways"));
  CHECK_FALSE(is_parameter_table("iotlb"));
  CHECK(is_instance_group("device"));
  CHECK(is_instance_group("event"));
  CHECK_FALSE(is_instance_group("memory"));
  CHECK_FALSE(is_instance_group("dev"));
}

TEST_CASE("edit distance") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("abc", "abc") == 0);
  CHECK(edit_distance("abc", "abd") == 1);
  CHECK(edit_distance("abc", "acb") == 1);
  CHECK(edit_distance("abc", "xabcx") == 2);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(nearest("lnear", {"random", "linear"}) == "linear");
  CHECK(nearest("x", {"lt", "at"}).empty());
  CHECK(nearest("completely", {"different"}).empty());
  CHECK(did_you_mean("zzz", {"abc"}, "; no idea") == "; no idea");
}

TEST_CASE("units") {
  CHECK(parse_size("0") == 0U);
  CHECK(parse_size("4096") == 4096U);
  CHECK(parse_size("4KiB") == 4096U);
  CHECK(parse_size("4 KiB") == 4096U);
  CHECK(parse_size("0.5KiB") == 512U);
  CHECK(parse_size("64GiB") == 68719476736U);
  CHECK(parse_size("1TiB") == 1099511627776U);
  for (const char* wrong :
       {"", "KiB", "-1", "-0", "4KB", "4kib", "4KiBx", "0.3B", "1e3", "9999999TiB", "nan", "inf", "0x10", " 4KiB"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_size(wrong).has_value());
  }
  CHECK(parse_duration_ns("5") == 5.0);
  CHECK(parse_duration_ns("5ps") == 0.005);
  CHECK(parse_duration_ns("2s") == 2e9);
  CHECK_FALSE(parse_duration_ns("5min").has_value());
  CHECK(parse_frequency_mhz("100") == 100.0);
  CHECK(parse_frequency_mhz("2GHz") == 2000.0);
  CHECK(parse_frequency_mhz("500kHz") == 0.5);
  CHECK_FALSE(parse_frequency_mhz("2ghz").has_value());
  CHECK(size_text(0) == "0");
  CHECK(size_text(1023) == "1023");
  CHECK(size_text(1536) == "1536");
  CHECK(size_text(2048) == "2KiB");
  CHECK(size_text(1099511627776) == "1TiB");
  CHECK(number_text(70) == "70");
  CHECK(number_text(0.1) == "0.1");
  CHECK(number_text(1e-9) == "0.000000001");
  CHECK(number_text(1e21) == "1000000000000000000000");
  CHECK(requester_text(0xFFFF) == "ff:1f.7");
  CHECK(quote("a\"b\\c\n\x01") == "\"a\\\"b\\\\c\\n\\u0001\"");
}

TEST_CASE("docs/parameters.md is what the program prints") {
  std::ifstream stream(std::string(IOMMU_SOURCE_DIR) + "/docs/parameters.md");
  std::ostringstream text;
  text << stream.rdbuf();
  // To make it anew: iommu-vp params --markdown > docs/parameters.md
  CHECK(text.str() == parameters_as_markdown());
}

TEST_CASE("every parameter is in each document") {
  const std::string text = parameters_as_text();
  const std::string markdown = parameters_as_markdown();
  for (const Parameter& parameter : parameter_table()) {
    CAPTURE(std::string(parameter.name));
    CHECK(text.find("  " + std::string(parameter.name) + "\n") != std::string::npos);
    CHECK(markdown.find("| `" + std::string(parameter.name) + "` |") != std::string::npos);
  }
  CHECK(text.find("  memory.latency_ns\n"
                  "      Time from a request's arrival at memory to its first data.\n"
                  "      ns from 0 to 1000000000, or text such as \"1.5us\"; default: 70\n") != std::string::npos);
  CHECK(text.find("  memory.bandwidth_gbytes_per_s\n"
                  "      Bandwidth of each channel in 10^9 bytes a second; 0: unlimited.\n"
                  "      a number from 0 to 1000000 (GB/s); default: 25.6\n") != std::string::npos);
  CHECK(text.find("a path; required; only for kind = \"nic\"\n") != std::string::npos);
}

TEST_CASE("the JSON Schema says what the table says") {
  const auto schema = nlohmann::json::parse(parameters_as_json_schema());
  CHECK(schema["$schema"] == "http://json-schema.org/draft-07/schema#");
  CHECK(schema["additionalProperties"] == false);
  const auto& properties = schema["properties"];
  CHECK(properties["seed"]["minimum"] == 0);
  CHECK(properties["seed"]["default"] == 1);
  CHECK(properties["mode"]["enum"] == nlohmann::json::array({"lt", "at"}));
  CHECK(properties["memory"]["additionalProperties"] == false);
  CHECK(properties["memory"]["properties"]["latency_ns"]["default"] == 70.0);
  const auto& iommu = properties["iommu"]["patternProperties"]["^[A-Za-z0-9_-]+$"];
  CHECK(iommu["additionalProperties"] == false);
  CHECK(iommu["properties"]["iotlb"]["properties"]["ways"]["maximum"] == 65536);
  CHECK(iommu["properties"]["levels"]["items"]["enum"] == nlohmann::json::array({3, 4, 5}));
  CHECK(properties["device"]["patternProperties"]["^[A-Za-z0-9_-]+$"]["properties"]["kind"]["enum"][1] == "nic");
  CHECK(properties["event"]["type"] == "array");
  CHECK(properties["event"]["items"]["properties"]["action"]["enum"].size() == 12);
  CHECK(properties["event"]["items"]["additionalProperties"] == false);
  CHECK(properties.contains("expect"));
  CHECK(properties.contains("base"));
}
