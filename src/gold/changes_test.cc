// Views over a table of changes: steps and online rows against the naive twin, which sees at each
// instant of every key the version with the largest (known time, sequence), unless it is a
// tombstone.

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "catalog/feature_schema.h"
#include "data/entity_key.h"
#include "gold/contract.h"
#include "gold/view_fixture.h"
#include "gold/view_layout.h"

namespace assay::gold {
namespace {

/// A version of a key.
struct Version {
  TestRow row;
  int64_t key = 0;
  bool is_deleted = false;
};
using Versions = std::vector<Version>;

/// What stands at `instant`, found key by key.
std::vector<TestRow> standing(const Versions& versions, int64_t instant) {
  std::map<int64_t, const Version*> newest;
  for (const Version& version : versions) {
    if (version.row.known_time > instant) {
      continue;
    }
    const Version*& best = newest[version.key];
    const auto order = [](const Version& one) {
      return std::pair(one.row.known_time, one.row.sequence);
    };
    if (best == nullptr || order(version) > order(*best)) {
      best = &version;
    }
  }
  std::vector<TestRow> rows;
  for (const auto& [key, version] : newest) {
    if (!version->is_deleted) {
      rows.push_back(version->row);
    }
  }
  return rows;
}

/// A row with the instant from which it is replaced.
struct Statement {
  TestRow row;
  int64_t replaced_time = kNeverReplaced;
};

/// The rows as gold is given them.
std::vector<Statement> statements_of(Versions versions) {
  std::sort(versions.begin(), versions.end(), [](const Version& a, const Version& b) {
    return std::tuple(a.key, a.row.known_time, a.row.sequence) <
           std::tuple(b.key, b.row.known_time, b.row.sequence);
  });
  std::vector<Statement> rows;
  for (std::size_t i = 0; i < versions.size(); ++i) {
    const bool followed = i + 1 < versions.size() && versions[i + 1].key == versions[i].key;
    if (!versions[i].is_deleted) {
      rows.push_back({versions[i].row, followed ? versions[i + 1].row.known_time : kNeverReplaced});
    }
  }
  return rows;
}

data::Batch batch_of_statements(const std::vector<Statement>& statements) {
  std::vector<TestRow> rows;
  data::ColumnBuilder replaced(data::Type::kTimestamp);
  for (const Statement& statement : statements) {
    rows.push_back(statement.row);
    if (statement.replaced_time == kNeverReplaced) {
      replaced.append_null();
    } else {
      replaced.append(statement.replaced_time);
    }
  }
  return batch_of(rows).with_column({kReplacedTime, data::Type::kTimestamp, true},
                                    replaced.finish());
}

/// Histories of keys: corrections of values, of times, of the entity, tombstones, rows that come
/// back, equal known times; in random order of arrival.
Versions random_versions(Random& random, int64_t count) {
  Versions versions;
  for (TestRow& row : random_rows(random, count)) {
    Version version{row,
                    static_cast<int64_t>(random.below(static_cast<uint64_t>(count) / 2 + 1)),
                    random.below(8) == 0};
    version.row.sequence = static_cast<int64_t>(versions.size());
    const auto same = std::find_if(versions.begin(), versions.end(), [&](const Version& other) {
      return other.key == version.key;
    });
    if (same != versions.end() && random.below(4) != 0) {  // mostly it stays where it was
      version.row.event_time = same->row.event_time;
      version.row.user = same->row.user;
      version.row.item = same->row.item;
    }
    versions.push_back(version);
  }
  return versions;
}

std::vector<TestRow> rows_of(const Versions& versions) {
  std::vector<TestRow> rows;
  for (const Version& version : versions) {
    rows.push_back(version.row);
  }
  return rows;
}

class Changes : public testing::TestWithParam<TestView> {
 protected:
  Changes() {
    std::vector<data::Field> fields = test_schema()->fields();
    fields.push_back({kReplacedTime, data::Type::kTimestamp, true});
    // A first event is refused over a table of changes.
    catalog::FeatureViewDef definition = definition_of(GetParam());
    std::erase_if(definition.features, [](const catalog::FeatureDef& feature) {
      return feature.column == catalog::kFirstEvent;
    });
    view = FeatureView::compile(definition, test_entity(), data::Schema(fields)).value();
  }

  [[nodiscard]] data::Batch all_steps(const std::vector<Statement>& rows, int threads = 1) const {
    return view
        ->steps(
            batch_of_statements(rows), data::Batch(), EventTime::min(), EventTime::max(), threads)
        .value();
  }

