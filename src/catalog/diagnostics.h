#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "catalog/definitions.h"

namespace assay::catalog {

enum class Severity { kError, kWarning };

/// One thing that is wrong in a project's files.
///
/// `message` can stand alone: lower case, no period, names in backquotes. `help` says what to do
/// next.
struct Diagnostic {
  Span span;       // line 0: the file or project as a whole
  int length = 1;  // bytes that the caret underlines
  Severity severity = Severity::kError;
  std::string code;  // "E0102"; the list is in docs/reference/diagnostics.md
  std::string message;
  std::string help;  // may be empty
};

/// All that is wrong at once, with the text of the files it is in.
struct Diagnostics {
  std::vector<Diagnostic> items;
  std::map<std::string, std::string> sources;  // file as in Span::file -> its text

  [[nodiscard]] int errors() const;
  [[nodiscard]] int warnings() const;
  /// Take over another's items and sources.
  void append(Diagnostics other);
  /// By file, line, column, code; equal ones once.
  void sort();
};

/// Text for a person, in rustc's form: message, `--> file:line:column`, the line with a caret,
/// help; one blank line between two, and a closing line that counts them. "" when there is nothing
/// to say.
std::string format_diagnostics(const Diagnostics& diagnostics);

/// `{"errors": 1, "warnings": 0, "diagnostics": [{file, line, column, length, severity, code,
/// message, help}]}`.
std::string diagnostics_json(const Diagnostics& diagnostics);

/// Success when there is no error, else kInvalidArgument with the first error and how many there
/// are.
Status diagnostics_status(const Diagnostics& diagnostics);

/// What a code means, or "" for an unknown one.
std::string_view diagnostic_meaning(std::string_view code);

/// The page docs/reference/diagnostics.md.
std::string diagnostics_reference();

}  // namespace assay::catalog
