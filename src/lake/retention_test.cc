#include "lake/retention.h"

#include <gtest/gtest.h>

#include "lake/compaction.h"
#include "lake/lake_under_test.h"
#include "lake/vacuum.h"

namespace assay::lake {
namespace {

using data::Type;

class Retention : public testing::Test {
 protected:
  LakeAccess access() { return {lake_.world(), lake_.store(), lake_.sql()}; }
  Version append(const std::string& values) { return lake_.append(*table_, "VALUES " + values); }
  Result<RewriteReport> drop_before(const std::string& day) {
    RetentionRequest request;
    request.date_column = "d";
    request.kept_from = parse_time(day).value();
    return drop_old_days(access(), *table_, request);
  }
  std::string days() {
    const auto snapshot = table_->snapshot().value();
    std::string text;
    for (const auto& [path, file] : snapshot->files) {
      text += (text.empty() ? "" : " ") + file.partition_values.at("d").value_or("null");
    }
    return text;
  }

  LakeUnderTest lake_;
  std::unique_ptr<DeltaTable> table_ = lake_.create(
      "t", {{"id", Type::kInt64}, {"d", Type::kDate}, {"p", Type::kString}}, {"d", "p"});
};

TEST_F(Retention, DropsWholeDaysInOneCommitAndReadsNoFile) {
  append("(1, DATE '0999-12-31', 'a'), (2, DATE '2025-12-31', 'b'), (3, DATE '2026-01-01', 'a')");
  append("(4, DATE '2025-12-31', 'a'), (5, NULL, 'a')");
  for (const auto& [path, file] : table_->snapshot().value()->files) {
    ASSERT_TRUE(lake_.store().remove("t/" + path).ok());
  }
  const Result<RewriteReport> report = drop_before("2026-01-01");
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(report->version, 3);
  EXPECT_EQ(report->files_removed, 3);
  EXPECT_EQ(report->rows_removed, 3);
  EXPECT_EQ(days(), "2026-01-01 null");
  EXPECT_EQ(table_->history().value().back().parameters.at(kRetentionParameter), "2026-01-01");
  EXPECT_EQ(drop_before("2026-01-01")->version, -1);
}

TEST_F(Retention, TakesNothingBackFromTheTablesStream) {
  append("(1, DATE '2025-12-30', 'a'), (2, DATE '2026-01-01', 'a')");
  append("(3, DATE '2025-12-30', 'a')");
  ASSERT_TRUE(compact(access(), *table_).ok());
  ASSERT_TRUE(drop_before("2026-01-01").ok());
  append("(4, DATE '2025-12-30', 'a')");  // late, and there until the next time
  const Version last = table_->snapshot().value()->version;
  // Who begins anew is given what is there, though vacuum took the files of the rest.
  lake_.clock().advance({100 * kMicrosPerDay});
  ASSERT_TRUE(vacuum(access(), *table_, {.keep = Duration{0}}).ok());
  std::vector<DataFile> files;
  const auto all = table_->added_between(-1, last).value();
  for (const DeltaTable::AddedFile& added : all) {
    files.push_back(added.file);
  }
  const auto snapshot = table_->snapshot().value();
  const auto sum = lake_.sql().query("SELECT CAST(sum(id) AS BIGINT) FROM " +
                                     table_->relation_of(*snapshot, files).value());
  ASSERT_TRUE(sum.ok()) << sum.status().to_string();
  EXPECT_EQ(sum->column(0).values<int64_t>()[0], 6);
  const auto changes = table_->changes_between(2, last).value();
  for (const FileChange& change : changes) {
    EXPECT_EQ(change.by_retention, !change.is_added);
  }
}

TEST_F(Retention, GoesOnTopOfWhatOthersCommitted) {
  append("(1, DATE '2025-12-30', 'a')");
  const auto other = lake_.open("t").value();
  append("(2, DATE '2025-12-30', 'a'), (3, DATE '2026-01-02', 'a')");
  RetentionRequest request{
      "d", parse_time("2026-01-01").value(), {{"kept", 7, std::nullopt}}, true};
  EXPECT_EQ(drop_old_days(access(), *other, request)->files_removed, 2);
  EXPECT_EQ(days(), "2025-12-30 2025-12-30 2026-01-02");
  request.dry_run = false;
  EXPECT_EQ(drop_old_days(access(), *other, request)->version, 3);
  EXPECT_EQ(other->snapshot().value()->txn("kept"), 7);
  EXPECT_EQ(days(), "2026-01-02");
}

TEST_F(Retention, WithoutDaysThereIsNothingToGoBy) {
  RetentionRequest request{"p", parse_time("2026-01-01").value()};
  EXPECT_EQ(drop_old_days(access(), *table_, request).code(), Code::kInvalidArgument);
  request.date_column = "id";
  EXPECT_EQ(drop_old_days(access(), *table_, request).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace assay::lake
