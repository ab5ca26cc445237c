#include "gold/sequence_plan.h"

#include <algorithm>

#include "catalog/feature_schema.h"
#include "gold/latest_view.h"

namespace assay::gold {
namespace {

using catalog::SequenceValue;

Status invalid(const catalog::FeatureDef& feature, const std::string& message) {
  return {Code::kInvalidArgument, "feature `" + feature.name + "`: " + message};
}

Result<int> add_window(const catalog::FeatureDef& feature, Duration window, SequencePlan* plan) {
  if (window.micros <= 0 || window.micros % plan->slide != 0) {
    return invalid(feature,
                   "window " + format_duration(window) + " is not a multiple of the slide, " +
                       format_duration({plan->slide}));
  }
  const auto known = std::find(plan->windows.begin(), plan->windows.end(), window.micros);
  if (known == plan->windows.end()) {
    plan->windows.push_back(window.micros);
    return static_cast<int>(plan->windows.size()) - 1;
  }
  return static_cast<int>(known - plan->windows.begin());
}

Result<int> add_expression(const catalog::FeatureDef& feature,
                           const data::Schema& source,
                           SequencePlan* plan) {
  for (std::size_t i = 0; i < plan->expressions.size(); ++i) {
    if (plan->expressions[i].text() == feature.of) {
      return static_cast<int>(i);
    }
  }
  Result<data::Expression> expression = data::Expression::compile(feature.of, source);
  if (!expression.ok()) {
    return std::move(expression).status().with_context("feature `" + feature.name + "`");
  }
  if (data::has_parameters(expression->type()) || expression->type() == data::Type::kTimestampNtz) {
    return Status(Code::kInvalidArgument,
                  "feature `" + feature.name + "`: it does not take " +
                      data::type_name(expression->type()) + "; CAST it");
  }
  plan->expressions.push_back(std::move(expression).value());
  return static_cast<int>(plan->expressions.size()) - 1;
}

Status add_session(const catalog::FeatureDef& feature,
                   const catalog::FeatureViewDef& view,
                   SequencePlan* plan) {
  if (!view.session) {
    return invalid(feature, "the view has no `session`: say how long a gap ends one");
  }
  if (view.session->gap.micros <= 0 || (view.session->max && view.session->max->micros <= 0)) {
    return invalid(feature, "`gap` and `max` of a session must be longer than nothing");
  }
  plan->gap = view.session->gap.micros;
  plan->session_max = view.session->max ? view.session->max->micros : 0;
  ASSAY_ASSIGN_OR_RETURN(plan->session_window, add_window(feature, view.session->over, plan));
  return {};
}

}  // namespace

int64_t SequencePlan::window_max() const {
  return windows.empty() ? 0 : *std::max_element(windows.begin(), windows.end());
}

Status plan_sequence_feature(const catalog::FeatureDef& feature,
                             const catalog::FeatureViewDef& view,
                             const data::Schema& source,
                             SequencePlan* plan,
                             std::vector<data::Field>* fields) {
  plan->slide = view.slide.micros;
  SequenceOutput output;
  output.value = feature.sequence;
  output.lag = feature.k;
  if (catalog::reads_value(feature.sequence)) {
    ASSAY_ASSIGN_OR_RETURN(output.of, add_expression(feature, source, plan));
  }
  output.type =
      catalog::sequence_type(feature.sequence)
          .value_or(output.of < 0 ? data::Type(data::Type::kInt64)
                                  : plan->expressions[static_cast<std::size_t>(output.of)].type());
  if (catalog::is_of_session(feature.sequence)) {
    ASSAY_RETURN_IF_ERROR(add_session(feature, view, plan));
    output.window = plan->session_window;
    plan->outputs.push_back(output);
    fields->push_back({feature.name, output.type, true});
    return {};
  }
  if (feature.over.empty()) {
    return invalid(feature, "it needs `over`: how far back it looks");
  }
  for (const Duration window : feature.over) {
    ASSAY_ASSIGN_OR_RETURN(output.window, add_window(feature, window, plan));
    plan->outputs.push_back(output);
    fields->push_back({feature.name + "_" + format_duration(window), output.type, true});
  }
  return {};
}

Result<std::vector<std::string>> pack_sequence_values(const SequencePlan& plan,
                                                      const data::Batch& rows) {
  std::vector<data::ColumnPtr> columns;
  for (const data::Expression& expression : plan.expressions) {
    ASSAY_ASSIGN_OR_RETURN(data::ColumnPtr column, expression.evaluate(rows));
    columns.push_back(std::move(column));
  }
  std::vector<std::string> packed(static_cast<std::size_t>(rows.rows()));
  for (std::size_t row = 0; row < packed.size(); ++row) {
    append_row_values(columns, static_cast<int64_t>(row), &packed[row]);
  }
  return packed;
}

}  // namespace assay::gold
