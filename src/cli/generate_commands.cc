#include <charconv>

#include "cli/commands.h"
#include "ingest/generate.h"

namespace assay::cli {
namespace {

constexpr std::size_t kBlockBytes = 1 << 20;

/// Lines to stdout, or to a file that appears whole.
class LineTarget {
 public:
  LineTarget(Invocation& invocation, std::string path)
      : invocation_(invocation), path_(std::move(path)) {}

  Status take(const std::string& line) {
    if (stop_requested()) {
      return {Code::kCancelled, "stopped; nothing was written"};
    }
    text_ += line;
    lines_ += 1;
    if (path_.empty() && text_.size() > kBlockBytes) {
      invocation_.output.raw(text_);
      text_.clear();
    }
    return {};
  }

  Status finish() {
    if (path_.empty()) {
      invocation_.output.raw(text_);
      return {};
    }
    ASSAY_RETURN_IF_ERROR(invocation_.world.files.make_directories(parent_path(path_)));
    ASSAY_RETURN_IF_ERROR(invocation_.world.files.write(path_, text_));
    invocation_.output.say(std::to_string(lines_) + " lines written to " + path_);
    return {};
  }

 private:
  Invocation& invocation_;
  std::string path_;
  std::string text_;
  int64_t lines_ = 0;
};

Result<double> number(const Arguments& arguments, const std::string& name) {
  const std::string& text = arguments.get(name);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Status(Code::kInvalidArgument, "--" + name + " is `" + text + "`; it must be a number");
  }
  return value;
}

Status run_users(Invocation& invocation) {
  catch_stop_signals();
  const Arguments& arguments = invocation.arguments;
  ingest::UsersOptions options;
  ASSAY_ASSIGN_OR_RETURN(options.count, arguments.integer("count", 0));
  ASSAY_ASSIGN_OR_RETURN(const int64_t seed, arguments.integer("seed", 0));
  options.seed = static_cast<uint64_t>(seed);
  ASSAY_ASSIGN_OR_RETURN(options.start, parse_time(arguments.get("start")));
  LineTarget target(invocation, arguments.get("to"));
  ASSAY_RETURN_IF_ERROR(
      ingest::generate_users(options, [&](const std::string& line) { return target.take(line); }));
  return target.finish();
}

Status run_events(Invocation& invocation) {
  catch_stop_signals();
  const Arguments& arguments = invocation.arguments;
  ingest::EventsOptions options;
  ASSAY_ASSIGN_OR_RETURN(options.count, arguments.integer("count", 0));
  ASSAY_ASSIGN_OR_RETURN(options.users, arguments.integer("users", 1));
  ASSAY_ASSIGN_OR_RETURN(options.items, arguments.integer("items", 1));
  ASSAY_ASSIGN_OR_RETURN(const int64_t seed, arguments.integer("seed", 0));
  options.seed = static_cast<uint64_t>(seed);
  ASSAY_ASSIGN_OR_RETURN(options.start, parse_time(arguments.get("start")));
  ASSAY_ASSIGN_OR_RETURN(options.rate, number(arguments, "rate"));
  ASSAY_ASSIGN_OR_RETURN(options.duplicate_share, number(arguments, "duplicates"));
  ASSAY_ASSIGN_OR_RETURN(options.late_share, number(arguments, "late"));
  ASSAY_ASSIGN_OR_RETURN(options.malformed_share, number(arguments, "malformed"));
  LineTarget target(invocation, arguments.get("to"));
  ASSAY_RETURN_IF_ERROR(
      ingest::generate_events(options, [&](const std::string& line) { return target.take(line); }));
  return target.finish();
}

const Flag kSeed{"seed", "N", "the same seed gives the same bytes", "1", false, false};
const Flag kStart{"start", "TIME", "first instant of event time", "2026-01-01", false, false};
const Flag kTo{"to", "FILE", "write to this file, not to stdout", "", false, false};

}  // namespace

std::vector<Command> generate_commands() {
  return {
      {{"generate", "users"},
       "make up users, as JSON lines",
       "",
       {},
       {{"count", "N", "number of users", "1000", false, false}, kSeed, kStart, kTo},
       run_users},
      {{"generate", "events"},
       "make up click events of those users, as JSON lines in order of delivery",
       "",
       {},
       {{"count", "N", "number of events", "50000", false, false},
        {"users", "N", "users u1 to uN", "1000", false, false},
        {"items", "N", "items 1 to N, Zipf distributed", "500", false, false},
        {"rate", "R", "events a second of event time", "10", false, false},
        {"duplicates", "SHARE", "share of events delivered twice", "0.01", false, false},
        {"late", "SHARE", "share delivered up to 30 minutes late", "0.02", false, false},
        {"malformed", "SHARE", "share of lines that are no event", "0.001", false, false},
        kSeed,
        kStart,
        kTo},
       run_events},
  };
}

}  // namespace assay::cli
