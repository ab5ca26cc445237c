// Commits against each other: what conflicts, what is tried again, what an unknown outcome turns
// into.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lake/delta_table.h"
#include "lake/lake_under_test.h"
#include "lake/store_under_test.h"

namespace assay::lake {
namespace {

using data::Type;
using testing::HasSubstr;

const std::vector<data::Field> kFields = {{"id", Type::kInt64}};

/// One table, opened twice: `mine` looks at the log before `theirs` commits to it.
class Commit : public testing::Test {
 protected:
  CommitRequest append(DeltaTable& table) {
    CommitRequest request;
    request.adds = table.write_files(lake_.rows_for(table, "VALUES (1)")).value();
    return request;
  }
  CommitRequest remove_all() {
    CommitRequest request;
    request.operation = "DELETE";
    for (const auto& [path, file] : mine_->snapshot().value()->files) {
      request.removes.push_back(path);
    }
    return request;
  }
  static CommitRequest txn(int64_t version, std::optional<int64_t> expected) {
    CommitRequest request;
    request.txns = {{"shop/bronze/t", version, expected}};
    return request;
  }

  LakeUnderTest lake_;
  std::unique_ptr<DeltaTable> mine_ = lake_.create("t", kFields);
  std::unique_ptr<DeltaTable> theirs_ = lake_.open("t").value();
};

TEST_F(Commit, BlindAppendsBothLand) {
  EXPECT_EQ(theirs_->commit(append(*theirs_)).value(), 1);
  EXPECT_EQ(mine_->commit(append(*mine_)).value(), 2);
  EXPECT_EQ(theirs_->snapshot().value()->rows(), 2);
}

TEST_F(Commit, APositionMovesOnlyFromTheExpectedOne) {
  EXPECT_EQ(mine_->commit(txn(10, 5)).code(), Code::kAborted);
  EXPECT_TRUE(mine_->commit(txn(10, std::nullopt)).ok());
  EXPECT_EQ(mine_->commit(txn(20, std::nullopt)).code(), Code::kAborted);
  EXPECT_TRUE(theirs_->commit(txn(20, 10)).ok());
  const auto stale = mine_->commit(txn(20, 10));
  EXPECT_EQ(stale.code(), Code::kAborted);
  EXPECT_THAT(stale.status().message(), HasSubstr("holds position 20 of shop/bronze/t"));
  EXPECT_EQ(mine_->snapshot().value()->txn("shop/bronze/t"), 20);
  EXPECT_EQ(mine_->snapshot().value()->txn("other"), std::nullopt);
  EXPECT_EQ(mine_->snapshot().value()->version, 2);
}

TEST_F(Commit, PositionsOfSeveralSourcesMoveTogetherOrNotAtAll) {
  CommitRequest request;
  request.txns = {{"a", 1, std::nullopt}, {"b", 1, std::nullopt}};
  EXPECT_TRUE(mine_->commit(request).ok());
  request.txns = {{"a", 2, 1}, {"b", 2, 0}};
  EXPECT_EQ(mine_->commit(request).code(), Code::kAborted);
  EXPECT_EQ(mine_->snapshot().value()->txn("a"), 1);
}

TEST_F(Commit, AFileIsRemovedOnce) {
  ASSERT_TRUE(mine_->commit(append(*mine_)).ok());
  const CommitRequest removal = remove_all();
  EXPECT_TRUE(theirs_->commit(removal).ok());
  EXPECT_EQ(mine_->commit(removal).code(), Code::kAborted);
  EXPECT_EQ(mine_->snapshot().value()->rows(), 0);
}

TEST_F(Commit, ARemovalAndAnAppendDoNotConflict) {
  ASSERT_TRUE(mine_->commit(append(*mine_)).ok());
  const CommitRequest removal = remove_all();
  EXPECT_TRUE(theirs_->commit(append(*theirs_)).ok());
  EXPECT_TRUE(mine_->commit(removal).ok());
  EXPECT_EQ(theirs_->snapshot().value()->files.size(), 1U);
}

TEST_F(Commit, ColumnsAreAddedByOneOfTwo) {
  CommitRequest a;
  a.schema = data::make_schema({{"id", Type::kInt64}, {"a", Type::kString}});
  CommitRequest b;
  b.schema = data::make_schema({{"id", Type::kInt64}, {"b", Type::kString}});
  EXPECT_TRUE(theirs_->commit(a).ok());
  EXPECT_EQ(mine_->commit(b).code(), Code::kAborted);  // against what `mine` knew it was fine
  EXPECT_EQ(mine_->commit(b).code(), Code::kFailedPrecondition);
  EXPECT_TRUE(mine_->commit(a).ok());  // the same columns again: nothing to change
  EXPECT_EQ(mine_->snapshot().value()->schema->size(), 2);
}

TEST_F(Commit, TheSameFileIsNotAddedTwice) {
  const CommitRequest request = append(*mine_);
  EXPECT_TRUE(mine_->commit(request).ok());
  EXPECT_EQ(mine_->commit(request).code(), Code::kInvalidArgument);
}

/// A store whose put_if_absent does as it is told, once; reads of whole objects are counted.
class FaultyStore : public StoreUnderTest {
 public:
  enum class Fault { kNone, kLandsUnknown, kLostUnknown, kOthersLand, kDiskFull };
  using StoreUnderTest::StoreUnderTest;
  Result<std::string> get(const std::string& key) override {
    ++gets;
    return StoreUnderTest::get(key);
  }
  Status put_if_absent(const std::string& key, std::string_view bytes) override {
    const auto put = [&](std::string_view what) {
      return StoreUnderTest::put_if_absent(key, what);
    };
    switch (std::exchange(next, Fault::kNone)) {
      case Fault::kNone:
        return put(bytes);
      case Fault::kLandsUnknown:
        static_cast<void>(put(bytes));
        return {Code::kCommitUnknown, "the answer was lost"};
      case Fault::kLostUnknown:
        return {Code::kCommitUnknown, "the answer was lost"};
      case Fault::kOthersLand:
        static_cast<void>(put(R"({"commitInfo":{"txnId":"theirs"}})"
                              "\n"
                              R"({"txn":{"appId":"assay/commits","version":1}})"
                              "\n"));
        return {Code::kUnavailable, "the answer was lost"};
      case Fault::kDiskFull:
        return {Code::kResourceExhausted, "disk full"};
    }
    return {};
  }

