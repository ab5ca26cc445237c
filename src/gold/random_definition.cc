#include "gold/random_definition.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <memory>
#include <set>
#include <utility>

#include "catalog/aggregates.h"
#include "catalog/definition_json.h"
#include "catalog/feature_schema.h"
#include "gold/aggregate_twin.h"

namespace assay::gold {
namespace {

using catalog::FeatureDef;
using catalog::SequenceValue;
using data::Type;

constexpr int64_t kSlides[] = {1, 5, 10, 30, 60};  // minutes

class Maker {
 public:
  explicit Maker(uint64_t seed) : random_(seeded_random(seed)) { made_.seed = seed; }

  RandomDefinition make() {
    made_.small_numbers = random_->below(2) == 0;
    make_entity();
    make_view();
    make_rows();
    make_questions();
    return std::move(made_);
  }

 private:
  bool one_in(uint64_t n) { return random_->below(n) == 0; }

  catalog::FeatureViewDef& view() { return made_.view.definition; }

  void make_entity() {
    made_.view.entity = test_entity();
    std::vector<data::Field>& keys = made_.view.entity.keys;
    switch (random_->below(4)) {
      case 0:
        keys.erase(keys.begin());
        break;
      case 1:
        keys.pop_back();
        break;
      case 2:
        std::swap(keys[0], keys[1]);
        break;
      default:
        break;
    }
  }

  std::string name() { return "f" + std::to_string(++names_); }

  /// Some multiples of the slide, each once.
  std::vector<Duration> windows() {
    constexpr int64_t kTimes[] = {1, 2, 3, 6, 12, 18, 144, 1008};
    std::set<int64_t> chosen;
    for (uint64_t count = 1 + random_->below(3); count > 0; --count) {
      chosen.insert(kTimes[random_->below(std::size(kTimes))] * view().slide.micros);
    }
    std::vector<Duration> lengths;
    for (const int64_t length : chosen) {
      lengths.push_back({length});
    }
    return lengths;
  }

  /// Take note of what an expression means; gives its text.
  std::string noted(const RandomExpression& expression) {
    made_.view.expressions[expression.text] = expression;
    return expression.text;
  }

  void make_view() {
    view().name = "random";
    view().entity = "pair";
    view().from = "events";
    view().slide = {kSlides[random_->below(std::size(kSlides))] * kMinute};
    if (!one_in(3)) {
      constexpr int64_t kAges[] = {1, 60, 240, 1440};
      view().ttl = Duration{kAges[random_->below(std::size(kAges))] * kMinute};
    }
    if (one_in(2)) {
      constexpr int64_t kGaps[] = {1, 10, 25, 120};
      view().session =
          catalog::SessionDef{{kGaps[random_->below(4)] * kMinute}, {}, windows().front()};
      if (one_in(2)) {
        view().session->max = Duration{static_cast<int64_t>(20 + random_->below(180)) * kMinute};
      }
    }
    const uint64_t raw = 1 + random_->below(8);
    while (view().features.size() < raw) {
      add_raw();
    }
    const uint64_t computed = random_->below(5);
    std::size_t place = 0;
    for (uint64_t i = 0; i < computed; ++i) {
      FeatureDef feature;
      feature.name = name();
      if (one_in(4) ? !make_ratio(&feature) : !make_computed(&feature)) {
        continue;
      }
      // Anywhere behind the computed one before it: it sees those, and all that are not computed.
      place += random_->below(view().features.size() - place + 1);
      view().features.insert(view().features.begin() + static_cast<std::ptrdiff_t>(place),
                             std::move(feature));
      ++place;
    }
  }

  void add_raw() {
    FeatureDef feature;
    feature.name = name();
    const uint64_t kind = random_->below(20);
    if (kind < 10) {
      make_window(&feature);
    } else if (kind < 13) {
      feature.kind = FeatureDef::Kind::kLatest;
      const char* columns[] = {
          "amount", "units", "ratio", "flag", "kind", "known_time", "sequence"};
      feature.column = columns[random_->below(std::size(columns))];
    } else if (kind < 18) {
      make_sequence(&feature);
    } else {
      feature.kind = FeatureDef::Kind::kSince;
      const char* columns[] = {catalog::kLastEvent, "known_time", catalog::kSessionStartTime};
      feature.column = columns[random_->below(view().session ? 3 : 2)];
    }
    view().features.push_back(std::move(feature));
  }

