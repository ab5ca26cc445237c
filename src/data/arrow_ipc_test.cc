#include "data/arrow_ipc.h"

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/batch.h"

// That other programs read the stream is a test of theirs (tests/engines); here are its frames.

namespace assay::data {
namespace {

using ::testing::HasSubstr;

/// Bytes of the metadata of the message at `at`; its marker must be there.
std::size_t metadata_bytes(const std::string& stream, std::size_t at) {
  int32_t marker = 0;
  int32_t size = 0;
  std::memcpy(&marker, stream.data() + at, 4);
  std::memcpy(&size, stream.data() + at + 4, 4);
  EXPECT_EQ(marker, -1);
  return static_cast<std::size_t>(size);
}

Batch some_batch() {
  BatchBuilder builder(make_schema({{"id", Type::kInt64, false},
                                    {"name", Type::kString, true},
                                    {"good", Type::kBool, true},
                                    {"at", Type::kTimestamp, true}}));
  for (int64_t i = 0; i < 10; ++i) {
    builder.column(0).append(i);
    builder.column(1).append_text(std::string(static_cast<std::size_t>(i), 'x'));
    builder.column(2).append<uint8_t>(i % 2 == 0 ? 1 : 0);
    builder.column(3).append(i);
  }
  return builder.finish();
}

TEST(ArrowIpc, TheSchemaIsAMessageWithoutBody) {
  const Batch batch = some_batch();
  const std::string schema = arrow_ipc_schema(batch.schema_ptr()).value();
  EXPECT_EQ(schema.size(), 8 + metadata_bytes(schema, 0));
  EXPECT_EQ(schema.size() % 8, 0U);
  for (const char* text : {"id", "name", "good", "at", "UTC"}) {
    EXPECT_THAT(schema, HasSubstr(text));
  }
}

TEST(ArrowIpc, ABatchIsItsBuffersBehindTheMetadata) {
  const std::string message = arrow_ipc_batch(some_batch()).value();
  // ids, offsets and 45 letters of the names, packed bits, times; each at a multiple of 8.
  const std::size_t body = 80 + 48 + 48 + 8 + 80;
  EXPECT_EQ(message.size(), 8 + metadata_bytes(message, 0) + body);
  EXPECT_EQ(message.size() % 8, 0U);
  EXPECT_THAT(message, HasSubstr(std::string(45, 'x')));
}

TEST(ArrowIpc, TheEndIsAnEmptyMessage) {
  EXPECT_EQ(metadata_bytes(arrow_ipc_end(), 0), 0U);
}

}  // namespace
}  // namespace assay::data
