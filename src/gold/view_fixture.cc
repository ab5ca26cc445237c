#include "gold/view_fixture.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <functional>
#include <limits>
#include <tuple>

#include "catalog/feature_schema.h"
#include "catalog/slide.h"
#include "gold/exact_sum.h"
#include "gold/sequence_fixture.h"

namespace assay::gold {
namespace {

using catalog::Aggregate;
using catalog::FeatureDef;
using data::Scalar;
using data::Type;
using Rows = std::vector<const TestRow*>;

FeatureDef window_feature(const std::string& name,
                          Aggregate aggregate,
                          const std::string& of,
                          const std::string& where,
                          const std::vector<int64_t>& minutes) {
  FeatureDef feature;
  feature.kind = FeatureDef::Kind::kWindow;
  feature.name = name;
  feature.aggregate = aggregate;
  feature.of = of;
  feature.where = where;
  for (const int64_t length : minutes) {
    feature.over.push_back({length * kMinute});
  }
  return feature;
}

FeatureDef computed_feature(const std::string& name, const std::string& expression) {
  FeatureDef feature;
  feature.kind = FeatureDef::Kind::kExpr;
  feature.name = name;
  feature.expression = expression;
  return feature;
}

FeatureDef since_feature(const std::string& name, const std::string& from) {
  FeatureDef feature;
  feature.kind = FeatureDef::Kind::kSince;
  feature.name = name;
  feature.column = from;
  return feature;
}

FeatureDef latest_feature(const std::string& name, const std::string& column) {
  FeatureDef feature;
  feature.kind = FeatureDef::Kind::kLatest;
  feature.name = name;
  feature.column = column;
  return feature;
}

template <typename T>
void append_optional(data::ColumnBuilder& builder, const std::optional<T>& value) {
  if (!value) {
    builder.append_null();
  } else if constexpr (std::is_same_v<T, std::string>) {
    builder.append_text(*value);
  } else if constexpr (std::is_same_v<T, bool>) {
    builder.append(static_cast<uint8_t>(*value ? 1 : 0));
  } else {
    builder.append(*value);
  }
}

// One number in three is on a slide's edge, so that edges are met exactly.
int64_t random_instant(Random& random) {
  const auto minutes = static_cast<int64_t>(random.below(360));
  switch (random.below(3)) {
    case 0:
      return kTestStart + minutes / 10 * kTestSlide;
    case 1:
      return kTestStart + minutes * kMinute;
    default:
      return kTestStart + minutes * kMinute + static_cast<int64_t>(random.below(kMinute));
  }
}

std::optional<double> random_amount(Random& random) {
  switch (random.below(20)) {
    case 0:
      return std::numeric_limits<double>::quiet_NaN();
    case 1:
      return std::numeric_limits<double>::infinity();
    case 2:
      return -std::numeric_limits<double>::infinity();
    case 3:
      return -0.0;
    case 4:
      return 1e300;
    case 5:
      return -1e300;
    case 6:
    case 7:
      return std::nullopt;
    default:
      return static_cast<double>(random.below(100000)) / 100.0 - 300.0;
  }
}

bool has_key(const TestRow& row, const TestKey& key) {
  return row.user == key.user && row.item == key.item;
}

/// Exact sum of a member over the rows that have it, with how many there were.
template <typename T>
std::pair<double, int64_t> real_sum(const Rows& rows, std::optional<T> TestRow::*member) {
  ExactSum sum;
  int64_t count = 0;
  for (const TestRow* row : rows) {
    if (row->*member) {
      sum.add(static_cast<double>(*(row->*member)));
      ++count;
    }
  }
  return {sum.round(), count};
}

template <typename T, typename Less>
std::optional<T> largest(const Rows& rows, std::optional<T> TestRow::*member, Less less) {
  std::optional<T> result;
  for (const TestRow* row : rows) {
    if (row->*member && (!result || less(*result, *(row->*member)))) {
      result = row->*member;
    }
  }
  return result;
}

/// NaN is the largest number; -0.0 is less than 0.0.
bool real_less(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) {
    return !std::isnan(a);
  }
  return a < b || (a == b && std::signbit(a) && !std::signbit(b));
}

Scalar real_or_null(std::optional<double> value) {
  return value ? Scalar::float64(*value) : Scalar::null(Type::kFloat64);
}

Scalar text_or_null(std::optional<std::string> value) {
  return value ? Scalar::string(*value) : Scalar::null(Type::kString);
}

Rows of_kind_a(const Rows& rows) {
  Rows result;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(result), [](const TestRow* row) {
    return row->kind == "a";
  });
  return result;
}

