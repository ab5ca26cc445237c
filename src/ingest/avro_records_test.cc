#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "ingest/compress_for_test.h"
#include "ingest/record_reader.h"

namespace assay::ingest {
namespace {

constexpr char kSchema[] =
    R"({"type":"record","name":"R","fields":[{"name":"id","type":"long"},{"name":"name","type":"string"}]})";

class Text : public FileReader {
 public:
  explicit Text(std::string text) : text_(std::move(text)) {}
  Result<std::string> read(std::size_t bytes_max) override {
    const std::string part = text_.substr(at_, std::min<std::size_t>(bytes_max, 7));
    at_ += part.size();
    return part;
  }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

std::string number(int64_t value) {
  std::string bytes;
  uint64_t bits = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  while (bits >= 0x80) {
    bytes.push_back(static_cast<char>(bits | 0x80));
    bits >>= 7;
  }
  bytes.push_back(static_cast<char>(bits));
  return bytes;
}

std::string text(const std::string& value) {
  return number(static_cast<int64_t>(value.size())) + value;
}

std::string record(int64_t id) {
  return number(id) + text("n" + std::to_string(id));
}

const std::string kSync = "0123456789abcdef";

std::string header(const std::string& codec) {
  return std::string("Obj\x01", 4) + number(2) + text("avro.schema") + text(kSchema) +
         text("avro.codec") + text(codec) + number(0) + kSync;
}

std::string block(int64_t count, const std::string& packed) {
  return number(count) + text(packed) + kSync;
}

/// Records from `first` on, and how it ended.
std::pair<std::vector<std::string>, Code> read(const std::string& file, int64_t first = 0) {
  std::vector<std::string> records;
  auto reader = open_avro_records(std::make_unique<Text>(file), "x.avro", first);
  if (!reader.ok()) {
    return {records, reader.code()};
  }
  for (;;) {
    RecordBatch batch;
    const Result<bool> got = (*reader)->read(2, 1'000, &batch);
    if (!got.ok() || !*got) {
      return {records, got.code()};
    }
    records.insert(records.end(), batch.records.begin(), batch.records.end());
  }
}

TEST(AvroRecords, BlocksGiveTheirRecordsAsJson) {
  const std::string file =
      header("null") + block(2, record(1) + record(2)) + block(0, "") + block(1, record(3));
  const std::vector<std::string> all{
      R"({"id":1,"name":"n1"})", R"({"id":2,"name":"n2"})", R"({"id":3,"name":"n3"})"};
  EXPECT_EQ(read(file), std::pair(all, Code::kOk));
  EXPECT_EQ(read(file, 2), std::pair(std::vector{all[2]}, Code::kOk));
  EXPECT_EQ(read(file, 4).second, Code::kFailedPrecondition);
  EXPECT_EQ(read(header("null")), std::pair(std::vector<std::string>(), Code::kOk));
}

TEST(AvroRecords, CompressedBlocks) {
  const std::string plain = record(1) + record(2);
  // gzip is deflate between ten bytes of header and eight of trailer.
  const std::string packed = gzip(plain);
  EXPECT_EQ(read(header("deflate") + block(2, packed.substr(10, packed.size() - 18))).first.size(),
            2U);
  EXPECT_EQ(read(header("zstandard") + block(2, zstd(plain))).first.size(), 2U);
  EXPECT_EQ(read(header("snappy") + block(2, plain)).second, Code::kUnimplemented);
  EXPECT_EQ(read(header("deflate") + block(2, plain)).second, Code::kCorrupt);
  EXPECT_EQ(read(header("zstandard") + block(2, plain)).second, Code::kCorrupt);
}

TEST(AvroRecords, WhatCameBeforeDamageIsGiven) {
  const std::string good = header("null") + block(1, record(1));
  for (const std::string& bad : {block(1, record(2)).substr(0, 5),
                                 number(1) + text(record(2)) + "fedcba9876543210",
                                 block(2, record(2)),
                                 block(1, record(2) + "x"),
                                 block(-1, record(2)),
                                 number(1) + number(-1),
                                 number(1) + number(INT64_MAX)}) {
    const auto [records, code] = read(good + bad);
    EXPECT_GE(records.size(), 1U);
    EXPECT_EQ(code, Code::kCorrupt);
  }
}

TEST(AvroRecords, WhatIsNoContainerFileIsRefused) {
  EXPECT_EQ(read("").second, Code::kCorrupt);
  EXPECT_EQ(read("{\"id\":1}\n{\"id\":2}\n").second, Code::kCorrupt);
  EXPECT_EQ(read(header("null").substr(0, 30)).second, Code::kCorrupt);
  EXPECT_EQ(read(std::string("Obj\x01", 4) + number(0) + kSync).second, Code::kInvalidArgument);
}

}  // namespace
}  // namespace assay::ingest
