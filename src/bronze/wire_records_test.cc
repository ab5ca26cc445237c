#include "bronze/wire_records.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
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

std::string zigzag(int64_t value) {
  uint64_t bits = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  std::string bytes;
  for (; bits >= 0x80; bits >>= 7) {
    bytes.push_back(static_cast<char>(bits | 0x80));
  }
  bytes.push_back(static_cast<char>(bits));
  return bytes;
}
template <typename Real>
std::string bytes_of(Real value) {
  std::string bytes(sizeof(Real), '\0');
  std::memcpy(bytes.data(), &value, sizeof(Real));
  return bytes;
}

/// The value of a column for what was written with a type of Avro; "refused" where there is none.
std::string promoted(const std::string& written, const std::string& payload, const Type& type) {
  catalog::BronzeDef bronze;
  bronze.columns = {column("v", type)};
  ingest::RecordBatch records =
      text_records(catalog::Format::kAvro, {std::string("\0\0\0\0\7", 5) + payload}, {});
  records.schemas[7] = avro(R"({"name":"v","type":)" + written + "}");
  const data::Decoded decoded = decode(bronze, records);
  EXPECT_EQ(decoded.rows.rows() + static_cast<int64_t>(decoded.rejects.size()), 1);
  return decoded.rows.rows() == 0 ? "refused" : format_scalar(decoded.rows.column(0).scalar(0));
}

/// What a double is as text: its shortest digits.
std::string shown(double value) {
  return format_scalar(data::Scalar::float64(value));
}
std::string shown32(float value) {
  return data::format_scalar({Type::kFloat32, static_cast<double>(value)});
}

TEST(WireRecords, IntsAreLongsAndReals) {
  for (const int64_t value : {int64_t{INT32_MIN}, int64_t{-1}, int64_t{0}, int64_t{INT32_MAX}}) {
    const std::string bytes = zigzag(value);
    EXPECT_EQ(promoted(R"("int")", bytes, Type::kInt32), std::to_string(value));
    EXPECT_EQ(promoted(R"("int")", bytes, Type::kInt64), std::to_string(value));
    EXPECT_EQ(promoted(R"("int")", bytes, Type::kFloat64), shown(static_cast<double>(value)));
    EXPECT_EQ(promoted(R"("int")", bytes, Type::kFloat32), shown32(static_cast<float>(value)));
    EXPECT_EQ(promoted(R"(["null","int"])", zigzag(1) + bytes, Type::kInt64), std::to_string(value))
        << "that may be null since";
  }
}

TEST(WireRecords, LongsAreTheNearestReals) {
  const int64_t beyond = (int64_t{1} << 53) + 1;  // no double is this
  for (const int64_t value : {INT64_MIN, -beyond, beyond, INT64_MAX}) {
    EXPECT_EQ(promoted(R"("long")", zigzag(value), Type::kFloat64),
              shown(static_cast<double>(value)));
    EXPECT_EQ(promoted(R"("long")", zigzag(value), Type::kInt64), std::to_string(value));
  }
  EXPECT_EQ(promoted(R"("long")", zigzag(INT32_MAX), Type::kInt32), "2147483647");
  EXPECT_EQ(promoted(R"("long")", zigzag(int64_t{INT32_MAX} + 1), Type::kInt32), "refused");
}

TEST(WireRecords, FloatsAreTheDoublesThatTheyStandFor) {
  for (const float value : {0.1F,
                            -16'777'217.3F,
                            std::numeric_limits<float>::max(),
                            std::numeric_limits<float>::min(),
                            std::numeric_limits<float>::denorm_min(),
                            std::nextafter(1.0F, 2.0F)}) {
    EXPECT_EQ(promoted(R"("float")", bytes_of(value), Type::kFloat64),
              shown(static_cast<double>(value)));
    EXPECT_EQ(promoted(R"("float")", bytes_of(value), Type::kFloat32), shown32(value));
  }
  EXPECT_EQ(promoted(R"("float")", bytes_of(19.99F), Type::decimal(18, 8)), "19.98999977");
  EXPECT_EQ(promoted(R"("float")", bytes_of(19.99F), Type::decimal(18, 2)), "19.99");
  const auto random = seeded_random(47);
  for (int round = 0; round < 1'000; ++round) {
    const auto bits = static_cast<uint32_t>(random->next());
    float value = 0;
    std::memcpy(&value, &bits, sizeof(value));
    EXPECT_EQ(promoted(R"("float")", bytes_of(value), Type::kFloat64),
              shown(static_cast<double>(value)))
        << bits;
  }
}

TEST(WireRecords, DecimalsMayHaveFewerDigitsThanTheirColumn) {
  const std::string narrow = R"({"type":"bytes","logicalType":"decimal","precision":4,"scale":1})";
  const std::string fixed =
      R"({"type":"fixed","name":"F","size":2,"logicalType":"decimal","precision":4,"scale":3})";
  const std::string bytes("\xfb\x2e", 2);  // -1234
  EXPECT_EQ(promoted(narrow, zigzag(2) + bytes, Type::decimal(6, 1)), "-123.4");
  EXPECT_EQ(promoted(narrow, zigzag(2) + bytes, Type::decimal(10, 2)), "-123.40");
  EXPECT_EQ(promoted(narrow, zigzag(2) + bytes, Type::decimal(38, 10)), "-123.4000000000");
  EXPECT_EQ(promoted(narrow, zigzag(2) + bytes, Type::kFloat64), shown(-123.4));
  EXPECT_EQ(promoted(fixed, bytes, Type::decimal(10, 3)), "-1.234");
  EXPECT_EQ(promoted(fixed, bytes, Type::decimal(10, 2)), "-1.23") << "as SQL casts";
  EXPECT_EQ(promoted(R"("int")", zigzag(7), Type::decimal(10, 2)), "7.00");
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
  EXPECT_EQ(decoded.rejects.front().column, "not in wire format");
  EXPECT_EQ(decoded.rejects.back().column, "");
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