Rows flagged(const Rows& rows) {
  Rows result;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(result), [](const TestRow* row) {
    return row->flag == true;
  });
  return result;
}

Scalar spend(const Rows& rows) {
  const auto [sum, count] = real_sum(of_kind_a(rows), &TestRow::amount);
  return count == 0 ? Scalar::null(Type::kFloat64) : Scalar::float64(sum);
}

std::optional<int64_t> units(const Rows& rows) {
  std::optional<int64_t> sum;
  for (const TestRow* row : rows) {
    if (row->units) {
      sum = sum.value_or(0) + *row->units;
    }
  }
  return sum;
}

Scalar units_scalar(const Rows& rows) {
  const std::optional<int64_t> sum = units(rows);
  return sum ? Scalar::int64(*sum) : Scalar::null(Type::kInt64);
}

template <typename T>
Scalar mean(const Rows& rows, std::optional<T> TestRow::*member) {
  const auto [sum, count] = real_sum(rows, member);
  return count == 0 ? Scalar::null(Type::kFloat64)
                    : Scalar::float64(sum / static_cast<double>(count));
}

Scalar count(std::size_t rows) {
  return Scalar::int64(static_cast<int64_t>(rows));
}

std::size_t counted_amounts(const Rows& rows) {
  return static_cast<std::size_t>(real_sum(rows, &TestRow::amount).second);
}

/// Values also where no event is seen: those over nothing.
Answer naive_window_answer(const std::vector<TestRow>& rows,
                           const TestKey& key,
                           int64_t instant,
                           int64_t slide) {
  const int64_t slide_end = floor_to(instant, slide);
  Answer answer;
  const auto window = [&](int64_t minutes) {
    Rows inside;
    for (const TestRow& row : rows) {
      if (has_key(row, key) && row.known_time <= instant && row.event_time < slide_end &&
          row.event_time >= slide_end - minutes * kMinute) {
        inside.push_back(&row);
      }
    }
    return inside;
  };
  for (const TestRow& row : rows) {
    if (has_key(row, key) && row.known_time <= instant && row.event_time < slide_end) {
      answer.event_time = std::max(answer.event_time.value_or(row.event_time), row.event_time);
    }
  }
  const Rows short_rows = window(10);
  const Rows hour = window(60);
  const Rows long_rows = window(180);
  const auto real_greater = [](double a, double b) { return real_less(b, a); };
  const auto greater_text = std::greater<std::string>();
  const Scalar spend_hour = spend(hour);
  const std::optional<float> high =
      largest(flagged(hour), &TestRow::ratio, [](float a, float b) { return a < b; });
  answer.values = {
      count(short_rows.size()),
      count(hour.size()),
      count(long_rows.size()),
      spend_hour,
      spend(long_rows),
      spend_hour.is_null() || hour.empty()
          ? Scalar::null(Type::kFloat64)
          : Scalar::float64(std::get<double>(spend_hour.value) / static_cast<double>(hour.size())),
      units_scalar(long_rows),
      units_scalar(short_rows),
      mean(hour, &TestRow::amount),
      mean(long_rows, &TestRow::units),
      mean(hour, &TestRow::flag),
      real_or_null(largest(hour, &TestRow::amount, real_greater)),
      real_or_null(largest(long_rows, &TestRow::amount, real_greater)),
      high ? Scalar{Type::kFloat32, static_cast<double>(*high)} : Scalar::null(Type::kFloat32),
      text_or_null(largest(long_rows, &TestRow::kind, greater_text)),
      text_or_null(largest(flagged(hour), &TestRow::kind, std::less<std::string>())),
      count(counted_amounts(hour)),
      Scalar::int64(units(long_rows).value_or(0) + static_cast<int64_t>(long_rows.size())),
  };
  return answer;
}

