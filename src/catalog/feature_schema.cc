#include "catalog/feature_schema.h"

#include <utility>

#include "base/suggest.h"
#include "catalog/aggregates.h"
#include "catalog/definition_names.h"
#include "data/expression.h"

namespace assay::catalog {
namespace {

using data::Type;

FeatureType failed(std::string part, Status status) {
  return {Type::kFloat64, std::move(status), std::move(part)};
}

FeatureType latest_type(const FeatureDef& feature, const data::Schema& source) {
  const std::optional<int> column = source.find(feature.column);
  if (!column.has_value()) {
    return failed("latest",
                  Status(Code::kNotFound,
                         "there is no column `" + feature.column + "`" +
                             did_you_mean(feature.column, source.names())));
  }
  return {source.field(*column).type, Status(), ""};
}

FeatureType since_type(const FeatureDef& feature, const data::Schema& source) {
  FeatureType found{Type::kFloat64, Status(), ""};
  if (feature.column == kLastEvent || feature.column == kFirstEvent ||
      feature.column == kSessionStartTime) {
    return found;
  }
  const FeatureType column = latest_type(feature, source);
  if (!column.status.ok()) {
    return failed("since", column.status);
  }
  if (column.type != Type::kTimestamp && column.type != Type::kDate) {
    return failed(
        "since",
        Status(Code::kInvalidArgument,
               "column `" + feature.column + "` is " + std::string(data::type_name(column.type)) +
                   " where a timestamp or date is needed"));
  }
  return found;
}

FeatureType window_type(const FeatureDef& feature, const data::Schema& source) {
  if (!feature.where.empty()) {
    const Result<data::Expression> where = data::Expression::compile(feature.where, source);
    if (!where.ok()) {
      return failed("where", where.status());
    }
    if (where->type() != Type::kBool) {
      return failed("where",
                    Status(Code::kInvalidArgument,
                           "the expression is " + std::string(data::type_name(where->type())) +
                               " where bool is needed"));
    }
  }
  if (feature.aggregate == Aggregate::kCount) {
    return {Type::kInt64, Status(), ""};
  }
  const Result<data::Expression> of = data::Expression::compile(feature.of, source);
  if (!of.ok()) {
    return failed("of", of.status());
  }
  const Result<Type> type = aggregate_type(feature.aggregate, of->type());
  if (!type.ok()) {
    return failed("of", type.status());
  }
  return {*type, Status(), ""};
}

}  // namespace

const EntityDef* find_entity(const Project& project, const std::string& name) {
  static const EntityDef kNone{kNoEntity, {}, "", {}};
  if (name == kNoEntity) {
    return &kNone;
  }
  const auto found = project.entities.find(name);
  return found == project.entities.end() ? nullptr : &found->second;
}

bool is_of_session(SequenceValue value) {
  return value < SequenceValue::kChanges;
}

bool reads_value(SequenceValue value) {
  return value >= SequenceValue::kSessionFirst;
}

std::optional<Type> sequence_type(SequenceValue value) {
  switch (value) {
    case SequenceValue::kSessionCount:
    case SequenceValue::kSessionEvents:
    case SequenceValue::kChanges:
      return Type::kInt64;
    case SequenceValue::kSessionDuration:
    case SequenceValue::kSessionMeanEvents:
      return Type::kFloat64;
    case SequenceValue::kSessionOpen:
      return Type::kBool;
    case SequenceValue::kSessionStart:
    case SequenceValue::kChangedAt:
      return Type::kTimestamp;
    case SequenceValue::kSessionFirst:
    case SequenceValue::kSessionLast:
    case SequenceValue::kPrevious:
    case SequenceValue::kLag:
      break;
  }
  return std::nullopt;
}

bool is_computed(const FeatureDef& feature) {
  return feature.kind == FeatureDef::Kind::kExpr || feature.kind == FeatureDef::Kind::kSince ||
         feature.kind == FeatureDef::Kind::kRatio;
}

std::string since_column(const std::string& feature) {
  return feature + "__since";
}

std::vector<std::string> output_names(const FeatureDef& feature) {
  const bool windows =
      feature.kind == FeatureDef::Kind::kWindow || feature.kind == FeatureDef::Kind::kRatio ||
      (feature.kind == FeatureDef::Kind::kSequence && !is_of_session(feature.sequence));
  if (!windows) {
    return {feature.name};
  }
  std::vector<std::string> names;
  for (const Duration& window : feature.over) {
    names.push_back(feature.name + "_" + format_duration(window));
  }
  return names;
}

std::string computed_expression(const FeatureDef& feature, std::size_t output) {
  if (feature.kind == FeatureDef::Kind::kExpr) {
    return feature.expression;
  }
  if (feature.kind == FeatureDef::Kind::kSince) {
    return "epoch(now() - CAST(" + since_column(feature.name) + " AS timestamp))";
  }
  // Division by 0 or null is null.
  const std::string window = "_" + format_duration(feature.over[output]);
  return feature.above + window + " / " + feature.below + window;
}

std::vector<std::string> output_names(const FeatureViewDef& view) {
  std::vector<std::string> names;
  for (const FeatureDef& feature : view.features) {
    for (std::string& name : output_names(feature)) {
      names.push_back(std::move(name));
    }
  }
  return names;
}

FeatureType feature_type(const FeatureDef& feature,
                         const data::Schema& source,
                         const data::Schema& features) {
  switch (feature.kind) {
    case FeatureDef::Kind::kLatest:
      return latest_type(feature, source);
    case FeatureDef::Kind::kWindow:
      return window_type(feature, source);
    case FeatureDef::Kind::kSince:
      return since_type(feature, source);
    case FeatureDef::Kind::kSequence: {
      if (!reads_value(feature.sequence)) {
        return {*sequence_type(feature.sequence), Status(), ""};
      }
      const Result<data::Expression> of = data::Expression::compile(feature.of, source);
      if (!of.ok()) {
        return failed(std::string(sequence_key(feature.sequence)), of.status());
      }
      if (data::has_parameters(of->type()) || of->type() == Type::kTimestampNtz) {
        return failed(std::string(sequence_key(feature.sequence)),
                      Status(Code::kInvalidArgument,
                             "the expression is " + data::type_name(of->type()) + "; CAST it"));
      }
      return {sequence_type(feature.sequence).value_or(of->type()), Status(), ""};
    }
    case FeatureDef::Kind::kExpr:
    case FeatureDef::Kind::kRatio:
      break;
  }
  std::vector<data::Field> visible = features.fields();
  visible.push_back({data::kNowColumn, Type::kTimestamp, true});
  const bool ratio = feature.kind == FeatureDef::Kind::kRatio;
  FeatureType type;
  for (std::size_t i = 0; i < output_names(feature).size(); ++i) {
    const Result<data::Expression> expression =
        data::Expression::compile(computed_expression(feature, i), data::Schema(visible));
    if (!expression.ok()) {
      return failed(ratio ? "ratio" : "expr", expression.status());
    }
    type = {expression->type(), Status(), ""};
  }
  return type;
}

Result<std::vector<data::Field>> feature_fields(const FeatureViewDef& view,
                                                const data::Schema& source) {
  std::vector<data::Field> known;  // what expressions see: raw features first, then expressions
  std::vector<data::Field> by_feature;  // one type a feature, in definition order
  by_feature.resize(view.features.size());
  for (const bool expressions : {false, true}) {
    for (std::size_t i = 0; i < view.features.size(); ++i) {
      const FeatureDef& feature = view.features[i];
      if (is_computed(feature) != expressions) {
        continue;
      }
      FeatureType found = feature_type(feature, source, data::Schema(known));
      if (!found.status.ok()) {
        return std::move(found.status)
            .with_context("feature `" + feature.name + "`: `" + found.part + "`");
      }
      by_feature[i].type = found.type;
      for (std::string& name : output_names(feature)) {
        known.push_back({std::move(name), found.type, true});
      }
    }
  }
  std::vector<data::Field> fields;
  for (std::size_t i = 0; i < view.features.size(); ++i) {
    for (std::string& name : output_names(view.features[i])) {
      fields.push_back({std::move(name), by_feature[i].type, true});
    }
  }
  return fields;
}

}  // namespace assay::catalog
