#include <array>
#include <cmath>
#include <cstdio>

#include "cli/commands.h"
#include "cli/model_versions.h"
#include "flow/model.h"

namespace assay::cli {
namespace {

const Positional kModel{"MODEL", "model of the project", false};

Result<std::string> chosen_model(Invocation& invocation, const flow::Workspace& workspace) {
  return only_or_given(
      invocation.arguments.get("MODEL"), names_of(workspace.project().models), "model");
}

void say_card(Output& output, const learn::ModelCard& card) {
  output.say("trained on " + std::to_string(card.train_rows) + " rows, " +
             format_time(card.train_times.first) + " to " + format_time(card.train_times.last));
  output.say("tested on  " + std::to_string(card.test_rows) + " rows, " +
             format_time(card.test_times.first) + " to " + format_time(card.test_times.last));
  for (const std::string& feature : card.left_out) {
    output.say("left out " + feature + ": it is text, and trees take numbers");
  }
}

std::string fixed(double value, int digits) {
  std::array<char, 64> text{};
  const int size = std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return {text.data(), static_cast<std::size_t>(size)};
}

/// Whether a version that was just trained is served, and what makes it so.
Result<std::string> what_is_served(catalog::CatalogStore& catalog,
                                   const std::string& model,
                                   int64_t trained) {
  ASSAY_ASSIGN_OR_RETURN(const catalog::ModelRow served, catalog.model(model));
  const std::string version = "version " + std::to_string(trained);
  const std::string promote =
      "`assay model promote " + model + " --version " + std::to_string(trained) + "`";
  return served.stage == "production"
             ? version + " is a candidate; version " + std::to_string(served.version) +
                   " is served until " + promote
             : version + " is served, since no version of " + model +
                   " was ever promoted; what is trained later is served in its place until one "
                   "is: " +
                   promote;
}

Status run_train(Invocation& invocation) {
  catch_stop_signals();
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_applied_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(const std::string model, chosen_model(invocation, *workspace));
  flow::RunOptions options;
  options.progress = [&](const std::string& line) { invocation.output.progress(line); };
  ASSAY_ASSIGN_OR_RETURN(const flow::TrainReport report,
                         flow::train_model(*workspace, model, options));
  say_card(invocation.output, report.card);
  ASSAY_ASSIGN_OR_RETURN(const std::string served,
                         what_is_served(workspace->catalog(), model, report.version));
  invocation.output.say(served);
  std::vector<std::pair<std::string, data::Scalar>> fields{
      {"model", data::Scalar::string(model)},
      {"version", data::Scalar::int64(report.version)},
      {"train_rows", data::Scalar::int64(report.card.train_rows)},
      {"test_rows", data::Scalar::int64(report.card.test_rows)},
      {"features", data::Scalar::int64(static_cast<int64_t>(report.card.features.size()))},
      {"base_rate", data::Scalar::float64(report.card.base_rate)}};
  for (const auto& [name, value] : report.card.metrics) {
    fields.emplace_back(name, data::Scalar::float64(value));
  }
  const double base = report.card.base_rate;
  if (report.card.objective == "binary:logistic" && base > 0 && base < 1) {
    // What a model that knows nothing but the base rate would get.
    fields.emplace_back(
        "log_loss_of_base_rate",
        data::Scalar::float64(-base * std::log(base) - (1 - base) * std::log(1 - base)));
  }
  fields.emplace_back("training_set_seconds", data::Scalar::float64(report.training_set_seconds));
  fields.emplace_back("training_seconds", data::Scalar::float64(report.training_seconds));
  invocation.output.object(fields);
  return {};
}

Status run_leakage(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_applied_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(const std::string model, chosen_model(invocation, *workspace));
  flow::RunOptions options;
  options.progress = [&](const std::string& line) { invocation.output.progress(line); };
  ASSAY_ASSIGN_OR_RETURN(const flow::LeakageReport report,
                         flow::measure_leakage(*workspace, model, options));
  const auto auc = [](const learn::BinaryMetrics& metrics) {
    return metrics.auc.has_value() ? data::Scalar::float64(*metrics.auc)
                                   : data::Scalar::null(data::Type::kFloat64);
  };
  const double rows = static_cast<double>(report.rows);
  invocation.output.say("a join that ignores known time gets " +
                        fixed(100 * static_cast<double>(report.rows_wrong) / rows, 1) + " % of " +
                        std::to_string(report.rows) + " rows wrong (" +
                        std::to_string(report.values_wrong) + " of " +
                        std::to_string(report.values) + " values)");
  invocation.output.object(
      {{"rows", data::Scalar::int64(report.rows)},
       {"rows_wrong", data::Scalar::int64(report.rows_wrong)},
       {"values_wrong", data::Scalar::int64(report.values_wrong)},
       {"auc_honest", auc(report.honest)},
       {"auc_ignoring_known_time", auc(report.leaky)},
       {"auc_of_that_model_when_served", auc(report.leaky_served)},
       {"log_loss_honest", data::Scalar::float64(report.honest.log_loss)},
       {"log_loss_ignoring_known_time", data::Scalar::float64(report.leaky.log_loss)},
       {"log_loss_of_that_model_when_served",
        data::Scalar::float64(report.leaky_served.log_loss)}});
  return {};
}

/// What servers answer with, of each model of the project that is trained; nothing when the
/// definitions that are served cannot be had.
std::map<std::string, ServedModel> served_models(Invocation& invocation) {
  std::map<std::string, ServedModel> found;
  const Result<std::unique_ptr<flow::Workspace>> workspace = open_served_workspace(invocation);
  if (!workspace.ok()) {
    invocation.output.say("what is served is not known: " + workspace.status().message());
    return found;
  }
  ModelVersions versions(**workspace);
  for (const auto& [name, definition] : (*workspace)->project().models) {
    Result<ServedModel> served = versions.served(name);
    if (served.ok()) {
      found.emplace(name, *std::move(served));
    } else if (served.code() != Code::kNotFound) {
      invocation.output.say("what is served is not known: " + served.status().message());
    }
  }
  return found;
}

/// What a list says of a version; "" for nothing: it is not the one to serve.
std::string served_word(const ServedModel& served, int64_t version) {
  const std::string answers = served.model.has_value() ? served.model->version : "";
  if (version == served.wanted && !served.why_not.ok()) {
    return "no: " + served.why_not.message();
  }
  if (std::to_string(version) != answers) {
    return "";
  }
  return !served.model->instead_of.empty() ? "instead of version " + served.model->instead_of
         : served.model->is_of_before      ? "yes, its features stand still"
                                           : "yes";
}

Status run_list(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<catalog::ModelRow> models,
                         workspace->catalog().models());
  const std::map<std::string, ServedModel> served =
      models.empty() ? std::map<std::string, ServedModel>() : served_models(invocation);
  using data::Type;
  data::BatchBuilder rows(data::make_schema({{"model", Type::kString, false},
                                             {"version", Type::kInt64, false},
                                             {"stage", Type::kString, false},
                                             {"created", Type::kTimestamp, false},
                                             {"test_rows", Type::kInt64, true},
                                             {"auc", Type::kFloat64, true},
                                             {"served", Type::kString, true}}));
  for (const catalog::ModelRow& model : models) {
    const Result<learn::ModelCard> card = learn::parse_model_card(model.card_json);
    rows.column(0).append_text(model.name);
    rows.column(1).append(model.version);
    rows.column(2).append_text(model.stage);
    rows.column(3).append(model.created.micros);
    card.ok() ? rows.column(4).append(card->test_rows) : rows.column(4).append_null();
    const bool has_auc = card.ok() && card->metrics.contains("auc");
    has_auc ? rows.column(5).append(card->metrics.at("auc")) : rows.column(5).append_null();
    const auto known = served.find(model.name);
    const std::string word =
        known == served.end() ? std::string() : served_word(known->second, model.version);
    word.empty() ? rows.column(6).append_null() : rows.column(6).append_text(word);
  }
  invocation.output.rows(rows.finish());
  return {};
}

Result<std::optional<int64_t>> version_flag(Invocation& invocation) {
  if (!invocation.arguments.has("version")) {
    return std::optional<int64_t>();
  }
  ASSAY_ASSIGN_OR_RETURN(const int64_t version, invocation.arguments.integer("version", 1));
  return std::optional<int64_t>(version);
}

Status run_show(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(const std::string name, chosen_model(invocation, *workspace));
  ASSAY_ASSIGN_OR_RETURN(const std::optional<int64_t> version, version_flag(invocation));
  ASSAY_ASSIGN_OR_RETURN(const catalog::ModelRow model, workspace->catalog().model(name, version));
  invocation.output.raw(model.card_json + "\n");
  return {};
}

/// What keeps servers from answering with the version in production, and what to do; "" for
/// nothing.
std::string why_it_does_not_serve(Invocation& invocation, const std::string& name) {
  const Result<std::unique_ptr<flow::Workspace>> workspace = open_served_workspace(invocation);
  if (!workspace.ok()) {
    return "whether it can be served is not known: " + workspace.status().message();
  }
  const Result<ServedModel> served = ModelVersions(**workspace).served(name);
  if (!served.ok()) {
    return "whether it can be served is not known: " + served.status().message();
  }
  if (!served->why_not.ok()) {
    return not_served(name, *served);
  }
  return served->model->is_of_before
             ? "it was trained under the definitions before those that are served, and its "
               "features stand still; run `assay train " +
                   name + "`, and promote what it makes"
             : "";
}

Status run_promote(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(const std::string name, chosen_model(invocation, *workspace));
  ASSAY_ASSIGN_OR_RETURN(const int64_t version, invocation.arguments.integer("version", 1));
  ASSAY_RETURN_IF_ERROR(
      workspace->catalog().promote_model(name, version, workspace->serving_instant()));
  invocation.output.say("model " + name + " version " + std::to_string(version) +
                        " is in production");
  const std::string why = why_it_does_not_serve(invocation, name);
  if (!why.empty()) {
    invocation.output.say("warning: " + why);
  }
  return {};
}

}  // namespace

std::vector<Command> model_commands() {
  const Flag version{"version",
                     "N",
                     "version of the model; without it the one in production, else the newest",
                     "",
                     false,
                     false};
  return {
      {{"train"},
       "make a model's training set, train, test on later rows, register",
       "",
       {kModel},
       {},
       run_train},
      {{"leakage"},
       "measure what a join that ignores known time gets wrong for a model",
       "Builds the training set a second time as if every row had been known when it happened, "
       "compares it\n"
       "with the honest one, and trains a model on each.",
       {kModel},
       {},
       run_leakage},
      {{"model", "list"}, "list registered models", "", {}, {}, run_list},
      {{"model", "show"},
       "print a model's card: data, definitions, parameters, metrics",
       "",
       {kModel},
       {version},
       run_show},
      {{"model", "promote"},
       "put a version into production",
       "",
       {{"MODEL", "model of the project", true}},
       {{"version", "N", "version of the model", "", false, true}},
       run_promote},
  };
}

}  // namespace assay::cli
