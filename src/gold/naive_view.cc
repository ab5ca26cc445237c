#include "gold/naive_view.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <tuple>

#include "catalog/feature_schema.h"
#include "data/expression.h"
#include "gold/aggregate_twin.h"

namespace assay::gold {
namespace {

using catalog::FeatureDef;
using catalog::SequenceValue;
using data::FeatureStatus;
using data::Scalar;
using data::Type;
using Rows = std::vector<const TestRow*>;

template <typename T>
Scalar scalar_or_null(const Type& type, const std::optional<T>& value) {
  return value ? Scalar{type, *value} : Scalar::null(type);
}

std::tuple<int64_t, int64_t, int64_t> order_of(const TestRow& row) {
  return {row.event_time, row.known_time, row.sequence};
}

Scalar evaluate(const RandomExpression& expression, const TestRow& row) {
  return expression.value([&](const std::string& column) { return value_of(row, column); });
}

Scalar whole(std::size_t count) {
  return Scalar::int64(static_cast<int64_t>(count));
}

Scalar seconds(int64_t micros) {
  return Scalar::float64(static_cast<double>(micros) / 1e6);
}

struct Session {
  Rows rows;
  [[nodiscard]] int64_t first() const { return rows.front()->event_time; }
  [[nodiscard]] int64_t last() const { return rows.back()->event_time; }
};

std::vector<Session> sessions_of(const catalog::SessionDef& meaning, const Rows& rows) {
  std::vector<Session> sessions;
  for (const TestRow* row : rows) {
    const bool joins =
        !sessions.empty() && row->event_time - sessions.back().last() < meaning.gap.micros &&
        (!meaning.max || row->event_time - sessions.back().first() < meaning.max->micros);
    if (!joins) {
      sessions.emplace_back();
    }
    sessions.back().rows.push_back(row);
  }
  return sessions;
}

/// The visible rows of one entity at one instant, and what features say of them.
class Asked {
 public:
  Asked(const NaiveView& view,
        const std::vector<TestRow>& rows,
        const TestKey& key,
        int64_t instant)
      : view_(view),
        instant_(instant),
        slide_end_(floor_to(instant, view.definition.slide.micros)) {
    for (const TestRow& row : rows) {
      if (is_of_entity(view.entity, row, key) && row.event_time <= instant &&
          row.known_time <= instant) {
        visible_.push_back(&row);
      }
    }
    std::sort(visible_.begin(), visible_.end(), [](const TestRow* a, const TestRow* b) {
      return order_of(*a) < order_of(*b);
    });
  }

  NaiveAnswer answer() {
    NaiveAnswer made;
    made.answer.event_time = event_time();
    if (!made.answer.event_time) {
      return made;
    }
    for (const bool computed : {false, true}) {
      for (const FeatureDef& feature : view_.definition.features) {
        if ((feature.kind == FeatureDef::Kind::kExpr || feature.kind == FeatureDef::Kind::kRatio) ==
            computed) {
          add(feature);
        }
      }
    }
    for (const std::string& name : catalog::output_names(view_.definition)) {
      const Scalar& value = values_.at(name);
      const bool overflowed =
          std::find(overflowed_.begin(), overflowed_.end(), name) != overflowed_.end();
      made.answer.values.push_back(value);
      made.statuses.push_back(!value.is_null() ? FeatureStatus::kPresent
                              : overflowed     ? FeatureStatus::kOverflow
                                               : FeatureStatus::kNullValue);
    }
    return made;
  }

 private:
  /// Of the newest event that one kind of feature sees: windows only events before the slide's end.
  [[nodiscard]] std::optional<int64_t> event_time() const {
    std::optional<int64_t> newest;
    for (const FeatureDef& feature : view_.definition.features) {
      if (catalog::is_computed(feature) && feature.kind != FeatureDef::Kind::kSince) {
        continue;
      }
      for (const TestRow* row : visible_) {
        if (feature.kind != FeatureDef::Kind::kWindow || row->event_time < slide_end_) {
          newest = std::max(newest.value_or(row->event_time), row->event_time);
        }
      }
    }
    return newest;
  }

  void add(const FeatureDef& feature) {
    const std::vector<std::string> names = catalog::output_names(feature);
    for (std::size_t i = 0; i < names.size(); ++i) {
      values_[names[i]] = canonical(value(feature, names[i], i));
    }
  }

