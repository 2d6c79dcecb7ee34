// The parameter table for readers: text for the terminal, Markdown, JSON Schema.
//
// Does: turn the table into documents, nothing in them stands anywhere else. Does not: know values of a scenario.
#pragma once

#include <string>

namespace iommu::platform {

/// What `iommu-vp params` prints.
[[nodiscard]] std::string parameters_as_text();
/// docs/parameters.md.
[[nodiscard]] std::string parameters_as_markdown();
/// A JSON Schema (draft 7) of scenario files, for editors that check and complete TOML.
[[nodiscard]] std::string parameters_as_json_schema();

}  // namespace iommu::platform
