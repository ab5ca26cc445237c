#include "lake/log_entry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file_system.h"

namespace assay::lake {
namespace {

using testing::HasSubstr;

// The lines of docs/formats/delta.md.
constexpr std::string_view kGolden =
    R"({"commitInfo":{"timestamp":1767225600000,"operation":"WRITE","operationParameters":{"account.in":"3"},"isBlindAppend":true,"engineInfo":"Assay/0.1.0","txnId":"t-1"}})"
    "\n"
    R"({"protocol":{"minReaderVersion":1,"minWriterVersion":2}})"
    "\n"
    R"({"metaData":{"id":"i-1","name":"bronze.events","format":{"provider":"parquet","options":{}},"schemaString":"{\"type\":\"struct\",\"fields\":[]}","partitionColumns":["dt"],"configuration":{"k":"v"},"createdTime":1767225600000}})"
    "\n"
    R"({"txn":{"appId":"shop/bronze/events","version":42,"lastUpdated":1767225600000}})"
    "\n"
    R"({"remove":{"path":"dt=2026-01-01/part-1.parquet","deletionTimestamp":1767225600000,"dataChange":true,"extendedFileMetadata":true,"partitionValues":{"dt":"2026-01-01"},"size":10}})"
    "\n"
    R"({"add":{"path":"dt=a%2520b/part-2.parquet","partitionValues":{"dt":"a b","hr":null},"size":11,"modificationTime":1767225600001,"dataChange":true,"stats":"{\"numRecords\":3}","tags":{"assay.tail":"true"}}})"
    "\n";

LogEntry golden_entry() {
  LogEntry entry;
  entry.info = CommitInfoAction{
      1'767'225'600'000, "WRITE", {{"account.in", "3"}}, true, "t-1", "Assay/0.1.0"};
  entry.protocol = ProtocolAction{};
  entry.metadata = MetadataAction{"i-1",
                                  "bronze.events",
                                  R"({"type":"struct","fields":[]})",
                                  {"dt"},
                                  {{"k", "v"}},
                                  1'767'225'600'000};
  entry.txns.push_back({"shop/bronze/events", 42, 1'767'225'600'000});
  entry.removes.push_back(
      {"dt=2026-01-01/part-1.parquet", 1'767'225'600'000, true, {{"dt", "2026-01-01"}}, 10});
  DataFile file;
  file.path = "dt=a%20b/part-2.parquet";
  file.partition_values = {{"dt", "a b"}, {"hr", std::nullopt}};
  file.size_bytes = 11;
  file.modification_ms = 1'767'225'600'001;
  file.rows = 3;
  file.stats_json = R"({"numRecords":3})";
  file.tags = {{"assay.tail", "true"}};
  entry.adds.push_back({file, true});
  return entry;
}

std::string write(const LogEntry& entry) {
  std::string out;
  append_action(out, *entry.info);
  append_action(out, *entry.protocol);
  append_action(out, *entry.metadata);
  append_action(out, entry.txns[0]);
  append_action(out, entry.removes[0]);
  append_action(out, entry.adds[0]);
  return out;
}

TEST(LogEntry, WritesTheGoldenLines) {
  EXPECT_EQ(write(golden_entry()), kGolden);
}

TEST(LogEntry, TheGoldenLinesStandInTheDocument) {
  const auto files = system_files();
  EXPECT_THAT(files->read(std::string(ASSAY_SOURCE_DIR) + "/docs/formats/delta.md").value(),
              HasSubstr(std::string(kGolden)));
}

TEST(LogEntry, ReadsTheGoldenLines) {
  const LogEntry entry = parse_log_entry("x", kGolden).value();
  EXPECT_EQ(write(entry), kGolden);
  EXPECT_EQ(entry.adds[0].file.path, "dt=a%20b/part-2.parquet");
  EXPECT_EQ(entry.adds[0].file.rows, 3);
}

