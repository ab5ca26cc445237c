#include "catalog/diagnostics.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "base/json_writer.h"
#include "catalog/text_lines.h"

namespace assay::catalog {
namespace {

struct CodeRow {
  std::string_view code;
  std::string_view meaning;
};

// Codes are written in scripts and bug reports: never reuse a number.
constexpr std::array kCodes{
    CodeRow{"E0101", "the file is not YAML"},
    CodeRow{"E0102", "a key that this section does not have"},
    CodeRow{"E0103", "a required key is missing"},
    CodeRow{"E0104", "a value of another shape than the key takes (map, list or scalar)"},
    CodeRow{"E0105", "a key or definition that is given twice"},
    CodeRow{"E0106", "an environment variable that is not set"},
    CodeRow{"E0107", "a file that cannot be read or is too large"},
    CodeRow{"E0108", "something that this version does not do"},
    CodeRow{"E0109", "an unknown profile"},
    CodeRow{"E0201", "a value that cannot be read: duration, number, type, choice, range"},
    CodeRow{"E0202", "a name that does not have the form of a name"},
    CodeRow{"E0203", "keys that cannot be given together, or of which one is needed"},
    CodeRow{"E0301", "a reference to something that is not declared"},
    CodeRow{"E0302", "a reserved column name"},
    CodeRow{"E0303", "a window that is not a multiple of the slide"},
    CodeRow{"E0304", "definitions that need each other in a circle"},
    CodeRow{"E0305", "two features or columns of one name"},
    CodeRow{"E0306", "a column of a type that cannot be used here"},
    CodeRow{"E0307", "an expression that does not compile"},
    CodeRow{"E0308", "a column that the table does not have"},
    CodeRow{"E0309", "a session feature in a view that does not say what a session is"},
    CodeRow{"E0310", "windows over a table whose rows have no time"},
    CodeRow{"E0311", "a table that keeps less than its readers need, or says so in vain"},
    CodeRow{"E0312", "a feature that cannot follow rows that are replaced"},
    CodeRow{"W0401", "personal data is stored as it comes"},
    CodeRow{"W0402", "a declaration that nothing uses"},
};

auto order_of(const Diagnostic& item) {
  return std::tie(item.span.file, item.span.line, item.span.column, item.code, item.message);
}

int count(const Diagnostics& diagnostics, Severity severity) {
  return static_cast<int>(std::count_if(
      diagnostics.items.begin(), diagnostics.items.end(), [&](const Diagnostic& item) {
        return item.severity == severity;
      }));
}

std::string_view severity_name(Severity severity) {
  return severity == Severity::kError ? "error" : "warning";
}

bool starts_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0U) != 0x80U;
}

/// Blanks as wide as the first `bytes` of `line`, tabs kept, then a caret under each of the next
/// `length`.
std::string caret_line(std::string_view line, std::size_t bytes, std::size_t length) {
  std::string carets;
  for (std::size_t i = 0; i < std::min(bytes, line.size()); ++i) {
    if (starts_character(line[i])) {
      carets += line[i] == '\t' ? '\t' : ' ';
    }
  }
  std::size_t marks = 0;
  for (std::size_t i = bytes; i < std::min(bytes + length, line.size()); ++i) {
    marks += starts_character(line[i]) ? 1 : 0;
  }
  carets.append(std::max<std::size_t>(marks, 1), '^');
  return carets;
}

/// A part of an overlong line around the marked place, so that one message stays one screen.
void shorten(std::string_view* line, std::size_t* column) {
  constexpr std::size_t kWidthMax = 160;
  if (line->size() <= kWidthMax) {
    return;
  }
  std::size_t begin = *column > kWidthMax / 2 ? *column - kWidthMax / 2 : 0;
  while (begin > 0 && begin < line->size() && !starts_character((*line)[begin])) {
    --begin;
  }
  begin = std::min(begin, line->size());
  std::size_t end = std::min(begin + kWidthMax, line->size());
  while (end < line->size() && end > begin && !starts_character((*line)[end])) {
    --end;
  }
  *line = line->substr(begin, end - begin);
  *column -= begin;
}

