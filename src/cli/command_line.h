#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace assay::cli {

/// Words understood: which command, with which arguments.
struct ParsedLine {
  const Command* command = nullptr;  // nullptr: `text` is all there is to do
  Arguments arguments;
  OutputFormat format = OutputFormat::kTable;
  bool verbose = false;
  bool quiet = false;
  std::string text;  // help or version, for stdout
};

/// Understand the words after the program's name.
///
/// Errors  kInvalidArgument: an unknown command or flag (with the nearest one), a missing or
///         superfluous word. The message ends with the command that shows more.
Result<ParsedLine> parse_command_line(const std::vector<std::string>& words,
                                      const std::vector<Command>& commands);

/// Help of one command, as `--help` prints it.
std::string command_help(const Command& command);
/// The page docs/reference/cli.md.
std::string command_reference(const std::vector<Command>& commands);

}  // namespace assay::cli
