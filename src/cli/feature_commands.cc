#include <algorithm>
#include <filesystem>

#include "base/json_writer.h"
#include "base/whole_file.h"
#include "catalog/value_reading.h"
#include "cli/commands.h"
#include "cli/serving.h"
#include "flow/explain.h"
#include "flow/served.h"
#include "flow/training.h"
#include "flow/training_file.h"
#include "flow/verify.h"

namespace assay::cli {
namespace {

/// One feature of an answer.
struct NamedValue {
  data::Scalar value;
  std::string status;
};

/// One row per feature: view, name, value, status. Values keep their types in JSON; tables and CSV,
/// whose columns have one type, show them as text.
void print_features(Output& output,
                    const gold::Service& service,
                    const std::vector<NamedValue>& answers) {
  using data::Type;
  data::BatchBuilder rows(data::make_schema({{"view", Type::kString, false},
                                             {"feature", Type::kString, false},
                                             {"value", Type::kString, true},
                                             {"status", Type::kString, false}}));
  std::string json = "[";
  for (std::size_t i = 0; i < service.features.size(); ++i) {
    const gold::ServiceFeature& feature = service.features[i];
    rows.column(0).append_text(feature.view);
    rows.column(1).append_text(feature.name);
    if (answers[i].value.is_null()) {
      rows.column(2).append_null();
    } else {
      rows.column(2).append_text(data::format_scalar(answers[i].value));
    }
    rows.column(3).append_text(answers[i].status);
    json += i == 0 ? "\n{\"view\":" : ",\n{\"view\":";
    append_json_string(json, feature.view);
    json += ",\"feature\":";
    append_json_string(json, feature.name);
    json += ",\"value\":";
    append_json_value(json, *data::constant_column(answers[i].value, 1), 0);
    json += ",\"status\":\"" + answers[i].status + "\"}";
  }
  if (output.format() == OutputFormat::kJson) {
    output.json(json + "\n]");
  } else {
    output.rows(rows.finish());
  }
}

/// What would have been served at an instant, from the steps tables.
Status get_at(Invocation& invocation,
              flow::Workspace& workspace,
              const gold::Service& service,
              const data::Batch& inputs) {
  ASSAY_ASSIGN_OR_RETURN(const EventTime at, parse_time(invocation.arguments.get("at")));
  const std::string time_column = "at instant";  // no YAML name has a blank: it cannot collide
  const data::Batch labels =
      inputs.with_column({time_column, data::Type::kTimestamp, false},
                         data::constant_column(data::Scalar::timestamp(at.micros), 1));
  gold::TrainingSetOptions options;
  options.time_column = time_column;
  options.with_statuses = true;
  ASSAY_ASSIGN_OR_RETURN(const data::Batch row,
                         flow::build_training_set(workspace, service, labels, options));
  std::vector<NamedValue> answers;
  for (int i = 0; i < static_cast<int>(service.features.size()); ++i) {
    const std::string name = service.output_name(i, false);
    answers.push_back(
        {row.find(name)->scalar(0), std::string(row.find(name + "__status")->text(0))});
  }
  invocation.output.say("as of " + format_time(at));
  print_features(invocation.output, service, answers);
  return {};
}

Status get_now(Invocation& invocation,
               flow::Workspace& workspace,
               const gold::Service& service,
               const data::Batch& inputs) {
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace.online(true));
  ASSAY_ASSIGN_OR_RETURN(const EventTime now, workspace.serving_now());
  ASSAY_ASSIGN_OR_RETURN(const serve::FeatureAnswer answer,
                         serve::get_online_features(service, *store, request_row(inputs), now));
  std::vector<NamedValue> answers;
  for (int feature = 0; feature < static_cast<int>(service.features.size()); ++feature) {
    answers.push_back(
        {answer.value(feature, 0), std::string(data::status_name(answer.status(feature, 0)))});
  }
  invocation.output.say("as of " + format_time(now));
  print_features(invocation.output, service, answers);
  return {};
}

Status run_get(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_served_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(
      const std::string name,
      only_or_given(
          invocation.arguments.get("SERVICE"), names_of(workspace->project().services), "service"));
  ASSAY_ASSIGN_OR_RETURN(const auto service, workspace->service(name));
  ASSAY_ASSIGN_OR_RETURN(const auto pairs, parse_pairs(invocation.arguments.all("entity")));
  ASSAY_ASSIGN_OR_RETURN(const data::Batch inputs, row_from_pairs(pairs, service_inputs(*service)));
  return invocation.arguments.has("at") ? get_at(invocation, *workspace, *service, inputs)
                                        : get_now(invocation, *workspace, *service, inputs);
}

std::string hex(uint64_t value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) {
    text.push_back(kDigits[(value >> shift) & 15]);
  }
  return text;
}

