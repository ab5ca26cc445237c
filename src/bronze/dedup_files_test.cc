// Verdicts do not depend on how much memory keys may take: what lies in files is judged as what
// is held.

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "base/temp_folder.h"
#include "bronze/naive_dedup.h"

namespace assay::bronze {
namespace {

/// A table and the index over it, as flow has them: epochs that are committed one later, by one
/// process or by one of several, whose commits may lose and be judged again.
class Line {
 public:
  Line(int64_t dedup_for, bool in_order, DedupMemory memory)
      : dedup_for_(dedup_for),
        in_order_(in_order),
        memory_(std::move(memory)),
        naive_(dedup_for, in_order),
        index_(Duration{dedup_for}, in_order, memory_) {}

  /// Judge a batch as both do; false where they differ.
  bool judge(const std::vector<TestRecord>& records) {
    place(records);
    return accept(records);
  }
  /// The same, of a commit that lost its race the first time.
  bool judge_twice(const std::vector<TestRecord>& records) {
    place(records);
    const int64_t known = index_.size();
    const std::vector<TestRecord> before = naive_.accepted();
    const bool are_same = accept(records);
    index_.forget_newest(known);
    naive_.restore(before);
    return are_same && accept(records);
  }
  /// The epoch before is in the table by now.
  void end_epoch() {
    committed_ = on_its_way_;
    on_its_way_ = naive_.accepted().size();
    last_ranges_ = std::exchange(ranges_, {});
  }
  void crash(std::mt19937& random) {
    std::vector<TestRecord> table(naive_.accepted().begin(),
                                  naive_.accepted().begin() + static_cast<int64_t>(committed_));
    naive_.restore(table);
    on_its_way_ = committed_;
    ranges_.clear();
    last_ranges_.clear();
    if (random() % 2 == 0) {
      index_ = DedupIndex(Duration{dedup_for_}, in_order_, memory_);
    } else {
      index_.keep_only({});
    }
  }
  [[nodiscard]] const DedupIndex& index() const { return index_; }

 private:
  void place(const std::vector<TestRecord>& records) {
    data::ColumnBuilder times(data::Type::kTimestamp);
    for (const TestRecord& record : records) {
      times.append(record.time);
    }
    const auto needed = needed_ranges(*times.finish(), Duration{dedup_for_});
    ranges_.insert(ranges_.end(), needed.begin(), needed.end());
    if (index_.is_full()) {
      std::vector<TimeRange> all = last_ranges_;
      all.insert(all.end(), ranges_.begin(), ranges_.end());
      EXPECT_TRUE(index_.make_room(all).ok());
    }
    for (const TimeRange& range : index_.missing(needed)) {
      load(range);
    }
  }
  void load(const TimeRange& range) {
    std::vector<TestRecord> rows;
    std::vector<uint64_t> contents;
    for (std::size_t i = 0; i < committed_; ++i) {
      const TestRecord& row = naive_.accepted()[i];
      if (range.first.micros <= row.time && row.time <= range.last.micros) {
        rows.push_back(row);
        contents.push_back(row.content);
      }
      if (rows.size() == 7 || i + 1 == committed_) {
        EXPECT_TRUE(index_.load_some(table_of(rows), {"id"}, contents).ok());
        rows.clear();
        contents.clear();
      }
    }
    index_.note_loaded(range);
  }
  bool accept(const std::vector<TestRecord>& records) {
    std::vector<std::string> keys;
    std::vector<DedupIndex::AskedKey> asked;
    for (const TestRecord& record : records) {
      keys.push_back(key_bytes(record.key));
    }
    for (std::size_t i = 0; i < records.size(); ++i) {
      asked.push_back({keys[i], {records[i].time}});
    }
    EXPECT_TRUE(index_.recall(asked).ok());
    bool are_same = true;
    for (std::size_t i = 0; i < records.size(); ++i) {
      const TestRecord& record = records[i];
      are_same = index_.accept(keys[i], {record.time}, record.sequence, record.content) ==
                     naive_.accept(record) &&
                 are_same;
    }
    return are_same;
  }

