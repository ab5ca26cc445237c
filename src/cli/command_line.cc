// Parsing by CLI11; which commands and flags there are comes from our own table, so that help,
// errors and the reference page are written once.

#include "cli/command_line.h"

#include <algorithm>
#include <charconv>
#include <deque>

#include <CLI/CLI.hpp>

#include "base/suggest.h"

namespace assay::cli {
namespace {

const std::string kNothing;
const std::vector<std::string> kNone;

const std::vector<Flag>& flags_of_all() {
  static const std::vector<Flag> flags{
      {"project", "DIR", "folder with assay.yaml", ".", false, false},
      {"profile", "NAME", "profile of assay.yaml", "", false, false},
      {"output", "FORMAT", "table, json or csv", "table", false, false},
      {"verbose", "", "more talk on stderr", "", false, false},
      {"quiet", "", "no progress and no talk but errors", "", false, false},
  };
  return flags;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : " ") + word;
  }
  return text;
}

std::string usage(const Command& command) {
  std::string text = "assay " + joined(command.path);
  for (const Positional& positional : command.positionals) {
    text += positional.required ? " " + positional.name : " [" + positional.name + "]";
  }
  for (const Flag& flag : command.flags) {
    const std::string word =
        "--" + flag.name + (flag.value_name.empty() ? "" : " " + flag.value_name);
    text += flag.required ? " " + word : " [" + word + "]";
    text += flag.repeated ? "..." : "";
  }
  return text;
}

void append_described(std::string& text, const std::string& what, const std::string& help) {
  constexpr std::size_t kColumn = 26;
  text += "  " + what + std::string(what.size() < kColumn ? kColumn - what.size() : 2, ' ') + help +
          "\n";
}

void append_flag_help(std::string& text, const Flag& flag) {
  const std::string value = flag.value_name.empty() ? "" : " " + flag.value_name;
  const std::string fallback = flag.fallback.empty() ? "" : " (default " + flag.fallback + ")";
  append_described(text, "--" + flag.name + value, flag.help + fallback);
}

std::string overview(const std::vector<Command>& commands) {
  std::string text =
      "assay: from raw events to features a model can trust\n\nusage: assay COMMAND [WORDS] "
      "[--project DIR] "
      "[--output table|json|csv]\n\ncommands:\n";
  for (const Command& command : commands) {
    append_described(text, joined(command.path), command.help);
  }
  return text +
         "\n`assay COMMAND --help` says more. Start with: assay init mine --template flights\n";
}

/// The command whose path the words start with; its length in words.
const Command* find_command(const std::vector<std::string>& words,
                            const std::vector<Command>& commands) {
  for (const Command& command : commands) {
    if (words.size() >= command.path.size() &&
        std::equal(command.path.begin(), command.path.end(), words.begin())) {
      return &command;
    }
  }
  return nullptr;
}

Status unknown_command(const std::vector<std::string>& words,
                       const std::vector<Command>& commands) {
  std::vector<std::string> names;
  std::vector<std::string> second_words;
  for (const Command& command : commands) {
    names.push_back(command.path.front());
    if (command.path.size() > 1 && command.path.front() == words.front()) {
      second_words.push_back(command.path[1]);
    }
  }
  if (!second_words.empty()) {
    const std::string word = words.size() > 1 ? words[1] : "";
    return {Code::kInvalidArgument,
            "`assay " + words.front() + "` needs one of: " + joined(second_words) +
                (word.empty() ? "" : did_you_mean(word, second_words))};
  }
  return {Code::kInvalidArgument,
          "there is no command `" + words.front() + "`" + did_you_mean(words.front(), names) +
              " (`assay --help` lists them)"};
}

/// A group such as `assay lake --help`.
std::string group_help(const std::string& group, const std::vector<Command>& commands) {
  std::string text;
  for (const Command& command : commands) {
    if (command.path.front() == group) {
      append_described(text, joined(command.path), command.help);
    }
  }
  return text;
}

