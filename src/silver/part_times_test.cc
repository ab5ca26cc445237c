#include "silver/part_times.h"

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace assay::silver {
namespace {

constexpr Duration kAllowed{10};
constexpr Duration kIdle{30};

/// A row as it lies in its part.
struct Row {
  int64_t part = 0;
  int64_t time = 0;
};

/// Judges rows one commit after the other, as silver does.
class Judge {
 public:
  /// Whether each row is late.
  std::vector<bool> rows(const std::vector<Row>& rows) {
    data::ColumnBuilder times(data::Type::kTimestamp);
    data::ColumnBuilder sequences(data::Type::kInt64);
    for (const Row& row : rows) {
      times.append(row.time);
      sequences.append((row.part << 32) + next_++);
    }
    const LatenessSplit split =
        split_late_by_part(*times.finish(), *sequences.finish(), kAllowed, &state);
    std::vector<bool> late(rows.size(), false);
    for (const int64_t row : split.late) {
      late[static_cast<std::size_t>(row)] = true;
    }
    return late;
  }
  void end(int64_t line_clock, const std::map<int64_t, int64_t>& read_to) {
    PartFacts facts{{line_clock}, {}};
    for (const auto& [part, clock] : read_to) {
      facts.read_to[part] = {clock};
    }
    end_commit(facts, kIdle, &state);
  }

  PartTimes state;

 private:
  int64_t next_ = 0;
};

using Late = std::vector<bool>;

TEST(PartTimes, ARowIsLateByThoseBeforeItInItsOwnPart) {
  Judge judge;
  EXPECT_EQ(judge.rows({{0, 100}, {1, 50}, {0, 89}, {0, 90}, {1, 41}, {1, 39}}),
            (Late{false, false, true, false, false, true}));
  judge.end(0, {{0, 0}, {1, 0}, {2, 0}});
  EXPECT_EQ(judge.rows({{1, 41}, {0, 89}, {2, 0}}), (Late{false, true, false}));
}

TEST(PartTimes, LowIsTheSlowestPartsAndNoneBeforeAllHaveGivenRows) {
  Judge judge;
  judge.rows({{0, 100}});
  judge.end(0, {{0, 0}, {1, 0}});
  EXPECT_EQ(judge.state.low, std::nullopt);
  judge.rows({{1, 70}});
  judge.end(0, {{0, 0}, {1, 0}});
  EXPECT_EQ(judge.state.low, EventTime{70});
  judge.rows({{1, 80}, {0, 300}});
  judge.end(5, {{0, 5}, {1, 5}});
  EXPECT_EQ(judge.state.low, EventTime{80});
}

TEST(PartTimes, APartThatIsStillHoldsNothingUpAndIsLateByTheOthers) {
  Judge judge;
  judge.rows({{0, 100}, {1, 70}});
  judge.end(0, {{0, 0}, {1, 0}, {2, 0}});  // nothing was ever in part 2
  judge.rows({{0, 200}});
  judge.end(29, {{0, 29}, {1, 29}, {2, 29}});
  EXPECT_EQ(judge.state.low, std::nullopt);
  judge.rows({{0, 210}});
  judge.end(30, {{0, 30}, {1, 30}, {2, 30}});
  EXPECT_EQ(judge.state.low, EventTime{210});
  EXPECT_EQ(judge.rows({{1, 199}, {1, 200}, {2, 0}}), (Late{true, false, true}));
  judge.end(31, {{0, 31}, {1, 31}, {2, 31}});
  EXPECT_EQ(judge.state.low, EventTime{210}) << "it does not go back";
}

TEST(PartTimes, APartThatIsNotReadToItsEndHoldsUpHoweverLongItGivesNothing) {
  Judge judge;
  judge.rows({{0, 100}, {1, 70}});
  judge.end(0, {{0, 0}, {1, 0}});
  for (int64_t clock = 100; clock < 1'000; clock += 100) {
    judge.rows({{0, clock}});
    judge.end(clock, {{0, clock}, {1, 29}});
    EXPECT_EQ(judge.state.low, EventTime{70});
  }
  judge.rows({{0, 5'000}});
  judge.end(2'000, {{0, 2'000}, {1, 30}});  // rows of other tables came of it, until 30
  EXPECT_EQ(judge.state.low, EventTime{5'000});
}

TEST(PartTimes, WherePartsAreNotKnownNothingIsHeldUpOrMoved) {
  Judge judge;
  judge.state.low = EventTime{50};  // a table of a version that kept no parts
  EXPECT_EQ(judge.rows({{0, 39}, {0, 40}}), (Late{true, false}));
  judge.end(0, {});
  EXPECT_EQ(judge.state.low, EventTime{50});
}

/// The rule word by word.
Late naive_late(const std::vector<Row>& rows) {
  Late late;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    bool is_late = false;
    for (std::size_t before = 0; before < row; ++before) {
      is_late = is_late || (rows[before].part == rows[row].part &&
                            rows[row].time < rows[before].time - kAllowed.micros);
    }
    late.push_back(is_late);
  }
  return late;
}

TEST(PartTimes, CutsAndTheOrderOfPartsChangeNothingWhileNoneIsStill) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    const auto parts = static_cast<int64_t>(1 + random() % 4);
    std::vector<std::vector<Row>> of_part(static_cast<std::size_t>(parts));
    for (int row = 0; row < 60; ++row) {
      const auto part = static_cast<int64_t>(random() % static_cast<unsigned>(parts));
      of_part[static_cast<std::size_t>(part)].push_back(
          {part, static_cast<int64_t>(row + static_cast<int>(random() % 25))});
    }
    Judge judge;
    std::map<int64_t, Late> late;
    std::vector<std::size_t> next(of_part.size(), 0);
    std::map<int64_t, int64_t> read_to;
    for (int64_t part = 0; part < parts; ++part) {
      read_to[part] = 0;
    }
    int64_t clock = 0;
    for (std::size_t done = 0; done < 60;) {
      std::vector<Row> rows;
      while (rows.size() < 1 + random() % 10 && done < 60) {
        const auto part = static_cast<std::size_t>(random() % static_cast<unsigned>(parts));
        if (next[part] < of_part[part].size()) {
          rows.push_back(of_part[part][next[part]++]);
          ++done;
        }
      }
      const std::optional<EventTime> low = judge.state.low;
      const Late found = judge.rows(rows);
      for (std::size_t row = 0; row < rows.size(); ++row) {
        late[rows[row].part].push_back(found[row]);
        EXPECT_TRUE(found[row] || !low || rows[row].time >= low->micros - kAllowed.micros)
            << "gold relies on it";
      }
      clock += static_cast<int64_t>(random() % 100);
      judge.end(clock, read_to);
      EXPECT_TRUE(judge.state.low >= low);
    }
    for (const std::vector<Row>& rows : of_part) {
      if (!rows.empty()) {
        ASSERT_EQ(late[rows[0].part], naive_late(rows));
      }
    }
  }
}

TEST(PartTimes, WhateverIsStillGoldMayRelyOnLow) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    Judge judge;
    std::map<int64_t, std::vector<Row>> of_part;
    std::map<int64_t, int64_t> heard = {{0, 0}, {1, 0}, {2, 0}};
    bool was_still = false;
    int64_t clock = 0;
    for (int commit = 0; commit < 40; ++commit) {
      std::vector<Row> rows;
      for (unsigned row = 0; row < random() % 4; ++row) {
        const auto part = static_cast<int64_t>(random() % 3);
        rows.push_back({part, static_cast<int64_t>(commit * 3 + static_cast<int>(random() % 40))});
      }
      const std::optional<EventTime> low = judge.state.low;
      const Late found = judge.rows(rows);
      clock += static_cast<int64_t>(random() % 20);
      for (std::size_t row = 0; row < rows.size(); ++row) {
        std::vector<Row>& before = of_part[rows[row].part];
        before.push_back(rows[row]);
        EXPECT_TRUE(found[row] || !low || rows[row].time >= low->micros - kAllowed.micros);
        if (!was_still) {
          EXPECT_EQ(found[row], naive_late(before).back());
        }
      }
      for (const Row& row : rows) {
        heard[row.part] = clock;
      }
      for (const auto& [part, at] : heard) {
        was_still = was_still || clock - at >= kIdle.micros;
      }
      judge.end(clock, {{0, clock}, {1, clock}, {2, clock}});
    }
  }
}

}  // namespace
}  // namespace assay::silver