  void make_window(FeatureDef* feature) {
    feature->kind = FeatureDef::Kind::kWindow;
    feature->over = windows();
    feature->q = static_cast<double>(random_->below(21)) / 20.0;
    feature->k = static_cast<int64_t>(1 + random_->below(4));
    if (one_in(2)) {
      feature->where = noted(random_condition(*random_, source_columns()));
    }
    const auto aggregates = catalog::aggregates();
    const catalog::AggregateInfo& info = aggregates[random_->below(aggregates.size())];
    feature->aggregate = info.aggregate;
    if (info.input == catalog::AggregateInput::kRows && one_in(2)) {
      return;
    }
    RandomExpression of = random_expression(*random_, source_columns(), false);
    while (!catalog::aggregate_type(info.aggregate, of.type).ok()) {
      of = random_expression(*random_, source_columns(), false);
    }
    feature->of = noted(of);
  }

  void make_sequence(FeatureDef* feature) {
    feature->kind = FeatureDef::Kind::kSequence;
    const auto first = view().session ? 0 : static_cast<uint64_t>(SequenceValue::kChanges);
    const uint64_t count = static_cast<uint64_t>(SequenceValue::kLag) - first + 1;
    feature->sequence = static_cast<SequenceValue>(first + random_->below(count));
    feature->k = static_cast<int64_t>(1 + random_->below(4));
    if (!catalog::is_of_session(feature->sequence)) {
      feature->over = windows();
    }
    if (catalog::reads_value(feature->sequence)) {
      feature->of = noted(random_expression(*random_, source_columns(), false));
    }
  }

  static std::vector<data::Field> source_columns() {
    std::vector<data::Field> columns;
    for (const char* name : {"amount", "units", "ratio", "flag", "kind"}) {
      columns.push_back(test_schema()->field(*test_schema()->find(name)));
    }
    return columns;
  }

  /// Outputs that a computed feature sees.
  std::vector<data::Field> outputs() {
    std::vector<data::Field> fields;
    for (const FeatureDef& feature : view().features) {
      for (const std::string& output : catalog::output_names(feature)) {
        fields.push_back({output, type_of(feature), true});
      }
    }
    return fields;
  }

  Type type_of(const FeatureDef& feature) {
    const auto of = [&](const std::string& text) { return made_.view.expressions.at(text).type; };
    switch (feature.kind) {
      case FeatureDef::Kind::kLatest:
        return value_of(TestRow{}, feature.column).type;
      case FeatureDef::Kind::kWindow:
        return catalog::aggregate_type(feature.aggregate,
                                       feature.of.empty() ? Type(Type::kInt64) : of(feature.of))
            .value();
      case FeatureDef::Kind::kSequence:
        return catalog::reads_value(feature.sequence) && !catalog::sequence_type(feature.sequence)
                   ? of(feature.of)
                   : *catalog::sequence_type(feature.sequence);
      case FeatureDef::Kind::kExpr:
        return of(feature.expression);
      default:
        return Type::kFloat64;
    }
  }

  bool make_computed(FeatureDef* feature) {
    feature->kind = FeatureDef::Kind::kExpr;
    feature->expression =
        noted(one_in(4) ? random_clock(*random_) : random_expression(*random_, outputs(), true));
    return true;
  }

  /// Of two window features with numbers, over the windows that both have.
  bool make_ratio(FeatureDef* feature) {
    std::vector<const FeatureDef*> numbers;
    for (const FeatureDef& one : view().features) {
      const Type type = type_of(one);
      if (one.kind == FeatureDef::Kind::kWindow &&
          (type == Type::kInt64 || type == Type::kFloat64 || type == Type::kFloat32)) {
        numbers.push_back(&one);
      }
    }
    if (numbers.empty()) {
      return false;
    }
    const FeatureDef& above = *numbers[random_->below(numbers.size())];
    const FeatureDef& below = *numbers[random_->below(numbers.size())];
    feature->kind = FeatureDef::Kind::kRatio;
    feature->above = above.name;
    feature->below = below.name;
    for (const Duration window : above.over) {
      if (std::any_of(below.over.begin(), below.over.end(), [&](const Duration other) {
            return other.micros == window.micros;
          })) {
        feature->over.push_back(window);
      }
    }
    return !feature->over.empty();
  }

