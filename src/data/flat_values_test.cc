#include "data/flat_values.h"

#include <gtest/gtest.h>

#include "data/column.h"

namespace assay::data {
namespace {

Scalar list_of(double value) {
  ColumnBuilder builder(Type::list(Type::kFloat64));
  builder.child(0).append(value);
  builder.append_nested();
  return Scalar::nested(builder.finish());
}

TEST(FlatValues, SayWhatScalarsSay) {
  const std::vector<Scalar> values = {Scalar::float64(-0.0),
                                      {Type::kFloat32, 0.5},
                                      Scalar::int64(-7),
                                      {Type::kInt8, int64_t{-128}},
                                      Scalar::boolean(true),
                                      Scalar::string("Zoë"),
                                      {Type::kBytes, std::string("\0x", 2)},
                                      Scalar::timestamp(-1),
                                      {Type::kDate, int64_t{3}},
                                      {Type::decimal(38, 2), Int128{1} << 100},
                                      list_of(2.5),
                                      Scalar::null(Type::kInt64),
                                      Scalar::string("")};
  std::vector<FeatureStatus> statuses(values.size(), FeatureStatus::kPresent);
  statuses[11] = FeatureStatus::kOverflow;
  FlatValues flat;
  flat.add_row(2, FeatureStatus::kNotFound, {});
  const FlatValues::Size before = flat.size();
  for (int repeat = 0; repeat < 2; ++repeat) {  // what was forgotten leaves nothing behind
    flat.shrink(before);
    flat.add_row(values, statuses, EventTime{5});
    ASSERT_EQ(flat.size().words, 2 + values.size());
    ASSERT_EQ(flat.size().rows, 2U);
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(flat.scalar(2 + i, values[i].type), values[i]) << i;
      EXPECT_EQ(flat.status(2 + i), statuses[i]) << i;
    }
    EXPECT_EQ(flat.time(1), EventTime{5});
    EXPECT_EQ(flat.text(7), "Zoë");
  }
  EXPECT_EQ(flat.scalar(1, Type::kString), Scalar::null(Type::kString));
  EXPECT_EQ(flat.status(1), FeatureStatus::kNotFound);
  flat.clear();
  EXPECT_EQ(flat.size().words, 0U);
  EXPECT_EQ(flat.size().text_bytes, 0U);
}

}  // namespace
}  // namespace assay::data
