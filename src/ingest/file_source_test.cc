#include "ingest/file_source.h"

#include <gtest/gtest.h>

#include "base/temp_folder.h"
#include "base/world.h"
#include "data/parquet.h"
#include "ingest/compress_for_test.h"

namespace assay::ingest {
namespace {

using Texts = std::vector<std::string>;
using catalog::Format;

constexpr int64_t kAll = 1'000'000;
constexpr std::size_t kBytesMax = 8 << 20;

/// Passes everything on, save what it was told to refuse.
class FaultyFiles : public FileSystem {
 public:
  std::string refused;  // paths that contain it give kPermissionDenied

  Result<std::string> read(const std::string& path) override { return real_->read(path); }
  Result<std::string> read_range(const std::string& path, int64_t offset, int64_t size) override {
    ASSAY_RETURN_IF_ERROR(check(path));
    return real_->read_range(path, offset, size);
  }
  Result<std::unique_ptr<FileReader>> open(const std::string& path) override {
    ASSAY_RETURN_IF_ERROR(check(path));
    return real_->open(path);
  }
  Status write(const std::string& path, std::string_view bytes) override {
    return real_->write(path, bytes);
  }
  Status put_if_absent(const std::string& path, std::string_view bytes) override {
    return real_->put_if_absent(path, bytes);
  }
  Status put_secret_if_absent(const std::string& path, std::string_view bytes) override {
    return real_->put_secret_if_absent(path, bytes);
  }
  Result<std::vector<FileInfo>> list(const std::string& directory) override {
    ASSAY_RETURN_IF_ERROR(check(directory));
    return real_->list(directory);
  }
  Result<FileInfo> stat(const std::string& path) override { return real_->stat(path); }
  Status make_directories(const std::string& path) override {
    return real_->make_directories(path);
  }
  Status remove(const std::string& path) override { return real_->remove(path); }
  Status sync(const std::string& path) override { return real_->sync(path); }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    return real_->lock(path);
  }

 private:
  Status check(const std::string& path) const {
    if (!refused.empty() && path.find(refused) != std::string::npos) {
      return {Code::kPermissionDenied, "cannot read " + path + ": Permission denied"};
    }
    return {};
  }

  std::unique_ptr<FileSystem> real_ = system_files();
};

/// One source over a temporary folder, and all that it needs.
struct Project {
  explicit Project(Format format, const std::string& path = "d") {
    definition.name = "clicks";
    definition.path = path;
    definition.format = format;
  }
  std::unique_ptr<FileSource> open() {
    Result<std::unique_ptr<FileSource>> source =
        FileSource::open(world, definition, folder.path(), ledger);
    EXPECT_TRUE(source.ok()) << source.status().to_string();
    return std::move(source).value();
  }
  std::unique_ptr<FileSource> discovered() {
    auto source = open();
    const Result<int64_t> found = source->discover();
    EXPECT_TRUE(found.ok()) << found.status().to_string();
    return source;
  }

