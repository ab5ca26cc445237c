// Commits of writers that share a bronze table, one interleaving after the other.

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <semaphore>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "flow/bronze_writer.h"
#include "flow/kafka_line.h"
#include "flow/quarantine.h"
#include "flow/running_up.h"

namespace assay::flow {
namespace {

/// The machine's files; does something once: before rows are committed to the bronze table, when
/// others can still be quicker, before anything is, or before a commit to the quarantine table.
class FilesWithARace : public LakeThatGoes {
 public:
  std::function<void()> before_commit;
  std::function<void()> before_bronze;
  std::function<void()> before_quarantine;

  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    if (before_commit && path.find("commit_events.lock") != std::string::npos) {
      std::exchange(before_commit, nullptr)();
    }
    return LakeThatGoes::lock(path);
  }
  Status put_if_absent(const std::string& path, std::string_view bytes) override {
    if (before_quarantine && path.find("events_quarantine/_delta_log") != std::string::npos) {
      std::exchange(before_quarantine, nullptr)();
    }
    if (before_bronze && path.find("events/_delta_log") != std::string::npos) {
      std::exchange(before_bronze, nullptr)();
    }
    return LakeThatGoes::put_if_absent(path, bytes);
  }
};

/// A process that shares the table: its own view of the project, and its own parts.
class Process {
 public:
  explicit Process(TestProject& project,
                   Duration turn_wait = RunOptions().turn_wait,
                   std::size_t duplicates_bytes = RunOptions().duplicates_bytes)
      : system_(LogLevel::kError),
        world_{system_.world().clock,
               files,
               system_.world().random,
               system_.world().log,
               system_.world().metrics},
        workspace_(*Workspace::open(world_, project.folder(), {})),
        writer_(*BronzeWriter::open(*workspace_, "events", options(turn_wait, duplicates_bytes))) {}

  /// Read a record of a part: `users` one after the other, in one hour.
  void read(int64_t part, const std::vector<std::string>& users, int hour = 0) {
    ingest::RecordBatch batch;
    batch.source = "events";
    batch.file = "events";
    batch.format = catalog::Format::kJsonLines;
    batch.received = *parse_time("2026-02-01");
    batch.parts = {"events/" + std::to_string(part)};
    auto text = std::make_shared<std::string>();
    text->reserve(users.size() * 100);
    int64_t& next = next_[part];
    for (const std::string& user : users) {
      const std::string record = R"({"user_id":")" + user + R"(","amount":1,"ts":"2026-01-01 )" +
                                 (hour < 10 ? "0" : "") + std::to_string(hour) + ":00:00\"}";
      const std::size_t begin = text->size();
      *text += record;
      batch.records.push_back(std::string_view(*text).substr(begin, record.size()));
      batch.lines.push_back(next);
      batch.positions.push_back(ingest::Position::of(part, next++).value);
      batch.part_of.push_back(0);
    }
    batch.memory = text;
    const Status taken = writer_->take_unjudged(batch);
    ASSERT_TRUE(taken.ok()) << taken.to_string();
    reached.parts[part] = ingest::Position::of(part, next).value;
  }
  /// Go on with a part where the table stands.
  void begin(int64_t part) {
    const auto stands = *writer_->take_over({part}, part + 1);
    if (stands.contains(part)) {
      reached.begun[part] = stands.at(part);
      next_[part] = ingest::Position{stands.at(part)}.record();
    }
  }
  void begin_without_lake(int64_t part) {
    EXPECT_EQ(writer_->take_over({part}, part + 1).code(), Code::kUnavailable);
  }
  Status commit() {
    const Status status = writer_->commit_shared(reached, &account);
    if (status.ok()) {
      for (const auto& [part, position] : reached.parts) {
        reached.begun[part] = position;
      }
    }
    return status;
  }
  /// The first half of a commit, as a process that is killed behind it.
  void commit_quarantine_alone() {
    files.before_commit = [this] { files.is_away = true; };
    ASSERT_EQ(commit().code(), Code::kUnavailable);
  }
  /// The number of the next record of a part.
  int64_t next(int64_t part) { return next_[part]; }
  int64_t lost_races() {
    return world_.metrics.counter("assay_flow_commits_judged_again_total", "", {{"name", "events"}})
        .value();
  }
  int64_t keys_held() { return writer_->keys_held(); }
  silver::PartFacts facts() { return writer_->journaled()->facts; }
  EventTime part_time(int64_t part) { return writer_->part_times(part + 1)->at(part); }

