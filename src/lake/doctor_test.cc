// Damaged checkpoints and logs: what the doctor says, what it mends, and where a power cut leaves
// it.

#include "lake/doctor.h"

#include <functional>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lake/checkpoint.h"
#include "lake/crash_under_test.h"
#include "lake/lake_under_test.h"
#include "lake/log_entry.h"
#include "lake/snapshot.h"
#include "lake/store_under_test.h"
#include "lake/table_hash.h"

namespace assay::lake {
namespace {

using data::Type;

std::string log_file(Version version, const std::string& ending = ".json") {
  std::string name = log_prefix("t") + log_file_name(version);
  name.replace(name.size() - 5, 5, ending);
  return name;
}

std::string checkpoint_file(Version version) {
  return log_file(version, ".checkpoint.parquet");
}

std::string hint_file() {
  return log_prefix("t") + "_last_checkpoint";
}

/// Another writer commits when the table's objects have been listed.
class CommitAfterList : public StoreUnderTest {
 public:
  CommitAfterList(store::ObjectStore& good, std::function<void()> commit)
      : StoreUnderTest(good), commit_(std::move(commit)) {}
  Result<std::vector<store::ObjectInfo>> list(const std::string& prefix,
                                              const std::string& start_after) override {
    auto listed = StoreUnderTest::list(prefix, start_after);
    if (prefix == "t/" && commit_ != nullptr) {
      std::exchange(commit_, nullptr)();
    }
    return listed;
  }

 private:
  std::function<void()> commit_;
};

/// A table of versions 0 to 22, with checkpoints of 10 and 20.
class Doctor : public testing::Test {
 protected:
  Doctor() {
    CommitRequest request;
    request.properties = {{"delta.checkpointInterval", "10"}};
    EXPECT_TRUE(table_->commit(request).ok());
    for (int id = 2; id <= 22; ++id) {
      lake_.append(*table_, "VALUES (" + std::to_string(id) + ", 'n" + std::to_string(id) + "')");
    }
    before_ = hash();
  }
  uint64_t hash() { return table_content_hash(*lake_.open("t").value(), lake_.sql()).value(); }
  void cut(const std::string& key) {
    const std::string bytes = lake_.store().get(key).value();
    ASSERT_TRUE(lake_.store().put(key, bytes.substr(0, bytes.size() - 30)).ok());
  }
  /// A checkpoint that reads well and lacks a file, as a writer with a wrong state in memory
  /// leaves.
  void drop_file_from(Version version) {
    const std::string hint = bytes_of(hint_file());
    const auto state = load_state(lake_.store(), lake_.sql(), "t", version).value();
    state->snapshot.files.erase(state->snapshot.files.begin()->first);
    ASSERT_TRUE(write_checkpoint(lake_.world(), lake_.store(), lake_.sql(), "t", *state).ok());
    ASSERT_TRUE(lake_.store().put(hint_file(), hint).ok());
  }
  std::string bytes_of(const std::string& key) { return lake_.store().get(key).value(); }
  /// As another engine cleans a log: entries before a version go.
  void remove_log_before(Version end) {
    for (Version version = 0; version < end; ++version) {
      ASSERT_TRUE(lake_.store().remove(log_file(version)).ok());
    }
  }
  std::vector<Finding> examine(bool mend) {
    return examine_table(access_, "t", {.mend = mend, .statistics = true}).value();
  }
  std::vector<std::string> kinds(bool mend = false) {
    std::vector<std::string> result;
    for (const Finding& finding : examine(mend)) {
      result.push_back(finding.kind + ' ' + finding.object.substr(finding.object.rfind('/') + 1) +
                       (finding.mended ? " mended" : ""));
    }
    return result;
  }
  static std::string name_of(const std::string& key) { return key.substr(key.rfind('/') + 1); }
  bool there(const std::string& key) { return lake_.store().get(key).ok(); }

