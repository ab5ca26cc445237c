#include "flow/step_rows.h"

#include <algorithm>
#include <atomic>
#include <span>

#include "base/random.h"
#include "data/asof_index.h"
#include "data/parquet_file.h"
#include "flow/running_up.h"
#include "flow/step_answers.h"
#include "flow/test_project.h"
#include "flow/training_file.h"

namespace assay::flow {
namespace {

/// The machine's files, of which pieces of the lake's data can be read so many times.
class FailingReads : public LakeThatGoes {
 public:
  std::atomic<int64_t> left = INT64_MAX;
  Result<std::string> read_range(const std::string& path, int64_t offset, int64_t size) override {
    if (path.ends_with(".parquet") && left-- <= 0) {
      return Status(Code::kUnavailable, "no more reads");
    }
    return LakeThatGoes::read_range(path, offset, size);
  }
};

class StepRowsTest : public testing::Test {
 protected:
  StepRowsTest() {
    EXPECT_TRUE(project_.run().ok());
    workspace_ = project_.open();
  }

  StepsRelation relation() {
    const auto view = workspace_->view("spend").value();
    return steps_relation(*workspace_, *view, EventTime::max()).value();
  }
  StepRows open() { return open(relation()); }
  StepRows open(StepsRelation steps, std::size_t memory = std::size_t{64} << 20) {
    return StepRows::open(*workspace_, std::move(steps), 2, memory).value();
  }

  /// The steps again, in two files of row groups of `group_rows`.
  StepsRelation in_row_groups(int64_t group_rows) {
    StepsRelation steps = relation();
    std::string columns;
    for (const std::string& name : steps.stored_schema->names()) {
      columns += (columns.empty() ? "" : ", ") + data::SqlEngine::identifier(name);
    }
    const data::Batch rows =
        workspace_->sql().query("SELECT " + columns + " FROM " + steps.ordered_sql).value();
    const int64_t middle = rows.rows() / 2 + 1;
    steps.files = {write_file("first.parquet", rows.slice(0, middle), group_rows),
                   write_file("second.parquet", rows.slice(middle, rows.rows()), group_rows)};
    steps.ordered_sql = "read_parquet([" + data::SqlEngine::literal((*steps.files)[0].path) + ", " +
                        data::SqlEngine::literal((*steps.files)[1].path) + "])";
    return steps;
  }
  lake::DeltaTable::LocalFile write_file(const std::string& name,
                                         const data::Batch& rows,
                                         int64_t group_rows) {
    data::ParquetEncoder encoder;
    data::ParquetFile file(rows.schema_ptr(), "assay version 1.2.3");
    std::string bytes(data::ParquetFile::kBegin);
    for (int64_t row = 0; row < rows.rows(); row += group_rows) {
      const data::Batch part = rows.slice(row, std::min(row + group_rows, rows.rows()));
      const data::ParquetRowGroup group = encoder.encode(std::span(&part, 1)).value();
      file.add(group);
      bytes += group.bytes;
    }
    bytes += file.end();
    const std::string path = join_path(project_.folder(), name);
    replace(path, bytes);
    return {path, std::ssize(bytes)};
  }

