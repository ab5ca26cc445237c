#include "gold/aggregate_twin.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "base/hash.h"
#include "gold/aggregate.h"
#include "gold/exact_sum.h"
#include "gold/naive_integer.h"

namespace assay::gold {
namespace {

using catalog::Aggregate;
using catalog::FeatureDef;
using data::Scalar;
using data::Type;

using Item = OrderedValue;
using Items = std::vector<Item>;

/// A list or an array of these.
Scalar nested_scalar(const Type& type, const std::vector<Scalar>& values) {
  data::ColumnBuilder builder(type);
  for (const Scalar& value : values) {
    builder.child(0).append_scalar(value);
  }
  builder.append_nested();
  return Scalar::nested(builder.finish());
}

std::optional<Scalar> value_in(const TestRow& row, const std::string& of) {
  if (of.empty()) {
    return Scalar::int64(1);
  }
  if (of == "amount" && row.amount) {
    return Scalar::float64(*row.amount);
  }
  if (of == "units" && row.units) {
    return Scalar::int64(*row.units);
  }
  if (of == "ratio" && row.ratio) {
    return Scalar{Type::kFloat32, static_cast<double>(*row.ratio)};
  }
  if (of == "flag" && row.flag) {
    return Scalar::boolean(*row.flag);
  }
  if (of == "kind" && row.kind) {
    return Scalar::string(*row.kind);
  }
  if (of == "point" && row.point) {
    std::vector<Scalar> elements;
    for (const std::optional<float>& element : *row.point) {
      elements.push_back(element ? Scalar{Type::kFloat32, static_cast<double>(*element)}
                                 : Scalar::null(Type::kFloat32));
    }
    return nested_scalar(Type::array(Type::kFloat32, 2), elements);
  }
  return std::nullopt;
}

Type type_in(const std::string& of) {
  const std::optional<int> index = test_schema()->find(of);
  return index ? test_schema()->field(*index).type : Type(Type::kInt64);
}

double real_in(const Scalar& value) {
  if (const auto* flag = std::get_if<bool>(&value.value)) {
    return *flag ? 1 : 0;
  }
  const auto* whole = std::get_if<int64_t>(&value.value);
  return whole != nullptr ? static_cast<double>(*whole) : std::get<double>(value.value);
}

int64_t whole_in(const Scalar& value) {
  const auto* flag = std::get_if<bool>(&value.value);
  return flag != nullptr ? (*flag ? 1 : 0) : std::get<int64_t>(value.value);
}

/// NaN is the largest number; -0.0 is less than 0.0. Of arrays the tests' rows never ask.
bool less(const Scalar& a, const Scalar& b) {
  if (const auto* text = std::get_if<std::string>(&a.value)) {
    return *text < std::get<std::string>(b.value);
  }
  const auto* x = std::get_if<double>(&a.value);
  if (x == nullptr) {
    return whole_in(a) < whole_in(b);
  }
  const double y = std::get<double>(b.value);
  if (std::isnan(*x) || std::isnan(y)) {
    return !std::isnan(*x);
  }
  return *x < y || (*x == y && std::signbit(*x) && !std::signbit(y));
}

struct Less {
  bool operator()(const Scalar& a, const Scalar& b) const {
    return less(a, b) && !is_nan_pair(a, b);
  }
  static bool is_nan_pair(const Scalar& a, const Scalar& b) {
    const auto* x = std::get_if<double>(&a.value);
    return x != nullptr && std::isnan(*x) && std::isnan(std::get<double>(b.value));
  }
};

/// Values with how often they stand; equal numbers are one.
std::map<Scalar, int64_t, Less> counts_of(const Items& items) {
  std::map<Scalar, int64_t, Less> counts;
  for (const Item& item : items) {
    Scalar value = item.value;
    if (auto* real = std::get_if<double>(&value.value); real != nullptr && *real == 0) {
      *real = 0.0;
    }
    ++counts[value];
  }
  return counts;
}

Scalar real_scalar(double value) {
  return Scalar::float64(std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value);
}

Scalar naive_sum(const Items& items, bool real, bool mean) {
  ExactSum sum;
  Int128 whole = 0;
  for (const Item& item : items) {
    if (real) {
      sum.add(real_in(item.value));
    } else {
      whole += whole_in(item.value);
    }
  }
  if (mean) {
    return real_scalar((real ? sum.round() : static_cast<double>(whole)) /
                       static_cast<double>(items.size()));
  }
  if (real) {
    return real_scalar(sum.round());
  }
  const bool fits =
      whole >= std::numeric_limits<int64_t>::min() && whole <= std::numeric_limits<int64_t>::max();
  return fits ? Scalar::int64(static_cast<int64_t>(whole)) : Scalar::null(Type::kInt64);
}

/// The sum or the mean of each element, as if it were a column by itself.
Scalar naive_vector_sum(const Items& items, const Type& type, bool mean) {
  std::vector<Scalar> elements;
  for (int i = 0; i < type.array_size(); ++i) {
    Items column;
    for (const Item& item : items) {
      const Scalar element = std::get<data::NestedValue>(item.value.value).row->child(0).scalar(i);
      if (!element.is_null()) {
        column.push_back({item.order, element});
      }
    }
    elements.push_back(column.empty() ? Scalar::null(Type::kFloat64)
                                      : naive_sum(column, true, mean));
  }
  return nested_scalar(type, elements);
}

/// Variance, stddev and skewness by their formulas, in whole numbers of any size.
Scalar naive_moment(const Items& items, Aggregate aggregate, bool real) {
  const auto count = static_cast<int64_t>(items.size());
  if (count < (aggregate == Aggregate::kSkewness ? 3 : 2)) {
    return Scalar::null(Type::kFloat64);
  }
  NaiveInteger sum;
  NaiveInteger squares;
  NaiveInteger cubes;
  for (const Item& item : items) {
    if (real && !std::isfinite(real_in(item.value))) {
      return real_scalar(std::numeric_limits<double>::quiet_NaN());
    }
    const NaiveInteger value =
        real ? NaiveInteger::of(real_in(item.value)) : NaiveInteger(whole_in(item.value));
    sum = sum + value;
    squares = squares + value * value;
    cubes = cubes + value * value * value;
  }
  const NaiveInteger n(count);
  NaiveInteger::Rounded second = (n * squares - sum * sum).round();
  const double pairs = static_cast<double>(static_cast<Int128>(count) * (count - 1));
  const auto make_even = [](NaiveInteger::Rounded* number) {
    if (number->exponent % 2 != 0) {
      number->fraction *= 2;
      number->exponent -= 1;
    }
  };
  if (aggregate == Aggregate::kSkewness) {
    if (second.fraction == 0) {
      return Scalar::null(Type::kFloat64);
    }
    make_even(&second);
    const NaiveInteger::Rounded third =
        (n * n * cubes - NaiveInteger(3) * n * sum * squares + NaiveInteger(2) * sum * sum * sum)
            .round();
    const double ratio = third.fraction / (second.fraction * std::sqrt(second.fraction));
    return real_scalar(std::ldexp(ratio * (std::sqrt(pairs) / static_cast<double>(count - 2)),
                                  static_cast<int>(third.exponent - 3 * (second.exponent / 2))));
  }
  second.fraction /= pairs;
  second.exponent -= real ? 2 * 1074 : 0;
  if (aggregate == Aggregate::kVariance) {
    return real_scalar(std::ldexp(second.fraction, static_cast<int>(second.exponent)));
  }
  make_even(&second);
  return real_scalar(std::ldexp(std::sqrt(second.fraction), static_cast<int>(second.exponent / 2)));
}

/// A number cut to seven bits behind the highest.
double naive_cut(double exact) {
  if (exact == 0 || !std::isfinite(exact)) {
    return exact == 0 ? 0.0 : exact;
  }
  int exponent = 0;
  (void)std::frexp(exact, &exponent);
  const int lowest = std::max(exponent, -1021) - 8;
  const double cut = std::trunc(std::ldexp(exact, -lowest)) * std::ldexp(1.0, lowest);
  return cut == 0 ? 0.0 : cut;
}

/// The exact quantile, cut to seven bits behind the highest.
Scalar naive_quantile(Items items, double q) {
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
    return Less()(Scalar::float64(real_in(a.value)), Scalar::float64(real_in(b.value)));
  });
  const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(items.size())));
  return real_scalar(naive_cut(real_in(items[std::max<std::size_t>(rank, 1) - 1].value)));
}

