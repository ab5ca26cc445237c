#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "catalog/definitions.h"
#include "data/batch.h"
#include "gold/contract.h"

// For tests: small random tables, definitions over them, and the meaning of DESIGN section 5
// written down a second time, as plainly as it can be. Tests compare with == on bits.

namespace assay::gold {

/// One source row of the tests' table.
struct TestRow {
  std::optional<std::string> user;
  std::optional<int64_t> item;
  int64_t event_time = 0;
  int64_t known_time = 0;
  int64_t sequence = 0;
  std::optional<double> amount{};
  std::optional<int64_t> units{};
  std::optional<float> ratio{};
  std::optional<bool> flag{};
  std::optional<std::string> kind{};
  std::optional<std::vector<std::optional<float>>> point{};  // of two
};

/// An entity of the tests: the key (user, item).
struct TestKey {
  std::string user;
  int64_t item = 0;
  bool operator==(const TestKey&) const = default;
};

/// What is served: nothing, or the newest event's time and a value per feature.
struct Answer {
  std::optional<int64_t> event_time;
  std::vector<data::Scalar> values;
};

inline constexpr int64_t kMinute = 60 * kMicrosPerSecond;
inline constexpr int64_t kTestSlide = 10 * kMinute;
inline constexpr int64_t kTestStart = 978'307'200 * kMicrosPerSecond;  // 2001-01-01

data::SchemaPtr test_schema();
data::Batch batch_of(const std::vector<TestRow>& rows);
/// Rows over some hours: few keys, ties, instants on slide edges, late and early knowledge, nulls,
/// NaN, infinities, duplicates.
std::vector<TestRow> random_rows(Random& random, int64_t count);
/// All keys that appear, each once.
std::vector<TestKey> keys_of(const std::vector<TestRow>& rows);
/// Instants at which something may change for these rows, each with its neighbours of 1 us, and
/// others.
std::vector<int64_t> instants_of(Random& random, const std::vector<TestRow>& rows);

catalog::EntityDef test_entity();
catalog::FeatureViewDef window_definition();
/// The same windows, ending at the instant of the question.
catalog::FeatureViewDef continuous_definition();
catalog::FeatureViewDef latest_definition();
/// Sessions, with and without a longest length, and changes.
catalog::FeatureViewDef sequence_definition(bool with_longest_session);
/// Features of all three, and some computed from several.
catalog::FeatureViewDef composed_definition();

/// Kinds of views that the tests run through.
enum class TestView { kWindow, kLatest, kSequence, kComposed, kContinuous };
inline constexpr TestView kTestViews[] = {TestView::kWindow,
                                          TestView::kLatest,
                                          TestView::kSequence,
                                          TestView::kComposed,
                                          TestView::kContinuous};
catalog::FeatureViewDef definition_of(TestView kind);
std::string name_of(TestView kind);

FeatureViewPtr compile_or_die(const catalog::FeatureViewDef& definition);

/// The naive twin of a view of one of the definitions above: filter the visible rows, scan.
Answer naive_answer(const FeatureView& view,
                    const std::vector<TestRow>& rows,
                    const TestKey& key,
                    int64_t instant);

/// True for a step of that entity.
bool is_step_of(const FeatureView& view, const data::Batch& steps, int64_t row, const TestKey& key);
/// The answer that a steps table gives: its row with the largest known_time <= instant.
Answer answer_of_steps(const FeatureView& view,
                       const data::Batch& steps,
                       const TestKey& key,
                       int64_t instant);

/// Text of an answer that tells apart whatever bits tell apart, for comparisons and their messages.
std::string exact_text(const data::Scalar& scalar);
std::string exact_text(const Answer& answer);
/// One line a row.
std::string exact_text(const data::Batch& batch);

/// The same rows in random order.
std::vector<TestRow> shuffled(Random& random, std::vector<TestRow> rows);

}  // namespace assay::gold
