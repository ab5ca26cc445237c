// Tables on S3 through every fault: the right result or a clear error, and never a second copy of a
// commit.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/temp_folder.h"
#include "lake/lake_on_s3.h"
#include "store/fake_s3.h"
#include "store/tls_front.h"

namespace assay::lake {
namespace {

using store::FakeS3;
using store::Fault;
using store::Misdeed;
using testing::HasSubstr;

class DeltaS3 : public testing::Test {
 protected:
  store::S3Options options() {
    store::S3Options options = fake_.options("");
    options.prefix = "lake";
    options.attempts_max = 4;
    return options;
  }
  /// Requests since the last look.
  std::vector<std::string> sent() {
    const std::vector<std::string> requests = fake_.requests();
    fake_.forget_requests();
    return requests;
  }
  void on_commit(Misdeed misdeed, int status = 0, const std::string& code = "", int times = 1) {
    fake_.add_fault({"PUT", "_delta_log/", misdeed, status, code, times});
  }
  /// Every commit is there once: versions without a gap, and as many rows as were committed.
  void expect_rows(int64_t rows) {
    LakeOnS3 fresh(options());
    const auto table = fresh.open("t").value();
    EXPECT_EQ(table->snapshot().value()->rows(), rows);
    EXPECT_EQ(fresh.number(*table, "count(*)").value(), rows);
    EXPECT_EQ(fresh.number(*table, "count(DISTINCT id)").value(), rows);
  }

