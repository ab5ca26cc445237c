#include <algorithm>

#include "base/suggest.h"
#include "cli/commands.h"
#include "cli/explanation.h"

namespace assay::cli {
namespace {

std::string text_of(const data::Scalar& value) {
  return value.is_null() ? "null" : data::format_scalar(value);
}

/// How a feature is computed that no table holds.
std::string how_computed(const catalog::Project& project, const ExplainAsked& asked) {
  const auto on_demand = project.on_demand.find(asked.view);
  const auto derived = project.derived.find(asked.view);
  if (on_demand == project.on_demand.end() && derived == project.derived.end()) {
    return "looked up with a computed key; `assay explain " + asked.view +
           ":FEATURE` shows the rows of one entity";
  }
  for (const catalog::OnDemandDef::Feature& feature :
       derived != project.derived.end() ? derived->second.features : on_demand->second.features) {
    if (asked.feature.ends_with(feature.name)) {  // behind the prefix that its service may give it
      return (derived != project.derived.end() ? "derived as " : "computed on demand as ") +
             feature.expression;
    }
  }
  return "";
}

/// A feature computed from others is its expression over values of that instant.
void say_computed(Invocation& invocation,
                  const catalog::Project& project,
                  const ExplainAsked& asked,
                  const std::vector<std::pair<std::string, data::Scalar>>& values,
                  EventTime at) {
  for (const auto& [name, value] : values) {
    if (name == asked.feature) {
      invocation.output.say(asked.view + ":" + asked.feature + " at " + format_time(at) + " is " +
                            text_of(value));
    }
  }
  invocation.output.say("  " + how_computed(project, asked));
  invocation.output.object(values);
}

Status run_explain(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_applied_workspace(invocation));
  const Arguments& arguments = invocation.arguments;
  ASSAY_ASSIGN_OR_RETURN(const ExplainAsked asked,
                         parse_explain_asked(*workspace, arguments.get("FEATURE")));
  EventTime at;
  if (arguments.has("at")) {
    ASSAY_ASSIGN_OR_RETURN(at, parse_time(arguments.get("at")));
  } else {
    ASSAY_ASSIGN_OR_RETURN(at, workspace->serving_now());
  }
  ASSAY_ASSIGN_OR_RETURN(const auto pairs, parse_pairs(arguments.all("entity")));
  if (asked.computed) {
    ASSAY_ASSIGN_OR_RETURN(const data::Batch inputs,
                           row_from_pairs(pairs, service_inputs(*asked.service)));
    ASSAY_ASSIGN_OR_RETURN(const auto values, computed_values(*workspace, asked, inputs, at));
    say_computed(invocation, workspace->project(), asked, values, at);
    return {};
  }
  ASSAY_ASSIGN_OR_RETURN(const auto view, workspace->view(asked.view));
  ASSAY_ASSIGN_OR_RETURN(const data::Batch keys, row_from_pairs(pairs, view->keys()));
  ASSAY_ASSIGN_OR_RETURN(const flow::Explanation explanation,
                         explain_row(*workspace, *view, asked.feature, keys, at));
  if (invocation.output.format() == OutputFormat::kJson) {
    invocation.output.json(explanation_json(explanation));
  } else {
    say_explanation(invocation.output, explanation);
    invocation.output.rows(explanation.rows);
  }
  return explanation.agrees
             ? Status()
             : Status(Code::kDataLoss,
                      "the steps table and its source rows do not give the same number; "
                      "`assay backfill " +
                          asked.view + " --full` makes the table anew");
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : ", ") + word;
  }
  return text;
}

