#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace assay::serve {

/// A member of an object as it is written: its name with quotes and escapes, and its value.
struct JsonMember {
  std::string_view name;
  std::string_view value;
};

/// Take a JSON object, or array, apart, each value byte for byte. The text must outlive them.
///
/// Nothing: it is no object, or no array. What is inside of values is not looked at more than it
/// takes to find their ends.
/// Threads thread-safe.
std::optional<std::vector<JsonMember>> json_members(std::string_view object);
std::optional<std::vector<std::string_view>> json_elements(std::string_view array);

}  // namespace assay::serve
