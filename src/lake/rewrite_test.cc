#include "lake/rewrite.h"

#include <map>

#include <gtest/gtest.h>

#include "lake/lake_under_test.h"
#include "lake/statistics_check.h"

namespace assay::lake {
namespace {

using data::Type;

const std::vector<data::Field> kFields = {
    {"id", Type::kInt64, false}, {"name", Type::kString, true}, {"dt", Type::kDate, true}};

class Rewrite : public testing::Test {
 protected:
  std::map<int64_t, std::string> rows() {
    const data::Batch batch = lake_.rows("SELECT id, coalesce(name, '-') || ' ' || dt FROM " +
                                         table_->relation(*table_->snapshot().value()).value());
    std::map<int64_t, std::string> result;
    for (int64_t row = 0; row < batch.rows(); ++row) {
      const auto at = static_cast<std::size_t>(row);
      result[batch.column(0).values<int64_t>()[at]] = std::string(batch.column(1).text(row));
    }
    EXPECT_EQ(static_cast<int64_t>(result.size()), batch.rows());
    return result;
  }
  void fill() {
    lake_.append(*table_, "VALUES (1, 'a', DATE '2026-01-01'), (2, 'b', DATE '2026-01-01')");
    lake_.append(*table_, "VALUES (3, 'c', DATE '2026-01-02'), (4, NULL, DATE '2026-01-02')");
    lake_.append(*table_, "VALUES (5, 'e', DATE '2026-01-03')");
  }
  MergeRequest merge(const std::string& rows, const std::string& deletes = "") {
    MergeRequest request;
    request.keys = {"id"};
    request.upserts = lake_.rows_for(*table_, rows);
    if (!deletes.empty()) {
      request.deletes =
          lake_.rows("SELECT CAST(id AS BIGINT) AS id FROM (VALUES " + deletes + ") AS r(id)");
    }
    return request;
  }

