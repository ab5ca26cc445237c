// What a read that is made again from its journal must be equal in.

#include "flow/kafka_line.h"

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "data/wire_schema.h"
#include "ingest/kafka_meta.h"
#include "ingest/test_registry.h"

namespace assay::flow {
namespace {

constexpr int32_t kOfValue = 7;
constexpr int32_t kOfKey = 9;

/// One record in wire format with such a key, as the source makes it when the registry has these.
ingest::RecordBatch record_with(const ingest::WireSchemas& schemas,
                                const std::string& key = ingest::wire_record(kOfKey, "1")) {
  ingest::RecordBatch batch;
  const auto value = std::make_shared<std::string>(ingest::wire_record(kOfValue, "{}"));
  batch.records = {*value};
  batch.memory = value;
  batch.schemas = schemas;
  ingest::KafkaMessage message;
  message.has_key = true;
  message.key = key;
  data::BatchBuilder meta(ingest::kafka_meta_schema());
  ingest::append_kafka_meta(message, {"events", 0}, schemas, &meta);
  batch.meta = meta.finish();
  return batch;
}

JournaledRead read_without(std::vector<int32_t> unknown) {
  JournaledRead read;
  read.records = 1;
  read.unknown_schemas = std::move(unknown);
  return read;
}

bool is_as_it_was(ingest::RecordBatch batch, const JournaledRead& read, bool keys = true) {
  return restore_schemas(read, keys, &batch);
}

const std::shared_ptr<const data::WireSchema> kText = data::json_text_schema();

TEST(KafkaLine, ARecordHasTheSchemasThatItHadThen) {
  ingest::RecordBatch batch = record_with({{kOfValue, kText}, {kOfKey, kText}});
  EXPECT_TRUE(is_as_it_was(batch, read_without({})));
  ASSERT_TRUE(restore_schemas(read_without({kOfValue}), true, &batch));
  EXPECT_EQ(batch.schemas.at(kOfValue), nullptr) << "it was unknown then";
  EXPECT_FALSE(is_as_it_was(record_with({{kOfValue, nullptr}, {kOfKey, kText}}), read_without({})));
}

TEST(KafkaLine, AKeyThatWouldHaveAnotherTextIsAnotherRecord) {
  const ingest::RecordBatch known = record_with({{kOfValue, kText}, {kOfKey, kText}});
  const ingest::RecordBatch unknown = record_with({{kOfValue, kText}, {kOfKey, nullptr}});
  ASSERT_NE(known.meta.column(catalog::kKey).text(0), unknown.meta.column(catalog::kKey).text(0));
  EXPECT_FALSE(is_as_it_was(known, read_without({kOfKey}))) << "the registry has it by now";
  EXPECT_FALSE(is_as_it_was(unknown, read_without({}))) << "the registry has lost it";
  EXPECT_TRUE(is_as_it_was(unknown, read_without({kOfKey})));
  EXPECT_TRUE(is_as_it_was(record_with({{kOfValue, kText}}, "plain"), read_without({})));
}

TEST(KafkaLine, KeysWithoutSchemasMayLookAsIfTheyHadOne) {
  const ingest::RecordBatch batch = record_with({{kOfValue, kText}});
  EXPECT_TRUE(is_as_it_was(batch, read_without({}), false));
}

}  // namespace
}  // namespace assay::flow