void format_one(const Diagnostic& item,
                const std::map<std::string, TextLines>& sources,
                std::string* out) {
  *out += std::string(severity_name(item.severity)) + "[" + item.code + "]: " + item.message + "\n";
  const std::string number = std::to_string(item.span.line);
  const std::string margin(item.span.line > 0 ? number.size() : 1, ' ');
  if (!item.span.file.empty()) {
    *out += margin + "--> " + item.span.file;
    if (item.span.line > 0) {
      *out += ":" + number + ":" + std::to_string(item.span.column);
    }
    *out += "\n";
  }
  const auto source = sources.find(item.span.file);
  if (source != sources.end() && item.span.line > 0) {
    std::string_view line = source->second.line(item.span.line);
    auto column = static_cast<std::size_t>(std::max(item.span.column, 1) - 1);
    column = std::min(column, line.size());
    shorten(&line, &column);
    const std::string carets =
        caret_line(line, column, static_cast<std::size_t>(std::max(item.length, 1)));
    *out += margin + " |\n" + number + " | " + std::string(line) + "\n" + margin + " | " + carets +
            "\n";
  }
  if (!item.help.empty()) {
    *out += margin + " = help: " + item.help + "\n";
  }
}

std::string counted(int count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

std::string summary(const Diagnostics& diagnostics) {
  std::string text = counted(diagnostics.errors(), "error");
  if (diagnostics.warnings() > 0) {
    text += ", " + counted(diagnostics.warnings(), "warning");
  }
  return text;
}

}  // namespace

int Diagnostics::errors() const {
  return count(*this, Severity::kError);
}
int Diagnostics::warnings() const {
  return count(*this, Severity::kWarning);
}

void Diagnostics::append(Diagnostics other) {
  for (Diagnostic& item : other.items) {
    items.push_back(std::move(item));
  }
  sources.merge(other.sources);
}

void Diagnostics::sort() {
  std::stable_sort(items.begin(), items.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return order_of(a) < order_of(b);
  });
  const auto equal = [](const Diagnostic& a, const Diagnostic& b) {
    return order_of(a) == order_of(b);
  };
  items.erase(std::unique(items.begin(), items.end(), equal), items.end());
}

std::string format_diagnostics(const Diagnostics& diagnostics) {
  std::string out;
  std::map<std::string, TextLines> sources;
  for (const auto& [file, text] : diagnostics.sources) {
    sources.emplace(file, TextLines(text));
  }
  for (const Diagnostic& item : diagnostics.items) {
    format_one(item, sources, &out);
    out += "\n";
  }
  if (!diagnostics.items.empty()) {
    out += summary(diagnostics) + "\n";
  }
  return out;
}

std::string diagnostics_json(const Diagnostics& diagnostics) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.key("errors");
  json.integer(diagnostics.errors());
  json.key("warnings");
  json.integer(diagnostics.warnings());
  json.key("diagnostics");
  json.begin_array();
  for (const Diagnostic& item : diagnostics.items) {
    json.begin_object();
    json.key("file");
    json.string(item.span.file);
    json.key("line");
    json.integer(item.span.line);
    json.key("column");
    json.integer(item.span.column);
    json.key("length");
    json.integer(item.length);
    json.key("severity");
    json.string(severity_name(item.severity));
    json.key("code");
    json.string(item.code);
    json.key("message");
    json.string(item.message);
    json.key("help");
    json.string(item.help);
    json.end_object();
  }
  json.end_array();
  json.end_object();
  return out;
}

Status diagnostics_status(const Diagnostics& diagnostics) {
  for (const Diagnostic& item : diagnostics.items) {
    if (item.severity == Severity::kError) {
      std::string where = item.span.file;
      if (item.span.line > 0) {
        where += ":" + std::to_string(item.span.line) + ":" + std::to_string(item.span.column);
      }
      return {Code::kInvalidArgument,
              "the project has " + summary(diagnostics) + "; the first: " + where + ": " +
                  item.message};
    }
  }
  return {};
}

std::string_view diagnostic_meaning(std::string_view code) {
  for (const CodeRow& row : kCodes) {
    if (row.code == code) {
      return row.meaning;
    }
  }
  return {};
}

std::string diagnostics_reference() {
  std::string page =
      "# Diagnostics\n\nWhat `assay validate`, `plan` and `apply` can say about a project. `E` "
      "stops them, "
      "`W` does not.\nGenerated from `src/catalog/diagnostics.cc`.\n\n| code | means "
      "|\n|---|---|\n";
  for (const CodeRow& row : kCodes) {
    page += "| " + std::string(row.code) + " | " + std::string(row.meaning) + " |\n";
  }
  return page;
}

}  // namespace assay::catalog