  LakeUnderTest lake_;
  LakeAccess access_{lake_.world(), lake_.store(), lake_.sql()};
  std::unique_ptr<DeltaTable> table_ = lake_.create("t", kFields, {"dt"});
};

TEST_F(Rewrite, DeleteRewritesOnlyFilesThatHoldSuchRows) {
  fill();
  const auto report = delete_where(access_, *table_, "name = 'c' OR id = 5").value();
  EXPECT_EQ(report.files_removed, 2);
  EXPECT_EQ(report.files_added, 1);
  EXPECT_EQ(report.rows_removed, 2);
  EXPECT_EQ(rows(),
            (std::map<int64_t, std::string>{
                {1, "a 2026-01-01"}, {2, "b 2026-01-01"}, {4, "- 2026-01-02"}}));
  EXPECT_EQ(table_->snapshot().value()->rows(), 3);
}

TEST_F(Rewrite, ADeleteOfNothingIsNoCommit) {
  fill();
  EXPECT_EQ(delete_where(access_, *table_, "id > 99").value().version, -1);
  EXPECT_EQ(table_->snapshot().value()->version, 3);
}

TEST_F(Rewrite, ADeleteLosesAgainstARewriteOfItsFileAndLeavesNothing) {
  fill();
  const auto theirs = lake_.open("t").value();
  const auto before = table_->snapshot().value();
  ASSERT_TRUE(delete_where(access_, *theirs, "id = 1").ok());
  CommitRequest request;
  request.removes = {before->files.begin()->first};
  request.adds =
      table_->write_files(lake_.rows_for(*table_, "VALUES (9, 'z', DATE '2026-01-01')")).value();
  EXPECT_EQ(commit_or_discard(access_, *table_, request).code(), Code::kAborted);
  EXPECT_EQ(lake_.store().get("t/" + request.adds[0].path).code(), Code::kNotFound);
}

TEST_F(Rewrite, PartitionsAreReplacedWhole) {
  fill();
  const auto report =
      replace_partitions(
          access_,
          *table_,
          lake_.rows_for(*table_,
                         "VALUES (30, 'C', DATE '2026-01-02'), (60, 'F', DATE '2026-01-06')"))
          .value();
  EXPECT_EQ(report.rows_removed, 2);
  EXPECT_EQ(rows(),
            (std::map<int64_t, std::string>{{1, "a 2026-01-01"},
                                            {2, "b 2026-01-01"},
                                            {5, "e 2026-01-03"},
                                            {30, "C 2026-01-02"},
                                            {60, "F 2026-01-06"}}));
}

TEST_F(Rewrite, AReplacementLosesWhenItsPartitionGotAFile) {
  fill();
  const auto theirs = lake_.open("t").value();
  CommitRequest request;
  request.adds =
      table_->write_files(lake_.rows_for(*table_, "VALUES (9, 'z', DATE '2026-01-01')")).value();
  request.replaces = {request.adds[0].partition_values};
  for (const auto& [path, file] : table_->snapshot().value()->files) {
    if (file.partition_values == request.replaces[0]) {
      request.removes.push_back(path);
    }
  }
  lake_.append(*theirs, "VALUES (7, 'late', DATE '2026-01-03')");
  lake_.append(*theirs, "VALUES (8, 'late', DATE '2026-01-01')");
  EXPECT_EQ(table_->commit(request).code(), Code::kAborted);
}

TEST_F(Rewrite, PartitionsAreDroppedByTheirValues) {
  fill();
  const std::string where = "dt < DATE '2026-01-03'";
  const auto planned = drop_partitions(access_, *table_, where, {}, true).value();
  EXPECT_EQ(planned.version, -1);
  const auto report = drop_partitions(access_, *table_, where).value();
  EXPECT_EQ(planned.files_removed, report.files_removed);
  EXPECT_EQ(planned.rows_removed, report.rows_removed);
  EXPECT_EQ(report.files_removed, 2);
  EXPECT_EQ(report.rows_removed, 4);
  EXPECT_EQ(rows().size(), 1U);
  EXPECT_EQ(drop_partitions(access_, *table_, "id < 3").code(), Code::kInvalidArgument);
  EXPECT_EQ(drop_partitions(access_, *table_, "dt < DATE '2020-01-03'").value().version, -1);
}

TEST_F(Rewrite, MergePutsNewRowsInThePlaceOfOldOnes) {
  fill();
  const auto report =
      merge_by_key(access_,
                   *table_,
                   merge("VALUES (2, 'B', DATE '2026-01-03'), (9, 'i', NULL)", "(4), (77)"))
          .value();
  EXPECT_EQ(report.rows_removed, 2);
  EXPECT_EQ(report.rows_added, 2);
  EXPECT_EQ(lake_.count(*table_), 5);
  EXPECT_EQ(lake_.count(*table_, "id = 2 AND name = 'B'"), 1);
  EXPECT_EQ(lake_.count(*table_, "id = 4"), 0);
  EXPECT_EQ(lake_.count(*table_, "dt IS NULL"), 1);
}

TEST_F(Rewrite, MergeAgreesWithAMapOnRandomRows) {
  std::map<int64_t, std::string> naive;
  const auto random = seeded_random(11);
  for (int round = 0; round < 8; ++round) {
    std::map<int64_t, std::string> upserts;
    std::string values;
    for (int i = 0; i < 20; ++i) {
      upserts[static_cast<int64_t>(random->below(60))] = std::to_string(random->below(1'000));
    }
    for (const auto& [id, name] : upserts) {
      const std::string day = "2026-01-0" + std::to_string(1 + random->below(3));
      values += (values.empty() ? "(" : ", (") + std::to_string(id) + ", '" + name + "', DATE '" +
                day + "')";
      naive[id] = name + " " + day;
    }
    std::string deletes;
    for (int i = 0; i < 5; ++i) {
      const auto id = static_cast<int64_t>(100 * (i + 1) + 60 + round);
      deletes += (deletes.empty() ? "(" : ", (") + std::to_string(id) + ")";
    }
    const auto victim = static_cast<int64_t>(random->below(60));
    if (upserts.count(victim) == 0) {
      deletes += ", (" + std::to_string(victim) + ")";
      naive.erase(victim);
    }
    ASSERT_TRUE(merge_by_key(access_, *table_, merge("VALUES " + values, deletes)).ok());
    ASSERT_EQ(rows(), naive) << "round " << round;
  }
}

TEST_F(Rewrite, MergeRefusesKeysThatNameNoRow) {
  fill();
  EXPECT_EQ(merge_by_key(access_, *table_, merge("VALUES (2, 'x', NULL), (2, 'y', NULL)")).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(merge_by_key(access_, *table_, merge("VALUES (2, 'x', NULL)", "(2)")).code(),
            Code::kInvalidArgument);
  MergeRequest request = merge("VALUES (2, 'x', NULL)");
  request.keys = {"name", "dt"};
  EXPECT_EQ(merge_by_key(access_, *table_, request).code(), Code::kInvalidArgument);
  request.keys = {"nothing"};
  EXPECT_EQ(merge_by_key(access_, *table_, request).code(), Code::kInvalidArgument);
}

TEST_F(Rewrite, AMergeReadsAgainWhenRowsCameInTheMeantime) {
  fill();
  const auto snapshot = table_->snapshot().value();
  const auto theirs = lake_.open("t").value();
  lake_.append(*theirs, "VALUES (9, 'theirs', DATE '2026-01-01')");
  CommitRequest stale;
  stale.read_version = snapshot->version;
  stale.adds =
      table_->write_files(lake_.rows_for(*table_, "VALUES (9, 'mine', DATE '2026-01-01')")).value();
  EXPECT_EQ(table_->commit(stale).code(), Code::kAborted);
  EXPECT_TRUE(merge_by_key(access_, *table_, merge("VALUES (9, 'mine', DATE '2026-01-01')")).ok());
  EXPECT_EQ(lake_.count(*theirs, "id = 9"), 1);
}

TEST_F(Rewrite, AMergeMovesItsPositionOnce) {
  MergeRequest request = merge("VALUES (1, 'a', NULL)");
  request.txns = {{"source", 5, std::nullopt}};
  ASSERT_TRUE(merge_by_key(access_, *table_, request).ok());
  EXPECT_EQ(merge_by_key(access_, *table_, request).code(), Code::kAborted);
  EXPECT_EQ(lake_.count(*table_), 1);
}

TEST_F(Rewrite, AnIntegerColumnIsWidenedAndOldFilesStillRead) {
  const auto table = lake_.create("w", {{"id", Type::kInt32}, {"v", Type::kString}});
  lake_.append(*table, "VALUES (1, 'a')");
  const auto wide = lake_.create("w", {{"id", Type::kInt64}, {"v", Type::kString}});
  lake_.append(*wide, "VALUES (5000000000, 'b')");
  EXPECT_EQ(lake_.number("SELECT sum(id)::BIGINT FROM " +
                         wide->relation(*wide->snapshot().value()).value()),
            5'000'000'001);
  EXPECT_EQ(lake_.count(*wide, "id < 10"), 1);
  EXPECT_EQ(DeltaTable::open_or_create(
                lake_.world(),
                lake_.store(),
                lake_.sql(),
                "w",
                {"w", data::make_schema({{"id", Type::kFloat64}, {"v", Type::kString}}), {}})
                .code(),
            Code::kFailedPrecondition);
}

}  // namespace
}  // namespace assay::lake
