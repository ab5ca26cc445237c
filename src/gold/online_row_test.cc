#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "gold/contract.h"
#include "gold/view_fixture.h"

namespace assay::gold {
namespace {

class OnlineRow : public testing::TestWithParam<TestView> {
 protected:
  OnlineRow() : definition(definition_of(GetParam())) { view = compile_or_die(definition); }

  /// What serving must say, from the naive answer: values age out after the ttl.
  [[nodiscard]] std::string expected(const std::vector<TestRow>& rows,
                                     const TestKey& key,
                                     int64_t now) const {
    const Answer answer = naive_answer(*view, rows, key, now);
    std::string text;
    for (std::size_t i = 0; i < view->features().size(); ++i) {
      const data::Type type = view->features()[i].type;
      if (!answer.event_time) {
        text += "NOT_FOUND " + exact_text(data::Scalar::null(type)) + "\n";
      } else if (now - *answer.event_time > view->ttl()->micros) {
        text += "OUTSIDE_MAX_AGE " + exact_text(data::Scalar::null(type)) + "\n";
      } else {
        text += answer.values[i].is_null() ? "NULL_VALUE " : "PRESENT ";
        text += exact_text(answer.values[i]) + "\n";
      }
    }
    return text + (answer.event_time ? std::to_string(*answer.event_time) : "never");
  }

  [[nodiscard]] std::string served(std::string_view row, int64_t now) const {
    const FeatureValues read = view->read_online_row(row, EventTime{now}).value();
    std::string text;
    for (std::size_t i = 0; i < read.values.size(); ++i) {
      text += std::string(data::status_name(read.statuses[i])) + " " + exact_text(read.values[i]) +
              "\n";
    }
    return text + (read.event_time ? std::to_string(read.event_time->micros) : "never");
  }

  static std::vector<int64_t> rows_of_key(const std::vector<TestRow>& rows, const TestKey& key) {
    std::vector<int64_t> selected;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i].user == key.user && rows[i].item == key.item) {
        selected.push_back(static_cast<int64_t>(i));
      }
    }
    return selected;
  }

  /// Put a key's rows into an online row by random pieces, with random instants up to `now`.
  [[nodiscard]] std::string row_in_pieces(Random& random,
                                          const std::vector<TestRow>& rows,
                                          const TestKey& key,
                                          int64_t now) const {
    const std::vector<TestRow> mixed = shuffled(random, rows);
    const data::Batch batch = batch_of(mixed);
    const std::vector<int64_t> selected = rows_of_key(mixed, key);
    std::string row;
    for (std::size_t begin = 0; begin < selected.size();) {
      const std::size_t count = std::min(1 + random.below(20), selected.size() - begin);
      const bool at_once = random.below(3) == 0;
      const EventTime until{at_once ? now
                                    : now - static_cast<int64_t>(random.below(400 * kMinute))};
      const Status updated =
          view->update_online_row(batch, std::span(selected).subspan(begin, count), until, &row);
      EXPECT_TRUE(updated.ok()) << updated.to_string();
      begin += count;
    }
    return row;
  }

  catalog::FeatureViewDef definition;
  FeatureViewPtr view;
};

TEST_P(OnlineRow, AnswersLikeTheNaiveTwinWhateverThePiecesAndTheirOrder) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const auto random = seeded_random(seed);
    const std::vector<TestRow> rows =
        random_rows(*random, 1 + static_cast<int64_t>(random->below(120)));
    for (const TestKey& key : keys_of(rows)) {
      const std::vector<int64_t> instants = instants_of(*random, rows);
      for (int i = 0; i < 12; ++i) {
        const int64_t now = instants[random->below(instants.size())];
        const std::string row = row_in_pieces(*random, rows, key, now);
        for (const int64_t later : {int64_t{0},
                                    int64_t{1},
                                    kTestSlide - 1,
                                    kTestSlide,
                                    47 * kMinute,
                                    180 * kMinute,
                                    240 * kMinute,
                                    1000 * kMinute}) {
          ASSERT_EQ(served(row, now + later), expected(rows, key, now + later))
              << "seed " << seed << " now " << now << " + " << later;
        }
      }
    }
  }
}

TEST_P(OnlineRow, AnswersLikeTheStepsToTheBit) {
  const auto random = seeded_random(77);
  const std::vector<TestRow> rows = random_rows(*random, 200);
  const data::Batch steps =
      view->steps(batch_of(rows), data::Batch(), EventTime::min(), EventTime::max(), 1).value();
  for (const TestKey& key : keys_of(rows)) {
    for (const int64_t now : instants_of(*random, rows)) {
      if (random->below(3) != 0) {
        continue;
      }
      const std::string row = row_in_pieces(*random, rows, key, now);
      const FeatureValues read = view->read_online_row(row, EventTime{now}).value();
      Answer offline = answer_of_steps(*view, steps, key, now);
      Answer online;
      if (read.event_time) {
        online.event_time = read.event_time->micros;
        const bool too_old = now - *online.event_time > view->ttl()->micros;
        online.values = too_old ? offline.values : read.values;
      }
      ASSERT_EQ(exact_text(online), exact_text(offline)) << now;
    }
  }
}

