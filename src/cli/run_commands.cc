#include "cli/commands.h"
#include "flow/backfill.h"
#include "flow/online_stage.h"
#include "flow/run.h"
#include "flow/share_lock.h"
#include "flow/status.h"
#include "online/set_aside.h"

namespace assay::cli {
data::Batch account_table(const std::vector<flow::StageAccount>& stages, bool with_seconds) {
  using data::Type;
  std::vector<data::Field> fields{{"stage", Type::kString, false},
                                  {"name", Type::kString, false},
                                  {"in", Type::kInt64, false},
                                  {"out", Type::kInt64, false},
                                  {"filtered", Type::kInt64, false},
                                  {"duplicates", Type::kInt64, false},
                                  {"late", Type::kInt64, false},
                                  {"quarantined", Type::kInt64, false},
                                  {"steps", Type::kInt64, true},
                                  {"commits", Type::kInt64, false}};
  if (with_seconds) {
    fields.push_back({"seconds", Type::kFloat64, false});
  }
  data::BatchBuilder rows(data::make_schema(fields));
  for (const flow::StageAccount& stage : stages) {
    rows.column(0).append_text(stage.stage);
    rows.column(1).append_text(stage.name);
    const data::Account& account = stage.rows;
    int column = 2;
    for (const int64_t count : {account.in,
                                account.out,
                                account.filtered,
                                account.duplicates,
                                account.late,
                                account.quarantined}) {
      rows.column(column++).append(count);
    }
    if (stage.stage == "gold") {
      rows.column(8).append(stage.steps);
    } else {
      rows.column(8).append_null();
    }
    rows.column(9).append(stage.commits);
    if (with_seconds) {
      rows.column(10).append(static_cast<double>(static_cast<int64_t>(stage.seconds * 1000)) /
                             1000);
    }
  }
  return rows.finish();
}

namespace {

/// A definition that fits none of a source's records is told by the end of the run, too: a schedule
/// looks at nothing else.
Status all_rejected(const flow::RunReport& report) {
  constexpr int64_t kJudgedRecordsMin = 10;  // a few may be stragglers
  for (const flow::StageAccount& stage : report.stages) {
    if (stage.stage == "bronze" && stage.rows.in >= kJudgedRecordsMin &&
        stage.rows.quarantined == stage.rows.in) {
      return {Code::kFailedPrecondition,
              "all " + std::to_string(stage.rows.in) + " new records of bronze." + stage.name +
                  " were rejected: they have another form than the table is defined with. They are "
                  "in quarantine; see why: assay quarantine show bronze/" +
                  stage.name};
    }
  }
  return {};
}

Status run_run(Invocation& invocation) {
  catch_stop_signals();
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_applied_workspace(invocation));
  flow::RunOptions options;
  ASSAY_ASSIGN_OR_RETURN(const int64_t threads, invocation.arguments.integer("threads", 1));
  ASSAY_ASSIGN_OR_RETURN(options.epoch_rows, invocation.arguments.integer("epoch-rows", 1));
  options.threads = static_cast<int>(threads);
  if (threads > 1) {
    constexpr int64_t kRowsSideBySide =
        200'000;  // of fewer a thread beside costs more than it saves
    options.side_by_side_rows = kRowsSideBySide;
  }
  options.stop = &stop_requested();
  options.begins_anew = invocation.arguments.has("begin-anew");
  options.progress = [&](const std::string& line) { invocation.output.progress(line); };
  ASSAY_ASSIGN_OR_RETURN(const flow::RunReport report, flow::run_all(*workspace, options));
  invocation.output.rows(account_table(report.stages, true));
  if (invocation.arguments.has("quiet")) {
    return all_rejected(report);
  }
  for (const flow::StageAccount& stage : report.stages) {
    const std::string table = stage.stage + "." + stage.name;
    if (stage.rows.quarantined > 0) {
      invocation.output.say(std::to_string(stage.rows.quarantined) + " rows of " + table +
                            " are in quarantine; see why: assay quarantine show " + stage.stage +
                            "/" + stage.name);
    }
    if (stage.rows.late > 0) {
      invocation.output.say(
          std::to_string(stage.rows.late) + " rows of " + table +
          " came later than its allowed_lateness and are in lake." + table +
          "_late; if that is too many, look at the order of the files or allow more");
    }
  }
  for (const flow::DroppedDays& dropped : report.dropped) {
    invocation.output.say(std::to_string(dropped.rows) + " rows of " + dropped.table +
                          " from days before " + format_time(dropped.kept_from).substr(0, 10) +
                          " dropped (`keep`), version " + std::to_string(dropped.version));
  }
  return all_rejected(report);
}

/// So long `status` waits for the brokers of a table's source.
constexpr Duration kAskBrokers{2 * kMicrosPerSecond};

Status run_status(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<flow::StageStatus> stages,
                         flow::project_status(*workspace));
  using data::Type;
  data::BatchBuilder rows(data::make_schema({{"stage", Type::kString, false},
                                             {"name", Type::kString, false},
                                             {"position", Type::kString, false},
                                             {"lag", Type::kInt64, true},
                                             {"in", Type::kInt64, true},
                                             {"out", Type::kInt64, true},
                                             {"filtered", Type::kInt64, true},
                                             {"duplicates", Type::kInt64, true},
                                             {"late", Type::kInt64, true},
                                             {"quarantined", Type::kInt64, true},
                                             {"balanced", Type::kBool, true},
                                             {"kept_from", Type::kTimestamp, true}}));
  for (const flow::StageStatus& stage : stages) {
    rows.column(0).append_text(stage.account.stage);
    rows.column(1).append_text(stage.account.name);
    rows.column(2).append_text(stage.position);
    const bool of_topics =
        stage.account.stage == "bronze" && workspace->reads_parts(stage.account.name);
    std::optional<int64_t> lag = stage.lag;
    if (of_topics) {
      ASSAY_ASSIGN_OR_RETURN(lag, flow::topic_lag(*workspace, stage.account.name, kAskBrokers));
    }
    if (lag.has_value()) {
      rows.column(3).append(*lag);
    } else {
      rows.column(3).append_null();
    }
    if (stage.account.stage == "online") {
      // The online store keeps no account of its history: its rows are the source table's.
      for (int column = 4; column <= 11; ++column) {
        rows.column(column).append_null();
      }
      continue;
    }
    const data::Account& account = stage.account.rows;
    int column = 4;
    for (const int64_t count : {account.in,
                                account.out,
                                account.filtered,
                                account.duplicates,
                                account.late,
                                account.quarantined}) {
      rows.column(column++).append(count);
    }
    rows.column(10).append<uint8_t>(account.balances() ? 1 : 0);
    if (stage.kept_from.has_value()) {
      rows.column(11).append(*stage.kept_from);
    } else {
      rows.column(11).append_null();
    }
  }
  invocation.output.rows(rows.finish());
  return {};
}

