#include "cli/commands.h"
#include "flow/quarantine.h"

namespace assay::cli {
namespace {

const Positional kTable{"TABLE", "table, e.g. bronze/orders, or the name of a bronze table", true};
const Flag kReason{
    "reason", "REASON", "only records that were refused for this reason", "", false, false};

Status run_list(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_applied_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(const data::Batch rows, flow::list_quarantine(*workspace));
  invocation.output.rows(rows);
  if (rows.rows() == 0) {
    invocation.output.say("nothing is in quarantine");
  }
  return {};
}

Status run_show(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_applied_workspace(invocation));
  flow::QuarantineFilter filter;
  filter.table = invocation.arguments.get("TABLE");
  filter.reason = invocation.arguments.get("reason");
  ASSAY_ASSIGN_OR_RETURN(filter.rows_max, invocation.arguments.integer("limit", 1));
  filter.payload_max = invocation.arguments.has("full") ? 0 : filter.payload_max;
  ASSAY_ASSIGN_OR_RETURN(const data::Batch rows, flow::show_quarantine(*workspace, filter));
  invocation.output.rows(rows);
  return {};
}

/// What a replay left, and why, on stderr.
void say_what_was_left(Output& output, const flow::ReplayReport& report) {
  for (const auto& [reason, count] : report.refused_again) {
    output.say(std::to_string(count) + " records were refused again: " + reason);
  }
  if (report.without_bytes > 0) {
    output.say(std::to_string(report.without_bytes) +
               " records were cut at the size limit, so there is nothing to replay of them");
  }
  if (report.without_file > 0) {
    output.say(std::to_string(report.without_file) +
               " records are of CSV files that are gone, and so is what their columns are called");
  }
  if (report.not_read_yet > 0) {
    output.say(
        std::to_string(report.not_read_yet) +
        " records of an earlier definition will come from the source: run `assay run` first");
  }
  if (report.rows.out > 0) {
    output.say("`assay run` takes the rows on to silver, gold and the online store");
  }
}

Status run_replay(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_applied_workspace(invocation));
  catch_stop_signals();
  flow::ReplayOptions options;
  options.table = invocation.arguments.get("TABLE");
  options.reason = invocation.arguments.get("reason");
  options.earlier = invocation.arguments.has("earlier");
  options.stop = &stop_requested();
  options.say = [&](const std::string& text) { invocation.output.say(text); };
  ASSAY_ASSIGN_OR_RETURN(const flow::ReplayReport report,
                         flow::replay_quarantine(*workspace, options));
  data::BatchBuilder rows(data::make_schema({{"table", data::Type::kString, false},
                                             {"replayed", data::Type::kInt64, false},
                                             {"out", data::Type::kInt64, false},
                                             {"filtered", data::Type::kInt64, false},
                                             {"duplicates", data::Type::kInt64, false},
                                             {"already_there", data::Type::kInt64, false},
                                             {"refused_again", data::Type::kInt64, false},
                                             {"left", data::Type::kInt64, false}}));
  rows.column(0).append_text(options.table);
  int column = 1;
  for (const int64_t count : {report.rows.in,
                              report.rows.out,
                              report.rows.filtered,
                              report.rows.duplicates,
                              report.already_there,
                              report.rows.quarantined,
                              report.without_bytes + report.without_file + report.not_read_yet}) {
    rows.column(column++).append(count);
  }
  invocation.output.rows(rows.finish());
  say_what_was_left(invocation.output, report);
  return report.stopped
             ? Status(Code::kCancelled, "stopped between two batches; the same command goes on")
             : Status();
}

}  // namespace

std::vector<Command> quarantine_commands() {
  return {
      {{"quarantine", "list"}, "Count refused records by table and reason", "", {}, {}, run_list},
      {{"quarantine", "show"},
       "Show refused records: where they stood, why they were refused, their bytes",
       "The newest first. Bytes that are no text are shown in hexadecimal.",
       {kTable},
       {kReason,
        {"limit", "N", "show at most so many", "20", false, false},
        {"full", "", "show records whole, not their first 200 bytes", "", false, false}},
       run_show},
      {{"quarantine", "replay"},
       "Let refused records of a bronze table go through it once more",
       "For when the cause is gone: a definition that was corrected, a schema that its registry "
       "has "
       "by now. Rows that are accepted become known now, unless a column says when they were. "
       "Records "
       "that are refused again stay. A "
       "second replay, also after a crash, doubles nothing.",
       {kTable},
       {kReason,
        {"earlier",
         "",
         "also what earlier definitions of the table refused, for sources that no longer have it; "
         "rows that retention dropped since may come back",
         "",
         false,
         false}},
       run_replay}};
}

}  // namespace assay::cli
