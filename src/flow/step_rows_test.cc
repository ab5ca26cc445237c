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
    return StepRows::open(*workspace_, std::move(steps), 2).value();
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

  /// A training set of one label.
  Code train() {
    project_.write("labels.csv", "user_id,event_time\nu1,2026-01-05 10:00:00\n");
    TrainingFileOptions options;
    options.labels.paths = {join_path(project_.folder(), "labels.csv")};
    options.to = join_path(project_.folder(), "set.csv");
    return write_training_file(*workspace_, *workspace_->service("v1").value(), options).code();
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

TEST_F(StepRowsTest, ADamagedFileIsAnError) {
  ASSERT_EQ(train(), Code::kOk);
  const auto table = *workspace_->table("gold/spend");
  const auto files = table->files_in_order(*table->snapshot().value(), "").value();
  ASSERT_TRUE(files);
  for (const lake::DeltaTable::LocalFile& file : *files) {
    std::string bytes = *workspace_->world().files.read(file.path);
    for (std::size_t at = 4; at < bytes.size() / 2; ++at) {
      bytes[at] = '\x55';
    }
    ASSERT_TRUE(workspace_->world().files.write(file.path, bytes).ok());
  }
  EXPECT_EQ(train(), Code::kCorrupt);
}

}  // namespace
}  // namespace assay::flow