  TempFolder folder;
  FaultyFiles files;
  FakeClock clock{EventTime{1'000'000}};
  std::unique_ptr<Random> random = seeded_random(1);
  std::unique_ptr<Log> log = null_log();
  Metrics metrics;
  World world{clock, files, *random, *log, metrics};
  MemoryFileLedger ledger;
  catalog::SourceDef definition;
};

/// One text per record: position, line, record, and what follows; Parquet rows as cells.
Texts texts_of(const RecordBatch& batch) {
  Texts texts;
  for (int64_t i = 0; i < batch.size(); ++i) {
    const Position position{batch.first.value + i};
    std::string text =
        std::to_string(position.file_ordinal()) + "/" + std::to_string(position.record()) + " ";
    const auto row = static_cast<std::size_t>(i);
    if (batch.format == Format::kParquet) {
      for (int column = 0; column < batch.rows.column_count(); ++column) {
        text += (column > 0 ? "," : "") + format_scalar(batch.rows.column(column).scalar(i));
      }
    } else {
      text += batch.file + ":" + std::to_string(batch.lines[row]) + " " +
              std::string(batch.records[row]);
      text += !batch.oversized.empty() && batch.oversized[row] ? " (cut)" : "";
    }
    texts.push_back(text);
  }
  return texts;
}

struct Outcome {
  Texts records;
  Status status;
  Position end;
};

Outcome read_all(FileSource& source,
                 int64_t records_max = kAll,
                 std::size_t bytes_max = kBytesMax) {
  Outcome outcome;
  while (true) {
    Result<std::optional<RecordBatch>> batch = source.next(records_max, bytes_max);
    if (!batch.ok() || !batch->has_value()) {
      outcome.status = batch.status();
      outcome.end = source.position();
      return outcome;
    }
    EXPECT_GT((*batch)->size(), 0);
    EXPECT_LE((*batch)->size(), records_max);
    EXPECT_EQ((*batch)->end, source.position());
    for (std::string& text : texts_of(**batch)) {
      outcome.records.push_back(std::move(text));
    }
  }
}

/// A table of random cells as CSV, with quoted line ends, in both line ends.
std::string random_csv(Random& random, int rows) {
  std::string text = "a,b\n";
  for (int row = 0; row < rows; ++row) {
    text += std::to_string(random.below(1000)) + ",";
    text += random.below(4) == 0 ? "\"x\ny\"\"z\"" : std::string(random.below(30), 'x');
    text += random.below(2) == 0 ? "\n" : "\r\n";
  }
  return text;
}

void write_parquet_file(const Project& project, const std::string& name, int64_t rows) {
  Result<std::unique_ptr<data::SqlEngine>> engine = data::SqlEngine::open({});
  ASSERT_TRUE(engine.ok());
  std::filesystem::create_directories(
      std::filesystem::path(project.folder.file(name)).parent_path());
  const Status status = (*engine)->execute(
      "COPY (SELECT i AS id, CASE WHEN i % 3 = 0 THEN NULL ELSE 'n' || i END AS name, [i, i + 1] "
      "AS pair FROM range(" +
      std::to_string(rows) + ") t(i)) TO " + data::SqlEngine::literal(project.folder.file(name)) +
      " (FORMAT parquet, ROW_GROUP_SIZE 5000)");
  ASSERT_TRUE(status.ok()) << status.to_string();
}

TEST(FileSource, RecordsComeWithPositionFileLineAndHeader) {
  Project project(Format::kCsv);
  project.folder.write("d/2.csv", "x,y\n5,6\n");
  project.folder.write("d/1.csv",
                       "\xEF\xBB\xBF"
                       "a,b\r\n1,2\r\n\r\n3,\"4\n4\"\r\n5,6");
  project.folder.write("d/0.csv", "");
  project.folder.write("d/3.csv", "only,header\n");
  const auto source = project.discovered();
  Result<std::optional<RecordBatch>> batch = source->next(kAll, kBytesMax);
  ASSERT_TRUE(batch.ok() && batch->has_value());
  EXPECT_EQ((*batch)->header, (Texts{"a", "b"}));
  EXPECT_EQ((*batch)->source, "clicks");
  EXPECT_EQ((*batch)->received, EventTime{1'000'000});
  EXPECT_EQ(texts_of(**batch),
            (Texts{"1/0 d/1.csv:2 1,2", "1/1 d/1.csv:4 3,\"4\n4\"", "1/2 d/1.csv:6 5,6"}));
  EXPECT_EQ((*batch)->end, Position::of(2, 0));
  const Outcome rest = read_all(*source);
  EXPECT_EQ(rest.records, Texts{"2/0 d/2.csv:2 5,6"});
  EXPECT_TRUE(rest.status.ok());
  EXPECT_EQ(rest.end, Position::of(4, 0));
}

TEST(FileSource, FilesThatAppearLaterAreReadLaterWhateverTheirNames) {
  Project project(Format::kJsonLines);
  project.folder.write("d/b.jsonl", "{\"a\":1}\n");
  const auto source = project.discovered();
  EXPECT_EQ(read_all(*source).records, Texts{"0/0 d/b.jsonl:1 {\"a\":1}"});
  project.folder.write("d/a.jsonl", "{\"a\":2}\n");
  project.folder.append("d/b.jsonl", "{\"a\":3}\n");
  EXPECT_EQ(*source->discover(), 2);
  EXPECT_EQ(read_all(*source).records,
            (Texts{"1/0 d/a.jsonl:1 {\"a\":2}", "2/0 d/b.jsonl:2 {\"a\":3}"}));

  const auto again = project.discovered();
  EXPECT_EQ(
      read_all(*again).records,
      (Texts{
          "0/0 d/b.jsonl:1 {\"a\":1}", "1/0 d/a.jsonl:1 {\"a\":2}", "2/0 d/b.jsonl:2 {\"a\":3}"}));
}

TEST(FileSource, AppendedCsvKeepsItsHeaderAndItsLineNumbers) {
  Project project(Format::kCsv, "a.csv");
  project.folder.write("a.csv", "h,i\n1,\"2\n2\"\n");
  const auto source = project.discovered();
  EXPECT_EQ(read_all(*source).records, Texts{"0/0 a.csv:2 1,\"2\n2\""});
  project.folder.append("a.csv", "3,4\n");
  ASSERT_EQ(*source->discover(), 1);
  Result<std::optional<RecordBatch>> batch = source->next(kAll, kBytesMax);
  ASSERT_TRUE(batch.ok() && batch->has_value()) << batch.status().to_string();
  EXPECT_EQ((*batch)->header, (Texts{"h", "i"}));
  EXPECT_EQ(texts_of(**batch), Texts{"1/0 a.csv:4 3,4"});
}

TEST(FileSource, BatchesRespectTheirBoundsButGiveAtLeastOneRecord) {
  Project project(Format::kCsv, "a.csv");
  project.folder.write("a.csv", "h\n" + std::string(100, 'x') + "\n1\n2\n3\n4\n5\n");
  const auto source = project.discovered();
  Texts sizes;
  while (true) {
    Result<std::optional<RecordBatch>> batch = source->next(3, 3);
    ASSERT_TRUE(batch.ok());
    if (!batch->has_value()) {
      break;
    }
    sizes.push_back(std::to_string((*batch)->size()));
  }
  EXPECT_EQ(sizes, (Texts{"1", "3", "2"}));
}

TEST(FileSource, ReadingOnAtEveryRecordGivesTheSameRecords) {
  const uint64_t seed = 31;
  SCOPED_TRACE(seed);
  const auto random = seeded_random(seed);
  Project project(Format::kCsv);
  project.folder.write("d/1.csv", random_csv(*random, 60));
  project.folder.write("d/2.csv.gz", gzip(random_csv(*random, 50)));
  project.folder.write("d/3.csv", "");
  project.folder.write("d/4.csv.zst", zstd(random_csv(*random, 50)));
  const Texts expected = read_all(*project.discovered()).records;
  ASSERT_EQ(expected.size(), 160U);
  for (int64_t records_max : {1, 7}) {
    const auto source = project.discovered();
    Texts before;
    while (true) {
      const auto resumed = project.open();
      ASSERT_TRUE(resumed->seek(source->position()).ok());
      Texts all = before;
      const Outcome rest =
          read_all(*resumed, static_cast<int64_t>(random->below(40)) + 1, random->below(300));
      EXPECT_TRUE(rest.status.ok()) << rest.status.to_string();
      all.insert(all.end(), rest.records.begin(), rest.records.end());
      ASSERT_EQ(all, expected);
      Result<std::optional<RecordBatch>> batch = source->next(records_max, kBytesMax);
      ASSERT_TRUE(batch.ok());
      if (!batch->has_value()) {
        break;
      }
      for (const std::string& text : texts_of(**batch)) {
        before.push_back(text);
      }
    }
  }
}

TEST(FileSource, ParquetRowsComeInFileOrderFromAnyRow) {
  Project project(Format::kParquet);
  write_parquet_file(project, "d/a*[1].parquet", 23'000);
  write_parquet_file(project, "d/b.parquet", 0);
  write_parquet_file(project, "d/c.parquet", 10);
  const Texts expected = read_all(*project.discovered()).records;
  ASSERT_EQ(expected.size(), 23'010U);
  EXPECT_EQ(expected[0], "0/0 0,,[0,1]");
  EXPECT_EQ(expected[22'999], "0/22999 22999,n22999,[22999,23000]");
  EXPECT_EQ(expected[23'001], "2/1 1,n1,[1,2]");
  EXPECT_EQ(read_all(*project.discovered(), 777, 20'000).records, expected);
  for (const int64_t row : {1, 4999, 5000, 12'345, 22'999}) {
    const auto source = project.open();
    ASSERT_TRUE(source->seek(Position::of(0, row)).ok());
    const Texts rest = read_all(*source, 1000).records;
    EXPECT_EQ(rest, Texts(expected.begin() + row, expected.end()));
  }
  const auto source = project.open();
  ASSERT_TRUE(source->seek(Position::of(2, 11)).ok());
  EXPECT_EQ(source->next(1, 1).code(), Code::kFailedPrecondition);
}

TEST(FileSource, AnOversizedRecordIsCutAndFlagged) {
  Project project(Format::kJsonLines, "a.jsonl");
  project.definition.record_bytes_max = 1000;
  project.folder.write("a.jsonl", "{}\n" + std::string(10 << 20, 'x') + "\n{ }\n");
  const auto source = project.discovered();
  Result<std::optional<RecordBatch>> batch = source->next(kAll, kBytesMax);
  ASSERT_TRUE(batch.ok() && batch->has_value());
  EXPECT_EQ(texts_of(**batch),
            (Texts{"0/0 a.jsonl:1 {}",
                   "0/1 a.jsonl:2 " + std::string(1000, 'x') + " (cut)",
                   "0/2 a.jsonl:3 { }"}));
}

TEST(FileSource, ABatchHoldsLittleBesideItsRecords) {
  constexpr std::size_t kMax = 1 << 20;
  for (const bool is_blank : {true, false}) {  // blank lines, or the rests of long ones
    Project project(Format::kJsonLines, "a.jsonl");
    project.definition.record_bytes_max = 1000;
    const std::string rest = is_blank ? std::string(300'000, '\n') : std::string(300'000, 'x') + "\n";
    std::string text;
    for (int i = 0; i < 50; ++i) {
      text += "{}\n" + rest;
    }
    project.folder.write("a.jsonl", text);
    const auto source = project.discovered();
    int64_t records = 0;
    int batches = 0;
    for (auto batch = source->next(kAll, kMax); batch.ok() && batch->has_value();
         batch = source->next(kAll, kMax)) {
      records += (*batch)->size();
      ++batches;
    }
    EXPECT_EQ(records, is_blank ? 50 : 100);
    EXPECT_GE(batches, static_cast<int>(text.size() / (4 * kMax)));
  }
}

TEST(FileSource, DamagedFilesGiveWhatIsBeforeTheDamageAndThenFailAgainAndAgain) {
  std::string text = "h\n";
  for (int i = 0; i < 200'000; ++i) {
    text += std::to_string(i * 7919 % 100'003) + "\n";
  }
  for (const std::string name : {"a.csv.gz", "a.csv.zst"}) {
    Project project(Format::kCsv, name);
    const std::string bytes = name.ends_with("gz") ? gzip(text) : zstd(text);
    project.folder.write(name, std::string_view(bytes).substr(0, bytes.size() * 2 / 3));
    const auto source = project.discovered();
    const Outcome outcome = read_all(*source, 1000);
    EXPECT_EQ(outcome.status.code(), Code::kCorrupt);
    EXPECT_NE(outcome.status.message().find(name), std::string::npos) << outcome.status.message();
    EXPECT_GT(outcome.records.size(), 40'000U);
    EXPECT_EQ(outcome.end, Position::of(0, static_cast<int64_t>(outcome.records.size())));
    for (std::size_t i = 0; i < outcome.records.size(); ++i) {
      ASSERT_TRUE(outcome.records[i].ends_with(" " + std::to_string(i * 7919 % 100'003)));
    }
    EXPECT_EQ(source->next(10, 100).code(), Code::kCorrupt);
  }
}

TEST(FileSource, AFileThatWasCutOffCanBeCompletedAndIsReadOn) {
  std::string text = "h\n";
  for (int i = 0; i < 200'000; ++i) {
    text += std::to_string(i * 7919 % 100'003) + "\n";
  }
  Project project(Format::kCsv);
  const std::string bytes = gzip(text);
  project.folder.write("d/a.csv.gz", std::string_view(bytes).substr(0, bytes.size() / 2));
  project.folder.write("d/b.csv", "h\n1\n");
  const auto source = project.discovered();
  Texts records = read_all(*source).records;
  project.folder.write("d/a.csv.gz", bytes);
  EXPECT_EQ(*source->discover(), 0);
  const Outcome rest = read_all(*source);
  EXPECT_TRUE(rest.status.ok()) << rest.status.to_string();
  records.insert(records.end(), rest.records.begin(), rest.records.end());
  EXPECT_EQ(records.size(), 200'001U);

  const auto again = project.discovered();
  EXPECT_EQ(read_all(*again).records, records) << "and means the same ever after";
  project.folder.append("d/a.csv.gz", gzip("2\n"));
  ASSERT_TRUE(again->discover().ok());
  EXPECT_EQ(again->next(1, 1).code(), Code::kFailedPrecondition) << "it has been read to its end";
}

TEST(FileSource, AFileOfWhichNothingWasReadMayBeReplaced) {
  Project project(Format::kParquet);
  project.folder.write("d/a.parquet", "garbage");
  const auto source = project.discovered();
  EXPECT_EQ(read_all(*source).status.code(), Code::kCorrupt);
  project.folder.write("d/a.parquet", "");
  EXPECT_EQ(read_all(*source).status.code(), Code::kCorrupt);
  write_parquet_file(project, "d/a.parquet", 3);
  EXPECT_EQ(read_all(*source).records.size(), 3U);
  EXPECT_EQ(read_all(*project.discovered()).records.size(), 3U);
  write_parquet_file(project, "d/a.parquet", 4);
  const auto resumed = project.open();
  ASSERT_TRUE(resumed->seek(Position::of(0, 1)).ok());
  EXPECT_EQ(resumed->next(1, 1).code(), Code::kFailedPrecondition)
      << "one row of another file was read";
}

TEST(FileSource, DamagedParquetFails) {
  Project whole(Format::kParquet);
  write_parquet_file(whole, "d/a.parquet", 20'000);
  const std::string bytes = *whole.files.read(whole.folder.file("d/a.parquet"));
  const std::string middle(300, '\x55');
  std::string damaged = bytes;
  damaged.replace(bytes.size() / 2, middle.size(), middle);
  for (const std::string& content : {bytes.substr(0, bytes.size() / 2),
                                     bytes.substr(0, 5),
                                     std::string(),
                                     std::string("a,b\n1,2\n"),
                                     damaged}) {
    Project project(Format::kParquet);
    project.folder.write("d/a.parquet", content);
    const Outcome outcome = read_all(*project.discovered());
    EXPECT_EQ(outcome.status.code(), Code::kCorrupt)
        << content.size() << outcome.status.to_string();
    EXPECT_NE(outcome.status.message().find("a.parquet"), std::string::npos);
    EXPECT_LT(outcome.records.size(), 20'000U);
  }
}

TEST(FileSource, WhatIsSurelyNotTextIsRefusedWithAHint) {
  for (const std::string& content : {gzip("a\n1\n"), zstd("a\n1\n"), std::string("PAR1....")}) {
    Project project(Format::kCsv, "a.csv");
    project.folder.write("a.csv", content);
    EXPECT_EQ(project.discovered()->next(1, 1).code(), Code::kCorrupt);
  }
  for (const std::string content : {"a,\"b\n1,2\n", "\xFF\n1\n"}) {
    Project project(Format::kCsv, "a.csv");
    project.folder.write("a.csv", content);
    EXPECT_EQ(project.discovered()->next(1, 1).code(), Code::kCorrupt) << "not a header";
  }
}

TEST(FileSource, AMissingOrVanishedSourceIsNamed) {
  Project project(Format::kCsv);
  const auto missing = project.open()->discover();
  EXPECT_EQ(missing.code(), Code::kNotFound);
  EXPECT_NE(missing.status().message().find("clicks"), std::string::npos);

  project.folder.write("d/a.csv", "h\n1\n");
  project.folder.write("d/b.csv", "h\n2\n");
  const auto source = project.discovered();
  std::filesystem::remove_all(project.folder.file("d"));
  const Result<std::optional<RecordBatch>> vanished = source->next(1, 1);
  EXPECT_EQ(vanished.code(), Code::kNotFound);
  EXPECT_NE(vanished.status().message().find("d/a.csv"), std::string::npos);
  EXPECT_EQ(source->discover().code(), Code::kNotFound);

  project.folder.write("d/b.csv", "h\n2\n");
  ASSERT_TRUE(source->seek(Position::of(1, 0)).ok());
  EXPECT_EQ(read_all(*source).records.size(), 1U) << "a file that has been read may go";
}

TEST(FileSource, AFileThatChangedOrShrankWhileReadingIsRefused) {
  Project project(Format::kCsv, "a.csv");
  std::string text = "h\n";
  while (text.size() < (2 << 20)) {
    text += "some cell\n";
  }
  project.folder.write("a.csv", text);
  const auto source = project.discovered();
  ASSERT_TRUE(source->next(10, 1000).ok());
  project.folder.write("a.csv", "h\n1\n");
  EXPECT_EQ(read_all(*source).status.code(), Code::kFailedPrecondition);
  EXPECT_EQ(source->discover().code(), Code::kFailedPrecondition);
}

TEST(FileSource, APositionWithoutItsLedgerIsRefused) {
  Project project(Format::kCsv, "a.csv");
  project.folder.write("a.csv", "h\n1\n");
  const auto source = project.discovered();
  EXPECT_EQ(source->seek(Position::of(2, 0)).code(), Code::kFailedPrecondition);
  EXPECT_EQ(source->seek(Position::of(1, 1)).code(), Code::kFailedPrecondition);
  EXPECT_EQ(source->seek(Position{-1}).code(), Code::kFailedPrecondition);
  EXPECT_TRUE(source->seek(Position::of(1, 0)).ok());
  ASSERT_TRUE(source->seek(Position::of(0, 5)).ok());
  EXPECT_EQ(source->next(1, 1).code(), Code::kFailedPrecondition) << "fewer records than were read";
}

TEST(FileSource, WhatMayNotBeReadIsSaidSo) {
  Project project(Format::kCsv);
  project.folder.write("d/a.csv", "h\n1\n");
  project.folder.write("d/b.csv.gz", gzip("h\n1\n"));
  project.files.refused = "/d";
  EXPECT_EQ(project.open()->discover().code(), Code::kPermissionDenied);
  project.files.refused = "";
  const auto source = project.discovered();
  project.files.refused = "b.csv";
  const Outcome outcome = read_all(*source);
  EXPECT_EQ(outcome.records.size(), 1U);
  EXPECT_EQ(outcome.status.code(), Code::kPermissionDenied);
  project.files.refused = "";
  EXPECT_EQ(read_all(*source).records.size(), 1U) << "and can be tried again";
}

}  // namespace
}  // namespace assay::ingest