  LakeUnderTest lake_;
  LakeAccess access_{lake_.world(), lake_.store(), lake_.sql()};
  std::unique_ptr<DeltaTable> table_ =
      lake_.create("t", {{"id", Type::kInt64, false}, {"name", Type::kString, true}});
  uint64_t before_ = 0;
};

using Kinds = std::vector<std::string>;

TEST_F(Doctor, TheNewestCheckpointIsWrittenAnewFromAnOlderOne) {
  remove_log_before(10);
  cut(checkpoint_file(20));
  const Status read = lake_.open("t").status();
  EXPECT_EQ(read.code(), Code::kCorrupt);
  EXPECT_THAT(read.message(), testing::HasSubstr(checkpoint_file(20)));
  EXPECT_THAT(read.message(), testing::HasSubstr("`assay lake doctor t --mend`"));
  const std::string found = "corrupt_checkpoint " + name_of(checkpoint_file(20));
  EXPECT_EQ(kinds(), Kinds{found});
  EXPECT_EQ(kinds(true), Kinds{found + " mended"});
  EXPECT_EQ(kinds(), Kinds{});
  EXPECT_EQ(hash(), before_);
  EXPECT_EQ(last_checkpoint_version(lake_.store(), "t"), 20);
}

TEST_F(Doctor, TheNewestCheckpointIsWrittenAnewFromTheWholeLog) {
  cut(checkpoint_file(10));
  cut(checkpoint_file(20));
  EXPECT_EQ(lake_.open("t").code(), Code::kCorrupt);
  EXPECT_EQ(kinds(true),
            (Kinds{"corrupt_checkpoint " + name_of(checkpoint_file(10)) + " mended",
                   "corrupt_checkpoint " + name_of(checkpoint_file(20)) + " mended"}));
  EXPECT_EQ(kinds(), Kinds{});
  EXPECT_EQ(hash(), before_);
}

TEST_F(Doctor, AnOlderCheckpointIsWrittenAnewAndLeavesTheHint) {
  cut(checkpoint_file(10));
  EXPECT_EQ(lake_.open("t").value()->snapshot(15).code(), Code::kCorrupt);
  const std::string found = "corrupt_checkpoint " + name_of(checkpoint_file(10));
  EXPECT_EQ(kinds(), Kinds{found});
  EXPECT_EQ(kinds(true), Kinds{found + " mended"});
  EXPECT_EQ(kinds(), Kinds{});
  EXPECT_EQ(last_checkpoint_version(lake_.store(), "t"), 20);
  EXPECT_EQ(lake_.open("t").value()->snapshot(15).value()->rows(), 14);
}

TEST_F(Doctor, ACheckpointThatIsDamagedInItsMiddleIsFoundToo) {
  // The footer and the few actions are whole; the statistics of the files are not.
  std::string bytes = lake_.store().get(checkpoint_file(20)).value();
  const std::size_t at = bytes.find("numRecords");
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at - 20, 400, std::string(400, '\xff'));
  ASSERT_TRUE(lake_.store().put(checkpoint_file(20), bytes).ok());
  const std::string found = "corrupt_checkpoint " + name_of(checkpoint_file(20));
  EXPECT_EQ(kinds(), Kinds{found});
  EXPECT_EQ(kinds(true), Kinds{found + " mended"});
  EXPECT_EQ(hash(), before_);
}

TEST_F(Doctor, AnOlderCheckpointThatNothingCanWriteAnewGoes) {
  remove_log_before(11);
  cut(checkpoint_file(10));
  const std::vector<Finding> found = examine(false);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_THAT(found[0].text, testing::HasSubstr("versions 10 to 19"));
  EXPECT_THAT(found[0].text, testing::HasSubstr("backup"));
  EXPECT_TRUE(there(checkpoint_file(10)));
  EXPECT_EQ(kinds(true), Kinds{"corrupt_checkpoint " + name_of(checkpoint_file(10)) + " mended"});
  EXPECT_FALSE(there(checkpoint_file(10)));
  EXPECT_EQ(kinds(), Kinds{});
  EXPECT_EQ(hash(), before_);
  EXPECT_EQ(lake_.open("t").value()->snapshot(15).code(), Code::kNotFound);
}

TEST_F(Doctor, WhatOnlyTheNewestCheckpointHeldIsSaidToBeLost) {
  remove_log_before(15);
  ASSERT_TRUE(lake_.store().remove(checkpoint_file(10)).ok());
  cut(checkpoint_file(20));
  const std::string damaged = lake_.store().get(checkpoint_file(20)).value();
  const std::vector<Finding> found = examine(true);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].kind, "corrupt_checkpoint");
  EXPECT_FALSE(found[0].mended);
  EXPECT_THAT(found[0].text, testing::HasSubstr("from 20 on"));
  EXPECT_THAT(found[0].text, testing::HasSubstr("backup"));
  EXPECT_EQ(found[1].kind, "unreadable");
  EXPECT_EQ(lake_.store().get(checkpoint_file(20)).value(), damaged);
  EXPECT_EQ(last_checkpoint_version(lake_.store(), "t"), 20);
}