TEST(LogEntry, ReadsWhatOthersWrite) {
  const LogEntry entry =
      parse_log_entry(
          "x",
          R"({"commitInfo":{"timestamp":"odd","operationParameters":{"mode":"Append","n":3,"f":true,"o":{}}}})"
          "\r\n\n"
          R"({"cdc":{"path":"_change_data/x"}})"
          "\n"
          R"({"domainMetadata":{"domain":"d"},"unknown":[1]})"
          "\n"
          R"({"remove":{"path":"a.parquet","dataChange":true},"add":null})"
          "\n"
          R"({"add":{"path":"p=%C3%A9%20x/b","partitionValues":{"p":""},"size":1,"modificationTime":2,"dataChange":false,"stats":null,"tags":null,"baseRowId":7}})")
          .value();
  EXPECT_EQ(entry.info->parameters,
            (std::map<std::string, std::string>{{"mode", "Append"}, {"n", "3"}, {"f", "true"}}));
  EXPECT_EQ(entry.removes[0].size_bytes, -1);
  EXPECT_EQ(entry.adds[0].file.path, "p=\xC3\xA9 x/b");
  EXPECT_EQ(entry.adds[0].file.partition_values.at("p"), std::nullopt);
  EXPECT_EQ(entry.adds[0].file.rows, -1);
  EXPECT_FALSE(entry.adds[0].data_change);
}

TEST(LogEntry, ABadLineIsNamed) {
  const std::string good = R"({"txn":{"appId":"a","version":1}})";
  for (const std::string bad : {R"({"add":{"path")",
                                "nonsense",
                                "3",
                                "[]",
                                "{}",
                                R"("text")",
                                R"({"add":3})",
                                R"({"add":{"size":1}})",
                                R"({"add":{"path":"a","size":"1"}})",
                                R"({"add":{"path":"a","size":-1}})",
                                R"({"add":{"path":"a","size":1,"partitionValues":{"p":1}}})",
                                R"({"add":{"path":"../a","size":1}})",
                                R"({"add":{"path":"%","size":1}})",
                                R"({"txn":{"appId":"a"}})",
                                R"({"txn":{"appId":"a","version":1.5}})",
                                R"({"protocol":{"minReaderVersion":1}})",
                                R"({"metaData":{"id":"x"}})",
                                "{\"txn\":\xff}"}) {
    const auto entry = parse_log_entry("t/_delta_log/7.json", good + "\n" + bad + "\n" + good);
    EXPECT_EQ(entry.code(), Code::kCorrupt) << bad;
    EXPECT_THAT(entry.status().message(), HasSubstr("t/_delta_log/7.json line 2")) << bad;
  }
}

TEST(LogEntry, AnEmptyFileIsCorrupt) {
  EXPECT_EQ(parse_log_entry("x", "").code(), Code::kCorrupt);
  EXPECT_EQ(parse_log_entry("x", "\n\n").code(), Code::kCorrupt);
}

TEST(LogEntry, EveryCutOfAnEntryIsReadOrRefusedNeverMore) {
  for (std::size_t size = 0; size < kGolden.size(); ++size) {
    const auto entry = parse_log_entry("x", kGolden.substr(0, size));
    if (entry.ok()) {
      EXPECT_EQ(entry->adds.size(), size + 1 >= kGolden.size() ? 1U : 0U) << size;
    } else {
      EXPECT_EQ(entry.code(), Code::kCorrupt);
    }
  }
}

TEST(LogEntry, WhatWeDoNotSupportIsRefusedByName) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"add":{"path":"a","size":1,"deletionVector":{"storageType":"x","pathOrInlineDv":"","sizeInBytes":1,"cardinality":1}}})",
       "deletion vectors of storage type x"},
      {R"({"add":{"path":"s3://b/a.parquet","size":1}})", "outside the table"},
      {R"({"add":{"path":"file:///b/a.parquet","size":1}})", "outside the table"},
      {R"({"add":{"path":"/b/a.parquet","size":1}})", "outside the table"},
      {R"({"metaData":{"id":"i","format":{"provider":"orc"},"schemaString":"{}"}})", "Parquet"},
  };
  for (const auto& [line, words] : cases) {
    const auto entry = parse_log_entry("x", line);
    EXPECT_EQ(entry.code(), Code::kUnimplemented) << line;
    EXPECT_THAT(entry.status().message(), HasSubstr(words));
  }
}

TEST(LogEntry, FilesAreNamedByTwentyDigits) {
  EXPECT_EQ(log_file_name(0), "00000000000000000000.json");
  EXPECT_EQ(log_file_name(1'234'567), "00000000000001234567.json");
}

}  // namespace
}  // namespace assay::lake
