#include "gold/window_plan.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/time.h"
#include "catalog/aggregates.h"
#include "catalog/definition_names.h"

namespace assay::gold {
namespace {

using catalog::Aggregate;

template <typename T>
int index_of(std::vector<T>* all, const T& one) {
  const auto found = std::find(all->begin(), all->end(), one);
  if (found != all->end()) {
    return static_cast<int>(found - all->begin());
  }
  all->push_back(one);
  return static_cast<int>(all->size()) - 1;
}

/// Index of the expression of this text, compiled when it is new; -1 for no text.
Result<int> index_of_expression(const std::string& text,
                                const data::Schema& source,
                                WindowPlan* plan) {
  if (text.empty()) {
    return -1;
  }
  for (std::size_t i = 0; i < plan->expressions.size(); ++i) {
    if (plan->expressions[i].text() == text) {
      return static_cast<int>(i);
    }
  }
  ASSAY_ASSIGN_OR_RETURN(data::Expression expression, data::Expression::compile(text, source));
  plan->expressions.push_back(std::move(expression));
  return static_cast<int>(plan->expressions.size()) - 1;
}

Status invalid(const std::string& message) {
  return {Code::kInvalidArgument, message};
}

/// Type of the values themselves.
data::Type type_of(const Argument& argument, const WindowPlan& plan) {
  return plan.expressions[static_cast<std::size_t>(argument.of)].type();
}

Result<Argument> plan_argument(const catalog::FeatureDef& feature,
                               const data::Schema& source,
                               WindowPlan* plan) {
  Argument argument;
  Result<int> of = index_of_expression(feature.of, source, plan);
  if (!of.ok()) {
    return std::move(of).status().with_context("`of`");
  }
  Result<int> where = index_of_expression(feature.where, source, plan);
  if (!where.ok()) {
    return std::move(where).status().with_context("`where`");
  }
  argument.of = *of;
  argument.where = *where;
  if (argument.where >= 0) {
    const data::Type type = plan->expressions[static_cast<std::size_t>(argument.where)].type();
    if (type != data::Type::kBool) {
      return invalid("`where` must be bool but is " + std::string(data::type_name(type)));
    }
  }
  if (argument.of >= 0) {
    const data::Type type = type_of(argument, *plan);
    argument.type = is_vector(type) ? data::Type(data::Type::kBytes) : type;
  } else if (feature.aggregate != Aggregate::kCount) {
    return invalid(std::string(catalog::aggregate_name(feature.aggregate)) +
                   " needs `of`: the column or expression that is aggregated");
  }
  return argument;
}

/// Primitives and type of an aggregate over an argument.
Result<WindowOutput> plan_output(const catalog::FeatureDef& feature,
                                 const Argument& argument,
                                 WindowPlan* plan) {
  WindowOutput output;
  output.aggregate = feature.aggregate;
  output.q = feature.q;
  const data::Type of = argument.of < 0 ? argument.type : type_of(argument, *plan);
  ASSAY_ASSIGN_OR_RETURN(output.type, catalog::aggregate_type(feature.aggregate, of));
  output.k = feature.k;
  if (output.type == data::Type::kList && (output.k < 1 || output.k > catalog::kListMax)) {
    return invalid("`k` must be from 1 to " + std::to_string(catalog::kListMax));
  }
  const int index = index_of(&plan->arguments, argument);
  const auto primitive = [&](PrimitiveKind kind, int64_t limit = 1) {
    return index_of(&plan->primitives, Primitive{kind, index, argument.type, limit});
  };
  const auto sum = [&] {
    if (is_vector(of)) {
      const Primitive sums{PrimitiveKind::kVectorSum, index, of.element(), of.array_size()};
      return index_of(&plan->primitives, sums);
    }
    return primitive(is_real(argument.type) ? PrimitiveKind::kFloatSum
                                            : PrimitiveKind::kIntegerSum);
  };
  switch (feature.aggregate) {
    case Aggregate::kCount:
      output.value = primitive(PrimitiveKind::kCount);
      break;
    case Aggregate::kSkewness:
      output.cubes = primitive(PrimitiveKind::kCubes);
      [[fallthrough]];
    case Aggregate::kVariance:
    case Aggregate::kStddev:
      output.squares = primitive(PrimitiveKind::kSquares);
      [[fallthrough]];
    case Aggregate::kSum:
    case Aggregate::kMean:
    case Aggregate::kAny:
    case Aggregate::kAll:
      output.value = sum();
      output.count = primitive(PrimitiveKind::kCount);
      output.can_overflow = output.type == data::Type::kInt64;
      return output;
    case Aggregate::kMin:
      output.value = primitive(PrimitiveKind::kMin);
      break;
    case Aggregate::kMax:
      output.value = primitive(PrimitiveKind::kMax);
      break;
    case Aggregate::kFirst:
      output.value = primitive(PrimitiveKind::kFirst);
      break;
    case Aggregate::kLast:
      output.value = primitive(PrimitiveKind::kLast);
      break;
    case Aggregate::kLastN:
      output.value = primitive(PrimitiveKind::kLast, feature.k);
      break;
    case Aggregate::kTopK:
    case Aggregate::kTopKCounts:
    case Aggregate::kMode:
    case Aggregate::kDistinct:
      output.value = primitive(PrimitiveKind::kValueCounts);
      break;
    case Aggregate::kApproxDistinct:
      output.value = primitive(PrimitiveKind::kRegisters);
      break;
    case Aggregate::kQuantile:
    case Aggregate::kHistogram:
      output.value = primitive(PrimitiveKind::kBins);
      break;
  }
  output.count = output.value;
  return output;
}

}  // namespace

Status plan_window_feature(const catalog::FeatureDef& feature,
                           Duration slide,
                           const data::Schema& source,
                           WindowPlan* plan,
                           std::vector<data::Field>* fields) {
  const std::string context = "feature `" + feature.name + "`";
  if (feature.over.empty()) {
    return invalid(context + " needs `over`: its windows, e.g. over: [1h, 24h]");
  }
  Result<Argument> argument = plan_argument(feature, source, plan);
  if (!argument.ok()) {
    return std::move(argument).status().with_context(context);
  }
  Result<WindowOutput> output = plan_output(feature, *argument, plan);
  if (!output.ok()) {
    return std::move(output).status().with_context(context);
  }
  for (const Duration window : feature.over) {
    if (window.micros <= 0 || window.micros % slide.micros != 0) {
      return invalid(context + ": window " + format_duration(window) +
                     " must be a multiple of the slide, " + format_duration(slide));
    }
    output->window = index_of(&plan->windows, window.micros);
    plan->outputs.push_back(*output);
    fields->push_back({feature.name + "_" + format_duration(window), output->type, true});
  }
  return {};
}

void finish_plan(WindowPlan* plan) {
  std::vector<int64_t> sorted = plan->windows;
  std::sort(sorted.begin(), sorted.end());
  for (WindowOutput& output : plan->outputs) {
    const int64_t length = plan->windows[static_cast<std::size_t>(output.window)];
    output.window =
        static_cast<int>(std::lower_bound(sorted.begin(), sorted.end(), length) - sorted.begin());
  }
  plan->windows = std::move(sorted);
}

Result<std::vector<ArgumentColumn>> evaluate_arguments(const WindowPlan& plan,
                                                       const data::Batch& rows) {
  std::vector<data::ColumnPtr> columns;
  for (const data::Expression& expression : plan.expressions) {
    ASSAY_ASSIGN_OR_RETURN(data::ColumnPtr column, expression.evaluate(rows));
    columns.push_back(std::move(column));
  }
  std::vector<ArgumentColumn> result;
  for (const Argument& argument : plan.arguments) {
    ArgumentColumn column;
    column.counted.assign(static_cast<std::size_t>(rows.rows()), 1);
    column.all_count = argument.where < 0;
    if (argument.where >= 0) {
      const data::Column& where = *columns[static_cast<std::size_t>(argument.where)];
      const auto is_true = where.values<uint8_t>();  // zero under a null: not true
      for (std::size_t row = 0; row < column.counted.size(); ++row) {
        column.counted[row] = is_true[row] != 0 ? 1 : 0;
      }
    }
    if (argument.of >= 0) {
      column.values = columns[static_cast<std::size_t>(argument.of)];
      if (is_vector(column.values->type())) {
        column.values = vector_bytes(*column.values);
      }
      if (column.values->null_count() != 0) {
        column.all_count = false;
        for (std::size_t row = 0; row < column.counted.size(); ++row) {
          if (column.values->is_null(static_cast<int64_t>(row))) {
            column.counted[row] = 0;
          }
        }
      }
    }
    column.look_at_values();
    result.push_back(std::move(column));
  }
  return result;
}

}  // namespace assay::gold