const TestRow* newest_row(const std::vector<TestRow>& rows, const TestKey& key, int64_t instant) {
  const TestRow* newest = nullptr;
  const auto order = [](const TestRow& row) {
    return std::tuple(row.event_time, row.known_time, row.sequence);
  };
  for (const TestRow& row : rows) {
    if (has_key(row, key) && row.event_time <= instant && row.known_time <= instant &&
        (newest == nullptr || order(row) > order(*newest))) {
      newest = &row;
    }
  }
  return newest;
}

Answer naive_latest_answer(const std::vector<TestRow>& rows, const TestKey& key, int64_t instant) {
  const TestRow* newest = newest_row(rows, key, instant);
  Answer answer;
  if (newest == nullptr) {
    return answer;
  }
  answer.event_time = newest->event_time;
  const auto whole = [](std::optional<int64_t> value) {
    return value ? Scalar::int64(*value) : Scalar::null(Type::kInt64);
  };
  answer.values = {
      text_or_null(newest->kind),
      real_or_null(newest->amount),
      whole(newest->units ? std::optional(*newest->units * 2) : std::nullopt),
      whole(newest->units),
      newest->ratio ? Scalar{Type::kFloat32, static_cast<double>(*newest->ratio)}
                    : Scalar::null(Type::kFloat32),
      newest->flag ? Scalar::boolean(*newest->flag) : Scalar::null(Type::kBool),
  };
  return answer;
}

/// An answer as soon as one part has one; the newest event of any.
Answer naive_composed_answer(const std::vector<TestRow>& rows,
                             const TestKey& key,
                             int64_t instant) {
  const Answer windows = naive_window_answer(rows, key, instant, kTestSlide);
  Answer answer = naive_latest_answer(rows, key, instant);
  if (!answer.event_time) {
    return answer;  // an event that a window sees is visible
  }
  const int64_t units = answer.values[3].is_null() ? 0 : std::get<int64_t>(answer.values[3].value);
  answer.values.insert(answer.values.end(), windows.values.begin(), windows.values.end());
  const Answer sequences = naive_sequence_answer(rows, key, instant, std::nullopt);
  answer.values.insert(answer.values.end(), sequences.values.begin(), sequences.values.end());
  const int64_t events = std::get<int64_t>(windows.values[1].value);
  answer.values.push_back(Scalar::int64(units + events));
  const auto seconds_since = [&](int64_t time) {
    return static_cast<double>(instant - time) / 1e6;
  };
  const TestRow* newest = newest_row(rows, key, instant);
  answer.values.push_back(Scalar::float64(seconds_since(newest->event_time)));
  answer.values.push_back(Scalar::float64(seconds_since(newest->known_time)));
  int64_t first = newest->event_time;
  for (const TestRow& row : rows) {
    if (has_key(row, key) && row.event_time <= instant && row.known_time <= instant) {
      first = std::min(first, row.event_time);
    }
  }
  answer.values.push_back(Scalar::float64(seconds_since(first)));
  // January: Berlin is an hour ahead.
  answer.values.push_back(Scalar::int64((instant / (60 * kMinute) + 1) % 24 + events));
  answer.values.push_back(Scalar::float64(seconds_since(newest->event_time) / 60));
  return answer;
}

}  // namespace

data::SchemaPtr test_schema() {
  return data::make_schema({{"user", Type::kString, true},
                            {"item", Type::kInt64, true},
                            {"event_time", Type::kTimestamp, false},
                            {"known_time", Type::kTimestamp, false},
                            {"sequence", Type::kInt64, false},
                            {"amount", Type::kFloat64, true},
                            {"units", Type::kInt64, true},
                            {"ratio", Type::kFloat32, true},
                            {"flag", Type::kBool, true},
                            {"kind", Type::kString, true},
                            {"point", Type::array(Type::kFloat32, 2), true}});
}

data::Batch batch_of(const std::vector<TestRow>& rows) {
  data::BatchBuilder builder(test_schema());
  for (const TestRow& row : rows) {
    append_optional(builder.column(0), row.user);
    append_optional(builder.column(1), row.item);
    builder.column(2).append(row.event_time);
    builder.column(3).append(row.known_time);
    builder.column(4).append(row.sequence);
    append_optional(builder.column(5), row.amount);
    append_optional(builder.column(6), row.units);
    append_optional(builder.column(7), row.ratio);
    append_optional(builder.column(8), row.flag);
    append_optional(builder.column(9), row.kind);
    if (!row.point) {
      builder.column(10).append_null();
      continue;
    }
    for (const std::optional<float>& element : *row.point) {
      append_optional(builder.column(10).child(0), element);
    }
    builder.column(10).append_nested();
  }
  return builder.finish();
}

