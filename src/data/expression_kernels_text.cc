#include <algorithm>
#include <array>
#include <cstring>

#include "data/expression_functions.h"
#include "data/expression_kernels.h"
#include "data/expression_regex.h"

// Text is UTF-8. Positions and lengths count characters (code points); bytes that are no proper
// UTF-8 never lead outside the text.

namespace assay::data {
namespace {

using Text = std::string_view;

bool continues_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

/// Byte after the character that begins at `at`.
std::size_t next_character(Text text, std::size_t at) {
  ++at;
  while (at < text.size() && continues_character(text[at])) {
    ++at;
  }
  return at;
}

int64_t count_characters(Text text) {
  int64_t count = 0;
  for (const char c : text) {
    count += static_cast<int64_t>(!continues_character(c));
  }
  return count;
}

struct Length {
  static int64_t apply(Text text) { return count_characters(text); }
};

template <char kFirst, char kLast, int kShift>
struct ChangeCase {
  static bool apply(Text text, TextArena& texts, Text& out) {
    char* bytes = texts.allocate(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      bytes[i] = c >= kFirst && c <= kLast ? static_cast<char>(c + kShift) : c;
    }
    out = {bytes, text.size()};
    return true;
  }
};
using Lower = ChangeCase<'A', 'Z', 'a' - 'A'>;
using Upper = ChangeCase<'a', 'z', 'A' - 'a'>;

/// Unicode's space separators, which trim takes off when it is not told what to take.
constexpr Text kSpaces =
    " \u00A0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200A\u202F\u205F"
    "\u3000";

bool has_character(Text set, Text character) {
  for (std::size_t at = 0; at < set.size();) {
    const std::size_t end = next_character(set, at);
    if (set.substr(at, end - at) == character) {
      return true;
    }
    at = end;
  }
  return false;
}

template <bool kLeft, bool kRight>
struct Trim {
  static Text apply(Text text) { return apply(text, kSpaces); }
  static Text apply(Text text, Text set) {
    while (kLeft && !text.empty()) {
      const std::size_t end = next_character(text, 0);
      if (!has_character(set, text.substr(0, end))) {
        break;
      }
      text.remove_prefix(end);
    }
    while (kRight && !text.empty()) {
      std::size_t begin = text.size() - 1;
      while (begin > 0 && continues_character(text[begin])) {
        --begin;
      }
      if (!has_character(set, text.substr(begin))) {
        break;
      }
      text.remove_suffix(text.size() - begin);
    }
    return text;
  }
};

struct Substring {
  static Text apply(Text text, int64_t offset) { return apply(text, offset, kFar); }
  /// Offset 1 is the first character, -1 the last, 0 the place before the first. A negative length
  /// takes what stands before the offset. What lies outside the text is cut off.
  static Text apply(Text text, int64_t offset, int64_t length) {
    offset = std::clamp(offset, -kFar, kFar);
    length = std::clamp(length, -kFar, kFar);
    const bool from_end = offset < 0;
    const int64_t size = from_end ? count_characters(text) : static_cast<int64_t>(text.size());
    int64_t begin = from_end ? size + offset : offset - 1;
    int64_t end = begin + length;
    if (length < 0) {
      std::swap(begin, end);
    }
    begin = std::clamp<int64_t>(begin, 0, size);
    end = std::clamp<int64_t>(end, 0, size);
    std::size_t at = 0;
    for (int64_t i = 0; i < begin && at < text.size(); ++i) {
      at = next_character(text, at);
    }
    const std::size_t first = at;
    for (int64_t i = begin; i < end && at < text.size(); ++i) {
      at = next_character(text, at);
    }
    return text.substr(first, at - first);
  }

