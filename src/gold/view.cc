// FeatureView::compile: a definition and its source's schema become a view of windows, of latest
// values, or one composed of parts of either kind.

#include <algorithm>
#include <bit>
#include <memory>
#include <string>
#include <utility>

#include "base/ascii.h"
#include "base/hash.h"
#include "base/suggest.h"
#include "catalog/aggregates.h"
#include "catalog/feature_schema.h"
#include "gold/composed_view.h"
#include "gold/first_event_view.h"
#include "gold/latest_view.h"
#include "gold/online_row.h"
#include "gold/sequence_view.h"
#include "gold/window_view.h"
#include "silver/contract.h"

namespace assay::gold {
namespace {

using catalog::FeatureDef;

/// What compiling puts together, step by step.
struct Draft {
  const catalog::FeatureViewDef& view;
  const catalog::EntityDef& entity;
  const data::Schema& source;
  uint64_t source_fingerprint = 0;
  ViewLayout layout;
  std::vector<data::Field> raw;          // of all parts, in definition order
  std::vector<std::string> hidden;       // raw ones that are no features
  std::vector<data::Field> latest;       // those that are latest values
  std::vector<std::string> raw_columns;  // and their source columns
  std::vector<data::Field> windows;      // those that are windows
  WindowPlan plan;
  std::vector<data::Field> sequences;  // those that look at events in their order
  SequencePlan sequence_plan;
  std::vector<data::Field> firsts;  // those that are the time of the first event
};

Status invalid(const std::string& message) {
  return {Code::kInvalidArgument, message};
}

Status require_column(const data::Schema& source,
                      const std::string& table,
                      const std::string& name,
                      const data::Type& type) {
  const std::optional<int> index = source.find(name);
  if (!index) {
    return invalid("`" + table + "` has no column `" + name + "`" +
                   did_you_mean(name, source.names()));
  }
  const data::Type found = source.field(*index).type;
  if (found != type && !(found == data::Type::kInt32 && type == data::Type::kInt64)) {
    return invalid("column `" + name + "` of `" + table + "` is " +
                   std::string(data::type_name(found)) + " but " +
                   std::string(data::type_name(type)) + " is needed");
  }
  return {};
}

Status check_source(const Draft& draft) {
  const std::string& table = draft.view.from;
  ASSAY_RETURN_IF_ERROR(
      require_column(draft.source, table, silver::kEventTime, data::Type::kTimestamp));
  ASSAY_RETURN_IF_ERROR(
      require_column(draft.source, table, silver::kKnownTime, data::Type::kTimestamp));
  ASSAY_RETURN_IF_ERROR(require_column(draft.source, table, silver::kSequence, data::Type::kInt64));
  for (const data::Field& key : draft.entity.keys) {
    if (!data::is_key_type(key.type)) {
      return invalid("key column `" + key.name + "` is " + std::string(data::type_name(key.type)) +
                     ": floating-point numbers cannot be keys; use int64 or string");
    }
    ASSAY_RETURN_IF_ERROR(require_column(draft.source, table, key.name, key.type)
                              .with_context("entity `" + draft.entity.name + "`"));
  }
  return {};
}

Status add_latest(const FeatureDef& feature, Draft* draft) {
  const std::string column = feature.column.empty() ? feature.name : feature.column;
  const std::optional<int> index = draft->source.find(column);
  if (!index) {
    return invalid("feature `" + feature.name + "`: `" + draft->view.from + "` has no column `" +
                   column + "`" + did_you_mean(column, draft->source.names()));
  }
  draft->latest.push_back({feature.name, draft->source.field(*index).type, true});
  draft->raw.push_back(draft->latest.back());
  draft->raw_columns.push_back(column);
  return {};
}

Status add_sequence(const FeatureDef& feature, Draft* draft) {
  const std::size_t before = draft->sequences.size();
  ASSAY_RETURN_IF_ERROR(plan_sequence_feature(
      feature, draft->view, draft->source, &draft->sequence_plan, &draft->sequences));
  const auto first = draft->sequences.begin() + static_cast<std::ptrdiff_t>(before);
  draft->raw.insert(draft->raw.end(), first, draft->sequences.end());
  return {};
}

/// The time that a feature `since` counts from: a latest value, a session's or the first event's,
/// no feature itself.
Status add_since(const FeatureDef& feature, Draft* draft) {
  if (feature.column == catalog::kSessionStartTime) {
    FeatureDef start = feature;
    start.name = catalog::since_column(feature.name);
    start.sequence = catalog::SequenceValue::kSessionStart;
    draft->hidden.push_back(start.name);
    return add_sequence(start, draft);
  }
  if (feature.column == catalog::kFirstEvent) {
    draft->firsts.push_back({catalog::since_column(feature.name), data::Type::kTimestamp, true});
    draft->raw.push_back(draft->firsts.back());
    draft->hidden.push_back(draft->firsts.back().name);
    return {};
  }
  FeatureDef from = feature;
  from.name = catalog::since_column(feature.name);
  from.column = feature.column == catalog::kLastEvent ? kEventTime : feature.column;
  ASSAY_RETURN_IF_ERROR(add_latest(from, draft));
  const data::Type type = draft->raw.back().type;
  if (type != data::Type::kTimestamp && type != data::Type::kDate) {
    return invalid("feature `" + feature.name + "`: column `" + from.column + "` is " +
                   std::string(data::type_name(type)) + " where a timestamp or date is needed");
  }
  draft->hidden.push_back(from.name);
  return {};
}

/// Plan the features that read the source; layout.raw and the order of layout.features are known
/// then.
Status add_raw_features(Draft* draft) {
  if (draft->view.slide.micros <= 0) {
    return invalid("slide must be longer than nothing");
  }
  for (const FeatureDef& feature : draft->view.features) {
    if (feature.kind == FeatureDef::Kind::kLatest) {
      ASSAY_RETURN_IF_ERROR(add_latest(feature, draft));
    } else if (feature.kind == FeatureDef::Kind::kSince) {
      ASSAY_RETURN_IF_ERROR(add_since(feature, draft));
    } else if (feature.kind == FeatureDef::Kind::kSequence) {
      ASSAY_RETURN_IF_ERROR(add_sequence(feature, draft));
    } else if (feature.kind == FeatureDef::Kind::kWindow) {
      const std::size_t before = draft->windows.size();
      ASSAY_RETURN_IF_ERROR(plan_window_feature(
          feature, draft->view.slide, draft->source, &draft->plan, &draft->windows));
      const auto first = draft->windows.begin() + static_cast<std::ptrdiff_t>(before);
      draft->raw.insert(draft->raw.end(), first, draft->windows.end());
    }
  }
  if (draft->raw.empty()) {
    return invalid("no feature reads the source: declare at least one latest value or window, say");
  }
  if (!draft->windows.empty()) {
    finish_plan(&draft->plan);
    for (std::size_t i = 0; i < draft->plan.outputs.size(); ++i) {
      if (draft->plan.outputs[i].can_overflow) {
        draft->layout.overflowing.push_back(draft->windows[i].name);
      }
    }
  }
  draft->layout.raw = data::make_schema(draft->raw);
  return {};
}

/// True when the expression reads the instant of the question, or a feature that does.
bool depends_on_question(const data::Expression& expression, const ViewLayout& layout) {
  return std::any_of(
      expression.columns().begin(), expression.columns().end(), [&](const std::string& column) {
        return column == data::kNowColumn ||
               std::any_of(layout.computed.begin(), layout.computed.end(), [&](const auto& known) {
                 return known.at_read && known.field.name == column;
               });
      });
}

Status add_computed(const FeatureDef& feature,
                    std::vector<data::Field>* visible,
                    ViewLayout* layout) {
  const std::vector<std::string> names = catalog::output_names(feature);
  for (std::size_t i = 0; i < names.size(); ++i) {
    Result<data::Expression> expression =
        data::Expression::compile(catalog::computed_expression(feature, i), data::Schema(*visible));
    if (!expression.ok()) {
      return std::move(expression)
          .status()
          .with_context("feature `" + feature.name +
                        "` (it sees the features of its view, and of the computed "
                        "ones those before it)");
    }
    const data::Field field{names[i], expression->type(), true};
    visible->push_back(field);
    const bool at_read = depends_on_question(*expression, *layout);
    layout->computed.push_back({field, std::move(expression).value(), at_read});
  }
  return {};
}

/// Compile computed features; the times that `since` counts from are for these alone.
Status add_computed_features(Draft* draft) {
  const data::Field now{data::kNowColumn, data::Type::kTimestamp, true};
  std::vector<data::Field> with_hidden = draft->raw;
  with_hidden.push_back(now);
  std::vector<data::Field> visible = {now};
  for (const data::Field& field : draft->raw) {
    if (std::find(draft->hidden.begin(), draft->hidden.end(), field.name) == draft->hidden.end()) {
      visible.push_back(field);
    }
  }
  for (const FeatureDef& feature : draft->view.features) {
    if (feature.kind == FeatureDef::Kind::kSince) {
      ASSAY_RETURN_IF_ERROR(add_computed(feature, &with_hidden, &draft->layout));
      visible.push_back(with_hidden.back());
    }
  }
  for (const FeatureDef& feature : draft->view.features) {
    if (feature.kind == FeatureDef::Kind::kExpr || feature.kind == FeatureDef::Kind::kRatio) {
      ASSAY_RETURN_IF_ERROR(add_computed(feature, &visible, &draft->layout));
    }
  }
  return {};
}

/// All features in definition order.
void list_features(Draft* draft) {
  ViewLayout& layout = draft->layout;
  for (const FeatureDef& feature : draft->view.features) {
    for (const std::string& name : catalog::output_names(feature)) {
      if (!catalog::is_computed(feature)) {
        layout.features.push_back(layout.raw->field(*layout.raw->find(name)));
        continue;
      }
      const auto known = std::find_if(layout.computed.begin(),
                                      layout.computed.end(),
                                      [&](const auto& one) { return one.field.name == name; });
      layout.features.push_back(known->field);
    }
  }
}

/// What steps hold: the features that do not depend on the question, then what those that do need.
void list_stored(Draft* draft) {
  ViewLayout& layout = draft->layout;
  std::vector<data::Field> stored;
  for (const data::Field& feature : layout.features) {
    const bool at_read =
        std::any_of(layout.computed.begin(), layout.computed.end(), [&](const auto& computed) {
          return computed.at_read && computed.field.name == feature.name;
        });
    if (!at_read) {
      stored.push_back(feature);
    }
  }
  for (const std::string& name : draft->hidden) {
    stored.push_back(layout.raw->field(*layout.raw->find(name)));
  }
  layout.stored = data::make_schema(std::move(stored));
}

Status check_names(const Draft& draft) {
  std::vector<std::string> taken = {kEventTime, kKnownTime, kFeatureDate};
  for (const data::Field& key : draft.entity.keys) {
    taken.push_back(lower_ascii(key.name));
  }
  for (const std::string& name : draft.layout.overflowing) {
    taken.push_back(lower_ascii(overflow_column(name)));
  }
  std::vector<data::Field> named = draft.layout.features;
  for (const std::string& name : draft.hidden) {
    named.push_back({name, data::Type::kTimestamp, true});
  }
  for (const data::Field& feature : named) {
    const std::string name = lower_ascii(feature.name);
    if (std::find(taken.begin(), taken.end(), name) != taken.end()) {
      return invalid(
          "there are two columns `" + feature.name +
          "`: feature names must differ from each other, from the entity's keys and from "
          "event_time, known_time, feature_date and the __overflow columns of sums");
    }
    taken.push_back(name);
  }
  return {};
}

void add_source_column(const std::string& name, Draft* draft) {
  std::vector<std::string>& columns = draft->layout.source_columns;
  if (std::find(columns.begin(), columns.end(), name) == columns.end()) {
    columns.push_back(name);
  }
}

/// Columns that every part needs.
void list_system_columns(Draft* draft) {
  for (const data::Field& key : draft->entity.keys) {
    add_source_column(key.name, draft);
  }
  add_source_column(silver::kEventTime, draft);
  add_source_column(silver::kKnownTime, draft);
  add_source_column(silver::kSequence, draft);
  if (draft->layout.of_changes) {
    add_source_column(kReplacedTime, draft);
  }
}

void list_latest_columns(Draft* draft) {
  for (const std::string& column : draft->raw_columns) {
    add_source_column(column, draft);
  }
}

void list_expression_columns(const std::vector<data::Expression>& expressions, Draft* draft) {
  for (const data::Expression& expression : expressions) {
    for (const std::string& column : expression.columns()) {
      add_source_column(column, draft);
    }
  }
}

bool takes_k(catalog::Aggregate aggregate) {
  return catalog::aggregate_info(aggregate).parameter == catalog::AggregateParameter::kK;
}

/// Hash of what decides values, so that stored state of another definition is not read as this
/// one's.
uint64_t fingerprint_of(const Draft& draft) {
  uint64_t hash = hash_bytes("assay.feature_view", kOnlineRowVersion);
  const auto mix_text = [&](const std::string& text) { hash = hash_mix(hash, hash_bytes(text)); };
  const auto mix_number = [&](int64_t number) {
    hash = hash_mix(hash, static_cast<uint64_t>(number));
  };
  const auto mix_type = [&](const data::Type& type) {
    mix_number(static_cast<int64_t>(type.id()));
    if (data::has_parameters(type)) {
      mix_text(data::type_name(type));
    }
  };
  mix_text(draft.view.from);
  if (draft.layout.of_changes) {
    mix_text(kReplacedTime);
  }
  for (const data::Field& key : draft.entity.keys) {
    mix_text(key.name);
    mix_type(key.type);
  }
  mix_number(draft.view.ttl ? draft.view.ttl->micros : -1);
  mix_number(draft.layout.slide.micros);
  if (draft.sequence_plan.session_window >= 0) {
    mix_number(draft.sequence_plan.gap);
    mix_number(draft.sequence_plan.session_max);
    mix_number(draft.view.session->over.micros);
  }
  for (const FeatureDef& feature : draft.view.features) {
    mix_text(feature.name);
    mix_number(static_cast<int64_t>(feature.kind));
    mix_number(static_cast<int64_t>(feature.aggregate));
    mix_text(feature.of);
    mix_number(static_cast<int64_t>(std::bit_cast<uint64_t>(feature.q)));
    mix_text(feature.where);
    mix_text(feature.expression);
    mix_text(feature.above);
    mix_text(feature.below);
    mix_text(feature.column);
    if (feature.kind == FeatureDef::Kind::kSequence) {
      mix_number(static_cast<int64_t>(feature.sequence));
      mix_number(feature.k);
    } else if (feature.kind == FeatureDef::Kind::kWindow && takes_k(feature.aggregate)) {
      mix_number(feature.k);
    }
    for (const Duration window : feature.over) {
      mix_number(window.micros);
    }
  }
  for (const data::Field& feature : draft.layout.features) {
    mix_text(feature.name);
    mix_type(feature.type);
  }
  return hash;
}

data::SchemaPtr make_steps_schema(const ViewLayout& layout) {
  std::vector<data::Field> fields = layout.keys;
  for (data::Field& field : fields) {
    field.nullable = false;
  }
  fields.push_back({kEventTime, data::Type::kTimestamp, layout.of_changes});
  fields.push_back({kKnownTime, data::Type::kTimestamp, false});
  const std::vector<data::Field>& stored = layout.stored->fields();
  fields.insert(fields.end(), stored.begin(), stored.end());
  for (const std::string& name : layout.overflowing) {
    fields.push_back({overflow_column(name), data::Type::kBool, false});
  }
  fields.push_back({kFeatureDate, data::Type::kDate, false});
  return data::make_schema(std::move(fields));
}

void finish_layout(Draft* draft) {
  ViewLayout& layout = draft->layout;
  layout.name = draft->view.name;
  layout.keys = draft->entity.keys;
  layout.ttl = draft->view.ttl;
  layout.slide = draft->view.slide;
  layout.of_changes = draft->source.find(kReplacedTime).has_value();
  const int64_t windows = draft->windows.empty() ? 0 : draft->plan.windows.back();
  layout.window_max = {std::max(windows, draft->sequence_plan.window_max())};
  list_system_columns(draft);
  list_latest_columns(draft);
  list_expression_columns(draft->plan.expressions, draft);
  list_expression_columns(draft->sequence_plan.expressions, draft);
  list_stored(draft);
  layout.steps_schema = make_steps_schema(layout);
  layout.fingerprint = fingerprint_of(*draft);
  layout.storage_name =
      layout.name + "@" + hash_text(hash_mix(layout.fingerprint, draft->source_fingerprint));
}

/// The layout of a part: its own features, nothing computed, never too old.
ViewLayout part_layout(const ViewLayout& whole, const std::vector<data::Field>& features) {
  ViewLayout layout = whole;
  layout.features = features;
  layout.raw = data::make_schema(features);
  layout.stored = layout.raw;
  layout.computed.clear();
  layout.ttl.reset();
  layout.steps_schema = make_steps_schema(layout);
  return layout;
}

/// One view per kind of features that there are; the only one is the view itself.
Result<FeatureViewPtr> make_view(Draft draft) {
  const std::vector<data::Field>* kinds[] = {
      &draft.windows, &draft.latest, &draft.sequences, &draft.firsts};
  const auto empty = std::count_if(
      std::begin(kinds), std::end(kinds), [](const auto* fields) { return fields->empty(); });
  const bool single = empty + 1 == std::ssize(kinds);
  const auto layout = [&](const std::vector<data::Field>& fields, int64_t window_max) {
    if (single) {
      return draft.layout;
    }
    ViewLayout part = part_layout(draft.layout, fields);
    part.window_max = {window_max};
    if (&fields != &draft.windows) {
      part.overflowing.clear();
      part.steps_schema = make_steps_schema(part);
    }
    return part;
  };
  std::vector<FeatureViewPtr> parts;
  if (!draft.windows.empty()) {
    ViewLayout part = layout(draft.windows, draft.plan.windows.back());
    parts.push_back(std::make_shared<WindowView>(std::move(part), std::move(draft.plan)));
  }
  if (!draft.latest.empty()) {
    parts.push_back(
        std::make_shared<LatestView>(layout(draft.latest, 0), std::move(draft.raw_columns)));
  }
  if (!draft.sequences.empty()) {
    ViewLayout part = layout(draft.sequences, draft.sequence_plan.window_max());
    parts.push_back(
        std::make_shared<SequenceView>(std::move(part), std::move(draft.sequence_plan)));
  }
  if (!draft.firsts.empty()) {
    parts.push_back(std::make_shared<FirstEventView>(layout(draft.firsts, 0)));
  }
  if (single) {
    return std::move(parts.front());
  }
  return ComposedView::make(std::move(draft.layout), std::move(parts), draft.source);
}

Result<FeatureViewPtr> compile_view(const catalog::FeatureViewDef& view,
                                    const catalog::EntityDef& entity,
                                    const data::Schema& source,
                                    uint64_t source_fingerprint) {
  Draft draft{view, entity, source, source_fingerprint, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}};
  ASSAY_RETURN_IF_ERROR(check_source(draft));
  ASSAY_RETURN_IF_ERROR(add_raw_features(&draft));
  ASSAY_RETURN_IF_ERROR(add_computed_features(&draft));
  list_features(&draft);
  ASSAY_RETURN_IF_ERROR(check_names(draft));
  finish_layout(&draft);
  return make_view(std::move(draft));
}

}  // namespace

Result<std::shared_ptr<const FeatureView>> FeatureView::compile(const catalog::FeatureViewDef& view,
                                                                const catalog::EntityDef& entity,
                                                                const data::Schema& source,
                                                                uint64_t source_fingerprint) {
  Result<FeatureViewPtr> compiled = compile_view(view, entity, source, source_fingerprint);
  if (!compiled.ok()) {
    return std::move(compiled).status().with_context("feature view `" + view.name + "`");
  }
  return compiled;
}

}  // namespace assay::gold
