#include "bronze/cast_rows.h"

#include <cmath>

#include <gtest/gtest.h>

#include "base/time.h"

namespace assay::bronze {
namespace {

using data::RejectReason;
using data::Scalar;
using data::TimeUnit;
using data::Type;

/// One column of `from`, read as `to`: the values that could be, and the reason of the first
/// refusal.
struct Cast {
  std::vector<Scalar> values;
  std::vector<RejectReason> reasons;
};

Cast cast(const std::vector<Scalar>& from,
          Type to,
          TimeUnit unit = TimeUnit::kText,
          bool nullable = true) {
  data::BatchBuilder builder(data::make_schema({{"v", from.front().type, true}}));
  for (const Scalar& value : from) {
    builder.column(0).append_scalar(value);
  }
  data::DecodeOptions options;
  options.schema = data::make_schema({{"v", to, nullable}});
  options.time_units = {unit};
  const data::Decoded decoded = cast_rows(options, builder.finish());
  Cast result;
  for (int64_t row = 0; row < decoded.rows.rows(); ++row) {
    result.values.push_back(decoded.rows.column(0).scalar(row));
  }
  for (const data::Reject& reject : decoded.rejects) {
    EXPECT_EQ(reject.column, "v");
    result.reasons.push_back(reject.reason);
  }
  return result;
}

TEST(CastRows, IntegersWidenAndNarrowWhenTheyFit) {
  EXPECT_EQ(cast({Scalar::int32(7)}, Type::kInt64).values, (std::vector<Scalar>{Scalar::int64(7)}));
  const Cast narrow = cast({Scalar::int64(1LL << 40), Scalar::int64(-5)}, Type::kInt32);
  EXPECT_EQ(narrow.values, (std::vector<Scalar>{Scalar::int32(-5)}));
  EXPECT_EQ(narrow.reasons, (std::vector<RejectReason>{RejectReason::kWrongType}));
}

TEST(CastRows, WholeNumbersBecomeIntegersAndOthersDoNot) {
  const Cast result = cast({Scalar::float64(3.0),
                            Scalar::float64(3.5),
                            Scalar::float64(NAN),
                            Scalar::float64(1e300),
                            Scalar::null(Type::kFloat64)},
                           Type::kInt64);
  EXPECT_EQ(result.values, (std::vector<Scalar>{Scalar::int64(3), Scalar::null(Type::kInt64)}));
  EXPECT_EQ(result.reasons.size(), 3U);
}

TEST(CastRows, IntegersAreTimesOnlyWithAUnit) {
  EXPECT_EQ(cast({Scalar::int64(2)}, Type::kTimestamp, TimeUnit::kMillis).values,
            (std::vector<Scalar>{Scalar::timestamp(2'000)}));
  EXPECT_EQ(cast({Scalar::int32(2)}, Type::kTimestamp, TimeUnit::kSeconds).values,
            (std::vector<Scalar>{Scalar::timestamp(2'000'000)}));
  EXPECT_EQ(cast({Scalar::int64(2)}, Type::kTimestamp).reasons.size(), 1U);
  EXPECT_EQ(cast({Scalar::int64(INT64_MAX)}, Type::kTimestamp, TimeUnit::kSeconds).reasons.size(),
            1U);
}

TEST(CastRows, DatesAndTimesConvertWhenNothingIsLost) {
  EXPECT_EQ(cast({Scalar{Type::kDate, int64_t{3}}}, Type::kTimestamp).values,
            (std::vector<Scalar>{Scalar::timestamp(3 * kMicrosPerDay)}));
  const Cast days = cast({Scalar::timestamp(-kMicrosPerDay), Scalar::timestamp(5)}, Type::kDate);
  EXPECT_EQ(days.values, (std::vector<Scalar>{Scalar{Type::kDate, int64_t{-1}}}));
  EXPECT_EQ(days.reasons.size(), 1U);
}

TEST(CastRows, TextsAreReadAsCellsAre) {
  EXPECT_EQ(cast({Scalar::string("12"), Scalar::string("x")}, Type::kInt64).values,
            (std::vector<Scalar>{Scalar::int64(12)}));
  EXPECT_EQ(cast({Scalar::string("1970-01-02")}, Type::kTimestamp).values,
            (std::vector<Scalar>{Scalar::timestamp(kMicrosPerDay)}));
  EXPECT_EQ(cast({Scalar::int64(5)}, Type::kString).values,
            (std::vector<Scalar>{Scalar::string("5")}));
}

TEST(CastRows, TextThatIsNoUtf8IsNamedSo) {
  for (const char* bad :
       {"\xff", "a\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe0\x80\x80"}) {
    EXPECT_EQ(cast({Scalar{Type::kBytes, std::string(bad)}}, Type::kString).reasons,
              (std::vector<RejectReason>{RejectReason::kInvalidUtf8}));
  }
  EXPECT_EQ(cast({Scalar::string("Żółć 飛行機 \xf0\x9f\x9b\xab")}, Type::kString).reasons.size(),
            0U);
}

TEST(CastRows, RequiredColumnsRefuseNullsAndAbsence) {
  EXPECT_EQ(cast({Scalar::null(Type::kInt64)}, Type::kInt64, TimeUnit::kText, false).reasons,
            (std::vector<RejectReason>{RejectReason::kMissingRequired}));
  data::BatchBuilder builder(data::make_schema({{"v", Type::kInt64, true}}));
  builder.column(0).append(int64_t{1});
  data::DecodeOptions options;
  options.schema = data::make_schema({{"v", Type::kInt64, true}, {"w", Type::kString, true}});
  options.time_units = {TimeUnit::kText, TimeUnit::kText};
  const data::Decoded decoded = cast_rows(options, builder.finish());
  EXPECT_TRUE(decoded.rows.column(1).is_null(0));
}

}  // namespace
}  // namespace assay::bronze