  FilesWithARace files;
  BronzeWriter::SharedReached reached;
  StageAccount account;

 private:
  static RunOptions options(Duration turn_wait, std::size_t duplicates_bytes) {
    RunOptions options;
    options.turn_wait = turn_wait;
    options.duplicates_bytes = duplicates_bytes;
    return options;
  }

  SystemWorld system_;
  World world_;
  std::unique_ptr<Workspace> workspace_;
  std::unique_ptr<BronzeWriter> writer_;
  std::map<int64_t, int64_t> next_;
};

class SharedCommit : public testing::Test {
 protected:
  SharedCommit() : topic_(2), project_(topic_) {
    project_.change("source: events\n", "source: events\n    key: [user_id, ts]\n");
    (void)project_.open();
  }
  int64_t rows() { return project_.count("bronze/events"); }
  int64_t refused() { return project_.count("bronze/events_quarantine"); }
  /// Records of part 0 that a table has, by their number.
  static std::vector<int64_t> numbers(TestProject& project,
                                      const std::string& table,
                                      const std::string& column) {
    const data::Batch rows = *project.open()->read_table(table, column, "", column);
    std::vector<int64_t> numbers;
    for (const int64_t position : rows.column(0).values<int64_t>()) {
      numbers.push_back(ingest::Position{position}.record());
    }
    return numbers;
  }
  std::vector<int64_t> accepted_numbers() { return numbers(project_, "bronze/events", "sequence"); }
  std::vector<int64_t> refused_numbers() {
    return numbers(project_, "bronze/events_quarantine", "position");
  }

  TestTopic topic_;
  KafkaProject project_;
};

TEST_F(SharedCommit, ARepeatedKeyIsFoundWhoeverHadItFirst) {
  Process a(project_);
  Process b(project_);
  a.read(0, {"u1", "u2"});
  b.read(1, {"u2", "u3"});  // both before the other has committed
  ASSERT_TRUE(a.commit().ok());
  ASSERT_TRUE(b.commit().ok());
  EXPECT_EQ(rows(), 3);
  EXPECT_EQ(b.account.rows.duplicates, 1);
  a.read(0, {"u3", "u4"});  // what b added since a's last commit
  ASSERT_TRUE(a.commit().ok());
  EXPECT_EQ(a.account.rows.duplicates, 1);
  EXPECT_EQ(rows(), 4);
}

TEST_F(SharedCommit, ALostRaceIsJudgedAgain) {
  Process a(project_);
  Process b(project_);
  a.read(0, {"u0"});
  ASSERT_TRUE(a.commit().ok());
  a.read(0, {"u1", "u2", "u5"});
  b.read(1, {"u2", "u3", "u5"});
  a.files.before_commit = [&] { ASSERT_TRUE(b.commit().ok()); };
  ASSERT_TRUE(a.commit().ok());
  EXPECT_EQ(a.account.rows.duplicates, 2);
  EXPECT_EQ(b.account.rows.duplicates, 0);
  EXPECT_EQ(rows(), 5);
  a.read(0, {"u2", "u6"});  // what was judged and not committed left no trace
  b.read(1, {"u1", "u6"});
  ASSERT_TRUE(b.commit().ok());
  ASSERT_TRUE(a.commit().ok());
  EXPECT_EQ(rows(), 6);
}