/// Every cut value with how often it stands; also over nothing.
Scalar naive_histogram(const Type& type, const Items& items) {
  std::map<Scalar, double, Less> counts;
  for (const Item& item : items) {
    counts[Scalar::float64(naive_cut(real_in(item.value)))] += 1;
  }
  std::vector<Scalar> numbers;
  for (const auto& [value, count] : counts) {
    numbers.push_back(value);
    numbers.push_back(Scalar::float64(count));
  }
  return nested_scalar(type, numbers);
}

Scalar naive_approx_distinct(const Items& items, Type type) {
  std::map<uint64_t, int> registers;
  for (const auto& [value, count] : counts_of(items)) {
    std::string bytes(8, '\0');
    if (const auto* text = std::get_if<std::string>(&value.value)) {
      bytes = *text;
    } else {
      const int64_t number = is_real(type) ? order_of(real_in(value)) : whole_in(value);
      for (std::size_t i = 0; i < 8; ++i) {
        bytes[i] = static_cast<char>(static_cast<uint64_t>(number) >> (8 * i) & 0xff);
      }
    }
    const uint64_t hash = hash_bytes(bytes);
    int level = 1;
    while (level <= 52 && (hash >> (52 - level) & 1) == 0) {
      ++level;
    }
    int& largest = registers[hash >> 52];
    largest = std::max(largest, level);
  }
  LevelHistogram histogram{};
  histogram[0] = 4096 - static_cast<int64_t>(registers.size());
  for (const auto& entry : registers) {
    ++histogram[static_cast<std::size_t>(entry.second)];
  }
  return Scalar::int64(estimate_distinct(histogram));
}