Status bad_usage(const Command& command, const std::string& what) {
  return {Code::kInvalidArgument,
          what + " (`assay " + joined(command.path) + " --help` says more)"};
}

/// What CLI11 could not place: a misspelt flag or a word too many.
Status unexpected(const Command& command, const std::vector<std::string>& words) {
  std::vector<std::string> names;
  for (const std::vector<Flag>& flags : {command.flags, flags_of_all()}) {
    for (const Flag& flag : flags) {
      names.push_back("--" + flag.name);
    }
  }
  for (const std::string& word : words) {
    if (word.size() > 1 && word.front() == '-') {
      const std::string name = word.substr(0, word.find('='));
      return bad_usage(command, "there is no flag `" + name + "`" + did_you_mean(name, names));
    }
  }
  return bad_usage(command, "unexpected word `" + (words.empty() ? kNothing : words.front()) + "`");
}

/// Where CLI11 puts what it finds; addresses must not move.
struct Bound {
  std::string name;
  std::vector<std::string> values;
  std::string word;  // of a positional
  bool set = false;
  bool is_switch = false;
};

void bind(CLI::App& app, const Command& command, std::deque<Bound>& bound) {
  for (const Positional& positional : command.positionals) {
    Bound& place = bound.emplace_back(Bound{positional.name, {}, "", false, false});
    app.add_option(positional.name, place.word, positional.help);
  }
  for (const std::vector<Flag>& flags : {command.flags, flags_of_all()}) {
    for (const Flag& flag : flags) {
      Bound& place = bound.emplace_back(Bound{flag.name, {}, "", false, flag.value_name.empty()});
      if (place.is_switch) {
        app.add_flag("--" + flag.name, place.set, flag.help);
      } else {
        CLI::Option* option = app.add_option("--" + flag.name, place.values, flag.help);
        option->take_all()->allow_extra_args(false);  // one value each time it is given
      }
    }
  }
}

Result<OutputFormat> parse_format(const Command& command, const std::string& text) {
  if (text == "table") {
    return OutputFormat::kTable;
  }
  if (text == "json") {
    return OutputFormat::kJson;
  }
  if (text == "csv") {
    return OutputFormat::kCsv;
  }
  const bool sql = command.path.front() == "sql";
  if (sql && text == "parquet") {
    return OutputFormat::kParquet;
  }
  if (sql && text == "arrow") {
    return OutputFormat::kArrow;
  }
  return bad_usage(command,
                   "--output is `" + text + "`; it can be " +
                       (sql ? "table, json, csv, parquet or arrow" : "table, json or csv"));
}

Status fill(const Command& command, const std::deque<Bound>& bound, ParsedLine* line) {
  for (const Bound& place : bound) {
    if (!place.word.empty()) {
      line->arguments.set(place.name, {place.word});
    } else if (place.is_switch ? place.set : !place.values.empty()) {
      line->arguments.set(place.name,
                          place.is_switch ? std::vector<std::string>{"true"} : place.values);
    }
  }
  for (const Positional& positional : command.positionals) {
    if (positional.required && !line->arguments.has(positional.name)) {
      return bad_usage(command, "missing " + positional.name + ": " + positional.help);
    }
  }
  for (const std::vector<Flag>& flags : {command.flags, flags_of_all()}) {
    for (const Flag& flag : flags) {
      const std::size_t times = line->arguments.all(flag.name).size();
      if (flag.required && times == 0) {
        return bad_usage(command, "missing --" + flag.name + ": " + flag.help);
      }
      if (!flag.repeated && times > 1) {
        return bad_usage(command,
                         "--" + flag.name + " is given " + std::to_string(times) + " times");
      }
      if (times == 0 && !flag.fallback.empty()) {
        line->arguments.set(flag.name, {flag.fallback});
      }
    }
  }
  return {};
}

}  // namespace