TEST_F(Doctor, AHintThatLiesOfTheNewestCheckpointIsMendedAndNotTheCheckpoint) {
  const std::string checkpoint = bytes_of(checkpoint_file(20));
  ASSERT_TRUE(lake_.store().put(hint_file(), R"({"version":20,"numOfAddFiles":3})").ok());
  ASSERT_EQ(lake_.open("t").code(), Code::kCorrupt);
  const std::vector<Finding> found = examine(false);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].object, hint_file());
  EXPECT_THAT(found[0].text, testing::HasSubstr("_last_checkpoint says 3"));
  EXPECT_EQ(kinds(true), Kinds{"last_checkpoint _last_checkpoint mended"});
  EXPECT_EQ(kinds(), Kinds{});
  EXPECT_EQ(hash(), before_);
  EXPECT_EQ(bytes_of(checkpoint_file(20)), checkpoint);
}

TEST_F(Doctor, ADamagedCheckpointIsWrittenAnewFromAnotherCopyOfIt) {
  remove_log_before(15);
  ASSERT_TRUE(lake_.store().remove(checkpoint_file(10)).ok());
  const std::string whole = bytes_of(checkpoint_file(20));
  const std::string copy = log_file(20, ".checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.parquet");
  ASSERT_TRUE(lake_.store().put(copy, whole).ok());
  cut(checkpoint_file(20));
  ASSERT_EQ(lake_.open("t").code(), Code::kCorrupt);
  const std::string found = "corrupt_checkpoint " + name_of(checkpoint_file(20));
  EXPECT_THAT(kinds(), testing::Contains(found));
  EXPECT_EQ(kinds(true), Kinds{found + " mended"});
  EXPECT_EQ(kinds(), Kinds{});
  EXPECT_EQ(hash(), before_);
  EXPECT_EQ(bytes_of(copy), whole);
}

TEST_F(Doctor, AHintThatLiesIsMendedWithoutALogToo) {
  remove_log_before(20);
  ASSERT_TRUE(lake_.store().put(hint_file(), R"({"version":20,"numOfAddFiles":3})").ok());
  ASSERT_EQ(lake_.open("t").code(), Code::kCorrupt);
  EXPECT_EQ(kinds(true), Kinds{"last_checkpoint _last_checkpoint mended"});
  EXPECT_EQ(kinds(), Kinds{});
  EXPECT_EQ(hash(), before_);
}

TEST_F(Doctor, AHintThatLiesOfAnOlderCheckpointCostsNoCheckpoint) {
  remove_log_before(11);
  const std::string checkpoint = bytes_of(checkpoint_file(10));
  ASSERT_TRUE(lake_.store().put(hint_file(), R"({"version":10,"numOfAddFiles":3})").ok());
  EXPECT_EQ(kinds(true), Kinds{"last_checkpoint _last_checkpoint mended"});
  EXPECT_EQ(kinds(), Kinds{});
  EXPECT_EQ(bytes_of(checkpoint_file(10)), checkpoint);
  EXPECT_EQ(lake_.open("t").value()->snapshot(15).value()->rows(), 14);
}

TEST_F(Doctor, AnOlderCheckpointThatIsMendedLeavesNoHintBehindTheNewest) {
  ASSERT_TRUE(lake_.store().remove(hint_file()).ok());
  cut(checkpoint_file(10));
  EXPECT_EQ(kinds(true), Kinds{"corrupt_checkpoint " + name_of(checkpoint_file(10)) + " mended"});
  EXPECT_FALSE(there(hint_file()));
  EXPECT_EQ(kinds(), Kinds{});
}

