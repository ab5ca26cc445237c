#include "bronze/wire_records.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "bronze/decode.h"
#include "bronze/test_records.h"
#include "data/avro.h"

namespace assay::bronze {
namespace {

using data::RejectReason;
using data::Type;

catalog::ColumnDef column(const std::string& name, Type type, bool required = false) {
  catalog::ColumnDef def;
  def.name = name;
  def.type = std::move(type);
  def.required = required;
  return def;
}

std::string wire(int32_t number, const std::string& payload) {
  return std::string("\0\0\0\0", 4) + static_cast<char>(number) + payload;
}

std::shared_ptr<const data::WireSchema> avro(const std::string& fields) {
  return *data::parse_avro_schema(R"({"type":"record","name":"R","fields":[)" + fields + "]}");
}

ingest::RecordBatch batch(catalog::Format format, const std::vector<std::string>& records) {
  ingest::RecordBatch made = text_records(format, records, {});
  made.schemas[1] = avro(R"({"name":"id","type":"int"},{"name":"old","type":"string"})");
  made.schemas[2] = avro(R"({"name":"id","type":"long"},{"name":"price","type":"double"})");
  made.schemas[3] = nullptr;
  return made;
}

data::Decoded decode(const catalog::BronzeDef& bronze, const ingest::RecordBatch& records) {
  const Result<data::Decoded> decoded = RecordDecoder(bronze, {}).decode(records);
  EXPECT_TRUE(decoded.ok());
  return *decoded;
}

TEST(WireRecords, FieldsEvolveByName) {
  catalog::BronzeDef bronze;
  bronze.columns = {column("id", Type::kFloat64, true),
                    column("price", Type::kFloat64),
                    column("rank", Type::kInt32)};
  bronze.columns[2].default_value = data::Scalar::int32(7);
  const data::Decoded decoded =
      decode(bronze,
             batch(catalog::Format::kAvro,
                   {wire(1,
                         "\x02\x02"
                         "x"),  // before `price`: absent; an int where a double is
                    wire(2, std::string("\x04\0\0\0\0\0\0\xf8\x3f", 9)),
                    wire(2, std::string("\x04\0\0\0\0\0\0\xf8\x7f", 9))}));
  ASSERT_EQ(decoded.rows.rows(), 3);
  EXPECT_EQ(decoded.rows.column(0).scalar(0), data::Scalar::float64(1));
  EXPECT_TRUE(decoded.rows.column(1).is_null(0));
  EXPECT_EQ(decoded.rows.column(1).scalar(1), data::Scalar::float64(1.5));
  EXPECT_EQ(format_scalar(decoded.rows.column(1).scalar(2)), "nan");
  EXPECT_EQ(decoded.rows.column(2).scalar(0), data::Scalar::int32(7)) << "nobody wrote it";
}

TEST(WireRecords, BadRecordsAreRefusedInTheirPlaces) {
  catalog::BronzeDef bronze;
  bronze.columns = {column("id", Type::kInt64, true)};
  const data::Decoded decoded = decode(bronze,
                                       batch(catalog::Format::kAvro,
                                             {"{\"id\":1}",
                                              wire(1,
                                                   "\x02\x02"
                                                   "x"),
                                              wire(3, "\x02"),
                                              wire(4, "\x02"),
                                              wire(1, "\x02"),
                                              std::string("\0\0", 2),
                                              wire(1, "\x04\x00" + std::string("y"))}));
  EXPECT_EQ(decoded.record_of_row, (std::vector<int64_t>{1}));
  std::vector<std::pair<int64_t, RejectReason>> rejects;
  for (const data::Reject& reject : decoded.rejects) {
    rejects.emplace_back(reject.row, reject.reason);
  }
  EXPECT_EQ(rejects,
            (std::vector<std::pair<int64_t, RejectReason>>{{0, RejectReason::kMalformed},
                                                           {2, RejectReason::kUnknownSchema},
                                                           {3, RejectReason::kUnknownSchema},
                                                           {4, RejectReason::kMalformed},
                                                           {5, RejectReason::kMalformed},
                                                           {6, RejectReason::kMalformed}}));
}

/// Records of one schema under the number of another, whole, cut short and damaged: each is a row
/// or refused, and which of them stands beside it does not matter.
TEST(WireRecords, ARegistryThatLiesLosesNothing) {
  catalog::BronzeDef bronze;
  bronze.columns = {column("id", Type::kInt64), column("price", Type::kFloat64)};
  std::vector<std::string> texts;
  for (char id = 0; id < 100; ++id) {
    const std::string old = std::string(1, id) + "\x0a" + "abcde";
    std::string damaged = old;
    damaged[static_cast<std::size_t>(id) % old.size()] ^= static_cast<char>(0x80);
    for (const std::string& payload :
         {old, old.substr(0, static_cast<std::size_t>(id) % old.size()), damaged}) {
      texts.push_back(wire(2, payload));
      texts.push_back(wire(1, payload));
    }
  }
  const data::Decoded decoded = decode(bronze, batch(catalog::Format::kAvro, texts));
  EXPECT_EQ(static_cast<std::size_t>(decoded.rows.rows()) + decoded.rejects.size(), texts.size());
  EXPECT_GE(decoded.rows.rows(), 100);
}

TEST(WireRecords, JsonWithASchemaNeedsNoRegistry) {
  catalog::BronzeDef bronze;
  bronze.columns = {column("id", Type::kInt64, true)};
  const data::Decoded decoded =
      decode(bronze,
             text_records(catalog::Format::kJsonSchema, {wire(9, "{\"id\":5}"), "{\"id\":5}"}, {}));
  ASSERT_EQ(decoded.rows.rows(), 1);
  EXPECT_EQ(decoded.rows.column(0).scalar(0), data::Scalar::int64(5));
  EXPECT_EQ(decoded.rejects.size(), 1U);
}

TEST(WireRecords, DebeziumMayComeInAvroAndInJson) {
  catalog::BronzeDef bronze;
  bronze.columns = {column("id", Type::kInt64, true),
                    column("price", Type::decimal(10, 2)),
                    column("at", Type::kTimestamp),
                    column("__op", Type::kString)};
  ingest::RecordBatch records =
      text_records(catalog::Format::kDebezium,
                   {R"({"op":"c","after":{"id":1,"price":"AJY="}})", "replaced below"},
                   {});
  records.schemas[5] = *data::parse_avro_schema(
      R"({"type":"record","name":"Envelope","fields":[)"
      R"({"name":"after","type":["null",{"type":"record","name":"Value","fields":[)"
      R"({"name":"id","type":"int"},)"
      R"({"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},)"
      R"({"name":"at","type":{"type":"long","connect.name":"io.debezium.time.MicroTimestamp"}}]}]},)"
      R"({"name":"before","type":["Value","null"]},{"name":"op","type":"string"}]})");
  // A delete: no row after, and as row before id 5, 123.45, one microsecond.
  static const std::string event = wire(5,
                                        std::string("\x00\x00\x0a\x04\x30\x39\x02\x02"
                                                    "d",
                                                    9));
  records.records[1] = event;
  const data::Decoded decoded = decode(bronze, records);
  ASSERT_EQ(decoded.rows.rows(), 2) << decoded.rejects.size();
  EXPECT_EQ(format_scalar(decoded.rows.column(1).scalar(0)), "1.50");
  EXPECT_EQ(decoded.rows.column(0).scalar(1), data::Scalar::int64(5));
  EXPECT_EQ(format_scalar(decoded.rows.column(1).scalar(1)), "123.45");
  EXPECT_EQ(decoded.rows.column(2).scalar(1), data::Scalar::timestamp(1));
  EXPECT_EQ(decoded.rows.column(3).text(1), "d");
}

}  // namespace
}  // namespace assay::bronze