/// What a training set was made from, as one JSON object.
std::string training_report_json(const flow::TrainingFileReport& report, const std::string& file) {
  std::string text;
  JsonWriter json(text);
  const auto number = [&](std::string_view name, int64_t value) {
    json.key(name);
    json.integer(value);
  };
  json.begin_object();
  json.key("file");
  json.string(file);
  json.key("service");
  json.string(report.service);
  number("rows", report.rows);
  number("features", report.features);
  number("rows_without_match", report.rows_without_match);
  number("rows_with_null_key_or_time", report.rows_with_null_key_or_time);
  number("rows_with_key_and_time_of_another", report.rows_with_key_and_time_of_another);
  number("rows_in_the_future", report.rows_in_the_future);
  json.key("views");
  json.begin_array();
  for (const flow::TrainingViewReport& view : report.views) {
    json.begin_object();
    json.key("view");
    json.string(view.view);
    json.key("table");
    json.string(view.table);
    number("version", view.version);
    json.key("fingerprint");
    json.string(hex(view.fingerprint));
    number("steps", view.steps);
    json.key("steps_read_by");
    json.string(view.by_sql_engine ? "sql_engine" : "row_groups");
    number("present", view.present);
    number("not_found", view.not_found);
    number("expired", view.expired);
    json.end_object();
  }
  json.end_array();
  json.key("definitions");
  json.begin_object();
  for (const auto& [name, fingerprint] : report.fingerprints) {
    json.key(name);
    json.string(hex(fingerprint));
  }
  json.end_object();
  number("rounds", report.rounds);
  number("spilled_bytes", report.spilled_bytes);
  number("peak_memory_bytes", report.peak_memory_bytes);
  json.key("seconds");
  json.number(report.seconds);
  json.key("rows_per_second");
  json.number(report.rows_per_second);
  json.end_object();
  return text;
}

/// The same for people, on stderr.
void say_training_report(Output& output, const flow::TrainingFileReport& report) {
  for (const flow::TrainingViewReport& view : report.views) {
    output.say("  " + view.view + " from " + view.table + " version " +
               std::to_string(view.version) + " (" + std::to_string(view.steps) + " steps" +
               (view.by_sql_engine && view.steps > 0 ? " by the SQL engine" : "") +
               "): " + std::to_string(view.present) + " rows have an answer, " +
               std::to_string(view.not_found) + " have none, " + std::to_string(view.expired) +
               " have one that is too old");
  }
  const auto warn = [&](int64_t rows, const std::string& what) {
    if (rows > 0) {
      output.say("  " + std::to_string(rows) + " rows " + what);
    }
  };
  warn(report.rows_with_null_key_or_time, "have a null key or time: they get NOT_FOUND");
  warn(report.rows_in_the_future, "lie in the future: they get what is known by now");
  warn(report.rows_with_key_and_time_of_another, "have the key and time of another row");
  output.say("  " + std::to_string(static_cast<int64_t>(report.rows_per_second)) +
             " rows a second, at most " + std::to_string(report.peak_memory_bytes >> 20) +
             " MiB of memory" +
             (report.spilled_bytes > 0
                  ? ", " + std::to_string(report.spilled_bytes >> 20) + " MiB put aside on disk"
                  : "") +
             (report.rounds > 1 ? ", labels in " + std::to_string(report.rounds) + " rounds" : ""));
}

