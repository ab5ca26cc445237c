#include "privacy/scrub.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace assay::privacy {
namespace {

using catalog::BronzeDef;
using catalog::ColumnDef;
using catalog::Scrub;
using data::Scalar;
using data::Type;

PrivacyKey counting_key() {
  std::string bytes;
  for (int byte = 0; byte < 32; ++byte) {
    bytes.push_back(static_cast<char>(byte));
  }
  return PrivacyKey::from_bytes(bytes).value();
}

ColumnDef column(const std::string& name, Type type, const std::string& pii, Scrub scrub) {
  ColumnDef def;
  def.name = name;
  def.type = type;
  def.pii = pii;
  def.scrub = scrub;
  return def;
}

BronzeDef people() {
  BronzeDef bronze;
  bronze.name = "people";
  bronze.columns = {column("email", Type::kString, "email", Scrub::kHmac),
                    column("name", Type::kString, "name", Scrub::kMask),
                    column("ip", Type::kString, "ip", Scrub::kTruncate),
                    column("lat", Type::kFloat64, "geo", Scrub::kRound),
                    column("ssn", Type::kString, "ssn", Scrub::kDrop),
                    column("age", Type::kInt64, "", Scrub::kNone)};
  return bronze;
}

data::Batch people_rows() {
  data::BatchBuilder builder(data::make_schema({{"email", Type::kString, true},
                                                {"name", Type::kString, true},
                                                {"ip", Type::kString, true},
                                                {"lat", Type::kFloat64, true},
                                                {"ssn", Type::kString, true},
                                                {"age", Type::kInt64, true}}));
  builder.column(0).append_text(" Ann@Example.COM ");
  builder.column(1).append_text("Ann Smith");
  builder.column(2).append_text("192.0.2.77");
  builder.column(3).append(52.123456);
  builder.column(4).append_text("078-05-1120");
  builder.column(5).append(int64_t{41});
  for (int index = 0; index < 6; ++index) {
    if (index == 2) {
      builder.column(index).append_text("not an address");
    } else {
      builder.column(index).append_null();
    }
  }
  return builder.finish();
}

TEST(Scrub, EveryKindChangesItsColumnAndNoOther) {
  const auto scrubbed = scrub_batch(people(), people_rows(), counting_key());
  ASSERT_TRUE(scrubbed.ok()) << scrubbed.status().to_string();
  const data::Batch& rows = scrubbed->rows;
  EXPECT_EQ(rows.schema().names(), (std::vector<std::string>{"email", "name", "ip", "lat", "age"}));
  EXPECT_EQ(rows.find("email")->text(0),
            "ee5a41da9fded1944280bdbec4045e1002cc527a87d3342f83f8889bc795f063");
  EXPECT_EQ(rows.find("name")->text(0), "A***h");
  EXPECT_EQ(rows.find("ip")->text(0), "192.0.2.0");
  EXPECT_EQ(rows.find("lat")->scalar(0), Scalar::float64(52.12));
  EXPECT_EQ(rows.find("age")->scalar(0), Scalar::int64(41));
  for (int index = 0; index < rows.column_count(); ++index) {
    EXPECT_TRUE(rows.column(index).is_null(1));
  }
  ASSERT_EQ(scrubbed->unreadable.size(), 1U);
  EXPECT_EQ(scrubbed->unreadable[0].column, "ip");
  EXPECT_EQ(scrubbed->unreadable[0].rows, (std::vector<int64_t>{1}));
}

// Computed with: printf '%s' 'v1|<pii>|<value>' | openssl dgst -sha256 -mac HMAC -macopt
// hexkey:0001..1f
TEST(Scrub, PseudonymsAreThoseOfOpenssl) {
  EXPECT_EQ(pseudonym(counting_key(), "", "42"),
            "98861ba15a521eb7f7dae685d8b6cdbb8e945c42e34d235e902477ae52dcf215");
  EXPECT_EQ(pseudonym(counting_key(), "phone", "\t+1 555 0100\n"),
            "9ede0fa18db86dfcb2fa56dff06b934cf81b483c10aae7b10849eca3756b5f45");
}

TEST(Scrub, PseudonymsOfDifferentKindsDiffer) {
  EXPECT_NE(pseudonym(counting_key(), "email", "x"), pseudonym(counting_key(), "phone", "x"));
  EXPECT_EQ(pseudonym(counting_key(), "email", "X"), pseudonym(counting_key(), "email", "x"));
  EXPECT_NE(pseudonym(counting_key(), "name", "X"), pseudonym(counting_key(), "name", "x"));
}

TEST(Scrub, MaskKeepsOnlyTheEnds) {
  EXPECT_EQ(mask_value("name", "Johnson"), "J***n");
  EXPECT_EQ(mask_value("name", "Jo"), "***");
  EXPECT_EQ(mask_value("name", ""), "***");
  EXPECT_EQ(mask_value("name", "Żółć"), "Ż***ć");
  EXPECT_EQ(mask_value("email", "ann@example.com"), "a***@example.com");
  EXPECT_EQ(mask_value("email", "a@b@example.com"), "a***@example.com");
  EXPECT_EQ(mask_value("email", "@example.com"), "@***m");
  EXPECT_EQ(mask_value("email", "no address"), "n***s");
}

TEST(Scrub, RoundKeepsWhatIsNotFinite) {
  EXPECT_EQ(round_value(-0.125, 2), -0.13);
  EXPECT_EQ(round_value(1234.5, -2), 1200.0);
  EXPECT_TRUE(std::isnan(round_value(std::nan(""), 2)));
  EXPECT_EQ(round_value(std::numeric_limits<double>::infinity(), 2),
            std::numeric_limits<double>::infinity());
  EXPECT_EQ(round_value(1e300, 20), 1e300);
}

TEST(Scrub, KindsThatDoNotFitTheColumnAreRefused) {
  for (const Scrub scrub : {Scrub::kHmac, Scrub::kMask, Scrub::kTruncate}) {
    BronzeDef bronze;
    bronze.columns = {column("c", Type::kInt64, "", scrub)};
    EXPECT_EQ(ScrubPlan::compile(bronze).code(), Code::kInvalidArgument);
  }
  BronzeDef bronze;
  bronze.columns = {column("c", Type::kString, "", Scrub::kRound)};
  EXPECT_EQ(ScrubPlan::compile(bronze).code(), Code::kInvalidArgument);
}

TEST(Scrub, AKeyMayOnlyBeHashed) {
  BronzeDef bronze;
  bronze.columns = {column("email", Type::kString, "email", Scrub::kMask)};
  bronze.key = {"email"};
  EXPECT_EQ(ScrubPlan::compile(bronze).code(), Code::kInvalidArgument);
  bronze.columns[0].scrub = Scrub::kHmac;
  EXPECT_TRUE(ScrubPlan::compile(bronze).ok());
}

TEST(Scrub, PersonalDataIsWhatIsScrubbedOrNamedSo) {
  BronzeDef bronze;
  bronze.columns = {column("age", Type::kInt64, "", Scrub::kNone)};
  EXPECT_FALSE(ScrubPlan::compile(bronze)->has_personal_data());
  bronze.columns.push_back(column("city", Type::kString, "geo", Scrub::kNone));
  const auto plan = ScrubPlan::compile(bronze);
  EXPECT_TRUE(plan->has_personal_data());
  EXPECT_TRUE(plan->is_stored_raw("city"));
  EXPECT_FALSE(ScrubPlan::compile(people())->is_stored_raw("email"));
}

}  // namespace
}  // namespace assay::privacy