  int64_t dedup_for_;
  bool in_order_;
  DedupMemory memory_;
  NaiveDedup naive_;
  DedupIndex index_;
  std::size_t committed_ = 0;   // of what was accepted: the table has it
  std::size_t on_its_way_ = 0;  // the same, of the epoch that is being committed
  std::vector<TimeRange> ranges_;
  std::vector<TimeRange> last_ranges_;
};

TEST(DedupFiles, VerdictsAreThoseOfTheNaiveTwin) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const TempFolder folder;
  for (int round = 0; round < 60; ++round) {
    constexpr int64_t kReaches[] = {0, 20, 500, 100'000'000};
    const int64_t dedup_for = kReaches[random() % 4];
    const bool in_order = random() % 2 == 0;
    // A table of nothing has 4 kB: from a file with each batch to one now and then.
    const std::size_t bytes = std::size_t{1} << random() % 17;
    Line line(dedup_for, in_order, {folder.path(), bytes});
    const int64_t keys = 1 + static_cast<int64_t>(random() % 200);
    int64_t sequence = 0;
    for (int64_t batch = 0; batch < 120; ++batch) {
      std::vector<TestRecord> records;
      for (auto count = 1 + random() % 12; count > 0; --count) {
        const bool is_far = random() % 50 == 0;  // a clock that is years off
        records.push_back(
            {static_cast<int64_t>(random()) % keys,
             batch * 10 + static_cast<int64_t>(random() % 60) + (is_far ? 300'000'000'000'000 : 0),
             sequence++,
             in_order ? 0 : random() % 2});
      }
      ASSERT_TRUE(random() % 5 == 0 ? line.judge_twice(records) : line.judge(records))
          << "round " << round << ", batch " << batch << ", " << bytes << " bytes";
      if (random() % 6 == 0) {
        line.end_epoch();
      }
      if (random() % 40 == 0) {
        line.crash(random);
      }
    }
  }
}

TEST(DedupFiles, OldFilesGoAsTimeGoesOn) {
  const TempFolder folder;
  constexpr int64_t kHour = 3'600'000'000;
  Line line(kHour, true, {folder.path(), 32 << 10});
  int64_t sequence = 0;
  for (int64_t batch = 0; batch < 400; ++batch) {  // 40 hours, 10 batches each
    std::vector<TestRecord> records;
    for (int64_t i = 0; i < 50; ++i) {
      records.push_back({sequence, batch * kHour / 10 + i, sequence, 0});
      ++sequence;
    }
    ASSERT_TRUE(line.judge(records));
    line.end_epoch();
    EXPECT_LE(line.index().files().size() + line.index().size(), 5 * 10 * 50);
  }
  EXPECT_GT(line.index().files().size(), 0);
}

TEST(DedupFiles, AClockThatIsYearsOffKeepsNoFile) {
  const TempFolder folder;
  constexpr int64_t kMinute = 60'000'000;
  constexpr int64_t kYear = 365LL * 24 * 60 * kMinute;
  Line line(10 * kMinute, true, {folder.path(), 1});  // a file with each batch
  int64_t sequence = 0;
  for (int64_t batch = 0; batch < 300; ++batch) {
    std::vector<TestRecord> records;
    for (const int64_t time : {batch * kMinute, -10 * kYear, 10 * kYear + batch, -5 * kYear}) {
      for (int i = 0; i < 3; ++i) {
        records.push_back({sequence, time, sequence, 0});
        ++sequence;
      }
    }
    ASSERT_TRUE(line.judge(records));
    line.end_epoch();
  }
  // Of now what two reaches have; of the others everything is asked for all the time.
  constexpr int64_t kOfOthers = 3 * 3 * 300;
  const DedupIndex& index = line.index();
  EXPECT_LE(index.files().size() + index.size() - kOfOthers, 3 * 60);
}

TEST(DedupFiles, MemoryIsBounded) {
  const TempFolder folder;
  constexpr std::size_t kBytes = 300'000;
  DedupIndex index(Duration{1'000'000'000}, true, {folder.path(), kBytes});
  const TimeRange all[] = {{EventTime::min(), EventTime::max()}};
  index.note_loaded(all[0]);
  for (int64_t batch = 0; batch < 300; ++batch) {
    if (index.is_full()) {
      ASSERT_TRUE(index.make_room(all).ok());
    }
    if (batch % 3 == 0) {  // as they come from the table
      std::vector<TestRecord> rows;
      for (int64_t i = 0; i < 200; ++i) {
        rows.push_back({batch * 1'000 + i, batch, batch * 1'000 + i, 0});
      }
      ASSERT_TRUE(index.load_some(table_of(rows), {"id"}).ok());
    }
    std::vector<std::string> keys;
    std::vector<DedupIndex::AskedKey> asked;
    for (int64_t i = 0; i < 200; ++i) {
      keys.push_back(key_bytes(batch * 1'000 + 500 + i));
    }
    for (const std::string& key : keys) {
      asked.push_back({key, {batch}});
    }
    ASSERT_TRUE(index.recall(asked).ok());
    for (int64_t i = 0; i < 200; ++i) {
      EXPECT_TRUE(
          index.accept(keys[static_cast<std::size_t>(i)], {batch}, batch * 1'000 + 500 + i));
    }
    // A quarter of a byte for places of segments, and the batch that made it full twice over.
    const auto places = static_cast<std::size_t>(index.files().size()) / 4;
    ASSERT_LE(index.bytes(), kBytes + places + 100'000) << "batch " << batch;
  }
  EXPECT_EQ(index.files().size() + index.size(), 300 * 200 + 100 * 200);
}

TEST(DedupFiles, WithoutTheFolderOfFilesItIsTold) {
  const TempFolder folder;
  DedupIndex index(Duration{10}, true, {folder.file("nowhere"), 1});
  constexpr TimeRange kAllTime[] = {{EventTime::min(), EventTime::max()}};
  index.note_loaded(kAllTime[0]);
  EXPECT_TRUE(index.accept("a", {100}, 1));
  EXPECT_EQ(index.make_room(kAllTime).code(), Code::kNotFound);
  EXPECT_FALSE(index.accept("a", {101}, 2));  // nothing was lost
}

TEST(DedupFiles, WithoutAFolderAllIsInMemory) {
  DedupIndex index(Duration{10}, true, {"", 1});
  index.note_loaded({EventTime::min(), EventTime::max()});
  for (int64_t i = 0; i < 1'000; ++i) {
    EXPECT_TRUE(index.accept(std::to_string(i), {i}, i));
  }
  EXPECT_FALSE(index.is_full());
  EXPECT_EQ(index.size(), 1'000);
}

}  // namespace
}  // namespace assay::bronze
