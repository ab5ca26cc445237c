#include "flow/part_facts.h"

#include <array>
#include <gtest/gtest.h>

namespace assay::flow {
namespace {

constexpr char kTable[] = "p/silver/t";
constexpr int64_t kSecond = kMicrosPerSecond;

/// The snapshot behind a commit.
void commit(const std::vector<lake::TxnUpdate>& updates, lake::Snapshot* snapshot) {
  for (const lake::TxnUpdate& update : updates) {
    EXPECT_EQ(snapshot->txn(update.app_id), update.expected);
    snapshot->txns[update.app_id] = update.version;
  }
}

TEST(PartFacts, ATableGivesBackWhatItsCommitsSaid) {
  lake::Snapshot snapshot;
  snapshot.txns["p/silver/t/part/0"] = 7;  // of another kind
  EXPECT_EQ(read_part_facts(snapshot, kTable), silver::PartFacts());
  const silver::PartFacts first{{20}, {{0, {20}}, {1, {0}}, {12, {10}}}};
  commit(say_part_facts(first, snapshot, kTable), &snapshot);
  EXPECT_EQ(read_part_facts(snapshot, kTable), first);
  EXPECT_TRUE(say_part_facts(first, snapshot, kTable).empty());
  const silver::PartFacts next{{30}, {{0, {30}}, {1, {15}}, {12, {10}}}};
  const auto updates = say_part_facts(next, snapshot, kTable);
  EXPECT_EQ(updates.size(), 3) << "what is as it was is not said again";
  commit(updates, &snapshot);
  EXPECT_EQ(read_part_facts(snapshot, kTable), next);
}

TEST(PartFacts, WhatACommitDoesNotKnowIsAsItWas) {
  lake::Snapshot snapshot;
  commit(say_part_facts({{50}, {{0, {50}}, {1, {40}}}}, snapshot, kTable), &snapshot);
  // Another process, whose clock is behind: it has read part 2, and knows nothing of part 0.
  commit(say_part_facts({{45}, {{1, {30}}, {2, {45}}}}, snapshot, kTable), &snapshot);
  EXPECT_EQ(read_part_facts(snapshot, kTable),
            (silver::PartFacts{{50}, {{0, {50}}, {1, {40}}, {2, {45}}}}));
  commit(say_part_facts({{60}, {{2, {60}}}}, snapshot, kTable), &snapshot);
  EXPECT_EQ(read_part_facts(snapshot, kTable),
            (silver::PartFacts{{60}, {{0, {50}}, {1, {40}}, {2, {60}}}}));
}

TEST(PartFacts, SilverTablesGiveBackHowFarPartsHaveCome) {
  lake::Snapshot snapshot;
  EXPECT_EQ(read_part_times(snapshot, kTable), silver::PartTimes());
  silver::PartTimes times;
  times.parts = {{0, {EventTime{-5}, {10}}}, {3, {std::nullopt, {20}}}};
  commit(say_part_times(times, snapshot, kTable), &snapshot);
  EXPECT_EQ(read_part_times(snapshot, kTable), times);
  times.low = EventTime{-5};
  times.parts[3].newest = EventTime{9};
  EXPECT_EQ(say_part_times(times, snapshot, kTable).size(), 2);
  commit(say_part_times(times, snapshot, kTable), &snapshot);
  EXPECT_EQ(read_part_times(snapshot, kTable), times);
}

TEST(PartWatch, CountsOnlyWhileBrokersAnswerAndTheProcessIsAwake) {
  PartWatch watch;
  const auto clock = [&] { return watch.facts({0}, {}, {}).line_clock.micros; };
  watch.note_answer({100 * kSecond}, {}, {});
  EXPECT_EQ(clock(), 0);
  watch.note_answer({104 * kSecond}, {}, {});
  EXPECT_EQ(clock(), 4 * kSecond);
  watch.note_no_answer();
  watch.note_answer({190 * kSecond}, {}, {});
  EXPECT_EQ(clock(), 4 * kSecond) << "they were away";
  watch.note_answer({900 * kSecond}, {}, {});
  EXPECT_EQ(clock(), 14 * kSecond) << "frozen";
  watch.catch_up({20 * kSecond}, {0});
  EXPECT_EQ(clock(), 20 * kSecond);
  watch.note_pause({3 * kSecond});
  EXPECT_EQ(clock(), 23 * kSecond);
  watch.note_pause({-kSecond});
  EXPECT_EQ(clock(), 23 * kSecond) << "the machine's clock was set back";
  watch.note_pause({400 * kSecond});
  EXPECT_EQ(clock(), 33 * kSecond);
}

TEST(PartWatch, TheClockOfProcessesThatShareItIsNoFasterThanTime) {
  std::array<PartWatch, 3> watches;
  for (PartWatch& watch : watches) {
    watch.note_answer({0}, {}, {});
  }
  Duration said{0};  // what the last commit said, of whichever process
  for (int64_t i = 1; i <= 300; ++i) {
    PartWatch& watch = watches[static_cast<std::size_t>(i) % watches.size()];
    const Duration now{i * kSecond / 10};
    if (i % 7 == 0) {
      watch.note_answer(now, {}, {});
    }
    watch.catch_up(said, now);
    said = watch.facts(now, {}, {}).line_clock;
    ASSERT_EQ(said.micros, now.micros);
  }
}

TEST(PartWatch, APartIsReadUpToWhenItEndedWhereItIsReadTo) {
  PartWatch watch;
  const auto read_to = [&](int64_t position, bool at_end) {
    return watch.facts({0}, {{0, position}}, at_end ? std::set<int64_t>{0} : std::set<int64_t>())
               .read_to.at(0)
               .micros /
           kSecond;
  };
  watch.note_answer({0}, {{0, 100}}, {{0, 0}});
  watch.note_answer({5 * kSecond}, {{0, 150}}, {{0, 50}});
  EXPECT_EQ(read_to(99, false), 0);
  watch.note_answer({10 * kSecond}, {{0, 200}}, {{0, 100}});  // as it was at 0; now 200 is to come
  EXPECT_EQ(read_to(150, false), 0);
  watch.note_answer({15 * kSecond}, {{0, 200}}, {{0, 199}});
  EXPECT_EQ(read_to(200, false), 10);
  EXPECT_EQ(read_to(200, true), 15) << "nothing more was there";
}

TEST(PartWatch, RecordsThatALeaderToldOfAreWaitedFor) {
  PartWatch watch;
  watch.note_answer({0}, {{0, 5}}, {{0, 5}});
  watch.note_answer({4 * kSecond}, {{0, 5}}, {{0, 5}});
  EXPECT_EQ(watch.facts({4 * kSecond}, {{0, 5}}, {0}).read_to.at(0), Duration{4 * kSecond});
  // What is fetched ends where it did, while the leader has more.
  watch.note_answer({8 * kSecond}, {{0, 8}}, {{0, 5}});
  watch.note_answer({9 * kSecond}, {{0, 9}}, {{0, 5}});
  EXPECT_EQ(watch.facts({9 * kSecond}, {{0, 5}}, {0}).read_to.at(0), Duration{4 * kSecond});
  EXPECT_EQ(watch.facts({9 * kSecond}, {{0, 8}}, {}).read_to.at(0), Duration{8 * kSecond});
}

/// As after a leader that was silent: the time without it counts for nobody.
TEST(PartWatch, NoPartIsReadUpToATimeWithoutAnswers) {
  PartWatch watch;
  watch.note_answer({0}, {{0, 5}, {1, 1}}, {{0, 5}, {1, 1}});
  watch.note_answer({4 * kSecond}, {{0, 5}, {1, 1}}, {{0, 5}, {1, 1}});
  for (int64_t second = 5; second < 90; ++second) {
    watch.note_no_answer();
    const silver::PartFacts facts = watch.facts({second * kSecond}, {{0, 5}, {1, second}}, {0, 1});
    ASSERT_EQ(facts.line_clock, Duration{4 * kSecond});
    ASSERT_EQ(facts.read_to.at(0), Duration{4 * kSecond});
  }
  watch.note_answer({90 * kSecond}, {{0, 5}, {1, 90}}, {{0, 5}, {1, 90}});
  EXPECT_EQ(watch.facts({90 * kSecond}, {{0, 5}}, {0}).read_to.at(0), Duration{4 * kSecond});
  watch.note_answer({91 * kSecond}, {{0, 5}, {1, 90}}, {{0, 5}, {1, 90}});
  EXPECT_EQ(watch.facts({91 * kSecond}, {{0, 5}}, {0}).read_to.at(0), Duration{5 * kSecond});
}

TEST(PartWatch, AnAnswerToAnOlderQuestionTellsNothing) {
  PartWatch watch;
  watch.note_answer({10 * kSecond}, {{0, 5}}, {{0, 5}});
  watch.note_answer({14 * kSecond}, {{0, 9}}, {{0, 5}});
  watch.note_answer({12 * kSecond}, {{0, 5}}, {{0, 5}});
  const silver::PartFacts facts = watch.facts({14 * kSecond}, {{0, 5}}, {0});
  EXPECT_EQ(facts.line_clock, Duration{4 * kSecond});
  EXPECT_EQ(facts.read_to.at(0), Duration{0});
}

TEST(PartWatch, RowsCameLaterThanTheLastAnswer) {
  PartWatch watch;
  watch.note_answer({100 * kSecond}, {}, {});
  const silver::PartFacts facts = watch.facts({107 * kSecond}, {{0, 1}}, {0});
  EXPECT_EQ(facts.line_clock, Duration{7 * kSecond});
  EXPECT_EQ(facts.read_to.at(0), Duration{0});
  watch.note_answer({108 * kSecond}, {}, {});
  EXPECT_EQ(watch.facts({108 * kSecond}, {}, {}).line_clock, Duration{8 * kSecond});
  EXPECT_EQ(watch.facts({900 * kSecond}, {}, {}).line_clock, Duration{18 * kSecond});
  watch.note_no_answer();
  EXPECT_EQ(watch.facts({900 * kSecond}, {}, {}).line_clock, Duration{8 * kSecond});
}

}  // namespace
}  // namespace assay::flow