TEST_F(SharedCommit, WhoseDuplicateIsDroppedMayLetAnotherIn) {
  // Within an hour: u1 at 2:00 repeats u1 at 1:00, which repeats another's at 0:00; then it is new.
  project_.change("key: [user_id, ts]\n", "key: [user_id]\n    dedup_for: 1h\n");
  (void)project_.open();
  Process a(project_);
  Process b(project_);
  a.read(0, {"u1"}, 1);
  a.read(0, {"u1"}, 2);
  b.read(1, {"u1"}, 0);
  a.files.before_commit = [&] { ASSERT_TRUE(b.commit().ok()); };
  ASSERT_TRUE(a.commit().ok());
  EXPECT_EQ(a.account.rows.duplicates, 1);
  EXPECT_EQ(rows(), 2);
}

TEST_F(SharedCommit, WhoWasLeftBehindCommitsNothing) {
  Process a(project_);
  a.read(0, {"u1"});
  ASSERT_TRUE(a.commit().ok());
  a.read(0, {"u2", "u3"});
  Process b(project_);  // a is frozen; b has its part, and reads the same records
  b.begin(0);
  b.read(0, {"u2", "u3", "u4"});
  ASSERT_TRUE(b.commit().ok());
  EXPECT_EQ(a.commit().code(), Code::kAborted);
  EXPECT_EQ(rows(), 4);
  EXPECT_EQ(a.account.rows.in, 1);
}

TEST_F(SharedCommit, WhoIsLeftBehindInTheMiddleCommitsNothing) {
  Process a(project_);
  Process b(project_);
  a.read(0, {"u1", "u2"});
  b.read(0, {"u1", "u2", "u3"});
  a.files.before_commit = [&] { ASSERT_TRUE(b.commit().ok()); };
  EXPECT_EQ(a.commit().code(), Code::kAborted);
  EXPECT_EQ(rows(), 3);
}

TEST_F(SharedCommit, QuarantineTakesNothingTwice) {
  Process a(project_);
  a.read(0, {"u1", "\\"});  // no JSON
  Process b(project_);
  b.read(0, {"u1", "\\", "\\"});
  ASSERT_TRUE(b.commit().ok());
  EXPECT_EQ(a.commit().code(), Code::kAborted);
  EXPECT_EQ(project_.count("bronze/events_quarantine"), 2);
}

constexpr char kBad[] = "\\";  // makes a record that is no JSON

