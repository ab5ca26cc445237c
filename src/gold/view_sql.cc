#include "gold/view_sql.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "catalog/feature_schema.h"
#include "gold/aggregate_twin.h"

namespace assay::gold {
namespace {

using catalog::Aggregate;
using catalog::FeatureDef;
using catalog::SequenceValue;
using data::SqlEngine;
using data::Type;

const char kOrder[] = "et, kt, sequence";
const char kBackwards[] = "et DESC, kt DESC, sequence DESC";

std::string digits(int64_t number) {
  return std::to_string(number);
}

bool is_real_number(const Type& type) {
  return type == Type::kFloat32 || type == Type::kFloat64;
}

/// x, with 0.0 for -0.0.
std::string one_zero(const Type& type) {
  return is_real_number(type) ? "(x + CAST(0 AS " + SqlEngine::sql_type(type) + "))" : "x";
}

/// Of each question's rows the first in an order. (The engine's `first(x ORDER BY ...)` loses the
/// sign of a zero, and so does `row_number() OVER (...) = 1` where it sees it: docs/bugs.md.)
std::string first_row(const std::string& value, const std::string& rows, const std::string& order) {
  return "SELECT id, v FROM (SELECT id, " + value +
         " AS v, row_number() OVER (PARTITION BY id ORDER BY " + order + ") AS place FROM " + rows +
         ") WHERE CAST(place AS VARCHAR) = '1'";
}

/// The smallest or largest number; of zeros, which SQL holds equal, the one with the sign asked
/// for.
std::string extreme(const std::string& function, const std::string& negative, const Type& type) {
  const auto zero = [&](const char* text) {
    return "CAST('" + std::string(text) + "' AS " + SqlEngine::sql_type(type) + ")";
  };
  return "CASE WHEN " + function + "(x) <> 0 THEN " + function + "(x) WHEN " + negative + " THEN " +
         zero("-0.0") + " ELSE " + zero("0.0") + " END";
}

/// Variance, stddev and skewness from whole sums: numbers are taken sixty-four fold, which divides
/// out, and every sum is exact.
std::string moment(Aggregate aggregate, const Type& type) {
  const std::string number = type == Type::kBool    ? "CAST(CAST(x AS INTEGER) AS HUGEINT)"
                             : is_real_number(type) ? "CAST(CASE WHEN isfinite(x) THEN CAST(x AS "
                                                      "DOUBLE) * 64 ELSE 0 END AS HUGEINT)"
                                                    : "CAST(x AS HUGEINT)";
  const std::string finite = is_real_number(type) ? "bool_and(isfinite(x))" : "true";
  const std::string n = "CAST(count(*) AS HUGEINT)";
  const std::string sum = "sum(" + number + ")";
  const std::string squares = "sum(" + number + " * " + number + ")";
  const std::string cubes = "sum(" + number + " * " + number + " * " + number + ")";
  const std::string second =
      "CAST(" + n + " * " + squares + " - " + sum + " * " + sum + " AS DOUBLE)";
  const std::string pairs = "CAST(count(*) * (count(*) - 1) AS DOUBLE)";
  const std::string square_scale = is_real_number(type) ? " / 4096" : "";
  const std::string nan = "WHEN NOT " + finite + " THEN CAST('nan' AS DOUBLE) ";
  if (aggregate == Aggregate::kSkewness) {
    const std::string third = n + " * " + n + " * " + cubes + " - 3 * " + n + " * " + sum + " * " +
                              squares + " + 2 * " + sum + " * " + sum + " * " + sum;
    return "CASE WHEN count(*) < 3 THEN NULL " + nan + "WHEN " + second + " = 0 THEN NULL ELSE " +
           "sign(" + third + ") * CAST(abs(" + third + ") AS DOUBLE) / (" + second + " * sqrt(" +
           second + ")) * (sqrt(" + pairs + ") / CAST(count(*) - 2 AS DOUBLE)) END";
  }
  const std::string variance = second + " / " + pairs + square_scale;
  return "CASE WHEN count(*) < 2 THEN NULL " + nan + "ELSE " +
         (aggregate == Aggregate::kStddev ? "sqrt(" + variance + ")" : variance) + " END";
}

/// An aggregate over the column x without nulls; "" where SQL has none.
std::string aggregate_sql(const FeatureDef& feature, const Type& type, bool small_numbers) {
  const bool real = is_real_number(type);
  const std::string whole = type == Type::kBool ? "CAST(x AS INTEGER)" : "x";
  switch (feature.aggregate) {
    case Aggregate::kCount:
      return "count(*)";
    case Aggregate::kSum:
      if (!real) {
        return "TRY_CAST(sum(CAST(" + whole + " AS HUGEINT)) AS BIGINT)";
      }
      return small_numbers ? "sum(CAST(x AS DOUBLE))" : "";
    case Aggregate::kMean:
      return small_numbers ? "sum(CAST(" + whole + " AS DOUBLE)) / CAST(count(*) AS DOUBLE)" : "";
    case Aggregate::kVariance:
    case Aggregate::kStddev:
    case Aggregate::kSkewness:
      return small_numbers ? moment(feature.aggregate, type) : "";
    case Aggregate::kMin:
      return real ? extreme("min", "bool_or(x = 0 AND signbit(x))", type) : "min(x)";
    case Aggregate::kMax:
      return real ? extreme("max", "NOT bool_or(x = 0 AND NOT signbit(x))", type) : "max(x)";
    case Aggregate::kDistinct:
      return "count(DISTINCT " + one_zero(type) + ")";
    case Aggregate::kQuantile: {
      char q[32];
      std::snprintf(q, sizeof(q), "%.17g", feature.q);
      return "list_sort(list(CAST(" + whole + " AS DOUBLE)))[greatest(CAST(ceil(CAST(" +
             std::string(q) + " AS DOUBLE) * count(*)) AS BIGINT), 1)]";
    }
    case Aggregate::kAny:
      return "bool_or(x)";
    case Aggregate::kAll:
      return "bool_and(x)";
    default:
      return "";  // those that have a query of their own, and kApproxDistinct
  }
}

bool counts(const FeatureDef& feature) {
  return feature.kind == FeatureDef::Kind::kWindow &&
         (feature.aggregate == Aggregate::kCount || feature.aggregate == Aggregate::kDistinct);
}

}  // namespace

ViewSql::ViewSql(const RandomDefinition& made, const FeatureView& view) : made_(made), view_(view) {
  for (const bool computed : {false, true}) {
    for (const FeatureDef& feature : made.view.definition.features) {
      if ((feature.kind == FeatureDef::Kind::kExpr || feature.kind == FeatureDef::Kind::kRatio) ==
          computed) {
        add(feature);
      }
    }
  }
}

const RandomExpression& ViewSql::expression(const std::string& text) const {
  return made_.view.expressions.at(text);
}

bool ViewSql::is_known(const std::string& output) const {
  return std::any_of(outputs_.begin(), outputs_.end(), [&](const Output& one) {
    return one.name == output && one.known && !one.cut;
  });
}

void ViewSql::add(const FeatureDef& feature) {
  const std::vector<std::string> names = catalog::output_names(feature);
  for (std::size_t i = 0; i < names.size(); ++i) {
    features_.push_back(&feature);
    switch (feature.kind) {
      case FeatureDef::Kind::kLatest:
        add_latest(names[i], "\"" + feature.column + "\"");
        break;
      case FeatureDef::Kind::kWindow:
        add_window(feature, names[i], feature.over[i]);
        break;
      case FeatureDef::Kind::kSince:
        if (feature.column == catalog::kSessionStartTime) {
          add_session(feature);
        } else {
          add_latest(names[i],
                     "CAST(now - epoch_us(" +
                         (feature.column == catalog::kLastEvent ? "event_time" : feature.column) +
                         ") AS DOUBLE) / 1000000");
        }
        break;
      case FeatureDef::Kind::kSequence:
        if (catalog::is_of_session(feature.sequence)) {
          add_session(feature);
        } else {
          add_changes(feature, names[i], feature.over[i]);
        }
        break;
      case FeatureDef::Kind::kExpr:
      case FeatureDef::Kind::kRatio:
        add_computed(feature, names[i], i);
        break;
    }
  }
}

void ViewSql::add_latest(const std::string& name, const std::string& value) {
  outputs_.push_back({name, first_row(value, "seen", kBackwards), "o.v"});
}

void ViewSql::add_window(const FeatureDef& feature, const std::string& name, Duration length) {
  const Type type = feature.of.empty() ? Type(Type::kInt64) : expression(feature.of).type;
  const std::string inside =
      "SELECT id, et, kt, sequence, (" +
      (feature.of.empty() ? std::string("1") : expression(feature.of).sql) +
      ") AS x FROM seen WHERE et < slide_end AND et >= slide_end - " + digits(length.micros) +
      (feature.where.empty() ? "" : " AND (" + expression(feature.where).sql + ")");
  Output output{name, "", counts(feature) ? "coalesce(o.v, 0)" : "o.v"};
  if (feature.aggregate == Aggregate::kFirst || feature.aggregate == Aggregate::kLast) {
    output.table = first_row("x",
                             "(" + inside + ") WHERE x IS NOT NULL",
                             feature.aggregate == Aggregate::kFirst ? kOrder : kBackwards);
  } else if (feature.aggregate == Aggregate::kMode) {
    output.table = "SELECT id, first(x ORDER BY times DESC, x) AS v FROM (SELECT id, " +
                   one_zero(type) + " AS x, count(*) AS times FROM (" + inside +
                   ") WHERE x IS NOT NULL GROUP BY 1, 2) GROUP BY id";
  } else {
    const std::string aggregate = aggregate_sql(feature, type, made_.small_numbers);
    output.known = !aggregate.empty();
    output.cut = feature.aggregate == Aggregate::kQuantile;
    output.table = "SELECT id, " + (output.known ? aggregate : "NULL") + " AS v FROM (" + inside +
                   ") WHERE x IS NOT NULL GROUP BY id";
  }
  outputs_.push_back(std::move(output));
}

void ViewSql::add_changes(const FeatureDef& feature, const std::string& name, Duration length) {
  const RandomExpression& of = expression(feature.of);
  const std::string zeros =
      is_real_number(of.type)
          ? " OR coalesce(x = 0 AND before = 0 AND signbit(x) <> signbit(before), false)"
          : "";
  const std::string changed = "n > 1 AND (x IS DISTINCT FROM before" + zeros + ")";
  const std::string rows =
      "(SELECT id, et, x, lag(x) OVER w AS before, row_number() OVER w AS n, count(*) OVER "
      "(PARTITION BY id) AS total FROM (SELECT id, et, kt, sequence, (" +
      of.sql + ") AS x FROM seen WHERE et >= slide_end - " + digits(length.micros) +
      ") WINDOW w AS (PARTITION BY id ORDER BY " + kOrder + "))";
  Output output{name, "", "o.v"};
  switch (feature.sequence) {
    case SequenceValue::kChanges:
      output.table = "SELECT id, count(*) AS v FROM " + rows + " WHERE " + changed + " GROUP BY id";
      output.value = "coalesce(o.v, 0)";
      break;
    case SequenceValue::kPrevious:
      output.table = first_row("before", rows + " WHERE " + changed, "n DESC");
      break;
    case SequenceValue::kChangedAt:
      output.table = first_row("make_timestamp(et)", rows + " WHERE " + changed, "n DESC");
      break;
    default:
      output.table = "SELECT id, x AS v FROM " + rows + " WHERE n = total - " + digits(feature.k);
  }
  outputs_.push_back(std::move(output));
}

/// Sessions go one event at a time: whether it joins depends on where its session began.
std::string ViewSql::session_tables() const {
  const catalog::SessionDef& meaning = *made_.view.definition.session;
  const std::string gap = digits(meaning.gap.micros);
  const std::string max = digits(meaning.max ? meaning.max->micros : EventTime::max().micros / 2);
  const std::string joins = "o.et - c.et < " + gap + " AND o.et - c.first < " + max;
  return ", ordered AS MATERIALIZED (SELECT *, row_number() OVER (PARTITION BY id ORDER BY " +
         std::string(kOrder) + ") AS n FROM seen WHERE et >= slide_end - " +
         digits(meaning.over.micros) +
         "), cut AS (SELECT id, n, et, et AS first, 1 AS number FROM ordered WHERE n = 1 UNION ALL "
         "SELECT o.id, o.n, o.et, CASE WHEN " +
         joins + " THEN c.first ELSE o.et END, CASE WHEN " + joins +
         " THEN c.number ELSE c.number + 1 END FROM cut c JOIN ordered o ON o.id = c.id AND o.n = "
         "c.n + 1), whole AS (SELECT id, max(number) AS sessions, count(*) AS events FROM cut "
         "GROUP BY id), newest AS MATERIALIZED (SELECT id, count(*) AS events, min(n) AS first_n, "
         "max(n) AS last_n, min(et) AS first, max(et) AS last, any_value(now) < max(et) + " +
         gap + " AND any_value(now) < min(et) + " + max +
         " AS open, any_value(sessions) AS sessions, any_value(all_events) AS all_events, "
         "any_value(now) AS now FROM (SELECT c.*, o.now, w.sessions, w.events AS all_events FROM "
         "cut c JOIN ordered o ON o.id = c.id AND o.n = c.n JOIN whole w ON w.id = c.id WHERE "
         "c.number = w.sessions) GROUP BY id)";
}

void ViewSql::add_session(const FeatureDef& feature) {
  const auto of_newest = [&](const std::string& value) {
    return "SELECT id, " + value + " AS v FROM newest";
  };
  Output output{feature.name, "", "o.v"};
  if (feature.kind == FeatureDef::Kind::kSince) {
    output.table = of_newest("CASE WHEN open THEN CAST(now - first AS DOUBLE) / 1000000 END");
    outputs_.push_back(std::move(output));
    return;
  }
  switch (feature.sequence) {
    case SequenceValue::kSessionCount:
      output.table = of_newest("sessions");
      output.value = "coalesce(o.v, 0)";
      break;
    case SequenceValue::kSessionEvents:
      output.table = of_newest("CASE WHEN open THEN events ELSE 0 END");
      output.value = "coalesce(o.v, 0)";
      break;
    case SequenceValue::kSessionDuration:
      output.table = of_newest("CAST(last - first AS DOUBLE) / 1000000");
      break;
    case SequenceValue::kSessionMeanEvents:
      output.table = of_newest("CAST(all_events AS DOUBLE) / CAST(sessions AS DOUBLE)");
      break;
    case SequenceValue::kSessionOpen:
      output.table = of_newest("open");
      output.value = "coalesce(o.v, false)";
      break;
    case SequenceValue::kSessionStart:
      output.table = of_newest("CASE WHEN open THEN make_timestamp(first) END");
      break;
    default:
      output.table = "SELECT o.id, (" + expression(feature.of).sql +
                     ") AS v FROM ordered o JOIN newest s ON s.id = o.id AND s.open AND o.n = " +
                     (feature.sequence == SequenceValue::kSessionFirst ? "s.first_n" : "s.last_n");
  }
  outputs_.push_back(std::move(output));
}

void ViewSql::add_computed(const FeatureDef& feature, const std::string& name, std::size_t output) {
  if (feature.kind == FeatureDef::Kind::kRatio) {
    const std::string window = "_" + format_duration(feature.over[output]);
    outputs_.push_back({name,
                        "",
                        "CAST(\"" + feature.above + window + "\" AS DOUBLE) / nullif(CAST(\"" +
                            feature.below + window + "\" AS DOUBLE), 0)",
                        is_known(feature.above + window) && is_known(feature.below + window)});
    return;
  }
  const RandomExpression& of = expression(feature.expression);
  const bool known = std::all_of(of.columns.begin(),
                                 of.columns.end(),
                                 [&](const std::string& column) { return is_known(column); });
  outputs_.push_back({name, "", known ? of.sql : "NULL", known});
}

std::string ViewSql::query(const TestKey& key) const {
  std::string questions;
  for (std::size_t i = 0; i < made_.instants.size(); ++i) {
    questions += (i == 0 ? "(" : ", (") + std::to_string(i) + ", CAST(" +
                 digits(made_.instants[i]) + " AS BIGINT))";
  }
  std::string of_entity;
  for (const data::Field& field : made_.view.entity.keys) {
    of_entity += " AND e.\"" + field.name + "\" = " +
                 (field.name == "user" ? SqlEngine::literal(key.user)
                                       : "CAST('" + digits(key.item) + "' AS BIGINT)");
  }
  const auto is_window = [](const FeatureDef* feature) {
    return feature->kind == FeatureDef::Kind::kWindow || feature->kind == FeatureDef::Kind::kExpr ||
           feature->kind == FeatureDef::Kind::kRatio;
  };
  const bool only_windows = std::all_of(features_.begin(), features_.end(), is_window);
  std::string sql =
      "WITH RECURSIVE questions(id, now) AS (VALUES " + questions +
      "), seen AS MATERIALIZED (SELECT q.id, q.now, q.now - q.now % " +
      digits(made_.view.definition.slide.micros) +
      " AS slide_end, e.*, epoch_us(e.event_time) AS et, epoch_us(e.known_time) AS kt FROM "
      "questions q JOIN events e ON epoch_us(e.event_time) <= q.now AND epoch_us(e.known_time) <= "
      "q.now" +
      of_entity + "), newest_event AS (SELECT id, max(et) AS v FROM seen" +
      (only_windows ? " WHERE et < slide_end" : "") + " GROUP BY id)";
  if (made_.view.definition.session) {
    sql += session_tables();
  }
  std::string selected;
  std::string joined;
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const Output& output = outputs_[i];
    std::string value = output.value;
    if (!output.table.empty()) {
      const std::string table = "o" + std::to_string(i);
      sql += ", " + table + " AS (" + output.table + ")";
      joined += " LEFT JOIN " + table + " ON " + table + ".id = q.id";
      value.replace(value.find("o.v"), 3, table + ".v");
    }
    const Type& type =
        std::find_if(view_.features().begin(), view_.features().end(), [&](const data::Field& f) {
          return f.name == output.name;
        })->type;
    selected +=
        ", CAST((" + value + ") AS " + SqlEngine::sql_type(type) + ") AS \"" + output.name + "\"";
  }
  return sql + " SELECT q.id, newest_event.v AS newest" + selected +
         " FROM questions q LEFT JOIN newest_event ON newest_event.id = q.id" + joined +
         " ORDER BY q.id";
}

Result<std::vector<SqlAnswer>> ViewSql::ask(SqlEngine& engine, const TestKey& key) const {
  const std::string sql = query(key);
  Result<data::Batch> rows = engine.query(sql);
  if (!rows.ok()) {
    return std::move(rows).status().with_context(sql);
  }
  std::vector<SqlAnswer> answers(made_.instants.size());
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    const data::Scalar newest = rows->find("newest")->scalar(row);
    if (newest.is_null()) {
      continue;
    }
    answers[i].event_time = std::get<int64_t>(newest.value);
    for (const data::Field& field : view_.features()) {
      data::Scalar value = rows->find(field.name)->scalar(row);
      const auto output = static_cast<std::size_t>(
          std::find_if(outputs_.begin(),
                       outputs_.end(),
                       [&](const Output& one) { return one.name == field.name; }) -
          outputs_.begin());
      const FeatureDef& feature = *features_[output];
      if (outputs_[output].cut && !value.is_null()) {
        value = naive_aggregate_of(feature, Type::kFloat64, {{{0, 0, 0}, value}});
      }
      answers[i].values.push_back(outputs_[output].known ? std::optional(canonical(value))
                                                         : std::nullopt);
    }
  }
  return answers;
}

}  // namespace assay::gold