 private:
  static constexpr int64_t kFar = int64_t{1} << 33;  // beyond any text
};

struct Replace {
  static bool apply(Text text, Text from, Text to, TextArena& texts, Text& out) {
    if (from.empty() || text.find(from) == Text::npos) {
      out = text;
      return true;
    }
    std::size_t size = text.size();
    for (std::size_t at = text.find(from); at != Text::npos;
         at = text.find(from, at + from.size())) {
      size = size - from.size() + to.size();
    }
    if (size > kExpressionTextBytesMax) {
      return false;
    }
    char* bytes = texts.allocate(size);
    std::size_t written = 0;
    const auto put = [&](Text part) {
      std::copy(part.begin(), part.end(), bytes + written);
      written += part.size();
    };
    std::size_t begin = 0;
    for (std::size_t at = text.find(from); at != Text::npos; at = text.find(from, begin)) {
      put(text.substr(begin, at - begin));
      put(to);
      begin = at + from.size();
    }
    put(text.substr(begin));
    out = {bytes, size};
    return true;
  }
};

struct StartsWith {
  static uint8_t apply(Text text, Text part) {
    return static_cast<uint8_t>(text.substr(0, part.size()) == part);
  }
};
struct EndsWith {
  static uint8_t apply(Text text, Text part) {
    return static_cast<uint8_t>(text.size() >= part.size() &&
                                text.substr(text.size() - part.size()) == part);
  }
};
struct Contains {
  static uint8_t apply(Text text, Text part) {
    return static_cast<uint8_t>(text.find(part) != Text::npos);
  }
};

struct SplitPart {
  /// Part `index` from 1, or from the end for a negative one; an empty separator parts characters.
  static Text apply(Text text, Text separator, int64_t index) {
    if (index == 0) {
      return {};
    }
    if (index < 0) {
      const int64_t parts = count_parts(text, separator);
      if (index < -parts) {
        return {};
      }
      index += parts + 1;
    }
    for (std::size_t begin = 0; begin <= text.size(); --index) {
      const std::size_t end = part_end(text, separator, begin);
      if (index == 1) {
        return text.substr(begin, end - begin);
      }
      if (end >= text.size()) {
        return {};
      }
      begin = end + separator.size();
    }
    return {};
  }

 private:
  static std::size_t part_end(Text text, Text separator, std::size_t begin) {
    if (separator.empty()) {
      return begin < text.size() ? next_character(text, begin) : text.size();
    }
    return std::min(text.find(separator, begin), text.size());
  }
  static int64_t count_parts(Text text, Text separator) {
    int64_t parts = 1;
    std::size_t end = part_end(text, separator, 0);
    while (end < text.size()) {
      ++parts;
      end = part_end(text, separator, end + separator.size());
    }
    return parts;
  }
};

struct Like {
  /// `%` any characters, `_` one character. On a mismatch the last `%` takes one character more: at
  /// most size(text) * size(pattern) steps.
  static uint8_t apply(Text text, Text pattern) {
    std::size_t t = 0;
    std::size_t p = 0;
    std::size_t star = Text::npos;  // pattern after the last %
    std::size_t star_text = 0;
    while (t < text.size()) {
      if (p < pattern.size() && pattern[p] == '%') {
        star = ++p;
        star_text = t;
      } else if (p < pattern.size() && pattern[p] == '_') {
        t = next_character(text, t);
        ++p;
      } else if (p < pattern.size() && pattern[p] == text[t]) {
        ++t;
        ++p;
      } else if (star != Text::npos) {
        star_text = next_character(text, star_text);
        t = star_text;
        p = star;
      } else {
        return 0;
      }
    }
    while (p < pattern.size() && pattern[p] == '%') {
      ++p;
    }
    return static_cast<uint8_t>(p == pattern.size());
  }
};

void match_regex(const KernelCall& call) {
  const auto& regex = static_cast<const RegexState&>(*call.state);
  const auto* in = call.input<Text>(0);
  const uint8_t* in_valid = call.mask(0);
  auto* out = call.output<uint8_t>();
  for (int64_t row = 0; row < call.rows; ++row) {
    out[row] = static_cast<uint8_t>(in_valid[row] != 0 && regex.matches(in[row]));
  }
}

template <bool kSkipNulls>
void concat(const KernelCall& call) {
  auto* out = call.output<Text>();
  for (int64_t row = 0; row < call.rows; ++row) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < call.inputs.size(); ++i) {
      size += call.mask(i)[row] != 0 ? call.input<Text>(i)[row].size() : 0;
    }
    const bool valid = (kSkipNulls || call.valid[row] != 0) && size <= kExpressionTextBytesMax;
    call.valid[row] = static_cast<uint8_t>(valid);
    out[row] = {};
    if (!valid) {
      continue;
    }
    char* bytes = call.texts->allocate(size);
    out[row] = {bytes, size};
    for (std::size_t i = 0; i < call.inputs.size(); ++i) {
      if (call.mask(i)[row] != 0) {
        const Text part = call.input<Text>(i)[row];
        bytes = std::copy(part.begin(), part.end(), bytes);
      }
    }
  }
}

