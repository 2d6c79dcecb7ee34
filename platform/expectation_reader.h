// [expect] tables into expectations.
#pragma once

#include <vector>

#include "platform/expectations.h"
#include "platform/toml_reader.h"

namespace iommu::platform {

/// Adds what `table` (the value of `expect`) says to `expectations`; a path that is already there gets the new wish in
/// its old place.
void read_expectations(const TomlNode& table, std::vector<Expectation>& expectations, Problems& problems);

}  // namespace iommu::platform