Status run_training_set(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_applied_workspace(invocation));
  const Arguments& arguments = invocation.arguments;
  ASSAY_ASSIGN_OR_RETURN(
      const std::string name,
      only_or_given(arguments.get("SERVICE"), names_of(workspace->project().services), "service"));
  ASSAY_ASSIGN_OR_RETURN(const auto service, workspace->service(name));
  flow::TrainingFileOptions options;
  options.labels.paths = arguments.all("labels");
  options.labels.time_unit = arguments.get("time-unit");
  ASSAY_ASSIGN_OR_RETURN(options.labels.rows_max, arguments.integer("rows-max", 1));
  options.to = arguments.get("to");
  for (const std::string& path : options.labels.paths) {
    std::error_code ignored;  // a file that is not there is nobody's equal
    if (std::filesystem::equivalent(path, options.to, ignored)) {
      return {Code::kInvalidArgument,
              "--to would write over the labels in " + path +
                  "; give the training set a name of its own"};
    }
  }
  options.set.time_column = arguments.get("time-column");
  options.set.full_feature_names = arguments.has("full-feature-names");
  options.set.with_statuses = arguments.has("statuses");
  Result<int64_t> memory = catalog::parse_byte_size(arguments.get("memory"));
  if (!memory.ok()) {
    return std::move(memory).status().with_context("--memory");
  }
  options.memory_bytes_max = static_cast<std::size_t>(*memory);
  ASSAY_ASSIGN_OR_RETURN(const int64_t threads, arguments.integer("threads", 1));
  options.set.threads = static_cast<int>(std::min<int64_t>(threads, 64));
  ASSAY_ASSIGN_OR_RETURN(const flow::TrainingFileReport report,
                         flow::write_training_file(*workspace, *service, options));
  if (!arguments.get("report").empty()) {
    ASSAY_RETURN_IF_ERROR(
        write_whole_file(arguments.get("report"), training_report_json(report, options.to) + "\n"));
  }
  if (invocation.output.format() == OutputFormat::kJson) {
    invocation.output.json(training_report_json(report, options.to));
    return {};
  }
  invocation.output.object({{"file", data::Scalar::string(options.to)},
                            {"rows", data::Scalar::int64(report.rows)},
                            {"features", data::Scalar::int64(report.features)},
                            {"rows_without_match", data::Scalar::int64(report.rows_without_match)},
                            {"seconds", data::Scalar::float64(report.seconds)}});
  say_training_report(invocation.output, report);
  return {};
}

data::Batch difference_rows(const flow::VerifyReport& report) {
  using data::Type;
  data::BatchBuilder rows(data::make_schema({{"view", Type::kString, false},
                                             {"feature", Type::kString, false},
                                             {"entity", Type::kString, false},
                                             {"at", Type::kTimestamp, false},
                                             {"online", Type::kString, false},
                                             {"offline", Type::kString, false}}));
  for (const flow::Difference& difference : report.differences) {
    rows.column(0).append_text(difference.view);
    rows.column(1).append_text(difference.feature);
    rows.column(2).append_text(difference.entity);
    rows.column(3).append(difference.at.micros);
    rows.column(4).append_text(difference.online);
    rows.column(5).append_text(difference.offline);
  }
  return rows.finish();
}

/// What stands behind the first differences: definition, tables, rows with their roles.
Status explain_differences(Output& output,
                           flow::Workspace& workspace,
                           const flow::VerifyReport& report) {
  constexpr std::size_t kExplained = 5;
  for (std::size_t i = 0; i < std::min(report.differences.size(), kExplained); ++i) {
    const flow::Difference& difference = report.differences[i];
    ASSAY_ASSIGN_OR_RETURN(const auto view, workspace.view(difference.view));
    const Result<flow::Explanation> explanation =
        flow::explain_feature(workspace, *view, difference.feature, difference.key, difference.at);
    output.say("\n" + difference.entity + ": online said " + difference.online + ", offline says " +
               difference.offline);
    if (!explanation.ok()) {
      output.say("  not explained: " + explanation.status().to_string());
      continue;
    }
    say_explanation(output, *explanation);
    output.say(render_table(explanation->rows, 100));
  }
  return {};
}

void say_verified(Output& output, const flow::VerifyReport& report, bool served) {
  if (served) {
    output.raw("service " + report.service + ": " + std::to_string(report.served_answers) +
               " logged answers from " + format_time(report.first) + " to " +
               format_time(report.last) + "\n  " + std::to_string(report.present) +
               " values are present; " + std::to_string(report.behind_values) +
               " were served before rows came that the tables have now, and were right then\n");
    if (report.undecided_values > 0) {
      output.raw(
          "  " + std::to_string(report.undecided_values) +
          " are left out: their rows are still on their way to the lake, or it cannot be told "
          "which of them were there\n");
    }
  } else {
    output.raw("service " + report.service + ": " + std::to_string(report.entities) +
               " entities, " + std::to_string(report.instants) + " instants from " +
               format_time(report.first) + " to " + format_time(report.last) + ", seed " +
               std::to_string(report.seed) + "\n");
    output.raw("  " + std::to_string(report.replayed_values) +
               " values of online rows replayed to those instants, " +
               std::to_string(report.live_values) + " of the online store as it stands; " +
               std::to_string(report.present) + " are present\n");
    for (const std::string& view : report.not_level) {
      output.raw("  the online store as it stands is not compared for " + view + "\n");
    }
  }
  output.raw("verify: " + std::to_string(report.values) + " values compared, " +
             std::to_string(report.differ) + " differ\n");
  if (report.present == 0) {
    output.say(
        "no value was present, so this says little: look at the tables with `assay status`, or ask "
        "at more instants with --instants");
  }
}

