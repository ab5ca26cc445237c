#pragma once

#include <string_view>

namespace assay::data {

/// True when `text` is UTF-8 as the Unicode standard defines it: shortest forms only, no
/// surrogates, nothing beyond U+10FFFF.
///
/// Cost    eight bytes a step while they are ASCII.
bool is_utf8(std::string_view text);

}  // namespace assay::data
