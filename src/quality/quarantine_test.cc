#include "quality/quarantine.h"

#include <limits>

#include <gtest/gtest.h>

namespace assay::quality {
namespace {

using data::Scalar;
using data::Type;

TEST(Quarantine, ARowKeepsEverythingThatIsKnown) {
  QuarantineBuilder builder;
  QuarantineRow row;
  row.source = "clicks";
  row.file = "a.csv";
  row.position = 7;
  row.line = 9;
  row.stage = "bronze";
  row.reason = data::RejectReason::kWrongType;
  row.column = "price";
  row.payload = std::string_view("\x00\xff,", 3);
  row.event_time = EventTime{-1};
  row.known_time = EventTime{kMicrosPerDay + 5};
  builder.add(row);
  row.line.reset();
  row.event_time.reset();
  row.known_time = EventTime{-1};
  builder.add(row);
  const data::Batch batch = builder.finish();
  ASSERT_EQ(batch.rows(), 2);
  EXPECT_EQ(batch.find("reason")->text(0), "wrong_type");
  EXPECT_EQ(batch.find("payload")->text(0), std::string_view("\x00\xff,", 3));
  EXPECT_EQ(batch.find("dt")->values<int32_t>()[0], 1);
  EXPECT_EQ(batch.find("dt")->values<int32_t>()[1], -1);
  EXPECT_EQ(batch.find("event_time")->scalar(0), Scalar::timestamp(-1));
  EXPECT_TRUE(batch.find("event_time")->is_null(1));
  EXPECT_TRUE(batch.find("line")->is_null(1));
}

TEST(Quarantine, RowsAreWrittenAsJson) {
  data::BatchBuilder builder(data::make_schema({{"flag", Type::kBool, true},
                                                {"count", Type::kInt32, true},
                                                {"ratio", Type::kFloat64, true},
                                                {"price", Type::kFloat32, true},
                                                {"name", Type::kString, true},
                                                {"raw", Type::kBytes, true},
                                                {"day", Type::kDate, true},
                                                {"at", Type::kTimestamp, true}}));
  builder.column(0).append(uint8_t{1});
  builder.column(1).append(int32_t{-3});
  builder.column(2).append(std::numeric_limits<double>::infinity());
  builder.column(3).append(0.1F);
  builder.column(4).append_text("a\"b\n");
  builder.column(5).append_text("\x01\xfe");
  builder.column(6).append(int32_t{0});
  builder.column(7).append(int64_t{1'500'000});
  for (int index = 0; index < 8; ++index) {
    builder.column(index).append_null();
  }
  const data::Batch batch = builder.finish();
  EXPECT_EQ(row_json(batch, 0),
            R"({"flag":true,"count":-3,"ratio":"inf","price":0.1,"name":"a\"b\n","raw":"01fe",)"
            R"("day":"1970-01-01","at":"1970-01-01T00:00:01.500Z"})");
  EXPECT_EQ(row_json(batch, 1),
            R"({"flag":null,"count":null,"ratio":null,"price":null,"name":null,)"
            R"("raw":null,"day":null,"at":null})");
}

}  // namespace
}  // namespace assay::quality
