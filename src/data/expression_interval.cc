#include <array>
#include <charconv>

#include "base/suggest.h"
#include "base/time.h"
#include "data/expression_lexer.h"
#include "data/expression_parser.h"

// The text of an interval: "10 minutes", "1 day 2 hours", "-5 seconds". Whole numbers only.

namespace assay::data {
namespace {

struct IntervalUnit {
  std::string_view name;  // singular; the plural adds an s
  int64_t micros;
};
constexpr std::array<IntervalUnit, 7> kUnits = {{{"microsecond", 1},
                                                 {"millisecond", 1'000},
                                                 {"second", kMicrosPerSecond},
                                                 {"minute", 60 * kMicrosPerSecond},
                                                 {"hour", 3'600 * kMicrosPerSecond},
                                                 {"day", kMicrosPerDay},
                                                 {"week", 7 * kMicrosPerDay}}};

Status bad_interval(std::string_view text, std::string_view why) {
  return {Code::kInvalidArgument,
          "cannot read INTERVAL '" + std::string(text.substr(0, 40)) + "': " + std::string(why)};
}

Result<int64_t> unit_micros(std::string_view text, std::string_view word) {
  std::string name = lower_ascii(word);
  if (name.size() > 1 && name.back() == 's') {
    name.pop_back();
  }
  if (name == "month" || name == "year" || name == "quarter") {
    return bad_interval(text, "months and years have no fixed length; say days,");
  }
  std::vector<std::string> names;
  for (const IntervalUnit& unit : kUnits) {
    if (unit.name == name) {
      return unit.micros;
    }
    names.emplace_back(unit.name);
  }
  return bad_interval(text, "unknown unit `" + std::string(word) + "`" + did_you_mean(name, names));
}

/// The next word, and what follows it.
std::string_view take_word(std::string_view& text) {
  const std::size_t begin = text.find_first_not_of(' ');
  if (begin == std::string_view::npos) {
    text = {};
    return {};
  }
  text.remove_prefix(begin);
  const bool number = text.front() == '-' || (text.front() >= '0' && text.front() <= '9');
  const std::size_t end = number ? text.find_first_not_of("-0123456789.:") : text.find(' ');
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(word.size());
  return word;
}

}  // namespace

Result<int64_t> parse_interval(std::string_view text) {
  int64_t total = 0;
  std::string_view rest = text;
  bool any = false;
  while (true) {
    const std::string_view number = take_word(rest);
    if (number.empty()) {
      break;
    }
    int64_t count = 0;
    const char* end = number.data() + number.size();
    const auto [stop, error] = std::from_chars(number.data(), end, count);
    if (error != std::errc() || stop != end) {
      return bad_interval(text, "expected a whole number and a unit, as in '10 minutes'");
    }
    ASSAY_ASSIGN_OR_RETURN(const int64_t unit, unit_micros(text, take_word(rest)));
    int64_t micros = 0;
    if (__builtin_mul_overflow(count, unit, &micros) ||
        __builtin_add_overflow(total, micros, &total)) {
      return bad_interval(text, "too long");
    }
    any = true;
  }
  if (!any) {
    return bad_interval(text, "expected a whole number and a unit, as in '10 minutes'");
  }
  return total;
}

}  // namespace assay::data
