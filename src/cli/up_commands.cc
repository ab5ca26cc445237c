#include "cli/commands.h"
#include "cli/line_server.h"
#include "flow/fast_path.h"
#include "flow/shared_up.h"
#include "flow/up.h"

namespace assay::cli {
namespace {

/// A minute, for large files; a second when a view waits for the lake, which is said.
Duration flush_by_default(Invocation& invocation, const catalog::Project& project) {
  Duration flush_every = flow::UpOptions().flush_every;
  if (invocation.arguments.has("share")) {
    return {kMicrosPerSecond};  // all views wait for it
  }
  for (const auto& [name, definition] : project.views) {
    const std::string why = flow::why_not_fast(project, name);
    if (!why.empty() && flow::reads_topics(project, name)) {
      invocation.output.say("view `" + name +
                            "` waits for the lake, which is written each second: " + why);
      flush_every = {kMicrosPerSecond};
    }
  }
  return flush_every;
}

Status run_up(Invocation& invocation) {
  catch_stop_signals();
  const Arguments& arguments = invocation.arguments;
  flow::UpOptions options;
  ASSAY_ASSIGN_OR_RETURN(options.poll_every, arguments.duration("poll-every", "100ms or 1s"));
  ASSAY_ASSIGN_OR_RETURN(const int64_t threads, arguments.integer("threads", 1));
  options.run.threads = static_cast<int>(threads);
  options.run.stop = &stop_requested();
  options.run.begins_anew = arguments.has("begin-anew");
  options.run.progress = [&](const std::string& line) { invocation.output.progress(line); };
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_applied_workspace(invocation));
  if (arguments.has("flush-every")) {
    ASSAY_ASSIGN_OR_RETURN(options.flush_every, arguments.duration("flush-every", "1s or 1m"));
  } else {
    options.flush_every = flush_by_default(invocation, workspace->project());
  }
  LineServer server(invocation, *workspace);
  options.ready = [&] { return server.start(); };
  const Result<flow::RunReport> report = arguments.has("share")
                                             ? flow::run_shared_up(*workspace, options)
                                             : flow::run_up(*workspace, options);
  server.stop();
  ASSAY_RETURN_IF_ERROR(report.status());
  invocation.output.rows(account_table(report->stages, true));
  return {};
}

}  // namespace

std::vector<Command> up_commands() {
  std::vector<Command> commands{
      {{"up"},
       "run without end: read every source as it grows, through all stages, and serve if asked",
       "SIGTERM or Ctrl-C commits what was taken and ends; the next `assay up` or `assay run` goes "
       "on "
       "there,\n"
       "also after a crash. Prints what became of the rows when it ends.",
       {},
       {{"http",
         "HOST:PORT",
         "serve features and predictions there, as `assay serve` does; port 0 takes a free one",
         "",
         false,
         false},
        {"share",
         "",
         "be one of several such processes in this project folder, among which the topics' "
         "partitions are divided; views follow the lake, about a second behind (docs/streams.md)",
         "",
         false,
         false},
        {"flush-every",
         "DURATION",
         "how often the lake is written (default 60s, or 1s when a view waits for it, or with "
         "--share)",
         "",
         false,
         false},
        {"begin-anew",
         "",
         "with `lake: none`: begin views anew for which the online store has positions that this "
         "folder does not know (docs/no_lake.md)",
         "",
         false,
         false},
        {"poll-every", "DURATION", "how often sources of files are looked at", "2s", false, false},
        {"threads",
         "N",
         "threads of decoding and of the feature kernel; values do not depend on it",
         "2",
         false,
         false}},
       run_up},
  };
  for (Flag& flag : LineServer::flags()) {
    commands.back().flags.push_back(std::move(flag));
  }
  return commands;
}

}  // namespace assay::cli