/// Row numbers of all keys, those of a key next to each other.
struct Grouped {
  std::vector<int64_t> order;
  std::vector<std::size_t> ends;  // of each key
};

Grouped group(const std::vector<TestRow>& rows, const std::vector<TestKey>& keys) {
  Grouped grouped;
  for (const TestKey& key : keys) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i].user == key.user && rows[i].item == key.item) {
        grouped.order.push_back(static_cast<int64_t>(i));
      }
    }
    grouped.ends.push_back(grouped.order.size());
  }
  return grouped;
}

TEST_P(OnlineRow, OfABatchIsTheSameBytesAsOneByOne) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const auto random = seeded_random(seed);
    const std::vector<TestRow> all = shuffled(*random, random_rows(*random, 200));
    const std::vector<TestKey> keys = keys_of(all);
    std::vector<std::string> together(keys.size());
    std::vector<std::string> alone(keys.size());
    for (std::size_t first = 0; first < all.size(); first += 50) {
      const std::vector<TestRow> rows(
          all.begin() + static_cast<std::ptrdiff_t>(first),
          all.begin() + static_cast<std::ptrdiff_t>(std::min(first + 50, all.size())));
      const data::Batch batch = batch_of(rows);
      const EventTime until{kTestStart + static_cast<int64_t>(random->below(600 * kMinute))};
      const Grouped grouped = group(rows, keys);
      const auto updates = view->begin_updates(batch, grouped.order, until).value();
      std::size_t begin = 0;
      for (std::size_t i = 0; i < keys.size(); begin = grouped.ends[i++]) {
        const std::size_t end = grouped.ends[i];
        std::string updated;
        ASSERT_TRUE(updates->update(begin, end, together[i], nullptr, &updated).ok());
        together[i] = updated;
        const auto mine = std::span<const int64_t>(grouped.order).subspan(begin, end - begin);
        ASSERT_TRUE(view->update_online_row(batch, mine, until, &alone[i]).ok());
        ASSERT_EQ(together[i], alone[i]) << "seed " << seed << " key " << i;
      }
    }
  }
}

TEST_P(OnlineRow, ForgetsWhatNoReadCanNeed) {
  const auto random = seeded_random(5);
  const data::Batch nothing = batch_of({});
  std::vector<TestRow> rows = random_rows(*random, 400);
  for (TestRow& row : rows) {
    row.user = "u";
    row.item = 1;
  }
  const int64_t now = kTestStart + 100 * 60 * kMinute;
  std::string row = row_in_pieces(*random, rows, {"u", 1}, now);
  const std::size_t before = row.size();
  ASSERT_TRUE(view->update_online_row(nothing, {}, EventTime{now}, &row).ok());
  EXPECT_LE(row.size(), before);
  EXPECT_LT(row.size(), 128U);
  EXPECT_EQ(served(row, now), expected(rows, {"u", 1}, now));
}

TEST_P(OnlineRow, NothingIsNotFound) {
  const FeatureValues read = view->read_online_row("", EventTime{kTestStart}).value();
  ASSERT_EQ(read.statuses.size(), view->features().size());
  for (const data::FeatureStatus status : read.statuses) {
    EXPECT_EQ(status, data::FeatureStatus::kNotFound);
  }
  EXPECT_FALSE(read.event_time.has_value());
}

TEST_P(OnlineRow, DamagedBytesAreCorruptAndNeverCrash) {
  const auto random = seeded_random(6);
  std::vector<TestRow> rows = random_rows(*random, 60);
  for (TestRow& row : rows) {
    row.user = "u";
    row.item = 1;
  }
  const int64_t now = kTestStart + 200 * kMinute;
  const std::string row = row_in_pieces(*random, rows, {"u", 1}, now);
  EXPECT_EQ(view->read_online_row("\x09\x09zzz", EventTime{now}).code(), Code::kCorrupt);
  int corrupt = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = row;
    damaged[random->below(damaged.size())] = static_cast<char>(random->next());
    if (random->below(4) == 0) {
      damaged.resize(random->below(damaged.size()));
    }
    if (damaged.empty()) {
      continue;
    }
    const Result<FeatureValues> read = view->read_online_row(damaged, EventTime{now});
    corrupt += read.ok() ? 0 : 1;
    const Status updated = view->update_online_row(batch_of({}), {}, EventTime{now}, &damaged);
    EXPECT_TRUE(updated.ok() || updated.code() == Code::kCorrupt);
  }
  EXPECT_GT(corrupt, 300);
}

TEST_P(OnlineRow, APendingRowOfAnImpossibleTimeIsCorrupt) {
  const std::string row("\x03\x01*q\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x1dz");
  EXPECT_EQ(view->read_online_row(row, EventTime{kTestStart}).code(), Code::kCorrupt);
}

INSTANTIATE_TEST_SUITE_P(Views, OnlineRow, testing::ValuesIn(kTestViews), [](const auto& kind) {
  return name_of(kind.param);
});

}  // namespace
}  // namespace assay::gold