  Scalar value(const FeatureDef& feature, const std::string& name, std::size_t output) {
    switch (feature.kind) {
      case FeatureDef::Kind::kLatest:
        return visible_.empty() ? Scalar::null(value_of(TestRow{}, feature.column).type)
                                : value_of(*visible_.back(), feature.column);
      case FeatureDef::Kind::kWindow:
        return window(feature, name, feature.over[output]);
      case FeatureDef::Kind::kSince:
        return since(feature);
      case FeatureDef::Kind::kSequence:
        return catalog::is_of_session(feature.sequence) ? of_session(feature)
                                                        : of_changes(feature, feature.over[output]);
      case FeatureDef::Kind::kRatio:
        return ratio(feature, format_duration(feature.over[output]));
      case FeatureDef::Kind::kExpr:
        break;
    }
    return view_.expressions.at(feature.expression).value([&](const std::string& column) {
      return column == data::kNowColumn ? Scalar::timestamp(instant_) : values_.at(column);
    });
  }

  Scalar window(const FeatureDef& feature, const std::string& name, Duration length) {
    std::vector<OrderedValue> inside;
    Type type = Type::kInt64;
    if (!feature.of.empty()) {
      type = view_.expressions.at(feature.of).type;
    }
    for (const TestRow* row : visible_) {
      if (row->event_time >= slide_end_ || row->event_time < slide_end_ - length.micros) {
        continue;
      }
      if (!feature.where.empty() && evaluate(view_.expressions.at(feature.where), *row).value !=
                                        Scalar::boolean(true).value) {
        continue;
      }
      const Scalar found =
          feature.of.empty() ? Scalar::int64(1) : evaluate(view_.expressions.at(feature.of), *row);
      if (!found.is_null()) {
        inside.push_back({order_of(*row), found});
      }
    }
    Scalar made = naive_aggregate_of(feature, type, inside);
    if (made.is_null() && !inside.empty() && feature.aggregate == catalog::Aggregate::kSum) {
      overflowed_.push_back(name);
    }
    return made;
  }

  [[nodiscard]] Rows since_begin(Duration length) const {
    Rows found;
    std::copy_if(
        visible_.begin(), visible_.end(), std::back_inserter(found), [&](const TestRow* row) {
          return row->event_time >= slide_end_ - length.micros;
        });
    return found;
  }

  /// The newest session while it is open.
  [[nodiscard]] std::optional<Session> open_session() const {
    const catalog::SessionDef& meaning = *view_.definition.session;
    const std::vector<Session> all = sessions_of(meaning, since_begin(meaning.over));
    if (all.empty() || instant_ >= all.back().last() + meaning.gap.micros ||
        (meaning.max && instant_ >= all.back().first() + meaning.max->micros)) {
      return std::nullopt;
    }
    return all.back();
  }

  [[nodiscard]] Scalar since(const FeatureDef& feature) const {
    std::optional<int64_t> from;
    if (feature.column == catalog::kSessionStartTime) {
      const std::optional<Session> open = open_session();
      from = open ? std::optional(open->first()) : std::nullopt;
    } else if (!visible_.empty()) {
      from = feature.column == catalog::kLastEvent
                 ? visible_.back()->event_time
                 : std::get<int64_t>(value_of(*visible_.back(), feature.column).value);
    }
    return from ? seconds(instant_ - *from) : Scalar::null(Type::kFloat64);
  }

  [[nodiscard]] Scalar of_session(const FeatureDef& feature) const {
    const catalog::SessionDef& meaning = *view_.definition.session;
    const Rows rows = since_begin(meaning.over);
    const std::vector<Session> all = sessions_of(meaning, rows);
    const std::optional<Session> open = open_session();
    switch (feature.sequence) {
      case SequenceValue::kSessionCount:
        return whole(all.size());
      case SequenceValue::kSessionEvents:
        return whole(open ? open->rows.size() : 0);
      case SequenceValue::kSessionOpen:
        return Scalar::boolean(open.has_value());
      case SequenceValue::kSessionStart:
        return open ? Scalar::timestamp(open->first()) : Scalar::null(Type::kTimestamp);
      case SequenceValue::kSessionDuration:
        return all.empty() ? Scalar::null(Type::kFloat64)
                           : seconds(all.back().last() - all.back().first());
      case SequenceValue::kSessionMeanEvents:
        return all.empty() ? Scalar::null(Type::kFloat64)
                           : Scalar::float64(static_cast<double>(rows.size()) /
                                             static_cast<double>(all.size()));
      default:
        break;
    }
    const RandomExpression& of = view_.expressions.at(feature.of);
    if (!open) {
      return Scalar::null(of.type);
    }
    return evaluate(of,
                    feature.sequence == SequenceValue::kSessionFirst ? *open->rows.front()
                                                                     : *open->rows.back());
  }