TEST_F(Doctor, AnOlderCheckpointThatLacksAFileDoesNotJudgeTheNewest) {
  drop_file_from(10);
  const std::string newest = bytes_of(checkpoint_file(20));
  const std::string found = "contradicting_checkpoint " + name_of(checkpoint_file(10));
  EXPECT_EQ(kinds(), Kinds{found});
  EXPECT_EQ(kinds(true), Kinds{found + " mended"});
  EXPECT_EQ(kinds(), Kinds{});
  EXPECT_EQ(bytes_of(checkpoint_file(20)), newest);
  EXPECT_EQ(hash(), before_);
  EXPECT_EQ(lake_.open("t").value()->snapshot(15).value()->rows(), 14);
  EXPECT_EQ(last_checkpoint_version(lake_.store(), "t"), 20);
}

TEST_F(Doctor, ADamagedCheckpointIsNotWrittenFromAnOlderOneThatLacksAFile) {
  drop_file_from(10);
  cut(checkpoint_file(20));
  EXPECT_EQ(kinds(true),
            (Kinds{"contradicting_checkpoint " + name_of(checkpoint_file(10)) + " mended",
                   "corrupt_checkpoint " + name_of(checkpoint_file(20)) + " mended"}));
  EXPECT_EQ(kinds(), Kinds{});
  EXPECT_EQ(hash(), before_);
}

TEST_F(Doctor, TwoCheckpointsThatContradictStayWhereNoLogTellsWhichIsRight) {
  ASSERT_TRUE(table_->checkpoint().ok());  // of version 22
  drop_file_from(10);
  remove_log_before(10);
  cut(checkpoint_file(20));
  const std::string files[] = {checkpoint_file(10), checkpoint_file(20), checkpoint_file(22)};
  std::vector<std::string> bytes;
  for (const std::string& file : files) {
    bytes.push_back(bytes_of(file));
  }
  const std::vector<Finding> found = examine(true);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].kind, "contradicting_checkpoint");
  EXPECT_EQ(found[0].object, checkpoint_file(22));
  EXPECT_THAT(found[0].text, testing::HasSubstr(checkpoint_file(10)));
  EXPECT_THAT(found[0].text, testing::HasSubstr("backup"));
  EXPECT_EQ(found[1].kind, "corrupt_checkpoint");
  EXPECT_EQ(found[1].object, checkpoint_file(20));
  EXPECT_THAT(found[1].text, testing::HasSubstr("not mended"));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(bytes_of(files[i]), bytes[i]);
    EXPECT_FALSE(i < 2 && found[i].mended);
  }
}

TEST_F(Doctor, ACommitWhileItExaminesIsNoDamage) {
  for (const bool mend : {false, true}) {
    CommitAfterList store(lake_.store(), [&] { lake_.append(*table_, "VALUES (23, 'n')"); });
    const auto found =
        examine_table({lake_.world(), store, lake_.sql()}, "t", {.mend = mend, .statistics = true});
    EXPECT_EQ(found.value().size(), 0U);
  }
  const auto newest = table_->snapshot().value();
  const std::string lost = "t/" + newest->files.begin()->first;
  ASSERT_TRUE(lake_.store().remove(lost).ok());
  EXPECT_EQ(kinds(), Kinds{"missing_file " + name_of(lost)});
}

TEST_F(Doctor, NoCheckpointIsWrittenForATableWithFeatures) {
  // Ours has no deletion vectors: rows that they delete would be back.
  ASSERT_TRUE(
      lake_.store()
          .put(log_file(23),
               R"({"protocol":{"minReaderVersion":3,"minWriterVersion":7,)"
               R"("readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]}})")
          .ok());
  const std::string hint = log_prefix("t") + "_last_checkpoint";
  ASSERT_TRUE(lake_.store().put(hint, R"({"version":21})").ok());
  EXPECT_THAT(kinds(true), testing::Contains("last_checkpoint _last_checkpoint"));
  EXPECT_FALSE(there(checkpoint_file(23)));
  ASSERT_TRUE(lake_.store().put(checkpoint_file(23), "rubbish").ok());
  EXPECT_THAT(kinds(true), testing::Contains("corrupt_checkpoint " + name_of(checkpoint_file(23))));
  EXPECT_EQ(lake_.store().get(checkpoint_file(23)).value(), "rubbish");
}