Scalar naive_mode(const Items& items) {
  const auto counts = counts_of(items);
  const auto* best = &*counts.begin();
  for (const auto& entry : counts) {
    best = entry.second > best->second ? &entry : best;
  }
  return best->first;
}

/// The newest values first; also over nothing.
Scalar naive_last_n(const FeatureDef& feature, const Type& type, Items items) {
  std::stable_sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
    return b.order < a.order || (a.order == b.order && less(b.value, a.value));
  });
  std::vector<Scalar> values;
  for (const Item& item : items) {
    if (static_cast<int64_t>(values.size()) < feature.k) {
      values.push_back(item.value);
    }
  }
  return nested_scalar(type, values);
}

/// The values that stand most often, or how often they stand; also over nothing.
Scalar naive_top(const FeatureDef& feature, const Type& type, const Items& items) {
  std::map<Scalar, int64_t, Less> counts = counts_of(items);
  std::vector<Scalar> values;
  while (!counts.empty() && static_cast<int64_t>(values.size()) < feature.k) {
    auto best = counts.begin();  // of equal counts the smallest value
    for (auto entry = counts.begin(); entry != counts.end(); ++entry) {
      best = entry->second > best->second ? entry : best;
    }
    values.push_back(feature.aggregate == Aggregate::kTopK ? best->first
                                                           : Scalar::int64(best->second));
    counts.erase(best);
  }
  return nested_scalar(type, values);
}