std::vector<TestRow> random_rows(Random& random, int64_t count) {
  std::vector<TestRow> rows;
  const auto maybe = [&] { return random.below(8) != 0; };
  for (int64_t i = 0; i < count; ++i) {
    if (!rows.empty() && random.below(12) == 0) {
      rows.push_back(rows[random.below(rows.size())]);
      rows.back().sequence = i;
      continue;
    }
    TestRow row;
    row.user =
        random.below(30) == 0 ? std::nullopt : std::optional("u" + std::to_string(random.below(2)));
    row.item = random.below(30) == 0 ? std::nullopt
                                     : std::optional(static_cast<int64_t>(random.below(2)) - 1);
    row.event_time = random_instant(random);
    row.known_time = row.event_time;
    const uint64_t lateness = random.below(4);
    if (lateness == 0) {
      row.known_time += static_cast<int64_t>(random.below(300)) * kMinute;
    } else if (lateness == 1) {
      row.known_time += static_cast<int64_t>(random.below(5)) * kTestSlide - kTestSlide;
    }
    row.sequence = i;
    row.amount = random_amount(random);
    if (maybe()) {
      row.units = static_cast<int64_t>(random.below(20)) - 10;
      row.ratio = static_cast<float>(random.below(1000)) / 7.0F;
      row.flag = random.below(2) == 0;
    }
    if (maybe()) {
      row.kind = std::string(1, static_cast<char>('a' + random.below(3)));
    }
    if (maybe()) {
      for (std::optional<float>& element : row.point.emplace(2)) {
        if (maybe()) {
          element = static_cast<float>(random.below(200)) / 8.0F - 10.0F;
        }
      }
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<TestKey> keys_of(const std::vector<TestRow>& rows) {
  std::vector<TestKey> keys;
  for (const TestRow& row : rows) {
    if (row.user && row.item) {
      const TestKey key{*row.user, *row.item};
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
        keys.push_back(key);
      }
    }
  }
  return keys;
}

std::vector<int64_t> instants_of(Random& random, const std::vector<TestRow>& rows) {
  std::vector<int64_t> instants;
  const auto add = [&](int64_t instant) {
    instants.insert(instants.end(), {instant - 1, instant, instant + 1});
  };
  for (const TestRow& row : rows) {
    const int64_t tile_end = floor_to(row.event_time, kTestSlide) + kTestSlide;
    add(std::max(row.known_time, tile_end));
    add(std::max(row.known_time, row.event_time));
    for (const int64_t minutes : {10, 60, 180}) {
      add(tile_end + minutes * kMinute);
      add(row.event_time + minutes * kMinute);
    }
    add(row.event_time + kTestGap);
    add(row.event_time + kTestSessionMax);
  }
  for (int i = 0; i < 20; ++i) {
    instants.push_back(random_instant(random) + static_cast<int64_t>(random.below(400)) * kMinute);
  }
  std::sort(instants.begin(), instants.end());
  instants.erase(std::unique(instants.begin(), instants.end()), instants.end());
  return instants;
}

catalog::EntityDef test_entity() {
  catalog::EntityDef entity;
  entity.name = "pair";
  entity.keys = {{"user", Type::kString, false}, {"item", Type::kInt64, false}};
  return entity;
}

catalog::FeatureViewDef window_definition() {
  catalog::FeatureViewDef view;
  view.name = "activity";
  view.entity = "pair";
  view.from = "events";
  view.ttl = Duration{4 * 60 * kMinute};
  view.slide = {kTestSlide};
  view.features = {
      window_feature("events", Aggregate::kCount, "", "", {10, 60, 180}),
      window_feature("spend", Aggregate::kSum, "amount", "kind = 'a'", {60, 180}),
      computed_feature("rate", "spend_1h / nullif(events_1h, 0)"),
      window_feature("units", Aggregate::kSum, "units", "", {180, 10}),
      window_feature("mean_amount", Aggregate::kMean, "amount", "", {60}),
      window_feature("mean_units", Aggregate::kMean, "units", "", {180}),
      window_feature("share", Aggregate::kMean, "flag", "", {60}),
      window_feature("low", Aggregate::kMin, "amount", "", {60, 180}),
      window_feature("high", Aggregate::kMax, "ratio", "flag", {60}),
      window_feature("first_kind", Aggregate::kMin, "kind", "", {180}),
      window_feature("last_kind", Aggregate::kMax, "kind", "flag", {60}),
      window_feature("amounts", Aggregate::kCount, "amount", "", {60}),
      computed_feature("load", "coalesce(units_3h, 0) + events_3h"),
  };
  return view;
}

catalog::FeatureViewDef continuous_definition() {
  catalog::FeatureViewDef view = window_definition();
  view.name = "continuous";
  view.slide = catalog::kContinuousSlide;
  return view;
}

catalog::FeatureViewDef latest_definition() {
  catalog::FeatureViewDef view;
  view.name = "profile";
  view.entity = "pair";
  view.from = "events";
  view.ttl = Duration{60 * kMinute};
  view.features = {latest_feature("kind", ""),
                   latest_feature("price", "amount"),
                   computed_feature("double_units", "last_units * 2"),
                   latest_feature("last_units", "units"),
                   latest_feature("ratio", ""),
                   latest_feature("flag", "")};
  return view;
}

catalog::FeatureViewDef composed_definition() {
  catalog::FeatureViewDef view = window_definition();
  view.name = "both";
  const catalog::FeatureViewDef latest = latest_definition();
  view.features.insert(view.features.begin(), latest.features.begin(), latest.features.end());
  const catalog::FeatureViewDef sequences = sequence_definition(false);
  view.session = sequences.session;
  view.features.insert(view.features.end(), sequences.features.begin(), sequences.features.end());
  view.features.push_back(computed_feature("mixed", "coalesce(last_units, 0) + events_1h"));
  view.features.push_back(since_feature("idle", catalog::kLastEvent));
  view.features.push_back(since_feature("unheard", "known_time"));
  view.features.push_back(since_feature("age", catalog::kFirstEvent));
  view.features.push_back(
      computed_feature("local_hour", "hour(timezone('Europe/Berlin', now())) + events_1h"));
  view.features.push_back(computed_feature("idle_minutes", "idle / 60"));
  return view;
}

catalog::FeatureViewDef definition_of(TestView kind) {
  switch (kind) {
    case TestView::kWindow:
      return window_definition();
    case TestView::kLatest:
      return latest_definition();
    case TestView::kSequence:
      return sequence_definition(true);
    case TestView::kContinuous:
      return continuous_definition();
    case TestView::kComposed:
      break;
  }
  return composed_definition();
}

std::string name_of(TestView kind) {
  switch (kind) {
    case TestView::kWindow:
      return "Window";
    case TestView::kLatest:
      return "Latest";
    case TestView::kSequence:
      return "Sequence";
    case TestView::kContinuous:
      return "Continuous";
    case TestView::kComposed:
      break;
  }
  return "Composed";
}

FeatureViewPtr compile_or_die(const catalog::FeatureViewDef& definition) {
  Result<FeatureViewPtr> view = FeatureView::compile(definition, test_entity(), *test_schema());
  if (!view.ok()) {
    std::fprintf(stderr, "%s\n", view.status().to_string().c_str());
  }
  return std::move(view).value();
}

Answer naive_answer(const FeatureView& view,
                    const std::vector<TestRow>& rows,
                    const TestKey& key,
                    int64_t instant) {
  if (view.name() == definition_of(TestView::kComposed).name) {
    return naive_composed_answer(rows, key, instant);
  }
  if (view.name() == definition_of(TestView::kSequence).name) {
    return naive_sequence_answer(rows, key, instant, kTestSessionMax);
  }
  if (view.name() == definition_of(TestView::kLatest).name) {
    return naive_latest_answer(rows, key, instant);
  }
  Answer answer = naive_window_answer(rows, key, instant, view.slide().micros);
  if (!answer.event_time) {
    answer.values.clear();
  }
  return answer;
}

}  // namespace assay::gold