  FakeS3 fake_;
  LakeOnS3 lake_{options()};
  std::unique_ptr<DeltaTable> table_ = lake_.create("t").value();
};

TEST_F(DeltaS3, ASmallCommitIsTwoRequestsAndOpeningIsFew) {
  ASSERT_EQ(LakeOnS3::append(*table_, 1, 1).value(), 1);
  sent();
  ASSERT_EQ(LakeOnS3::append(*table_, 2, 1).value(), 2);
  const std::vector<std::string> requests = sent();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_THAT(requests[0], HasSubstr("PUT /bucket/lake/t/part-"));
  EXPECT_EQ(requests[1], "PUT /bucket/lake/t/_delta_log/00000000000000000002.json");
  ASSERT_TRUE(table_->snapshot().ok());
  EXPECT_EQ(sent().size(), 1U);  // is there a next version?
}

TEST_F(DeltaS3, ALostRaceCostsTwoMore) {
  LakeOnS3 other(options());
  const auto theirs = other.open("t").value();
  ASSERT_TRUE(LakeOnS3::append(*theirs, 1, 2).ok());
  sent();
  ASSERT_EQ(LakeOnS3::append(*table_, 2, 1).value(), 2);
  EXPECT_EQ(sent().size(), 6U);  // file, put, whose is it, what did it do, is there more, put
  expect_rows(2);
}

TEST_F(DeltaS3, TheEngineReadsRangesOnlyOfWhatItNeeds) {
  CommitRequest request;
  request.adds = table_->write_files(LakeOnS3::rows(0, 1, 500'000)).value();
  ASSERT_TRUE(table_->commit(request).ok());
  EXPECT_EQ(lake_.number(*table_, "sum(id)::BIGINT").value(), 124'999'750'000);
  sent();
  EXPECT_EQ(lake_.number(*table_, "count(*) FILTER (WHERE id < 10)").value(), 10);
  // Nothing that was read is asked for again; only the log is.
  for (const std::string& sent_again : sent()) {
    EXPECT_THAT(sent_again, HasSubstr("_delta_log/"));
  }
}

TEST_F(DeltaS3, PartitionsWithOddNamesAreRead) {
  const auto table =
      DeltaTable::open_or_create(
          lake_.world(),
          lake_.store(),
          lake_.sql(),
          "odd",
          {"odd",
           data::make_schema({{"p", data::Type::kString, true}, {"id", data::Type::kInt64, true}}),
           {"p"}})
          .value();
  const data::Batch batch =
      lake_.sql()
          .query(
              "SELECT * FROM (VALUES ('a b/c', 1::BIGINT), ('%?#&=+*[', 2), (NULL, 3), "
              "('\xC3\xA9', 4)) AS r(p, id)")
          .value();
  CommitRequest request;
  request.adds = table->write_files(batch).value();
  ASSERT_EQ(request.adds.size(), 4U);
  ASSERT_TRUE(table->commit(request).ok());
  EXPECT_EQ(lake_.number(*table, "sum(id)::BIGINT").value(), 10);
  EXPECT_EQ(lake_.number(*table, "count(*) FILTER (WHERE p = '%?#&=+*[')").value(), 1);
}

TEST_F(DeltaS3, CheckpointsAreWrittenAndReadThere) {
  for (int i = 1; i <= 12; ++i) {
    ASSERT_EQ(LakeOnS3::append(*table_, i, 1).value(), i);
  }
  EXPECT_EQ(fake_.objects().count("lake/t/_delta_log/00000000000000000010.checkpoint.parquet"), 1U);
  EXPECT_EQ(fake_.objects().count("lake/t/_delta_log/_last_checkpoint"), 1U);
  expect_rows(12);
  EXPECT_EQ(lake_.open("t").value()->snapshot(5).value()->rows(), 5);
  EXPECT_EQ(list_tables(lake_.store()).value(), std::vector<std::string>{"t"});
}

// ---- Faults
// -----------------------------------------------------------------------------------------

TEST_F(DeltaS3, NoFaultOfACommitMakesASecondCopyOfIt) {
  struct Case {
    Misdeed misdeed;
    int status;
    const char* code;
  };
  const std::vector<Case> cases = {{Misdeed::kRefuse, 409, "ConditionalRequestConflict"},
                                   {Misdeed::kRefuse, 500, "InternalError"},
                                   {Misdeed::kRefuse, 503, "SlowDown"},
                                   {Misdeed::kRefuse, 503, "ServiceUnavailable"},
                                   {Misdeed::kDropBefore, 0, ""},
                                   {Misdeed::kDropAfter, 0, ""},
                                   {Misdeed::kRefuse, 400, "BadDigest"}};
  int64_t rows = 0;
  for (const Case& one : cases) {
    on_commit(one.misdeed, one.status, one.code);
    const Result<Version> done = LakeOnS3::append(*table_, rows, 1);
    ASSERT_TRUE(done.ok()) << one.code << ": " << done.status().to_string();
    ++rows;
    EXPECT_EQ(*done, rows) << one.code;
  }
  expect_rows(rows);
}

TEST_F(DeltaS3, ACommitWhoseEveryAnswerWasLostIsFoundAgain) {
  on_commit(Misdeed::kDropAfter, 0, "", 4);
  EXPECT_EQ(LakeOnS3::append(*table_, 1, 1).value(), 1);
  EXPECT_EQ(LakeOnS3::append(*table_, 2, 1).value(), 2);
  expect_rows(2);
}

TEST_F(DeltaS3, ACommitThatNobodyAnsweredAndThatIsNotThereStaysUnknown) {
  // libcurl itself sends again what a kept connection swallowed.
  on_commit(Misdeed::kDropBefore, 0, "", 100);
  EXPECT_EQ(LakeOnS3::append(*table_, 1, 1).code(), Code::kCommitUnknown);
  fake_.clear_faults();
  EXPECT_EQ(LakeOnS3::append(*table_, 2, 1).value(), 1);
  expect_rows(1);
}

TEST_F(DeltaS3, ALostAnswerWhileAnotherWinsIsALostRace) {
  on_commit(Misdeed::kRefuse, 500, "InternalError");  // may have landed, as far as we know
  LakeOnS3 other(options());
  const auto theirs = other.open("t").value();
  ASSERT_TRUE(LakeOnS3::append(*theirs, 1, 2).ok());  // takes the fault, and the version
  on_commit(Misdeed::kRefuse, 500, "InternalError");
  EXPECT_EQ(LakeOnS3::append(*table_, 2, 1).value(), 2);
  expect_rows(2);
}

TEST_F(DeltaS3, AServiceThatKeepsRefusingEndsInAClearErrorAndNoCommit) {
  on_commit(Misdeed::kRefuse, 503, "SlowDown", 4);
  const Result<Version> done = LakeOnS3::append(*table_, 1, 1);
  EXPECT_EQ(done.code(), Code::kUnavailable);
  EXPECT_THAT(done.status().message(), HasSubstr("SlowDown"));
  on_commit(Misdeed::kRefuse, 403, "AccessDenied");
  EXPECT_EQ(LakeOnS3::append(*table_, 1, 1).code(), Code::kPermissionDenied);
  ASSERT_TRUE(LakeOnS3::append(*table_, 1, 1).ok());
  expect_rows(1);
}

TEST_F(DeltaS3, AFailedUploadLeavesNoFileAndNoCommit) {
  fake_.add_fault({"PUT", "/part-", Misdeed::kRefuse, 403, "AccessDenied"});
  EXPECT_EQ(LakeOnS3::append(*table_, 1, 1).code(), Code::kPermissionDenied);
  EXPECT_EQ(fake_.objects().size(), 1U);
  ASSERT_TRUE(LakeOnS3::append(*table_, 1, 1).ok());
  expect_rows(1);
}

TEST_F(DeltaS3, DamagedAndCutLogEntriesAreReadAgain) {
  ASSERT_TRUE(LakeOnS3::append(*table_, 1, 1).ok());
  for (const Misdeed misdeed : {Misdeed::kTruncate, Misdeed::kShorten, Misdeed::kFlipByte}) {
    fake_.add_fault({"GET", "_delta_log/00", misdeed});
    expect_rows(1);
  }
  fake_.add_fault({"GET", "_delta_log/00", Misdeed::kFlipByte, 0, "", 100});
  EXPECT_EQ(lake_.open("t").code(), Code::kCorrupt);
}

TEST_F(DeltaS3, AStaleListHidesNothingFromACommit) {
  ASSERT_TRUE(LakeOnS3::append(*table_, 1, 1).ok());
  fake_.set_object("lake/t/_delta_log/00000000000000000001.json",
                   fake_.objects().at("lake/t/_delta_log/00000000000000000001.json"));
  // The list ends with what is hidden: part files come after the log.
  fake_.add_fault({"GET", "list-type=2", Misdeed::kHideNewest});
  LakeOnS3 other(options());
  const auto table = other.open("t").value();
  EXPECT_EQ(LakeOnS3::append(*table, 2, 2).value(), 2);
  expect_rows(2);
}

TEST_F(DeltaS3, ABucketThatVanishedIsNoEmptyLake) {
  ASSERT_TRUE(LakeOnS3::append(*table_, 1, 1).ok());
  fake_.remove_bucket();
  EXPECT_EQ(LakeOnS3::append(*table_, 2, 1).code(), Code::kFailedPrecondition);
  EXPECT_EQ(lake_.create("t").code(), Code::kFailedPrecondition);
  EXPECT_EQ(list_tables(lake_.store()).code(), Code::kFailedPrecondition);
}

TEST_F(DeltaS3, TheEnginesOwnReadsSurviveFaultsOrSaySo) {
  ASSERT_TRUE(LakeOnS3::append(*table_, 7, 1).ok());
  const std::string part = "/part-";
  fake_.add_fault({"GET", part, Misdeed::kRefuse, 503, "SlowDown"});
  EXPECT_EQ(lake_.number(*table_, "sum(id)::BIGINT").value(), 7);
  EXPECT_EQ(fake_.faults_left(), 0U);
  for (const Misdeed misdeed : {Misdeed::kTruncate, Misdeed::kShorten}) {
    LakeOnS3 fresh(options());  // nothing of the file is in this one's memory
    const auto table = fresh.open("t").value();
    fake_.add_fault({"GET", part, misdeed});
    const Result<int64_t> sum = fresh.number(*table, "sum(id)::BIGINT");
    if (sum.ok()) {
      EXPECT_EQ(*sum, 7);  // read again
    } else {
      EXPECT_NE(sum.code(), Code::kInternal) << sum.status().to_string();
    }
  }
  LakeOnS3 fresh(options());
  const auto table = fresh.open("t").value();
  const std::string key = "t/" + table->snapshot().value()->files.begin()->first;
  ASSERT_TRUE(lake_.store().remove(key).ok());
  EXPECT_EQ(fresh.number(*table, "sum(id)::BIGINT").code(), Code::kNotFound);
}

TEST_F(DeltaS3, TheSqlEngineTrustsAnOwnAuthorityToo) {
  ASSERT_TRUE(LakeOnS3::append(*table_, 1, 1).ok());
  store::TlsFront front(fake_.port());
  const TempFolder folder;
  store::S3Options inside_tls = options();
  inside_tls.endpoint = front.endpoint();
  inside_tls.ca_file = folder.path() + "/authority.pem";
  ASSERT_TRUE(lake_.world().files.write(inside_tls.ca_file, front.authority()).ok());
  LakeOnS3 lake(inside_tls);
  const auto table = lake.open("t").value();
  ASSERT_TRUE(LakeOnS3::append(*table, 2, 1).ok());
  sent();
  const Result<int64_t> ids = lake.number(*table, "sum(id)::BIGINT");
  ASSERT_TRUE(ids.ok()) << ids.status().message();
  EXPECT_EQ(*ids, 3);
  EXPECT_FALSE(sent().empty());  // by the engine itself
}

}  // namespace
}  // namespace assay::lake