Status run_verify(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_applied_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(
      const std::string name,
      only_or_given(arguments.get("SERVICE"), names_of(workspace->project().services), "service"));
  const bool served = arguments.has("served");
  flow::VerifyOptions options;
  ASSAY_ASSIGN_OR_RETURN(options.values_min, arguments.integer("sample", 1));
  ASSAY_ASSIGN_OR_RETURN(options.instants, arguments.integer("instants", 1));
  ASSAY_ASSIGN_OR_RETURN(const int64_t seed, arguments.integer("seed", 0));
  options.seed = static_cast<uint64_t>(seed);
  ASSAY_ASSIGN_OR_RETURN(
      const flow::VerifyReport report,
      served ? flow::verify_served(*workspace, name, {options.values_min, options.threads})
             : flow::verify_service(*workspace, name, options));
  Output& output = invocation.output;
  if (output.format() == OutputFormat::kTable) {
    say_verified(output, report, served);
  } else {
    output.object({{"service", data::Scalar::string(name)},
                   {"values", data::Scalar::int64(report.values)},
                   {"differ", data::Scalar::int64(report.differ)},
                   {"present", data::Scalar::int64(report.present)},
                   {"replayed_values", data::Scalar::int64(report.replayed_values)},
                   {"live_values", data::Scalar::int64(report.live_values)},
                   {"entities", data::Scalar::int64(report.entities)},
                   {"instants", data::Scalar::int64(report.instants)},
                   {"served_answers", data::Scalar::int64(report.served_answers)},
                   {"behind_values", data::Scalar::int64(report.behind_values)},
                   {"undecided_values", data::Scalar::int64(report.undecided_values)},
                   {"seed", data::Scalar::int64(static_cast<int64_t>(report.seed))}});
  }
  if (report.differ == 0) {
    return {};
  }
  output.say(render_table(difference_rows(report), 100));
  ASSAY_RETURN_IF_ERROR(explain_differences(output, *workspace, report));
  return {Code::kDataLoss,
          std::to_string(report.differ) +
              " values differ between online and offline; the first are above"};
}

}  // namespace

std::vector<Command> feature_commands() {
  const Positional service{"SERVICE", "feature service; may be left out when there is one", false};
  return {
      {{"get"},
       "print what a service serves for an entity now, or would have served at an instant",
       "",
       {service},
       {entity_flag(),
        {"at", "TIME", "answer as of this instant, from the steps tables", "", false, false}},
       run_get},
      {{"training-set"},
       "attach a service's features to label rows, as serving would have answered at each row's "
       "time",
       "The label file holds the service's entity keys and request values and a time column; what "
       "else it holds\n"
       "is kept. One output row per label row, in the same order. Times without a zone are UTC. "
       "The same call on\n"
       "the same table versions gives the same bytes; --report says which they were.",
       {service},
       {{"labels",
         "FILE",
         "label rows: .parquet, .csv or .jsonl; several files of the same columns by repeating",
         "",
         true,
         true},
        {"to", "FILE", "where the training set goes: .parquet or .csv", "", false, true},
        {"time-column",
         "NAME",
         "the labels' column with the instant of the question",
         "event_time",
         false,
         false},
        {"time-unit",
         "UNIT",
         "s, ms or us since 1970, when the time column holds whole numbers",
         "",
         false,
         false},
        {"full-feature-names", "", "name features view__feature", "", false, false},
        {"statuses",
         "",
         "add a column <feature>__status: PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE, "
         "OVERFLOW",
         "",
         false,
         false},
        {"report", "FILE", "write what the set was made from, as JSON", "", false, false},
        {"memory",
         "SIZE",
         "stay within about this much memory, such as 512MB or 4GB; the rest goes to disk",
         "2GB",
         false,
         false},
        {"threads", "N", "threads to use", "2", false, false},
        {"rows-max",
         "N",
         "refuse Parquet files that say they hold more rows",
         "1000000000",
         false,
         false}},
       run_training_set},
      {{"verify"},
       "compare online with offline, bit for bit, over the whole history",
       "Source rows are replayed, in the order in which they became visible, into a scratch online "
       "store. At\n"
       "sampled instants what it serves is compared with the steps tables that training sets are "
       "made from; then\n"
       "the project's own online store is compared as it stands. With --served it compares logged "
       "answers of\n"
       "`assay serve --log-share` instead. Ends with 5 when a value differs, and shows the rows "
       "behind the first.",
       {service},
       {{"served", "", "compare the logged answers of a server", "", false, false},
        {"sample",
         "N",
         "values to compare, at least; with --served the newest answers, at most",
         "100000",
         false,
         false},
        {"instants", "N", "instants to sample", "200", false, false},
        {"seed", "N", "seed of the sample", "1", false, false}},
       run_verify},
  };
}

}  // namespace assay::cli
