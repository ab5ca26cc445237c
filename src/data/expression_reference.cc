#include <map>

#include "data/expression_functions.h"

// Text of docs/reference/expressions.md. A test compares the file with it, so the page cannot fall
// behind the program.

namespace assay::data {
namespace {

constexpr std::string_view kIntroduction = R"(# Expressions

One language for `expr`, `where`, checks and on-demand features: scalar SQL with DuckDB's syntax and, but for
the list below, DuckDB's meaning. An expression is checked against the columns once; every mistake is reported
with its place ("at column 7", counted in characters from 1) and the nearest known name.

This page is generated from the program; `data_test` compares them.

## Types
Values are bool, int32, int64, float32, float64, string, bytes, date and timestamp (microseconds, UTC).
Columns of int8 and int16 are read as int32, decimals as float64 (the nearest), timestamp_ntz as a timestamp in
UTC. Inside an expression there are also intervals (microseconds), which are no values of a column: take
`epoch_us` or `epoch` of them. A list or array of float32 or float64 is a vector, for the functions that take
one; of other lists, arrays, structs and maps an expression can be the column itself, or ask IS NULL.

Without a CAST, int32 becomes int64, integers and float32 become float64, date becomes timestamp, and null becomes
anything. A text literal beside a date or timestamp (in a comparison, IN, BETWEEN, CASE, coalesce, ...) is read as a
time. Nothing else is cast silently: bool is no number and text is no number.

Names of columns must be written exactly; `"quotes"` are needed for names with other characters than
letters, digits and `_`, and for the words and, or, not, is, in, between, like, case, when, then, else,
end, cast, try_cast, null, true and false. Keywords and names of functions may be in any case.

From loose to tight: OR, AND, NOT, IS NULL, comparisons, IN BETWEEN LIKE, `||`, `+ -`, `* / // %`, unary minus,
`::`. Comparisons do not chain.

## What differs from DuckDB, on purpose
An expression never fails on data: where there is no answer, the answer is null.

| here | in DuckDB |
|---|---|
| integer overflow (`+ - * abs round`) gives null | an error |
| division by zero (`/ // %`) gives null, also of floating-point numbers | null for integers; infinity or NaN for floating point |
| `sqrt` below zero, `ln` and `log10` at zero and below give null | an error |
| CAST that fails gives null, as TRY_CAST | CAST is an error |
| integer arithmetic is in int64 | in the wider of the two operands |
| float32 arithmetic and comparison is in float64 | in FLOAT when both are |
| `1.5` is float64 | DECIMAL |
| an integer literal is int64 (int32 beside int32 columns in CASE, coalesce, greatest, IN) | INTEGER when it fits |
| `//` takes integers only | divides floating-point numbers without rounding |
| conditions are bool | numbers and texts are cast |
| text is compared with text only | a text literal is cast to the other side's type |
| casting text to an integer takes digits with a sign | also `1.5`, `1e3`, `0x10`, `1_000` |
| casting text to a time takes YYYY-MM-DD[( or T)hh:mm[:ss[.ffffff]]] and a zone | more forms |
| `upper`, `lower` change ASCII letters | all letters |
| `sign` is int64, all results of integer functions are | TINYINT, the type of the argument |
| `round` to digits before the point keeps NaN and infinities | makes them 0 |
| timestamps are TIMESTAMP WITH TIME ZONE in UTC, also `date_trunc` and `+` of a date | TIMESTAMP for dates |
| `make_timestamp` makes that type | `make_timestamptz` does |
| times and dates outside years 0001 to 9999 are null | go on |
| no months or years in intervals | INTERVAL '1 month' |
| `date_diff` has no 'week' | counts weeks from Thursday 1970-01-01 or by 7 days, after the type |
| AT TIME ZONE, ILIKE, LIKE ... ESCAPE, IS DISTINCT FROM, decimals, lists and subqueries are refused | known |
| names of columns are case-sensitive | not |
| a text that a function makes and that is longer than 1 MiB is null | goes on |
| every NaN in a result has the same bits, as text it is `nan` | the processor's; `nan` or `-nan` |
| `epoch` is microseconds / 1e6, rounded once | rounded several times for TIMESTAMP WITH TIME ZONE and intervals |
| the difference of two timestamps is exact | 1 ms off for some TIMESTAMP WITH TIME ZONE before 1970 |

Limits: 65,536 bytes, 200 levels of nesting, 500 operators in one chain.

)";

/// "x" as in a table cell: bars would end it.
std::string cell(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|') {
      escaped += '\\';
    }
    escaped += c;
  }
  return escaped;
}

bool is_operator(std::string_view name) {
  const char c = name.front();
  return (c < 'a' || c > 'z') || name == "like";
}

std::string signature(const FunctionEntry& entry) {
  std::string arguments;
  for (std::size_t i = 0; i < entry.arguments.size(); ++i) {
    arguments += i == 0 ? "" : ", ";
    arguments +=
        static_cast<int>(i) == entry.literal_argument ? "literal" : kind_name(entry.arguments[i]);
  }
  return "(" + arguments + ") → " + std::string(kind_name(entry.result));
}

/// One row a name, its signatures below each other.
void append_functions(std::string& page, bool operators) {
  page += "| name | takes → gives | |\n|---|---|---|\n";
  const std::vector<FunctionEntry>& table = function_table();
  for (std::size_t i = 0; i < table.size();) {
    const std::string_view name = table[i].name;
    std::string signatures;
    const std::string help = cell(table[i].help);
    for (; i < table.size() && table[i].name == name; ++i) {
      signatures += (signatures.empty() ? "" : "<br>") + signature(table[i]);
    }
    if (is_operator(name) == operators) {
      page += "| `" + cell(name) + "` | " + signatures + " | " + help + " |\n";
    }
  }
  page += "\n";
}

}  // namespace

std::string expression_reference() {
  std::string page(kIntroduction);
  page += "## Constructs\n| write | |\n|---|---|\n";
  for (const SpecialForm& form : special_forms()) {
    page += "| `" + cell(form.usage) + "` | " + cell(form.help) + " |\n";
  }
  page += "\n## Operators\n";
  append_functions(page, true);
  page += "## Functions\n";
  append_functions(page, false);
  page += "## Names of types in CAST\n| name | type |\n|---|---|\n";
  for (const SqlTypeName& known : sql_type_names()) {
    page += "| `" + std::string(known.name) + "` | " + std::string(kind_name(known.kind)) + " |\n";
  }
  return page;
}

}  // namespace assay::data