TEST_F(SharedCommit, WhatIsReadAgainIsRefusedOrAcceptedAsItIsThen) {
  {
    Process killed(project_);
    killed.begin(0);
    killed.read(0, {"u1", kBad, kBad, "u3"});
    killed.commit_quarantine_alone();
  }
  Process next(project_);
  next.begin(0);
  next.read(0, {kBad, "u2", kBad, "u3"});  // as if a schema had gone, and another had come
  ASSERT_TRUE(next.commit().ok());
  EXPECT_EQ(accepted_numbers(), (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(refused_numbers(), (std::vector<int64_t>{0, 2}));
  next.read(0, {"u4", kBad});
  ASSERT_TRUE(next.commit().ok());  // what was kept stays
  EXPECT_EQ(refused_numbers(), (std::vector<int64_t>{0, 2, 5}));
}

TEST_F(SharedCommit, WhatIsReadAgainBitByBitIsRefusedOnce) {
  {
    Process killed(project_);
    killed.begin(0);
    killed.read(0, {"u1", kBad, "u2", kBad});
    killed.commit_quarantine_alone();
  }
  Process next(project_);
  next.begin(0);
  next.read(0, {"u1", kBad});
  ASSERT_TRUE(next.commit().ok());
  next.read(0, {"u2", "u3"});
  ASSERT_TRUE(next.commit().ok());
  EXPECT_EQ(accepted_numbers(), (std::vector<int64_t>{0, 2, 3}));
  EXPECT_EQ(refused_numbers(), (std::vector<int64_t>{1}));
}

TEST_F(SharedCommit, WhatOthersHaveTakenOutMeanwhileIsNotThere) {
  {
    Process killed(project_);
    killed.begin(0);
    killed.read(0, {"u1", kBad});
    killed.commit_quarantine_alone();
  }
  Process next(project_);
  next.begin(0);
  next.read(0, {"u1"});
  ASSERT_TRUE(next.commit().ok());
  {
    Process killed(project_);
    killed.begin(0);
    killed.read(0, {"u2"});  // good this time
    killed.commit_quarantine_alone();
    EXPECT_EQ(refused(), 0);
  }
  next.begin(0);
  next.read(0, {kBad});
  ASSERT_TRUE(next.commit().ok());
  EXPECT_EQ(refused_numbers(), (std::vector<int64_t>{1}));
}

TEST_F(SharedCommit, WhoWasLeftBehindRefusesNothing) {
  Process frozen(project_);
  Process next(project_);
  frozen.begin(0);
  frozen.read(0, {"u1", kBad});
  frozen.files.before_quarantine = [&] {
    next.begin(0);
    next.read(0, {"u1", "u2"});
    ASSERT_TRUE(next.commit().ok());
  };
  EXPECT_EQ(frozen.commit().code(), Code::kAborted);
  EXPECT_EQ(accepted_numbers(), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(refused(), 0);
  EXPECT_EQ(list_quarantine(*project_.open())->rows(), 0);
}

TEST_F(SharedCommit, WhoIsLeftBehindBetweenItsCommitsAcceptsNothing) {
  Process slow(project_);
  slow.begin(0);
  slow.read(0, {"u1", kBad, "u3"});
  slow.files.before_commit = [&] {
    Process killed(project_);
    killed.begin(0);
    killed.read(0, {kBad, "u2", "u3"});
    killed.commit_quarantine_alone();
  };
  EXPECT_EQ(slow.commit().code(), Code::kAborted);
  EXPECT_EQ(rows(), 0);
  Process next(project_);
  next.begin(0);
  next.read(0, {"u1", "u2", kBad});
  ASSERT_TRUE(next.commit().ok());
  EXPECT_EQ(accepted_numbers(), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(refused_numbers(), (std::vector<int64_t>{2}));
}

TEST_F(SharedCommit, WhoHasTakenPartsCommitsNoOthers) {
  Process a(project_);
  a.begin(0);
  a.read(0, {"u1"});
  a.read(1, {"u2", kBad});  // numbered after the taking
  EXPECT_EQ(a.commit().code(), Code::kAborted);
  EXPECT_EQ(refused(), 0);
  EXPECT_EQ(rows(), 0);
}

TEST_F(SharedCommit, AFailedTakingIsNone) {
  Process a(project_);
  a.begin(0);
  a.files.is_away = true;
  a.begin_without_lake(0);
  a.files.is_away = false;
  Process b(project_);
  b.begin(0);
  a.read(0, {"u1", kBad});
  EXPECT_EQ(a.commit().code(), Code::kAborted);
  EXPECT_EQ(refused(), 0);
}

/// The order of the two takings.
TEST_F(SharedCommit, WhoWasQuickerThanTheTakingHasCommitted) {
  Process slow(project_);
  Process next(project_);
  slow.begin(0);
  slow.read(0, {"u1", kBad});
  std::binary_semaphore is_between{0};
  std::binary_semaphore may_go{0};
  const auto wait_for = [](const char* what, std::binary_semaphore& released) {
    return wait_until(
        what, [&] { return released.try_acquire(); }, std::identity());
  };
  slow.files.before_commit = [&] {
    is_between.release();
    wait_for("the other taking", may_go);
  };
  std::jthread beside([&] { EXPECT_TRUE(slow.commit().ok()); });
  ASSERT_TRUE(wait_for("a commit that has begun", is_between));
  next.files.before_bronze = [&] {  // the part is taken in the quarantine table, and not yet here
    may_go.release();
    beside.join();
  };
  next.begin(0);
  next.read(0, {"u3", kBad});
  ASSERT_TRUE(next.commit().ok());
  EXPECT_EQ(accepted_numbers(), (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(refused_numbers(), (std::vector<int64_t>{1, 3}));
}

/// Processes that take a part from one another while they are slow or killed at any place of a
/// commit, and to whom each record is good or bad by chance, whenever it is read.
class TakenByChance {
 public:
  TakenByChance(TestProject& project, uint64_t seed)
      : project_(project), random_(seeded_random(seed)) {}

  static constexpr int64_t kRecords = 24;

  /// A process comes and goes; others may come while it is slow.
  void live(int depth) {
    Process process(project_, kNoWait);
    process.begin(0);
    for (auto commits = random_->below(3); commits > 0; --commits) {
      if (!read(process, 1 + static_cast<int64_t>(random_->below(4)))) {
        return;
      }
      const uint64_t what = random_->below(depth < 2 ? 6 : 3);
      if (what == 0) {
        process.files.before_commit = [&] { process.files.is_away = true; };
      } else if (what > 2) {
        auto& slow = what == 3   ? process.files.before_quarantine
                     : what == 4 ? process.files.before_commit
                                 : process.files.before_bronze;
        slow = [this, depth] { live(depth + 1); };
      }
      if (!process.commit().ok()) {
        return;
      }
    }
  }
  /// The last one reads all that is left.
  void live_last() {
    Process process(project_, kNoWait);
    process.begin(0);
    if (read(process, kRecords)) {
      ASSERT_TRUE(process.commit().ok());
    }
  }

 private:
  /// False when nothing is left.
  bool read(Process& process, int64_t count) {
    std::vector<std::string> users;
    for (int64_t at = process.next(0); count > 0 && at < kRecords; --count, ++at) {
      users.push_back(random_->below(3) == 0 ? kBad : "u" + std::to_string(at));
    }
    if (!users.empty()) {
      process.read(0, users);
    }
    return !users.empty();
  }

  static constexpr Duration kNoWait{0};  // for the turn of who is slow within a commit
  TestProject& project_;
  std::unique_ptr<Random> random_;
};

TEST_F(SharedCommit, EachRecordIsInOneOfBothTablesWhoeverIsSlowOrKilled) {
  std::vector<int64_t> all(TakenByChance::kRecords);
  std::iota(all.begin(), all.end(), 0);
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    KafkaProject project(topic_);
    project.change("source: events\n", "source: events\n    key: [user_id, ts]\n");
    (void)project.open();
    TakenByChance processes(project, seed);
    for (int i = 0; i < 6; ++i) {
      processes.live(0);
    }
    processes.live_last();
    std::vector<int64_t> found = numbers(project, "bronze/events", "sequence");
    const std::vector<int64_t> refused = numbers(project, "bronze/events_quarantine", "position");
    found.insert(found.end(), refused.begin(), refused.end());
    std::sort(found.begin(), found.end());
    EXPECT_EQ(found, all);
  }
}

TEST_F(SharedCommit, WhoHasLostARaceIsNotOvertakenAgain) {
  Process large(project_);
  Process small(project_);
  std::atomic<bool> is_over = false;
  std::jthread beside([&] {
    for (int i = 0; !is_over; ++i) {
      small.read(1, {"s" + std::to_string(i)});
      ASSERT_TRUE(small.commit().ok());
    }
  });
  constexpr int kCommits = 5;
  std::vector<std::string> users;
  for (int commit = 0; commit < kCommits; ++commit) {
    users.clear();
    for (int i = 0; i < 2'000; ++i) {
      users.push_back("l" + std::to_string(commit) + "_" + std::to_string(i));
    }
    large.read(0, users);
    ASSERT_TRUE(large.commit().ok());
  }
  is_over = true;
  beside.join();
  EXPECT_LE(large.lost_races(), kCommits);
}

TEST_F(SharedCommit, AFrozenOneHoldsUpNobodyForLong) {
  const auto frozen = *system_files()->lock(project_.folder() + "/.assay/commit_events.lock");
  Process a(project_, {100'000});
  a.read(0, {"u1"});
  ASSERT_TRUE(a.commit().ok());
  a.read(0, {"u2"});
  ASSERT_TRUE(a.commit().ok());
  EXPECT_EQ(rows(), 2);
}

TEST_F(SharedCommit, AnotherFoldersProcessesAreToldApart) {
  Process a(project_);
  a.read(0, {"u1"});
  ASSERT_TRUE(a.commit().ok());
  project_.write(".assay/share_id", "of another folder");
  Process b(project_);
  b.begin(1);
  b.read(1, {"u2"});
  ASSERT_TRUE(b.commit().ok());  // the project may have moved
  a.read(0, {"u3"});
  EXPECT_EQ(a.commit().code(), Code::kFailedPrecondition);
}

TEST_F(SharedCommit, OldKeysAreForgottenAndFoundInTheTable) {
  project_.change("key: [user_id, ts]\n", "key: [user_id]\n    dedup_for: 1h\n");
  (void)project_.open();
  Process a(project_, RunOptions().turn_wait, 1);
  constexpr int kHours = 24;
  constexpr int64_t kUsers = 200;
  for (int hour = 0; hour < kHours; hour += 2) {
    std::vector<std::string> users;
    for (int64_t user = 0; user < kUsers; ++user) {
      users.push_back("u" + std::to_string(user));
    }
    users.push_back("u1");  // repeats one of these
    a.read(0, users, hour);
    ASSERT_TRUE(a.commit().ok());
    EXPECT_GT(a.keys_held(), 0);
    EXPECT_LE(a.keys_held(), 4 * kUsers) << "hour " << hour;
  }
  a.read(0, {"u1", "new"}, 0);  // of hours that were forgotten
  ASSERT_TRUE(a.commit().ok());
  EXPECT_EQ(a.account.rows.duplicates, kHours / 2 + 1);
  EXPECT_EQ(rows(), kUsers * kHours / 2 + 1);
}

TEST_F(SharedCommit, ADuplicateTellsNoTime) {
  project_.change("key: [user_id, ts]\n", "key: [user_id]\n    dedup_for: 5h\n");
  (void)project_.open();
  Process a(project_);
  a.reached.facts = {{10}, {{0, {10}}}};
  a.read(0, {"u1"}, 1);
  a.read(0, {"u1"}, 3);
  ASSERT_TRUE(a.commit().ok());
  EXPECT_EQ(a.account.rows.duplicates, 1);
  EXPECT_EQ(a.part_time(0), *parse_time("2026-01-01 01:00:00"));
  EXPECT_EQ(a.facts(), a.reached.facts);
  a.reached.facts = {{20}, {{0, {20}}}};
  a.read(0, {"u1"}, 4);
  ASSERT_TRUE(a.commit().ok());
  EXPECT_EQ(a.facts(), (silver::PartFacts{{10}, {{0, {10}}}})) << "silver has no commit of it";
}

TEST_F(SharedCommit, EachSaysWhatItKnowsOfAllParts) {
  Process a(project_);
  Process b(project_);
  a.reached.facts = {{10}, {{0, {10}}, {1, {4}}}};
  a.read(0, {"u1"}, 9);
  ASSERT_TRUE(a.commit().ok());
  b.reached.facts = {{8}, {{1, {8}}}};  // of part 0 it knows nothing
  b.read(1, {"u2"}, 3);
  ASSERT_TRUE(b.commit().ok());
  EXPECT_EQ(a.facts(), (silver::PartFacts{{10}, {{0, {10}}, {1, {8}}}}));
  a.reached.facts = {{12}, {{0, {12}}}};
  a.read(0, {"u1"}, 11);
  ASSERT_TRUE(a.commit().ok());
  EXPECT_EQ(b.facts(), (silver::PartFacts{{12}, {{0, {12}}, {1, {8}}}}));
}

}  // namespace
}  // namespace assay::flow