  Fault next = Fault::kNone;
  int gets = 0;
};

class CommitOutcome : public Commit {
 protected:
  FaultyStore faulty_{lake_.store()};
  std::unique_ptr<DeltaTable> table_ =
      DeltaTable::open(lake_.world(), faulty_, lake_.sql(), "t").value();
};

TEST_F(CommitOutcome, AnUnknownOutcomeThatLandedIsASuccess) {
  const CommitRequest request = append(*table_);
  faulty_.next = FaultyStore::Fault::kLandsUnknown;
  EXPECT_EQ(table_->commit(request).value(), 1);
  EXPECT_EQ(table_->snapshot().value()->rows(), 1);
}

TEST_F(CommitOutcome, AnUnknownOutcomeThatDidNotLandStaysUnknown) {
  faulty_.next = FaultyStore::Fault::kLostUnknown;
  EXPECT_EQ(table_->commit(txn(1, std::nullopt)).code(), Code::kCommitUnknown);
  EXPECT_TRUE(table_->commit(txn(1, std::nullopt)).ok());
}

TEST_F(CommitOutcome, AVersionThatSomebodyElseTookIsTriedAgain) {
  const CommitRequest request = append(*table_);
  faulty_.next = FaultyStore::Fault::kOthersLand;
  EXPECT_EQ(table_->commit(request).value(), 2);
  EXPECT_EQ(table_->snapshot().value()->rows(), 1);
}

TEST_F(CommitOutcome, AnUncontendedCommitDoesNotReadTheLog) {
  const CommitRequest request = append(*table_);
  faulty_.gets = 0;
  EXPECT_EQ(table_->commit(request).value(), 1);
  EXPECT_EQ(faulty_.gets, 0);
  EXPECT_EQ(table_->snapshot().value()->rows(), 1);
  EXPECT_EQ(DeltaTable::open(lake_.world(), lake_.store(), lake_.sql(), "t")
                .value()
                ->snapshot()
                .value()
                ->rows(),
            1);
}

TEST_F(CommitOutcome, AFullDiskIsSaidAndNothingHasHappened) {
  faulty_.next = FaultyStore::Fault::kDiskFull;
  EXPECT_EQ(table_->commit(txn(1, std::nullopt)).code(), Code::kResourceExhausted);
  EXPECT_EQ(table_->snapshot().value()->version, 0);
}

TEST_F(CommitOutcome, AFolderInTheLogsPlaceEndsTheTrying) {
  ASSERT_TRUE(lake_.store().put("t/_delta_log/00000000000000000001.json/x", "").ok());
  EXPECT_FALSE(table_->commit(txn(1, std::nullopt)).ok());
}

TEST_F(Commit, AnAppendOnlyTableLosesNoRowsButIsCompacted) {
  LakeUnderTest lake;
  const std::string schema =
      R"({\"type\":\"struct\",\"fields\":[{\"name\":\"id\",\"type\":\"long\",\"nullable\":true,\"metadata\":{}}]})";
  ASSERT_TRUE(
      lake.store()
          .put("t/_delta_log/00000000000000000000.json",
               R"({"protocol":{"minReaderVersion":1,"minWriterVersion":2}})"
               "\n"
               R"({"metaData":{"id":"i","format":{"provider":"parquet"},"schemaString":")" +
                   schema +
                   R"(","partitionColumns":[],"configuration":{"delta.appendOnly":"true"}}})"
                   "\n")
          .ok());
  const auto table = lake.open("t").value();
  lake.append(*table, "VALUES (1)");
  CommitRequest request;
  request.removes = {table->snapshot().value()->files.begin()->first};
  EXPECT_EQ(table->commit(request).code(), Code::kFailedPrecondition);
  request.data_change = false;
  EXPECT_TRUE(table->commit(request).ok());
}

}  // namespace
}  // namespace assay::lake