  [[nodiscard]] Scalar of_changes(const FeatureDef& feature, Duration length) const {
    const RandomExpression& of = view_.expressions.at(feature.of);
    std::vector<Scalar> values;
    const Rows rows = since_begin(length);
    for (const TestRow* row : rows) {
      values.push_back(canonical(evaluate(of, *row)));
    }
    std::vector<std::size_t> changes;  // rows whose value is not that of the row before
    for (std::size_t i = 1; i < values.size(); ++i) {
      if (exact_text(values[i]) != exact_text(values[i - 1])) {
        changes.push_back(i);
      }
    }
    const auto k = static_cast<std::size_t>(feature.k);
    switch (feature.sequence) {
      case SequenceValue::kChanges:
        return whole(changes.size());
      case SequenceValue::kPrevious:
        return changes.empty() ? Scalar::null(of.type) : values[changes.back() - 1];
      case SequenceValue::kChangedAt:
        return changes.empty() ? Scalar::null(Type::kTimestamp)
                               : Scalar::timestamp(rows[changes.back()]->event_time);
      default:
        return values.size() > k ? values[values.size() - 1 - k] : Scalar::null(of.type);
    }
  }

  [[nodiscard]] Scalar ratio(const FeatureDef& feature, const std::string& window) const {
    const auto real = [](const Scalar& value) {
      const auto* number = std::get_if<int64_t>(&value.value);
      return number != nullptr ? static_cast<double>(*number) : std::get<double>(value.value);
    };
    const Scalar& above = values_.at(feature.above + "_" + window);
    const Scalar& below = values_.at(feature.below + "_" + window);
    return above.is_null() || below.is_null() || real(below) == 0
               ? Scalar::null(Type::kFloat64)
               : Scalar::float64(real(above) / real(below));
  }

  const NaiveView& view_;
  const int64_t instant_;
  const int64_t slide_end_;
  Rows visible_;  // in order
  std::map<std::string, Scalar> values_;
  std::vector<std::string> overflowed_;
};

}  // namespace

Scalar canonical(Scalar value) {
  if (auto* real = std::get_if<double>(&value.value); real != nullptr && std::isnan(*real)) {
    *real = std::numeric_limits<double>::quiet_NaN();
  }
  return value;
}

bool is_of_entity(const catalog::EntityDef& entity, const TestRow& row, const TestKey& key) {
  return std::all_of(entity.keys.begin(), entity.keys.end(), [&](const data::Field& field) {
    return field.name == "user" ? row.user == key.user : row.item == key.item;
  });
}

data::Scalar value_of(const TestRow& row, const std::string& column) {
  if (column == "event_time" || column == "known_time") {
    return Scalar::timestamp(column == "event_time" ? row.event_time : row.known_time);
  }
  if (column == "user" || column == "kind") {
    return scalar_or_null(Type::kString, column == "user" ? row.user : row.kind);
  }
  if (column == "item" || column == "units") {
    return scalar_or_null(Type::kInt64, column == "item" ? row.item : row.units);
  }
  if (column == "sequence") {
    return Scalar::int64(row.sequence);
  }
  if (column == "flag") {
    return scalar_or_null(Type::kBool, row.flag);
  }
  if (column == "ratio") {
    return row.ratio ? Scalar{Type::kFloat32, static_cast<double>(*row.ratio)}
                     : Scalar::null(Type::kFloat32);
  }
  return scalar_or_null(Type::kFloat64, row.amount);
}

NaiveAnswer naive_view_answer(const NaiveView& view,
                              const std::vector<TestRow>& rows,
                              const TestKey& key,
                              int64_t instant) {
  return Asked(view, rows, key, instant).answer();
}

}  // namespace assay::gold
