#include "cli/explanation.h"

#include "base/json_writer.h"
#include "base/suggest.h"
#include "cli/commands.h"
#include "flow/training.h"
#include "serve/explain_word.h"

namespace assay::cli {
namespace {

std::string json_of(const data::Scalar& value) {
  std::string out;
  append_json_value(out, *data::constant_column(value, 1), 0);
  return out;
}

std::string json_of(const std::optional<EventTime>& time) {
  return time.has_value() ? "\"" + format_time(*time) + "\"" : "null";
}

}  // namespace

Result<ExplainAsked> parse_explain_asked(flow::Workspace& workspace, const std::string& word) {
  ASSAY_ASSIGN_OR_RETURN(const auto parsed, serve::parse_explain_word(word));
  const std::string& owner = parsed.owner;
  ExplainAsked asked;
  asked.feature = parsed.feature;
  if (workspace.project().views.count(owner) != 0) {
    asked.view = owner;
    return asked;
  }
  std::vector<std::string> owners = names_of(workspace.project().services);
  for (std::string& view : names_of(workspace.project().views)) {
    owners.push_back(std::move(view));
  }
  for (std::string& view : names_of(workspace.project().derived)) {
    owners.push_back(std::move(view));
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string service,
                         only_or_given(owner, owners, "service or feature view"));
  const bool is_derived = workspace.project().derived.count(service) != 0;
  ASSAY_ASSIGN_OR_RETURN(asked.service,
                         is_derived ? workspace.compile(serve::service_of_derived(
                                          service, workspace.project().derived.at(service)))
                                    : workspace.service(service));
  std::vector<std::string> names;
  for (const gold::ServiceFeature& feature : asked.service->features) {
    names.push_back(feature.name);
    if (feature.name == asked.feature) {
      asked.view = feature.view;
      asked.computed =
          feature.view_index < 0 || asked.service->has_computed_keys(feature.view_index);
    }
  }
  if (asked.view.empty()) {
    return Status(Code::kNotFound,
                  "service " + service + " has no feature `" + asked.feature + "`" +
                      did_you_mean(asked.feature, names));
  }
  return asked;
}

Result<flow::Explanation> explain_row(flow::Workspace& workspace,
                                      const gold::FeatureView& view,
                                      const std::string& feature,
                                      const data::Batch& keys,
                                      EventTime at,
                                      const flow::ExplainBound& bound) {
  std::vector<data::Scalar> key;
  for (int c = 0; c < keys.column_count(); ++c) {
    key.push_back(keys.column(c).scalar(0));
  }
  return flow::explain_feature(workspace, view, feature, key, at, bound);
}

Result<std::vector<std::pair<std::string, data::Scalar>>> computed_values(
    flow::Workspace& workspace,
    const ExplainAsked& asked,
    const data::Batch& inputs,
    EventTime at) {
  const std::string time_column = "at instant";  // no YAML name has a blank: it cannot collide
  gold::TrainingSetOptions options;
  options.time_column = time_column;
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch row,
      flow::build_training_set(
          workspace,
          *asked.service,
          inputs.with_column({time_column, data::Type::kTimestamp, false},
                             data::constant_column(data::Scalar::timestamp(at.micros), 1)),
          options));
  std::vector<std::pair<std::string, data::Scalar>> values;
  for (int c = 0; c < row.column_count(); ++c) {
    const std::string& name = row.schema().field(c).name;
    if (name != time_column) {
      values.emplace_back(name, row.column(c).scalar(0));
    }
  }
  return values;
}

std::string explanation_json(const flow::Explanation& e) {
  std::string json;
  JsonWriter writer(json);
  const auto text = [&](const char* name, const std::string& value) {
    writer.key(name);
    writer.string(value);
  };
  const auto raw = [&](const char* name, const std::string& value) {
    writer.key(name);
    writer.raw(value);
  };
  writer.begin_object();
  text("view", e.view);
  text("feature", e.feature);
  text("definition", e.definition);
  text("fingerprint", e.fingerprint);
  text("at", format_time(e.at));
  raw("value", json_of(e.value));
  text("status", std::string(data::status_name(e.status)));
  raw("event_time", json_of(e.event_time));
  raw("since", json_of(e.since));
  raw("until", json_of(e.until));
  text("source_table", e.source_table);
  text("steps_table", e.steps_table);
  writer.key("inputs");
  writer.begin_object();
  for (const auto& [name, value] : e.inputs) {
    raw(name.c_str(), json_of(value));
  }
  writer.end_object();
  writer.key("counted");
  writer.integer(e.counted);
  raw("recomputed", json_of(e.recomputed));
  writer.key("agrees");
  writer.boolean(e.agrees);
  raw("rows", render_json(e.rows));
  writer.end_object();
  return json;
}

std::string values_json(const std::vector<std::pair<std::string, data::Scalar>>& values) {
  std::string json;
  JsonWriter writer(json);
  writer.begin_object();
  for (const auto& [name, value] : values) {
    writer.key(name);
    writer.raw(json_of(value));
  }
  writer.end_object();
  return json;
}

}  // namespace assay::cli
