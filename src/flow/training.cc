#include "flow/training.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "base/suggest.h"
#include "catalog/table_schema.h"
#include "data/expression.h"
#include "flow/gold_stage.h"
#include "flow/retention.h"
#include "flow/versions.h"
#include "silver/contract.h"

namespace assay::flow {
namespace {

/// Columns of the labels' table that a model needs, each once.
Result<std::vector<std::string>> label_columns(
    const catalog::ModelDef& model,
    const gold::Service& service,
    const data::Schema& schema,
    const std::vector<const data::Expression*>& expressions) {
  std::vector<std::string> columns;
  std::set<std::string> seen;
  const auto need = [&](const std::string& name, const std::string& why) -> Status {
    if (!schema.find(name).has_value()) {
      return {Code::kInvalidArgument,
              "labels of model " + model.name + " come from " + model.labels_from +
                  ", which has no column `" + name + "` (" + why + ")" +
                  did_you_mean(name, schema.names())};
    }
    if (seen.insert(name).second) {
      columns.push_back(name);
    }
    return {};
  };
  for (const data::Field& key : service.entity_keys) {
    ASSAY_RETURN_IF_ERROR(need(key.name, "an entity key of service " + service.name));
  }
  for (const data::Field& value : service.request) {
    ASSAY_RETURN_IF_ERROR(need(value.name, "a request value of service " + service.name));
  }
  ASSAY_RETURN_IF_ERROR(need(model.label_event_time, "the labels' event_time"));
  for (const data::Expression* expression : expressions) {
    for (const std::string& column : expression->columns()) {
      ASSAY_RETURN_IF_ERROR(need(column, "used by `" + expression->text() + "`"));
    }
  }
  return columns;
}

/// Numbers of a label column, whatever its type; null where it is null.
Result<data::ColumnPtr> as_float64(const catalog::ModelDef& model, const data::Column& column) {
  data::ColumnBuilder builder(data::Type::kFloat64);
  builder.reserve(column.size());
  for (int64_t row = 0; row < column.size(); ++row) {
    const data::Scalar value = column.scalar(row);
    if (value.is_null()) {
      builder.append_null();
    } else if (const auto* boolean = std::get_if<bool>(&value.value)) {
      builder.append(*boolean ? 1.0 : 0.0);
    } else if (const auto* integer = std::get_if<int64_t>(&value.value)) {
      builder.append(static_cast<double>(*integer));
    } else if (const auto* number = std::get_if<double>(&value.value)) {
      builder.append(*number);
    } else {
      return Status(Code::kInvalidArgument,
                    "the label of model " + model.name + ", `" + model.label +
                        "`, is text; make it a number or a bool");
    }
  }
  return builder.finish();
}

}  // namespace

Result<data::Batch> model_labels(Workspace& workspace,
                                 const catalog::ModelDef& model,
                                 const gold::Service& service) {
  ASSAY_ASSIGN_OR_RETURN(const data::SchemaPtr schema, workspace.source_schema(model.labels_from));
  const std::string where = "model " + model.name;
  Result<data::Expression> label = data::Expression::compile(model.label, *schema);
  if (!label.ok()) {
    return label.status().with_context(where + ", label");
  }
  Result<data::Expression> keep =
      data::Expression::compile(model.where.empty() ? "true" : model.where, *schema);
  if (!keep.ok()) {
    return keep.status().with_context(where + ", where");
  }
  ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> columns,
                         label_columns(model, service, *schema, {&*label, &*keep}));
  // Labels that were corrected are as they are known to be now.
  const bool of_changes = catalog::is_of_changes(workspace.project(), model.labels_from);
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch rows,
      read_visible(workspace,
                   model.labels_from,
                   columns,
                   of_changes ? "replaced_time IS NULL" : "",
                   data::SqlEngine::identifier(model.label_event_time) + ", sequence"));

  ASSAY_ASSIGN_OR_RETURN(const data::ColumnPtr label_column, label->evaluate(rows));
  ASSAY_ASSIGN_OR_RETURN(const data::ColumnPtr label_numbers, as_float64(model, *label_column));
  ASSAY_ASSIGN_OR_RETURN(const data::ColumnPtr kept, keep->evaluate(rows));
  std::vector<int64_t> selected;
  for (int64_t row = 0; row < rows.rows(); ++row) {
    if (kept->is_valid(row) && kept->values<uint8_t>()[static_cast<std::size_t>(row)] != 0 &&
        label_numbers->is_valid(row)) {
      selected.push_back(row);
    }
  }
  std::vector<std::string> wanted;
  for (const data::Field& field : service.entity_keys) {
    wanted.push_back(field.name);
  }
  for (const data::Field& field : service.request) {
    if (std::find(wanted.begin(), wanted.end(), field.name) == wanted.end()) {
      wanted.push_back(field.name);
    }
  }
  ASSAY_ASSIGN_OR_RETURN(data::Batch labels, rows.select(wanted));
  const int time = *rows.schema().find(model.label_event_time);
  if (std::find(wanted.begin(), wanted.end(), silver::kEventTime) == wanted.end()) {
    labels = labels.with_column({silver::kEventTime, data::Type::kTimestamp, true},
                                rows.column_ptr(time));
  }
  return labels.with_column({"label", data::Type::kFloat64, true}, label_numbers).take(selected);
}

Result<data::Batch> build_training_set(Workspace& workspace,
                                       const gold::Service& service,
                                       const data::Batch& labels,
                                       const gold::TrainingSetOptions& options,
                                       KnownTime known_time) {
  const gold::StepsSource steps =
      [&](const gold::FeatureView& view, EventTime first, EventTime last) -> Result<data::Batch> {
    ASSAY_RETURN_IF_ERROR(require_answers_from(workspace, view, first));
    if (known_time == KnownTime::kRespected) {
      return read_steps(workspace, view, last);
    }
    ASSAY_ASSIGN_OR_RETURN(const data::Batch rows,
                           read_visible(workspace,
                                        workspace.project().views.at(view.name()).from,
                                        view.source_columns(),
                                        view.of_changes() ? "replaced_time IS NULL" : "",
                                        ""));
    ASSAY_ASSIGN_OR_RETURN(const data::Batch leaky, gold::assume_known_at_event_time(rows));
    return view.steps(leaky,
                      data::Batch::empty(view.steps_schema()),
                      EventTime::min(),
                      EventTime::max(),
                      options.threads);
  };
  return gold::training_set(service, labels, steps, options);
}

}  // namespace assay::flow