/// Over at least one value.
Scalar naive_aggregate(const FeatureDef& feature, const Type& type, const Items& items) {
  const auto by_order = [](const Item& a, const Item& b) {
    return a.order < b.order || (a.order == b.order && less(a.value, b.value));
  };
  const auto by_value = [](const Item& a, const Item& b) { return Less()(a.value, b.value); };
  const auto trues = std::count_if(items.begin(), items.end(), [](const Item& item) {
    return item.value.value == Scalar::boolean(true).value;
  });
  switch (feature.aggregate) {
    case Aggregate::kCount:
      return Scalar::int64(static_cast<int64_t>(items.size()));
    case Aggregate::kSum:
    case Aggregate::kMean:
      if (type == Type::kArray) {
        return naive_vector_sum(items,
                                catalog::aggregate_type(feature.aggregate, type).value(),
                                feature.aggregate == Aggregate::kMean);
      }
      return naive_sum(items, is_real(type), feature.aggregate == Aggregate::kMean);
    case Aggregate::kMin:
      return std::min_element(items.begin(), items.end(), by_value)->value;
    case Aggregate::kMax:
      return std::max_element(items.begin(), items.end(), by_value)->value;
    case Aggregate::kVariance:
    case Aggregate::kStddev:
    case Aggregate::kSkewness:
      return naive_moment(items, feature.aggregate, is_real(type));
    case Aggregate::kFirst:
      return std::min_element(items.begin(), items.end(), by_order)->value;
    case Aggregate::kLast:
      return std::max_element(items.begin(), items.end(), by_order)->value;
    case Aggregate::kMode:
      return naive_mode(items);
    case Aggregate::kDistinct:
      return Scalar::int64(static_cast<int64_t>(counts_of(items).size()));
    case Aggregate::kApproxDistinct:
      return naive_approx_distinct(items, type);
    case Aggregate::kQuantile:
      return naive_quantile(items, feature.q);
    case Aggregate::kAny:
      return Scalar::boolean(trues > 0);
    case Aggregate::kAll:
      return Scalar::boolean(trues == static_cast<int64_t>(items.size()));
    case Aggregate::kLastN:
    case Aggregate::kTopK:
    case Aggregate::kTopKCounts:
    case Aggregate::kHistogram:
      break;  // lists, see naive_value
  }
  return {};
}

Scalar naive_value(const FeatureDef& feature, const std::vector<const TestRow*>& rows) {
  Items items;
  for (const TestRow* row : rows) {
    const bool counted = feature.where.empty() || (feature.where == "flag" && row->flag == true) ||
                         (feature.where == "kind = 'a'" && row->kind == "a");
    const std::optional<Scalar> value = value_in(*row, feature.of);
    if (counted && value) {
      items.push_back({{row->event_time, row->known_time, row->sequence}, *value});
    }
  }
  return naive_aggregate_of(feature, type_in(feature.of), items);
}

}  // namespace

Scalar naive_aggregate_of(const FeatureDef& feature, const Type& of, const Items& items) {
  const Type type = catalog::aggregate_type(feature.aggregate, of).value();
  if (feature.aggregate == Aggregate::kLastN) {
    return naive_last_n(feature, type, items);
  }
  if (feature.aggregate == Aggregate::kTopK || feature.aggregate == Aggregate::kTopKCounts) {
    return naive_top(feature, type, items);
  }
  if (feature.aggregate == Aggregate::kHistogram) {
    return naive_histogram(type, items);
  }
  const bool counts = feature.aggregate == Aggregate::kCount ||
                      feature.aggregate == Aggregate::kDistinct ||
                      feature.aggregate == Aggregate::kApproxDistinct;
  if (items.empty()) {
    return counts ? Scalar::int64(0) : Scalar::null(type);
  }
  Scalar value = naive_aggregate(feature, of, items);
  if (auto* real = std::get_if<double>(&value.value)) {
    value = {type, std::isnan(*real) ? std::numeric_limits<double>::quiet_NaN() : *real};
  }
  return value;
}

