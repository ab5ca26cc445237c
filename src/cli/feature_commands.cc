#include "base/json_writer.h"
#include "cli/commands.h"
#include "cli/serving.h"
#include "data/parquet.h"
#include "flow/training.h"
#include "flow/verify.h"

namespace assay::cli {
namespace {

const Flag kEntity{"entity",
                   "NAME=VALUE",
                   "an entity key or request value; several by repeating or with commas",
                   "",
                   true,
                   false};

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

/// Label columns cast to the types that the service needs: CSV files know no types.
Result<data::Batch> typed_labels(flow::Workspace& workspace,
                                 const data::Batch& labels,
                                 const gold::Service& service,
                                 const std::string& time_column) {
  std::vector<data::Field> wanted = service_inputs(service);
  wanted.push_back({time_column, data::Type::kTimestamp, true});
  std::string list;
  for (const data::Field& field : labels.schema().fields()) {
    std::string column = data::SqlEngine::identifier(field.name);
    for (const data::Field& need : wanted) {
      if (need.name == field.name && need.type != field.type) {
        column = "CAST(" + column + " AS " + std::string(data::SqlEngine::sql_type(need.type)) +
                 ") AS " + column;
      }
    }
    list += (list.empty() ? "" : ", ") + column;
  }
  ASSAY_RETURN_IF_ERROR(workspace.sql().create_table("assay_labels", labels));
  Result<data::Batch> typed = workspace.sql().query("SELECT " + list + " FROM assay_labels");
  ASSAY_RETURN_IF_ERROR(workspace.sql().drop_table("assay_labels"));
  if (!typed.ok()) {
    return typed.status().with_context("labels do not have the types that service " + service.name +
                                       " needs");
  }
  return typed;
}

Status run_training_set(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_applied_workspace(invocation));
  const Arguments& arguments = invocation.arguments;
  ASSAY_ASSIGN_OR_RETURN(
      const std::string name,
      only_or_given(arguments.get("SERVICE"), names_of(workspace->project().services), "service"));
  ASSAY_ASSIGN_OR_RETURN(const auto service, workspace->service(name));
  ASSAY_ASSIGN_OR_RETURN(const data::Batch file,
                         data::read_file(workspace->sql(), arguments.get("labels")));
  gold::TrainingSetOptions options;
  options.time_column = arguments.get("time-column");
  options.full_feature_names = arguments.has("full-feature-names");
  options.with_statuses = arguments.has("statuses");
  const Duration started = invocation.world.clock.monotonic();
  ASSAY_ASSIGN_OR_RETURN(const data::Batch labels,
                         typed_labels(*workspace, file, *service, options.time_column));
  ASSAY_ASSIGN_OR_RETURN(const data::Batch rows,
                         flow::build_training_set(*workspace, *service, labels, options));
  const double seconds =
      static_cast<double>(invocation.world.clock.monotonic().micros - started.micros) / 1e6;
  ASSAY_RETURN_IF_ERROR(write_table(workspace->sql(), rows, arguments.get("to")));
  invocation.output.object(
      {{"file", data::Scalar::string(arguments.get("to"))},
       {"rows", data::Scalar::int64(rows.rows())},
       {"features", data::Scalar::int64(static_cast<int64_t>(service->features.size()))},
       {"seconds", data::Scalar::float64(seconds)}});
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

Status run_verify(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_applied_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(
      const std::string name,
      only_or_given(
          invocation.arguments.get("SERVICE"), names_of(workspace->project().services), "service"));
  flow::VerifyOptions options;
  ASSAY_ASSIGN_OR_RETURN(options.values_min, invocation.arguments.integer("sample", 1));
  ASSAY_ASSIGN_OR_RETURN(options.instants, invocation.arguments.integer("instants", 1));
  ASSAY_ASSIGN_OR_RETURN(const int64_t seed, invocation.arguments.integer("seed", 0));
  options.seed = static_cast<uint64_t>(seed);
  ASSAY_ASSIGN_OR_RETURN(const flow::VerifyReport report,
                         flow::verify_service(*workspace, name, options));
  Output& output = invocation.output;
  if (output.format() == OutputFormat::kTable) {
    output.raw("service " + name + ": " + std::to_string(report.entities) + " entities, " +
               std::to_string(report.instants) + " instants from " + format_time(report.first) +
               " to " + format_time(report.last) + ", seed " + std::to_string(report.seed) + "\n");
    output.raw("  " + std::to_string(report.replayed_values) +
               " values of online rows replayed to those instants, " +
               std::to_string(report.live_values) + " of the online store as it stands; " +
               std::to_string(report.present) + " are present\n");
    output.raw("verify: " + std::to_string(report.values) + " values compared, " +
               std::to_string(report.differ) + " differ\n");
  } else {
    output.object({{"service", data::Scalar::string(name)},
                   {"values", data::Scalar::int64(report.values)},
                   {"differ", data::Scalar::int64(report.differ)},
                   {"present", data::Scalar::int64(report.present)},
                   {"replayed_values", data::Scalar::int64(report.replayed_values)},
                   {"live_values", data::Scalar::int64(report.live_values)},
                   {"entities", data::Scalar::int64(report.entities)},
                   {"instants", data::Scalar::int64(report.instants)},
                   {"seed", data::Scalar::int64(static_cast<int64_t>(report.seed))}});
  }
  if (report.differ == 0) {
    return {};
  }
  output.say(render_table(difference_rows(report), 100));
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
       {kEntity,
        {"at", "TIME", "answer as of this instant, from the steps tables", "", false, false}},
       run_get},
      {{"training-set"},
       "attach a service's features to label rows, as serving would have answered at each row's "
       "time",
       "The label file holds the service's entity keys and request values and a time column; what "
       "else it holds\n"
       "is kept. One output row per label row, in the same order.",
       {service},
       {{"labels", "FILE", "label rows: .parquet, .csv or .jsonl", "", false, true},
        {"to", "FILE", "where the training set goes: .parquet or .csv", "", false, true},
        {"time-column",
         "NAME",
         "the labels' column with the instant of the question",
         "event_time",
         false,
         false},
        {"full-feature-names", "", "name features view__feature", "", false, false},
        {"statuses",
         "",
         "add a column <feature>__status: PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE",
         "",
         false,
         false}},
       run_training_set},
      {{"verify"},
       "compare online with offline, bit for bit, over the whole history",
       "Source rows are replayed, in the order in which they became visible, into a scratch online "
       "store. At\n"
       "sampled instants what it serves is compared with the steps tables that training sets are "
       "made from; then\n"
       "the project's own online store is compared as it stands. Ends with 5 when a value differs.",
       {service},
       {{"sample", "N", "values to compare, at least", "100000", false, false},
        {"instants", "N", "instants to sample", "200", false, false},
        {"seed", "N", "seed of the sample", "1", false, false}},
       run_verify},
  };
}

}  // namespace assay::cli