constexpr auto kB = ValueKind::kBool;
constexpr auto kI = ValueKind::kInt64;
constexpr auto kS = ValueKind::kString;
constexpr auto kMaybe = NullRule::kPartial;
constexpr auto kAlways = NullRule::kStrict;

template <typename Op>
constexpr Kernel kTest = map_kernel<Op, uint8_t, Text, Text>;
template <typename Op>
constexpr Kernel kTrimOne = map_kernel<Op, Text, Text>;
template <typename Op>
constexpr Kernel kTrimSet = map_kernel<Op, Text, Text, Text>;

}  // namespace

Kernel concat_kernel(bool skip_nulls) {
  return skip_nulls ? concat<true> : concat<false>;
}

std::vector<FunctionEntry> text_functions() {
  return {
      {"length",
       {kS},
       kI,
       map_kernel<Length, int64_t, Text>,
       kAlways,
       "Number of characters (code points)."},
      {"lower",
       {kS},
       kS,
       text_kernel<Lower, Text>,
       kMaybe,
       "ASCII letters in lower case, other characters as they are."},
      {"upper",
       {kS},
       kS,
       text_kernel<Upper, Text>,
       kMaybe,
       "ASCII letters in upper case, other characters as they are."},
      {"trim",
       {kS},
       kS,
       kTrimOne<Trim<true, true>>,
       kAlways,
       "Without spaces at both ends, or without the characters of the second text."},
      {"trim", {kS, kS}, kS, kTrimSet<Trim<true, true>>, kAlways, ""},
      {"ltrim", {kS}, kS, kTrimOne<Trim<true, false>>, kAlways, "trim at the left end."},
      {"ltrim", {kS, kS}, kS, kTrimSet<Trim<true, false>>, kAlways, ""},
      {"rtrim", {kS}, kS, kTrimOne<Trim<false, true>>, kAlways, "trim at the right end."},
      {"rtrim", {kS, kS}, kS, kTrimSet<Trim<false, true>>, kAlways, ""},
      {"substr",
       {kS, kI},
       kS,
       map_kernel<Substring, Text, Text, int64_t>,
       kAlways,
       "Characters from place `n` (1 is the first, -1 the last), at most `m` of them."},
      {"substr",
       {kS, kI, kI},
       kS,
       map_kernel<Substring, Text, Text, int64_t, int64_t>,
       kAlways,
       ""},
      {"replace",
       {kS, kS, kS},
       kS,
       text_kernel<Replace, Text, Text, Text>,
       kMaybe,
       "Every occurrence of the second text replaced by the third."},
      {"starts_with",
       {kS, kS},
       kB,
       kTest<StartsWith>,
       kAlways,
       "True when the text begins with the second."},
      {"ends_with",
       {kS, kS},
       kB,
       kTest<EndsWith>,
       kAlways,
       "True when the text ends with the second."},
      {"contains",
       {kS, kS},
       kB,
       kTest<Contains>,
       kAlways,
       "True when the second text occurs in the first."},
      {"split_part",
       {kS, kS, kI},
       kS,
       map_kernel<SplitPart, Text, Text, Text, int64_t>,
       kAlways,
       "Part `n`, from 1 (from the end: -1), of the text cut at the separator; empty when there is "
       "none."},
      {"like",
       {kS, kS},
       kB,
       kTest<Like>,
       kAlways,
       "`x LIKE pattern`: `%` stands for any characters, `_` for one. There is no escape "
       "character."},
      {"regexp_matches",
       {kS, kS},
       kB,
       match_regex,
       kAlways,
       "True when the regular expression (RE2, a literal) matches somewhere in the text.",
       1,
       RegexState::compile},
  };
}

}  // namespace assay::data
