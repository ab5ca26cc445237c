#include "data/expression_functions.h"

#include <algorithm>
#include <iterator>

namespace assay::data {
namespace {

constexpr std::array<SpecialForm, 20> kSpecialForms = {{
    {"and",
     "x AND y, x OR y, NOT x",
     "Three-valued logic: false AND null is false, true OR null is true."},
    {"=",
     "x = y, <> (or !=), <, <=, >, >=",
     "Comparison of two values of one type. NaN equals NaN and is greater than any number; -0.0 "
     "equals 0.0; text compares by its bytes. A text literal beside a time is read as a time."},
    {"is null", "x IS NULL, x IS NOT NULL", "Never null."},
    {"in",
     "x [NOT] IN (y, ...)",
     "True when x equals one of the values; null when it does not and one of them is null."},
    {"between", "x [NOT] BETWEEN low AND high", "low <= x AND x <= high."},
    {"case",
     "CASE WHEN condition THEN x ... [ELSE y] END",
     "The value after the first condition that is true; without ELSE null."},
    {"case of",
     "CASE x WHEN y THEN z ... [ELSE y] END",
     "The value after the first y that equals x."},
    {"cast",
     "CAST(x AS type), x::type, TRY_CAST(x AS type)",
     "x as another type; null when it cannot be. All three mean the same."},
    {"coalesce", "coalesce(x, ...)", "The first value that is not null."},
    {"nullif", "nullif(x, y)", "Null when x equals y, else x."},
    {"greatest", "greatest(x, ...)", "The greatest of the values that are not null."},
    {"least", "least(x, ...)", "The least of the values that are not null."},
    {"||",
     "x || y",
     "Texts one after the other; null when one of them is. Other types are cast to text."},
    {"concat", "concat(x, ...)", "Texts one after the other; null counts as empty text."},
    {"interval",
     "INTERVAL '10 minutes', INTERVAL 10 MINUTE",
     "A length of time: microseconds, milliseconds, seconds, minutes, hours, days of 24 hours, "
     "weeks."},
    {"date", "DATE '2024-01-31'", "A date."},
    {"timestamp", "TIMESTAMP '2024-01-31 10:00:00'", "A time; without a zone it is UTC."},
    {"now",
     "now()",
     "The instant of the question, where features are read: the label's time in a training set, "
     "the request's time in serving."},
    {"text",
     "'text', \"column name\", column_name",
     "Text in single quotes, a column as it is or in double quotes; a doubled quote stands for "
     "one."},
    {"number",
     "1, 2.5, 1e-3, true, false, null",
     "Literals: int64, float64, float64, bool, bool, null."},
}};

/// Signatures of one name side by side, names in order of first appearance.
std::vector<FunctionEntry> grouped(std::vector<FunctionEntry> entries) {
  std::vector<FunctionEntry> sorted;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::string_view name = entries[i].name;
    if (name.empty()) {
      continue;  // taken already
    }
    for (std::size_t k = i; k < entries.size(); ++k) {
      if (entries[k].name == name) {
        sorted.push_back(entries[k]);
        entries[k].name = {};
      }
    }
  }
  return sorted;
}

std::vector<FunctionEntry> all_functions() {
  std::vector<FunctionEntry> all = number_functions();
  for (std::vector<FunctionEntry> part : {text_functions(), time_functions(), vector_functions()}) {
    std::move(part.begin(), part.end(), std::back_inserter(all));
  }
  return grouped(std::move(all));
}

}  // namespace

const std::vector<FunctionEntry>& function_table() {
  static const std::vector<FunctionEntry> kTable = all_functions();
  return kTable;
}

std::span<const SpecialForm> special_forms() {
  return kSpecialForms;
}

}  // namespace assay::data