  [[nodiscard]] Answer naive(const Versions& versions, const TestKey& key, int64_t instant) const {
    Answer answer = naive_answer(*view, standing(versions, instant), key, instant);
    if (GetParam() == TestView::kComposed && answer.values.size() > view->features().size()) {
      answer.values.erase(answer.values.end() - 3);  // `age`, of the first event
    }
    return answer;
  }

  FeatureViewPtr view;
};

TEST_P(Changes, StepsAnswerLikeTheNaiveTwinAtEveryInstant) {
  int gone = 0;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    const auto random = seeded_random(seed);
    const Versions versions = random_versions(*random, 1 + static_cast<int64_t>(random->below(40)));
    const data::Batch steps = all_steps(statements_of(versions));
    const std::vector<TestRow> rows = rows_of(versions);
    const std::vector<int64_t> instants = instants_of(*random, rows);
    for (const TestKey& key : keys_of(rows)) {
      for (int i = 0; i < 30; ++i) {
        const int64_t instant = instants[random->below(instants.size())];
        ASSERT_EQ(exact_text(answer_of_steps(*view, steps, key, instant)),
                  exact_text(naive(versions, key, instant)))
            << "seed " << seed << " key " << key.user << "," << key.item << " at " << instant;
      }
    }
    gone += static_cast<int>(steps.find(kEventTime)->null_count());
  }
  EXPECT_GT(gone, 10);  // answers that were taken back altogether are among them
}

TEST_P(Changes, StepsDoNotDependOnRowOrderOrThreads) {
  const auto random = seeded_random(9);
  Versions versions = random_versions(*random, 2500);
  for (Version& version : versions) {
    version.row.user = "u" + std::to_string(random->below(40));
  }
  std::vector<Statement> rows = statements_of(versions);
  const std::string straight = exact_text(all_steps(rows));
  for (const int threads : {1, 4}) {
    for (std::size_t i = rows.size(); i > 1; --i) {
      std::swap(rows[i - 1], rows[random->below(i)]);
    }
    EXPECT_EQ(exact_text(all_steps(rows, threads)), straight);
  }
}

TEST_P(Changes, NoTwoNeighbouringStepsSayTheSame) {
  const auto random = seeded_random(7);
  const data::Batch steps = all_steps(statements_of(random_versions(*random, 300)));
  std::string previous;
  for (int64_t row = 0; row < steps.rows(); ++row) {
    std::string line;
    for (int column = 0; column < steps.column_count(); ++column) {
      const std::string& name = steps.schema().field(column).name;
      if (name != kKnownTime && name != kFeatureDate) {
        line += exact_text(steps.column(column).scalar(row)) + " ";
      }
    }
    ASSERT_NE(line, previous) << "row " << row;
    previous = line;
  }
}

/// Of each entity its last step.
data::Batch last_steps(const data::Batch& steps) {
  std::map<std::string, int64_t> last;
  for (int64_t row = 0; row < steps.rows(); ++row) {
    const data::Scalar key[] = {steps.column(0).scalar(row), steps.column(1).scalar(row)};
    last[data::encode_key(key)->bytes()] = row;
  }
  std::vector<int64_t> rows;
  for (const auto& [key, row] : last) {
    rows.push_back(row);
  }
  return steps.take(rows);
}

/// Steps up to a frontier, and from it on from the last of them and the rows that the contract asks
/// for.
data::Batch steps_in_two(const FeatureView& view,
                         const std::vector<Statement>& all,
                         int64_t frontier) {
  const data::Batch first =
      view.steps(batch_of_statements(all), data::Batch(), EventTime::min(), EventTime{frontier}, 1)
          .value();
  const int64_t horizon = frontier - view.window_max().micros - view.slide().micros;
  std::set<std::pair<std::optional<std::string>, std::optional<int64_t>>> touched;
  for (const Statement& row : all) {
    if (row.replaced_time >= frontier && row.replaced_time != kNeverReplaced) {
      touched.insert({row.row.user, row.row.item});
    }
  }
  std::vector<Statement> needed;
  std::copy_if(all.begin(), all.end(), std::back_inserter(needed), [&](const Statement& row) {
    const bool of_touched = touched.count({row.row.user, row.row.item}) > 0;
    return row.row.event_time >= horizon ||
           std::max(row.row.event_time, row.row.known_time) >= frontier ||
           (of_touched && row.replaced_time >= frontier);
  });
  const data::Batch second = view.steps(batch_of_statements(needed),
                                        last_steps(first),
                                        EventTime{frontier},
                                        EventTime::max(),
                                        2)
                                 .value();
  const data::Batch parts[] = {first, second};
  return data::concat(view.steps_schema(), parts).value();
}

TEST_P(Changes, CutAtAFrontierAndContinuedFromTheSeedAreTheSame) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const auto random = seeded_random(seed);
    const Versions versions = random_versions(*random, 60);
    const std::vector<Statement> all = statements_of(versions);
    const std::vector<int64_t> instants = instants_of(*random, rows_of(versions));
    const int64_t frontier = instants[random->below(instants.size())];
    const data::Batch joined = steps_in_two(*view, all, frontier);
    const data::Batch whole = all_steps(all);
    ASSERT_EQ(joined.rows(), whole.rows()) << "seed " << seed << " frontier " << frontier;
    ASSERT_EQ(data::content_hash(joined), data::content_hash(whole)) << "seed " << seed;
  }
}