TEST_F(Doctor, ALogWithoutItsBeginningIsNamedAndWhatToDo) {
  ASSERT_TRUE(lake_.store().remove(log_file(0)).ok());
  EXPECT_EQ(kinds(), Kinds{});  // a checkpoint stands for it
  ASSERT_TRUE(lake_.store().remove(checkpoint_file(10)).ok());
  ASSERT_TRUE(lake_.store().remove(checkpoint_file(20)).ok());
  const Status read = lake_.open("t").status();
  EXPECT_EQ(read.code(), Code::kCorrupt);
  EXPECT_THAT(read.message(), testing::HasSubstr(log_file(0)));
  EXPECT_THAT(read.message(), testing::HasSubstr("bring it back from a backup"));
  EXPECT_THAT(read.message(), testing::HasSubstr("`assay lake doctor t`"));
  EXPECT_THAT(kinds(), testing::Contains("missing_version " + name_of(log_file(0))));
}

TEST_F(Doctor, AGapBehindTheNewestCheckpointIsNamed) {
  remove_log_before(22);
  EXPECT_THAT(kinds(), testing::Contains("missing_version " + name_of(log_file(21))));
  EXPECT_THAT(lake_.open("t").status().message(), testing::HasSubstr("VERSION AS OF 20"));
}

TEST_F(Doctor, AnUnreadableLineIsNamedAndWhatToDo) {
  ASSERT_TRUE(lake_.store().put(log_file(22), "{\"commitInfo\":{}}\n{\"add\":{\"path\":7}}").ok());
  const Status read = lake_.open("t").status();
  EXPECT_EQ(read.code(), Code::kCorrupt);
  for (const char* part : {"line 2", "add.path", "backup", "VERSION AS OF 21"}) {
    EXPECT_THAT(read.message(), testing::HasSubstr(part));
  }
}

TEST(DoctorCrash, AMendedCheckpointIsWholeOrMendedAgainWhereverTheProcessDies) {
  const CrashUnderTest crash;
  using End = CrashUnderTest::End;
  ASSERT_EQ(
      crash.in_process(0,
                       [](LakeUnderTest& lake) -> Status {
                         ASSAY_ASSIGN_OR_RETURN(const auto table, CrashUnderTest::open(lake));
                         for (int i = 0; i < 22; ++i) {
                           ASSAY_RETURN_IF_ERROR(CrashUnderTest::step(lake, *table));
                           ASSAY_RETURN_IF_ERROR(i % 10 == 9 ? table->checkpoint() : Status());
                         }
                         return CrashUnderTest::verify(lake);
                       }),
      End::kCame);
  const auto damage = [&](Version version) {
    const std::string path = crash.folder() + '/' + checkpoint_file(version);
    std::filesystem::resize_file(path, std::filesystem::file_size(path) - 30);
  };
  const auto mend = [](LakeUnderTest& lake) -> Status {
    return examine_table(
               {lake.world(), lake.store(), lake.sql()}, "t", {.mend = true, .statistics = false})
        .status();
  };
  int killed = 0;
  for (int64_t dies_at = 1; dies_at < 100; ++dies_at) {
    damage(10);
    damage(20);
    const End end = crash.in_process(dies_at, mend);
    ASSERT_NE(end, End::kFailed) << "call " << dies_at;
    ASSERT_EQ(crash.in_process(0, mend), End::kCame) << "call " << dies_at;
    ASSERT_EQ(crash.in_process(0, CrashUnderTest::verify), End::kCame) << "call " << dies_at;
    if (end == End::kCame) {
      break;
    }
    ++killed;
  }
  EXPECT_GT(killed, 5);
  EXPECT_LT(killed, 98);
}

}  // namespace
}  // namespace assay::lake