Status run_feature_list(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<catalog::RegisteredFeature> features,
                         workspace->feature_registry());
  const std::string& tag = invocation.arguments.get("tag");
  data::BatchBuilder rows(data::make_schema({{"view", data::Type::kString, false},
                                             {"feature", data::Type::kString, false},
                                             {"type", data::Type::kString, false},
                                             {"definition", data::Type::kString, false},
                                             {"unit", data::Type::kString, false},
                                             {"owner", data::Type::kString, false},
                                             {"used_by", data::Type::kString, false}}));
  for (const catalog::RegisteredFeature& feature : features) {
    if (!tag.empty() && std::count(feature.tags.begin(), feature.tags.end(), tag) == 0) {
      continue;
    }
    int column = 0;
    for (const std::string& text : {feature.view,
                                    feature.name,
                                    feature.type,
                                    feature.definition,
                                    feature.unit,
                                    feature.owner,
                                    joined(feature.used_by)}) {
      rows.column(column++).append_text(text);
    }
  }
  invocation.output.rows(rows.finish());
  return {};
}

Status run_feature_show(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<catalog::RegisteredFeature> features,
                         workspace->feature_registry());
  const std::string& asked = invocation.arguments.get("FEATURE");
  std::vector<std::string> names;
  for (const catalog::RegisteredFeature& feature : features) {
    names.push_back(feature.view + ":" + feature.name);
    if (names.back() != asked) {
      continue;
    }
    const auto time = [](const std::optional<EventTime>& at) {
      return at.has_value() ? data::Scalar::timestamp(at->micros)
                            : data::Scalar::null(data::Type::kTimestamp);
    };
    invocation.output.object({{"view", data::Scalar::string(feature.view)},
                              {"feature", data::Scalar::string(feature.name)},
                              {"type", data::Scalar::string(feature.type)},
                              {"definition", data::Scalar::string(feature.definition)},
                              {"unit", data::Scalar::string(feature.unit)},
                              {"description", data::Scalar::string(feature.description)},
                              {"entity", data::Scalar::string(feature.entity)},
                              {"owner", data::Scalar::string(feature.owner)},
                              {"tags", data::Scalar::string(joined(feature.tags))},
                              {"version", data::Scalar::int64(feature.version)},
                              {"since", time(feature.since)},
                              {"used_by", data::Scalar::string(joined(feature.used_by))}});
    return {};
  }
  return {Code::kNotFound,
          "there is no feature `" + asked + "`" + did_you_mean(asked, names) +
              "; write VIEW:feature, as `assay feature list` shows them"};
}

}  // namespace

void say_explanation(Output& output, const flow::Explanation& e) {
  output.say(e.view + ":" + e.feature + " at " + format_time(e.at) + " is " + text_of(e.value) +
             ", " + std::string(data::status_name(e.status)));
  output.say("  definition   " + e.definition + " (fingerprint " + e.fingerprint + ")");
  output.say("  tables       " + e.source_table + ", " + e.steps_table);
  if (e.since.has_value()) {
    output.say("  the answer   since " + format_time(*e.since) +
               (e.until.has_value() ? ", until " + format_time(*e.until) : "") + "; newest event " +
               format_time(*e.event_time));
  }
  for (const auto& [name, value] : e.inputs) {
    output.say("  made of      " + name + " = " + text_of(value));
  }
  output.say("  rows         " + std::to_string(e.counted) + " count, of " +
             std::to_string(e.rows.rows()) + " of this entity up to then");
  output.say("  from these rows alone: " + text_of(e.recomputed) +
             (e.agrees ? ", the same bits" : ", WHICH DIFFERS"));
}

std::vector<Command> explain_commands() {
  return {
      {{"explain"},
       "show the rows, tables and definition behind one number",
       "Each row of the entity up to that instant has a role: it counts, was filtered by "
       "`where`, has a null,\n"
       "lies outside of the window, or was unknown at that instant. The number is computed "
       "again from these rows.",
       {{"FEATURE", "SERVICE:feature or VIEW:feature", true}},
       {entity_flag(),
        {"at", "TIME", "as of this instant; what is served now when not given", "", false, false}},
       run_explain},
      {{"feature", "list"},
       "list every feature with its type, definition and who uses it",
       "",
       {},
       {{"tag", "WORD", "only views with this tag", "", false, false}},
       run_feature_list},
      {{"feature", "show"},
       "show one feature: definition, unit, owner, versions, who uses it",
       "",
       {{"FEATURE", "VIEW:feature", true}},
       {},
       run_feature_show}};
}

}  // namespace assay::cli
