#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

/// The candidate nearest to a misspelt word: Damerau-Levenshtein distance of at most 2 (1 for words
/// of up to 4 letters), the first in order among equals; nothing when none is near.
std::optional<std::string> suggest(std::string_view word,
                                   const std::vector<std::string>& candidates);

/// "; did you mean `x`?" for the nearest candidate, or "".
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace assay