std::vector<AggregateCase> all_aggregate_cases() {
  std::vector<AggregateCase> cases;
  for (const catalog::AggregateInfo& info : catalog::aggregates()) {
    for (const char* of : {"", "amount", "units", "ratio", "flag", "kind", "point"}) {
      const bool rows = info.input == catalog::AggregateInput::kRows;
      if ((*of != '\0' || rows) && catalog::aggregate_type(info.aggregate, type_in(of)).ok()) {
        cases.push_back({info.aggregate, of});
      }
    }
  }
  return cases;
}

std::string name_of(const AggregateCase& one) {
  return std::string(catalog::aggregate_info(one.aggregate).name) + "_of_" +
         (one.of.empty() ? "rows" : one.of);
}

FeatureDef window_feature_of(Random& random, const AggregateCase& one, const std::string& where) {
  FeatureDef feature;
  feature.kind = FeatureDef::Kind::kWindow;
  feature.name = name_of(one);
  feature.aggregate = one.aggregate;
  feature.of = one.of;
  feature.where = where;
  feature.q = static_cast<double>(random.below(21)) / 20.0;
  feature.k = 1 + static_cast<int64_t>(random.below(4));
  for (const int64_t minutes : {10, 60, 180}) {
    feature.over.push_back({minutes * kMinute});
  }
  return feature;
}

catalog::FeatureViewDef view_of(std::vector<FeatureDef> features) {
  catalog::FeatureViewDef view = window_definition();
  view.features = std::move(features);
  return view;
}

std::vector<TestRow> random_edge_rows(Random& random, int64_t count) {
  std::vector<TestRow> rows = random_rows(random, count);
  for (TestRow& row : rows) {
    if (random.below(4) == 0) {
      row.amount = std::ldexp(static_cast<double>(random.below(9)) - 4.0,
                              static_cast<int>(random.below(2098)) - 1074);
    }
    if (random.below(8) == 0) {
      row.units = random.below(2) == 0 ? std::numeric_limits<int64_t>::min()
                                       : std::numeric_limits<int64_t>::max();
    }
    if (row.point && random.below(3) == 0) {
      const float edges[] = {std::numeric_limits<float>::quiet_NaN(),
                             std::numeric_limits<float>::infinity(),
                             -std::numeric_limits<float>::infinity(),
                             -0.0F,
                             std::numeric_limits<float>::denorm_min(),
                             std::numeric_limits<float>::max()};
      (*row.point)[random.below(2)] = edges[random.below(std::size(edges))];
    }
    if (random.below(4) == 0) {
      row.event_time = rows.front().event_time;
      row.known_time = random.below(2) == 0 ? rows.front().known_time : row.known_time;
    }
  }
  return rows;
}

Answer naive_answer_of(const catalog::FeatureViewDef& view,
                       const std::vector<TestRow>& rows,
                       const TestKey& key,
                       int64_t instant) {
  const int64_t slide_end = floor_to(instant, view.slide.micros);
  Answer answer;
  std::vector<const TestRow*> visible;
  for (const TestRow& row : rows) {
    if (row.user == key.user && row.item == key.item && row.known_time <= instant &&
        row.event_time < slide_end) {
      visible.push_back(&row);
      answer.event_time = std::max(answer.event_time.value_or(row.event_time), row.event_time);
    }
  }
  if (!answer.event_time) {
    return answer;
  }
  for (const FeatureDef& feature : view.features) {
    for (const Duration window : feature.over) {
      std::vector<const TestRow*> inside;
      std::copy_if(
          visible.begin(), visible.end(), std::back_inserter(inside), [&](const TestRow* row) {
            return row->event_time >= slide_end - window.micros;
          });
      answer.values.push_back(naive_value(feature, inside));
    }
  }
  return answer;
}

}  // namespace assay::gold