/// --from and --to of a command: an open end when not given.
Result<EventTime> time_or(const Arguments& arguments, const std::string& name, EventTime open_end) {
  if (!arguments.has(name)) {
    return open_end;
  }
  Result<EventTime> time = parse_time(arguments.get(name));
  return time.ok() ? time : std::move(time).status().with_context("--" + name);
}

Status run_backfill(Invocation& invocation) {
  catch_stop_signals();
  const Arguments& arguments = invocation.arguments;
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_applied_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(
      const std::string view,
      only_or_given(arguments.get("VIEW"), names_of(workspace->project().views), "feature view"));
  flow::BackfillOptions options;
  ASSAY_ASSIGN_OR_RETURN(options.from, time_or(arguments, "from", EventTime::min()));
  ASSAY_ASSIGN_OR_RETURN(options.to, time_or(arguments, "to", EventTime::max()));
  options.full = arguments.has("full");
  ASSAY_ASSIGN_OR_RETURN(const int64_t threads, arguments.integer("threads", 1));
  ASSAY_ASSIGN_OR_RETURN(options.run.gold_chunk_rows, arguments.integer("chunk-rows", 1));
  options.run.threads = static_cast<int>(threads);
  options.run.stop = &stop_requested();
  options.run.progress = [&](const std::string& line) { invocation.output.progress(line); };
  ASSAY_ASSIGN_OR_RETURN(const flow::BackfillReport report,
                         flow::backfill_view(*workspace, view, options));
  using data::Type;
  data::BatchBuilder rows(data::make_schema({{"view", Type::kString, false},
                                             {"from", Type::kTimestamp, false},
                                             {"to", Type::kTimestamp, false},
                                             {"days", Type::kInt64, false},
                                             {"computed", Type::kInt64, false},
                                             {"resumed", Type::kInt64, false},
                                             {"replaced", Type::kInt64, false},
                                             {"steps_before", Type::kInt64, false},
                                             {"steps_after", Type::kInt64, false},
                                             {"version", Type::kInt64, true},
                                             {"seconds", Type::kFloat64, false}}));
  rows.column(0).append_text(report.view);
  rows.column(1).append(report.begin.micros);
  rows.column(2).append(report.end.micros);
  int column = 3;
  for (const int64_t count : {report.days,
                              report.days_computed,
                              report.days_resumed,
                              report.days_replaced,
                              report.steps_before,
                              report.steps_after}) {
    rows.column(column++).append(count);
  }
  if (report.version.has_value()) {
    rows.column(9).append(*report.version);
  } else {
    rows.column(9).append_null();
  }
  rows.column(10).append(static_cast<double>(static_cast<int64_t>(report.seconds * 1000)) / 1000);
  invocation.output.rows(rows.finish());
  if (!report.version.has_value()) {
    invocation.output.say("every step of " + report.table + " in that range is as it should be");
  }
  return {};
}