  /// The rows of random labels, a block after the other.
  std::vector<data::Batch> answers(const StepRows& rows, std::size_t memory) {
    constexpr int64_t kLabels = 700;
    const auto view = workspace_->view("spend").value();
    const auto random = seeded_random(8);
    data::ColumnBuilder users(data::Type::kString);
    data::ColumnBuilder times(data::Type::kTimestamp);
    for (int64_t i = 0; i < kLabels; ++i) {
      users.append_text("u" + std::to_string(random->below(8)));
      times.append(parse_time("2026-01-01")->micros +
                   static_cast<int64_t>(random->below(7 * kMicrosPerDay)));
    }
    const data::ColumnPtr keys = users.finish();
    const data::ColumnPtr at = times.finish();
    data::AsofIndex index({data::Type::kString}, 2);
    EXPECT_TRUE(index.add({{keys.get()}, at.get()}).ok());
    index.seal();
    const std::vector<StepColumn> columns = {{"total_24h", "total_24h"}, {"known_time", "from"}};
    const std::vector<data::Field> fields = {{"total_24h", data::Type::kFloat64, true},
                                             {"from", data::Type::kTimestamp, true}};
    StepsOfLabels found = find_steps(rows, view->keys(), index, EventTime::max(), 100).value();
    EXPECT_GT(found.steps, 100);
    AnswerPieces pieces(data::make_schema(fields), kLabels, 256, testing::TempDir(), memory);
    EXPECT_TRUE(put_steps_aside(rows, std::move(found.step), columns, fields, pieces).ok());
    std::vector<data::Batch> blocks;
    for (int64_t block = 0; block < pieces.blocks(); ++block) {
      blocks.push_back(pieces.take(block).value().rows);
    }
    return blocks;
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
    Result<TrainingFileReport> report =
        write_training_file(*workspace_, *workspace_->service("v1").value(), options);
    report_ = report.ok() ? *report : TrainingFileReport();
    return report.code();
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
  SystemWorld world_{LogLevel::kError};
  FailingReads failing_files_;
  World failing_{world_.world().clock,
                 failing_files_,
                 world_.world().random,
                 world_.world().log,
                 world_.world().metrics};
  std::unique_ptr<Workspace> workspace_;
  TrainingFileReport report_;  // of the last set
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

TEST_F(StepRowsTest, AFileMayHaveSeveralRowGroups) {
  for (const int64_t group_rows : {40, 10'000}) {
    StepRows rows = open(in_row_groups(group_rows));
    EXPECT_EQ(rows.row_groups().size() > 2, group_rows < 10'000);
    const data::Batch ours = read_all(rows, 1'000'000);
    const std::vector<data::Batch> by_groups = answers(rows, std::size_t{1} << 20);
    const std::vector<data::Batch> from_disk = answers(rows, 0);
    rows.leave_to_sql_engine();
    EXPECT_EQ(content_hash(ours), content_hash(read_all(rows, 1'000'000)));
    const std::vector<data::Batch> by_engine = answers(rows, std::size_t{1} << 20);
    ASSERT_EQ(by_groups.size(), 3U);
    for (std::size_t block = 0; block < 3; ++block) {
      EXPECT_GT(by_groups[block].column(1).size(), by_groups[block].column(1).null_count());
      EXPECT_EQ(content_hash(by_groups[block]), content_hash(by_engine[block]));
      EXPECT_EQ(content_hash(by_groups[block]), content_hash(from_disk[block]));
    }
  }
}

TEST_F(StepRowsTest, LittleMemoryReadsOneRowGroupAtATime) {
  const std::vector<StepColumn> columns = {{"user_id", "user_id"}, {"total_24h", "total"}};
  const StepRows rows = open(in_row_groups(100), 1);
  EXPECT_EQ(rows.reading_threads(columns), 1);
  EXPECT_EQ(open(in_row_groups(100)).reading_threads(columns), 2);
  const auto reader = rows.stream(columns, 1'000'000).value();
  std::size_t pieces = 0;
  while (const auto piece = reader->next().value()) {
    EXPECT_LE(piece->rows(), 100);
    ++pieces;
  }
  EXPECT_EQ(pieces, rows.row_groups().size());
}

TEST_F(StepRowsTest, ReadsThatFailAreErrorsOfTheirOwn) {
  ASSERT_EQ(train(), Code::kOk);
  const std::string good = set();
  workspace_ = Workspace::open(failing_, project_.folder(), {}).value();
  int64_t reads = 0;
  for (Code code = Code::kUnavailable; code != Code::kOk; reads += 13) {
    replace(join_path(project_.folder(), "set.parquet"), "before");
    failing_files_.left = reads;
    code = train();
    failing_files_.left = INT64_MAX;
    EXPECT_TRUE(code == Code::kOk || code == Code::kUnavailable);
    EXPECT_EQ(set(), code == Code::kOk ? good : "before");
  }
  EXPECT_GT(reads, 3 * 13);
}

TEST_F(StepRowsTest, TheReportTellsWhoRead) {
  ASSERT_EQ(train(), Code::kOk);
  EXPECT_FALSE(report_.views.front().by_sql_engine);
  const std::string path = files()[1].path;
  const std::string other = join_path(project_.folder(), "other.parquet");
  ASSERT_TRUE(workspace_->sql()
                  .execute("COPY (FROM " + data::SqlEngine::literal(path) + ") TO " +
                           data::SqlEngine::literal(other))
                  .ok());
  replace(path, read(other));
  ASSERT_EQ(train(), Code::kOk);
  EXPECT_TRUE(report_.views.front().by_sql_engine);
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
