#include "flow/step_rows.h"

#include "flow/step_answers.h"
#include "flow/test_project.h"
#include "flow/training_file.h"

namespace assay::flow {
namespace {

class StepRowsTest : public testing::Test {
 protected:
  StepRowsTest() {
    EXPECT_TRUE(project_.run().ok());
    workspace_ = project_.open();
  }

  StepRows open() {
    const auto view = workspace_->view("spend").value();
    StepsRelation steps = steps_relation(*workspace_, *view, EventTime::max()).value();
    return StepRows::open(*workspace_, std::move(steps), 2, std::size_t{64} << 20).value();
  }

  static data::Batch read_all(const StepRows& rows, int64_t rows_max) {
    const auto reader = rows.stream({{"user_id", "user_id"},
                                     {"known_time", "from"},
                                     {"total_24h", "total"},
                                     {"known_time", "k"}},
                                    rows_max);
    EXPECT_TRUE(reader.ok()) << reader.status().to_string();
    std::vector<data::Batch> pieces;
    while (auto piece = (*reader)->next().value()) {
      pieces.push_back(*std::move(piece));
    }
    return data::concat(pieces.front().schema_ptr(), pieces).value();
  }

  /// A training set of labels all over the project's days.
  Code train() {
    std::string labels = "user_id,event_time\n";
    const auto random = seeded_random(7);
    for (int i = 0; i < 500; ++i) {
      const int64_t seconds = static_cast<int64_t>(random->below(7 * 86'400));
      labels += "u" + std::to_string(random->below(7)) + "," +
                format_time({parse_time("2026-01-01")->micros + seconds * kMicrosPerSecond}) + "\n";
    }
    project_.write("labels.csv", labels);
    TrainingFileOptions options;
    options.labels.paths = {join_path(project_.folder(), "labels.csv")};
    options.to = join_path(project_.folder(), "set.parquet");
    options.set.with_statuses = true;
    return write_training_file(*workspace_, *workspace_->service("v1").value(), options).code();
  }
  std::string read(const std::string& path) { return *workspace_->world().files.read(path); }
  std::string set() { return read(join_path(project_.folder(), "set.parquet")); }
  void replace(const std::string& path, const std::string& bytes) {
    ASSERT_TRUE(workspace_->world().files.write(path, bytes).ok());
  }
  std::vector<lake::DeltaTable::LocalFile> files() {
    const auto table = *workspace_->table("gold/spend");
    return table->files_in_order(*table->snapshot().value(), "").value().value();
  }

  TestProject project_;
  std::unique_ptr<Workspace> workspace_;
};

TEST_F(StepRowsTest, RowGroupsHoldWhatTheSqlEngineReads) {
  StepRows rows = open();
  ASSERT_GT(rows.row_groups().size(), 3U);  // days
  int64_t next = 0;
  for (const StepRows::RowGroup& group : rows.row_groups()) {
    EXPECT_EQ(group.first_row, next);
    next += group.rows;
  }
  const data::Batch ours = read_all(rows, 1'000'000);
  const data::Batch in_pieces = read_all(rows, 1);
  rows.leave_to_sql_engine();
  EXPECT_TRUE(rows.row_groups().empty());
  const data::Batch theirs = read_all(rows, 1'000'000);
  ASSERT_GT(theirs.rows(), 100);
  for (const data::Batch* batch : {&ours, &in_pieces}) {
    ASSERT_EQ(batch->rows(), theirs.rows());
    ASSERT_EQ(batch->schema().names(), theirs.schema().names());
    for (int column = 0; column < theirs.column_count(); ++column) {
      for (int64_t row = 0; row < theirs.rows(); ++row) {
        ASSERT_TRUE(same_value(batch->column(column), row, theirs.column(column), row));
      }
    }
  }
}

TEST_F(StepRowsTest, BytesOfASetDoNotDependOnWhoReads) {
  ASSERT_EQ(train(), Code::kOk);
  const std::string by_groups = set();
  // One file of another writer among ours.
  const std::string path = files()[2].path;
  const std::string other = join_path(project_.folder(), "other.parquet");
  ASSERT_TRUE(workspace_->sql()
                  .execute("COPY (FROM " + data::SqlEngine::literal(path) + ") TO " +
                           data::SqlEngine::literal(other))
                  .ok());
  replace(path, read(other));
  EXPECT_TRUE(open().row_groups().empty());
  ASSERT_EQ(train(), Code::kOk);
  EXPECT_TRUE(set() == by_groups);
}

TEST_F(StepRowsTest, AColumnThatIsNotThereIsAnError) {
  const StepRows rows = open();
  EXPECT_EQ(rows.stream({{"none", "none"}}, 10).code(), Code::kInvalidArgument);
  data::ParquetGroupReader reader = rows.make_reader();
  EXPECT_EQ(rows.read(rows.row_groups()[0], {{"none", "none"}}, reader).code(),
            Code::kInvalidArgument);
}

TEST_F(StepRowsTest, ADamagedFileIsAnError) {
  ASSERT_EQ(train(), Code::kOk);
  const std::string path = files()[2].path;
  const std::string good = read(path);
  for (const int percent : {1, 10, 30, 50}) {  // keys, times and features
    std::string bytes = good;
    char& byte = bytes[bytes.size() * static_cast<std::size_t>(percent) / 100 + 4];
    byte = static_cast<char>(byte ^ 0x10);
    replace(path, bytes);
    EXPECT_NE(train(), Code::kOk) << percent;
  }
  replace(path, good);
  EXPECT_EQ(train(), Code::kOk);
}

}  // namespace
}  // namespace assay::flow
