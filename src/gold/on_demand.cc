#include "gold/on_demand.h"

#include <algorithm>
#include <utility>

#include "data/expression.h"
#include "gold/view_layout.h"

namespace assay::gold {
namespace {

/// The one kind there is: scalar expressions over one row, in definition order.
class ExpressionView final : public OnDemandView {
 public:
  struct Feature {
    data::Field field;
    data::Expression expression;
  };

  ExpressionView(std::string name,
                 std::vector<data::Field> request,
                 std::vector<data::Field> input_fields,
                 std::vector<Feature> features)
      : name_(std::move(name)),
        request_(std::move(request)),
        input_fields_(std::move(input_fields)),
        features_(std::move(features)) {
    for (const data::Field& field : input_fields_) {
      inputs_.push_back(field.name);
    }
    for (const Feature& feature : features_) {
      fields_.push_back(feature.field);
    }
  }

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] const std::vector<data::Field>& request() const override { return request_; }
  [[nodiscard]] const std::vector<data::Field>& features() const override { return fields_; }
  [[nodiscard]] const std::vector<std::string>& inputs() const override { return inputs_; }

  [[nodiscard]] Result<data::Batch> evaluate(const data::Batch& inputs,
                                             const data::ColumnPtr& now) const override {
    Result<std::vector<data::ColumnPtr>> found = columns_as(input_fields_, inputs);
    if (!found.ok()) {
      return std::move(found).status().with_context("on-demand view `" + name_ + "`");
    }
    data::Batch all(data::make_schema(input_fields_), std::move(found).value(), inputs.rows());
    all = all.with_column({data::kNowColumn, data::Type::kTimestamp, true}, now);
    std::vector<data::ColumnPtr> columns;
    for (const Feature& feature : features_) {
      Result<data::ColumnPtr> column = feature.expression.evaluate(all);
      if (!column.ok()) {
        return std::move(column).status().with_context("on-demand feature `" + feature.field.name +
                                                       "`");
      }
      columns.push_back(*column);
      all = all.with_column(feature.field, std::move(column).value());
    }
    return data::Batch(data::make_schema(fields_), std::move(columns), inputs.rows());
  }

 private:
  std::string name_;
  std::vector<data::Field> request_;
  std::vector<data::Field> input_fields_;
  std::vector<Feature> features_;
  std::vector<std::string> inputs_;
  std::vector<data::Field> fields_;
};

}  // namespace

Result<std::shared_ptr<const OnDemandView>> OnDemandView::compile(
    const catalog::OnDemandDef& definition, const data::Schema& available) {
  const std::string context = "on-demand view `" + definition.name + "`";
  if (definition.features.empty()) {
    return Status(Code::kInvalidArgument, context + " has no features");
  }
  std::vector<data::Field> visible = available.fields();
  visible.push_back({data::kNowColumn, data::Type::kTimestamp, true});
  std::vector<data::Field> inputs = definition.request;
  std::vector<ExpressionView::Feature> features;
  for (const catalog::OnDemandDef::Feature& feature : definition.features) {
    const auto same_name = [&](const data::Field& field) { return field.name == feature.name; };
    if (std::any_of(visible.begin(), visible.end(), same_name)) {
      return Status(
          Code::kInvalidArgument,
          context + ": there is already a value called `" + feature.name + "`; rename one");
    }
    Result<data::Expression> expression =
        data::Expression::compile(feature.expression, data::Schema(visible));
    if (!expression.ok()) {
      return std::move(expression)
          .status()
          .with_context(context + ", feature `" + feature.name + "`");
    }
    for (const std::string& column : expression->columns()) {
      const auto is_column = [&](const data::Field& field) { return field.name == column; };
      const std::optional<int> index = available.find(column);
      if (index && std::none_of(inputs.begin(), inputs.end(), is_column)) {
        inputs.push_back(available.field(*index));
      }
    }
    data::Field field{feature.name, expression->type(), true};
    visible.push_back(field);
    features.push_back({std::move(field), std::move(expression).value()});
  }
  return std::shared_ptr<const OnDemandView>(std::make_shared<ExpressionView>(
      definition.name, definition.request, std::move(inputs), std::move(features)));
}

}  // namespace assay::gold