  void make_rows() {
    const auto count = static_cast<int64_t>(1 + random_->below(one_in(8) ? 150 : 40));
    made_.rows =
        made_.small_numbers ? random_rows(*random_, count) : random_edge_rows(*random_, count);
    for (TestRow& row : made_.rows) {
      if (made_.small_numbers) {
        make_small(&row);
      } else if (row.ratio && one_in(4)) {
        constexpr float kEdges[] = {-0.0F,
                                    std::numeric_limits<float>::quiet_NaN(),
                                    std::numeric_limits<float>::infinity(),
                                    -std::numeric_limits<float>::infinity(),
                                    std::numeric_limits<float>::denorm_min(),
                                    -std::numeric_limits<float>::max()};
        row.ratio = kEdges[random_->below(std::size(kEdges))];
      }
      if (row.kind && one_in(6)) {
        const char* kinds[] = {"", "c!", "A", "it's", "a longer text of more than a few bytes"};
        row.kind = kinds[random_->below(std::size(kinds))];
      }
      if (row.item == -1) {
        row.item = std::numeric_limits<int64_t>::min();
      }
      if (row.user == "u1") {
        row.user = "";
      }
    }
  }

  void make_small(TestRow* row) {
    const auto sixteenths = [&] { return static_cast<double>(random_->below(201)) / 16 - 6.25; };
    if (row->amount && std::isfinite(*row->amount) && !std::signbit(*row->amount)) {
      row->amount = sixteenths();
    } else if (row->amount && one_in(2)) {
      row->amount = one_in(2) ? 0.0 : -0.0;  // fewer NaN and infinities, which hide what they meet
    } else if (row->amount && std::isfinite(*row->amount)) {
      row->amount = sixteenths();
    }
    if (row->ratio) {
      row->ratio = static_cast<float>(sixteenths());
    }
  }

  void make_questions() {
    for (const TestKey& key : keys_of(made_.rows)) {
      if (made_.keys.size() < 2) {
        made_.keys.push_back(key);
      }
    }
    if (made_.keys.empty() || one_in(8)) {
      made_.keys.push_back({"nobody", 7});
    }
    std::set<int64_t> instants;
    for (const int64_t instant : instants_to_meet()) {
      instants.insert(instant + static_cast<int64_t>(random_->below(3)) - 1);
    }
    std::vector<int64_t> all(instants.begin(), instants.end());
    while (all.size() > 12) {
      all.erase(all.begin() + static_cast<std::ptrdiff_t>(random_->below(all.size())));
    }
    made_.instants = std::move(all);
  }

  /// Where something may change.
  std::vector<int64_t> instants_to_meet() {
    std::vector<int64_t> found;
    for (const TestRow& row : made_.rows) {
      const int64_t visible = std::max(row.event_time, row.known_time);
      const int64_t slide_end = floor_to(row.event_time, view().slide.micros) + view().slide.micros;
      found.insert(found.end(), {visible, visible, slide_end, std::max(visible, slide_end)});
      for (const FeatureDef& feature : view().features) {
        for (const Duration window : feature.over) {
          found.push_back(slide_end + window.micros);
        }
      }
      if (view().session) {
        found.push_back(row.event_time + view().session->gap.micros);
        found.push_back(slide_end + view().session->over.micros);
      }
      if (view().session && view().session->max) {
        found.push_back(row.event_time + view().session->max->micros);
      }
      if (view().ttl) {
        found.push_back(row.event_time + view().ttl->micros + 1);
      }
    }
    return found;
  }

  std::unique_ptr<Random> random_;
  RandomDefinition made_;
  int names_ = 0;
};

}  // namespace

RandomDefinition random_definition(uint64_t seed) {
  return Maker(seed).make();
}

std::string describe(const RandomDefinition& made) {
  std::string text = catalog::entity_json(made.view.entity) + "\n" +
                     catalog::feature_view_json(made.view.definition) + "\n";
  for (const std::string& name : test_schema()->names()) {
    text += name + " ";
  }
  return text + "\n" + exact_text(batch_of(made.rows));
}

}  // namespace assay::gold