/// An online store that damage keeps closed makes room for one that is filled from the tables.
Status set_damaged_aside(Invocation& invocation, flow::Workspace& workspace) {
  const catalog::Project& project = workspace.project();
  if (!project.has_lake) {
    return {
        Code::kFailedPrecondition,
        "with `lake: none` there are no tables to make rows from; `assay up` makes them from the "
        "topics"};
  }
  ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> moved,
                         online::set_aside_damaged(invocation.world, project.online, project.name));
  if (moved.empty()) {
    return {
        Code::kInvalidArgument,
        "--anew makes the rows of one view again: name it (all of them are made anew in an online "
        "store that does not open, and this one does)"};
  }
  for (const std::string& folder : moved) {
    invocation.output.say("the online store is damaged and does not open: it is set aside as " +
                          folder +
                          ", and all views are made anew from the tables; start servers again, and "
                          "remove it when nobody wants to look at it");
  }
  return {};
}

Status run_materialize(Invocation& invocation) {
  catch_stop_signals();
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_applied_workspace(invocation));
  std::vector<std::string> views = names_of(workspace->project().views);
  if (invocation.arguments.has("VIEW")) {
    ASSAY_ASSIGN_OR_RETURN(const std::string view,
                           only_or_given(invocation.arguments.get("VIEW"), views, "feature view"));
    views = {view};
  }
  const bool is_anew = invocation.arguments.has("anew");
  const bool is_all = !invocation.arguments.has("VIEW");
  ASSAY_ASSIGN_OR_RETURN(const auto lock, flow::lock_for_materializing(*workspace));
  if (is_anew && is_all) {
    ASSAY_RETURN_IF_ERROR(set_damaged_aside(invocation, *workspace));
  }
  flow::RunOptions options;
  options.stop = &stop_requested();
  options.progress = [&](const std::string& line) { invocation.output.progress(line); };
  std::vector<flow::StageAccount> accounts;
  for (const std::string& view : views) {
    options.say("online " + view);
    ASSAY_ASSIGN_OR_RETURN(flow::StageAccount account,
                           is_anew && !is_all
                               ? flow::make_online_rows_anew(*workspace, view, options)
                               : flow::run_online_stage(*workspace, view, options));
    accounts.push_back(std::move(account));
  }
  invocation.output.rows(account_table(accounts, true));
  return {};
}

}  // namespace

std::vector<Command> run_commands() {
  return {
      {{"run"},
       "read every source up to its present end, through all stages into the online store",
       "Prints what became of the rows of this run: in = out + filtered + duplicates + late + "
       "quarantined.\n"
       "A run that was stopped or killed is gone on with by the next one.",
       {},
       {{"begin-anew",
         "",
         "with `lake: none`: begin views anew for which the online store has positions that this "
         "folder does not know (docs/no_lake.md)",
         "",
         false,
         false},
        {"threads",
         "N",
         "threads of decoding and of the feature kernel; values do not depend on it",
         "2",
         false,
         false},
        {"epoch-rows",
         "N",
         "rows of one bronze commit, about, or 128 MB of them; values do not depend on it",
         "500000",
         false,
         false}},
       run_run},
      {{"status"},
       "show per stage its position, lag and row account over all runs",
       "lag counts what the stage has not taken yet: files of the source, records of its topics, "
       "or "
       "versions\nof the table before it. It is null where no broker says within two seconds how "
       "many "
       "records there are.",
       {},
       {},
       run_status},
      {{"backfill"},
       "compute the history of a feature view anew and replace the days that differ, in one commit",
       "Days are those of known_time, UTC. Without --full it begins with the first day that a "
       "change "
       "of the\n"
       "source since the last backfill can reach. Only days before the open tail are touched; "
       "`assay "
       "run` makes\n"
       "that anew each time. A backfill that was stopped or killed is gone on with by the same "
       "command.",
       {{"VIEW", "feature view; may be left out when there is one", false}},
       {{"from", "TIME", "first day; the beginning of history when not given", "", false, false},
        {"to",
         "TIME",
         "end of the last day; as far as steps are final when not given",
         "",
         false,
         false},
        {"full", "", "also days whose inputs did not change", "", false, false},
        {"threads",
         "N",
         "threads of the feature kernel; values do not depend on it",
         "2",
         false,
         false},
        {"chunk-rows",
         "N",
         "source rows looked at at once, about: bounds memory",
         "4000000",
         false,
         false}},
       run_backfill},
      {{"materialize"},
       "bring the online store up to the tables that feature views read",
       "`assay run` does this for all views; this command does nothing else.\n"
       "With --anew it mends rows that are damaged: those of the view are made from the tables, "
       "beside\n"
       "those that are there, and take their place at the end, in one step. Servers answer from "
       "the "
       "old ones\n"
       "until then. It is refused beside `assay run` or `assay up` of the project: stop that, and "
       "begin it again\n"
       "afterwards. Without VIEW it is for an online store that is damaged so that it does not "
       "open: "
       "stop\n"
       "the servers; it is set aside, and all views are made anew.\n"
       "The share of a project with `share:` is filled also while `assay run` or `assay up` of "
       "another "
       "is at work.",
       {{"VIEW", "feature view; all of them when left out", false}},
       {{"anew", "", "make all rows again, in place of those that are there", "", false, false}},
       run_materialize},
  };
}

}  // namespace assay::cli
