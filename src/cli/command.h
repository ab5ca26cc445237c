#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "base/world.h"
#include "cli/output.h"

namespace assay::cli {

/// One `--name` of a command. Without a value name it is a switch.
struct Flag {
  std::string name;        // "entity": written --entity
  std::string value_name;  // "KEY=VALUE"; "" for a switch
  std::string help;
  std::string fallback;  // value when not given; "" for none
  bool repeated = false;
  bool required = false;
};

/// One word without dashes.
struct Positional {
  std::string name;  // "SERVICE"
  std::string help;
  bool required = true;
};

/// What the user typed, checked against the command's flags.
class Arguments {
 public:
  /// Value of a flag or positional; its fallback, or "", when not given.
  [[nodiscard]] const std::string& get(const std::string& name) const;
  [[nodiscard]] const std::vector<std::string>& all(const std::string& name) const;
  [[nodiscard]] bool has(const std::string& name) const;
  /// A flag's value as a whole number >= `least`. kInvalidArgument names the flag.
  [[nodiscard]] Result<int64_t> integer(const std::string& name, int64_t least) const;
  /// The same as a length of time from `least` to `most`. `how`: "10s, at most 1h".
  [[nodiscard]] Result<Duration> duration(const std::string& name,
                                          const std::string& how,
                                          Duration least = {},
                                          Duration most = {INT64_MAX}) const;

  void set(const std::string& name, std::vector<std::string> values) {
    values_[name] = std::move(values);
  }

 private:
  std::map<std::string, std::vector<std::string>> values_;
};

/// What a command works with.
struct Invocation {
  const Arguments& arguments;
  World& world;
  Output& output;
  std::string lake_path = {};  // where the SQL engine reads the lake's files; "" before one is open
};

/// One command of the program. The table of all of them is what parsing, help, the reference page
/// and shell completion come from.
struct Command {
  std::vector<std::string> path;  // {"lake", "show"}
  std::string help;               // one line
  std::string details;            // more, for --help; may be empty
  std::vector<Positional> positionals;
  std::vector<Flag> flags;
  std::function<Status(Invocation&)> run;
};

/// All commands, in the order of the reference page.
const std::vector<Command>& all_commands();

/// Set when the user asked to stop (Ctrl-C, SIGTERM); long work looks at it.
const std::atomic<bool>& stop_requested();
/// From now on SIGINT and SIGTERM set stop_requested(); a second one ends the process.
void catch_stop_signals();

}  // namespace assay::cli