// Where parts of a view see a row that its windows have not seen yet, the seed says its time.
TEST_P(Changes, ARowReplacedInItsOpenSlideLeavesNoTimeBehindAtAFrontierBetween) {
  const int64_t slide = 1'000 * kTestSlide;
  const auto random = seeded_random(3);
  TestRow row = random_rows(*random, 1).front();
  row.user = "u";
  row.item = 1;
  const auto version = [&](int64_t key, int64_t event, int64_t known, bool is_deleted) {
    row.event_time = event;
    row.known_time = known;
    row.sequence += 1;
    return Version{row, key, is_deleted};
  };
  for (const bool is_moved : {false, true}) {  // gone, or moved to an older time
    const std::vector<Statement> all =
        statements_of({version(0, slide - 2 * kTestSlide, slide - 2 * kTestSlide, false),
                       version(1, slide + 3 * kMinute, slide + 3 * kMinute, false),
                       version(1, slide - kTestSlide, slide + 7 * kMinute, !is_moved)});
    const std::string whole = exact_text(all_steps(all));
    for (const int64_t minutes : {0, 3, 4, 7, 8, 10}) {
      EXPECT_EQ(exact_text(steps_in_two(*view, all, slide + minutes * kMinute)), whole)
          << minutes << " minutes into the slide";
    }
  }
}

/// What is served, or nothing.
Answer served(const FeatureView& view, std::string_view row, int64_t now) {
  const FeatureValues read = view.read_online_row(row, EventTime{now}).value();
  Answer answer;
  if (read.event_time) {
    answer.event_time = read.event_time->micros;
    answer.values = read.values;
  }
  return answer;
}

TEST_P(Changes, OnlineRowsAnswerLikeTheNaiveTwinWhateverThePieces) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    const auto random = seeded_random(seed);
    const Versions versions = random_versions(*random, 1 + static_cast<int64_t>(random->below(50)));
    std::vector<Statement> rows = statements_of(versions);
    for (std::size_t i = rows.size(); i > 1; --i) {
      std::swap(rows[i - 1], rows[random->below(i)]);
    }
    const data::Batch batch = batch_of_statements(rows);
    const std::vector<int64_t> instants = instants_of(*random, rows_of(versions));
    for (const TestKey& key : keys_of(rows_of(versions))) {
      std::vector<int64_t> selected;
      for (std::size_t i = 0; i < rows.size(); ++i) {
        if (rows[i].row.user == key.user && rows[i].row.item == key.item) {
          selected.push_back(static_cast<int64_t>(i));
        }
      }
      const int64_t now = instants[random->below(instants.size())];
      std::string row;
      for (std::size_t begin = 0; begin < selected.size();) {
        const std::size_t count = std::min(1 + random->below(9), selected.size() - begin);
        const EventTime until{now - static_cast<int64_t>(random->below(300 * kMinute))};
        ASSERT_TRUE(
            view->update_online_row(batch, std::span(selected).subspan(begin, count), until, &row)
                .ok());
        begin += count;
      }
      for (const int64_t later :
           {int64_t{0}, int64_t{1}, kTestSlide, 47 * kMinute, 180 * kMinute}) {
        Answer expected = naive(versions, key, now + later);
        const Answer found = served(*view, row, now + later);
        if (expected.event_time && now + later - *expected.event_time > view->ttl()->micros) {
          expected.values = found.values;  // too old: nulls
        }
        ASSERT_EQ(exact_text(found), exact_text(expected))
            << "seed " << seed << " now " << now << " + " << later;
      }
    }
  }
}

TEST_P(Changes, RowsOfAViewOverChangesAreRefusedWithoutTheirReplacedTime) {
  EXPECT_TRUE(view->of_changes());
  EXPECT_TRUE(view->steps_schema()->field(*view->steps_schema()->find(kEventTime)).nullable);
  EXPECT_EQ(view->steps(batch_of({}), data::Batch(), EventTime::min(), EventTime::max(), 1).code(),
            Code::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(Views, Changes, testing::ValuesIn(kTestViews), [](const auto& kind) {
  return name_of(kind.param);
});

}  // namespace
}  // namespace assay::gold