const std::string& Arguments::get(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() || found->second.empty() ? kNothing : found->second.back();
}

const std::vector<std::string>& Arguments::all(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? kNone : found->second;
}

bool Arguments::has(const std::string& name) const {
  return values_.count(name) != 0;
}

Result<int64_t> Arguments::integer(const std::string& name, int64_t least) const {
  const std::string& text = get(name);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least) {
    return Status(Code::kInvalidArgument,
                  "--" + name + " is `" + text + "`; it must be a whole number of at least " +
                      std::to_string(least));
  }
  return value;
}

Result<Duration> Arguments::duration(const std::string& name,
                                     const std::string& how,
                                     Duration least,
                                     Duration most) const {
  const std::string& text = get(name);
  Result<Duration> length = parse_duration(text);
  return length.ok() && least <= *length && *length <= most
             ? length
             : Status(Code::kInvalidArgument,
                      "--" + name + " is `" + text + "`; write it like " + how);
}

std::string command_help(const Command& command) {
  std::string text = command.help + "\n\nusage: " + usage(command) + "\n";
  if (!command.details.empty()) {
    text += "\n" + command.details + "\n";
  }
  if (!command.positionals.empty()) {
    text += "\nwords:\n";
    for (const Positional& positional : command.positionals) {
      append_described(text, positional.name, positional.help);
    }
  }
  if (!command.flags.empty()) {
    text += "\nflags:\n";
    for (const Flag& flag : command.flags) {
      append_flag_help(text, flag);
    }
  }
  text += "\nflags of every command:\n";
  for (const Flag& flag : flags_of_all()) {
    append_flag_help(text, flag);
  }
  return text;
}

std::string command_reference(const std::vector<Command>& commands) {
  std::string text =
      "# Command line\n\nMade by `make docs` from the table in `src/cli/command.h`; a test "
      "compares.\n"
      "stdout is data, stderr is talk. Exit codes are in [exit_codes.md](exit_codes.md).\n";
  for (const Command& command : commands) {
    text +=
        "\n## assay " + joined(command.path) + "\n\n```text\n" + command_help(command) + "```\n";
  }
  return text;
}

Result<ParsedLine> parse_command_line(const std::vector<std::string>& words,
                                      const std::vector<Command>& commands) {
  ParsedLine line;
  if (words.empty() || words.front() == "--help" || words.front() == "-h" ||
      words.front() == "help") {
    line.text = overview(commands);
    return line;
  }
  if (words.front() == "--version" || words.front() == "version") {
    line.text = std::string("assay ") + ASSAY_VERSION + "\n";
    return line;
  }
  const Command* command = find_command(words, commands);
  const bool wants_help = std::any_of(words.begin(), words.end(), [](const std::string& word) {
    return word == "--help" || word == "-h";
  });
  if (command == nullptr) {
    line.text = wants_help ? group_help(words.front(), commands) : "";
    if (line.text.empty()) {
      return unknown_command(words, commands);
    }
    return line;
  }
  if (wants_help) {
    line.text = command_help(*command);
    return line;
  }
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  std::deque<Bound> bound;
  bind(app, *command, bound);
  std::vector<std::string> rest(words.begin() + static_cast<std::ptrdiff_t>(command->path.size()),
                                words.end());
  std::reverse(rest.begin(), rest.end());  // CLI11 takes them from the back
  try {
    app.parse(rest);
  } catch (const CLI::ParseError& error) {
    return bad_usage(*command, error.what());
  }
  if (!app.remaining().empty()) {
    return unexpected(*command, app.remaining());
  }
  line.command = command;
  ASSAY_RETURN_IF_ERROR(fill(*command, bound, &line));
  ASSAY_ASSIGN_OR_RETURN(line.format, parse_format(*command, line.arguments.get("output")));
  line.verbose = line.arguments.has("verbose");
  line.quiet = line.arguments.has("quiet");
  return line;
}

}  // namespace assay::cli
