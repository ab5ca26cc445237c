#include "lake/plan_filters.h"

#include <charconv>
#include <optional>

#include "data/sql_engine.h"
#include "lake/json_value.h"

// A scan in the plan, as DuckDB prints it:
//
//   {"name": "SEQ_SCAN ", "children": [], "extra_info":
//     {"Table": "assay_stub.main.t0", "Filters": ["c0='u1'", "optional: c2 IN (1, 5)"]}}
//
// `Filters` is a text when there is one. A filter with a newline in one of its texts comes as two,
// so all are joined again and cut outside of quotes. "optional:" marks what a FILTER above tests
// once more: no less true of every row that matters.

namespace assay::lake {
namespace {

constexpr std::string_view kOptional = "optional: ";
constexpr std::string_view kUtcEnd = "+00'";
constexpr std::string_view kZonedType = "::TIMESTAMP WITH TIME ZONE";

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool begins_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

/// End of the quoted text that begins at `begin`.
std::size_t quoted_end(std::string_view text, std::size_t begin) {
  const char quote = text[begin];
  std::size_t at = begin + 1;
  while (at < text.size()) {
    if (text[at] == quote) {
      if (at + 1 >= text.size() || text[at + 1] != quote) {
        return at + 1;
      }
      ++at;
    }
    ++at;
  }
  return text.size();
}

std::size_t word_end(std::string_view text, std::size_t begin) {
  std::size_t end = begin;
  while (end < text.size() && is_word(text[end])) {
    ++end;
  }
  return end;
}

/// "c12" as a column's name in quotes; other words as they are.
std::string column_or_word(std::string_view word, const std::vector<std::string>& names) {
  std::size_t index = 0;
  if (word.size() > 1 && word[0] == 'c') {
    const auto [end, error] = std::from_chars(word.data() + 1, word.data() + word.size(), index);
    if (error == std::errc() && end == word.data() + word.size() && index < names.size()) {
      return data::SqlEngine::identifier(names[index]);
    }
  }
  return std::string(word);
}

/// A quoted text; the engine's form of an instant in UTC with a Z, as our own conditions have it.
std::string quoted_text(std::string_view quoted, std::string_view after) {
  const bool instant = quoted.size() > kUtcEnd.size() && begins_with(after, kZonedType) &&
                       quoted.substr(quoted.size() - kUtcEnd.size()) == kUtcEnd;
  return instant ? std::string(quoted.substr(0, quoted.size() - kUtcEnd.size())) + "Z'"
                 : std::string(quoted);
}

std::optional<std::size_t> stub_number(const JsonValue& extra, std::string_view stub) {
  const JsonValue* table = extra.find("Table");
  const std::string prefix = std::string(stub) + ".main.t";
  if (table == nullptr || table->text() == nullptr || !begins_with(*table->text(), prefix)) {
    return std::nullopt;
  }
  const std::string_view digits = std::string_view(*table->text()).substr(prefix.size());
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() && end == digits.data() + digits.size() ? std::optional(number)
                                                                      : std::nullopt;
}

std::string filter_lines(const JsonValue& extra) {
  const JsonValue* filters = extra.find("Filters");
  if (filters == nullptr) {
    return "";
  }
  if (filters->text() != nullptr) {
    return *filters->text();
  }
  std::string lines;
  if (filters->array() != nullptr) {
    for (const JsonValue& line : *filters->array()) {
      if (line.text() != nullptr) {
        lines += (lines.empty() ? "" : "\n") + *line.text();
      }
    }
  }
  return lines;
}

class PlanWalker {
 public:
  PlanWalker(std::string_view stub, const std::vector<std::vector<std::string>>& column_names)
      : stub_(stub), column_names_(column_names) {}

  void visit(const JsonValue& node) {
    if (const JsonValue* extra = node.find("extra_info")) {
      const std::optional<std::size_t> table = stub_number(*extra, stub_);
      if (table && *table < column_names_.size()) {
        scans_[*table].push_back(split_filters(filter_lines(*extra), column_names_[*table]));
      }
    }
    const JsonValue* children = node.find("children");
    if (children != nullptr && children->array() != nullptr) {
      for (const JsonValue& child : *children->array()) {
        visit(child);
      }
    }
  }

  std::map<std::size_t, std::vector<ScanFilters>> take() { return std::move(scans_); }

 private:
  std::string_view stub_;
  const std::vector<std::vector<std::string>>& column_names_;
  std::map<std::size_t, std::vector<ScanFilters>> scans_;
};

}  // namespace

ScanFilters split_filters(std::string_view lines, const std::vector<std::string>& column_names) {
  ScanFilters filters;
  std::string filter;
  const auto finish = [&] {
    if (!filter.empty()) {
      filters.push_back(std::move(filter));
    }
    filter.clear();
  };
  std::size_t at = 0;
  while (at < lines.size()) {
    if (filter.empty() && begins_with(lines.substr(at), kOptional)) {
      at += kOptional.size();
    } else if (lines[at] == '\n') {
      finish();
      ++at;
    } else if (lines[at] == '\'' || lines[at] == '"') {
      const std::size_t end = quoted_end(lines, at);
      filter += quoted_text(lines.substr(at, end - at), lines.substr(end));
      at = end;
    } else if (is_word(lines[at])) {
      const std::size_t end = word_end(lines, at);
      filter += column_or_word(lines.substr(at, end - at), column_names);
      at = end;
    } else {
      filter += lines[at++];
    }
  }
  finish();
  return filters;
}

std::vector<std::string> split_or(const std::string& condition) {
  std::vector<std::string> members;
  std::size_t begin = 0;
  std::size_t at = 0;
  while (at < condition.size()) {
    const char c = condition[at];
    if (c == '\'' || c == '"') {
      at = quoted_end(condition, at);
    } else if (is_word(c)) {
      const std::size_t end = word_end(condition, at);
      const std::string_view word = std::string_view(condition).substr(at, end - at);
      if (word == "CASE") {
        return {condition};
      }
      if (word == "OR") {
        members.push_back(condition.substr(begin, at - begin));
        begin = end;
      }
      at = end;
    } else if (c == '(' || c == '[' || c == '{') {
      return {condition};  // where a bracket is, an OR may bind otherwise
    } else {
      ++at;
    }
  }
  members.push_back(condition.substr(begin));
  return members;
}

Result<std::map<std::size_t, std::vector<ScanFilters>>> filters_in_plan(
    std::string_view plan_json,
    std::string_view stub,
    const std::vector<std::vector<std::string>>& column_names) {
  JsonReader reader;
  ASSAY_ASSIGN_OR_RETURN(const JsonValue plan, reader.read(plan_json));
  PlanWalker walker(stub, column_names);
  if (plan.array() != nullptr) {
    for (const JsonValue& root : *plan.array()) {
      walker.visit(root);
    }
  } else {
    walker.visit(plan);
  }
  return walker.take();
}

}  // namespace assay::lake
