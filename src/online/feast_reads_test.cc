// Rows that Feast 0.67 itself wrote to Redis, byte for byte as they were recorded: they are read,
// and what an apply of the same values writes is the same bytes.

#include "online/feast_reads.h"

#include <map>

#include <gtest/gtest.h>

#include "data/feast_value.h"
#include "data/json_text.h"
#include "data/protobuf.h"
#include "online/fake_view.h"
#include "online/online_store.h"
#include "online/redis_client.h"
#include "online/redis_under_test.h"
#include "online/store_fixture.h"

namespace assay::online {
namespace {

using data::FeatureStatus;
using data::Scalar;
using data::Type;

constexpr int64_t kNewYear = 1'767'225'600'000'000;  // 2026
constexpr int64_t kJanuary = 1'767'323'045'678'901;
constexpr int64_t kMarch = 1'775'001'599'000'001;
constexpr int64_t kBig = (int64_t{1} << 53) + 1;

std::string unhex(std::string_view digits) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

Scalar json(const Type& type, const std::string& text) {
  const Result<Scalar> value = data::parse_json(text, type);
  EXPECT_TRUE(value.ok()) << text << ": " << value.status().to_string();
  return value.value();
}

data::EntityKey key_of(const std::vector<Scalar>& values) {
  return *data::encode_key(values);
}

struct Row {
  std::vector<Scalar> key;
  int64_t time = 0;
  std::vector<Scalar> values;
};

/// A view with features of any types, whose source rows say which of some given rows an entity has.
class RowsView : public FakeView {
 public:
  RowsView(std::string name,
           std::vector<data::Field> keys,
           std::vector<data::Field> features,
           std::vector<Row> rows,
           std::optional<Duration> ttl = std::nullopt)
      : FakeView(std::move(name), std::move(keys), 1, ttl),
        typed_(std::move(features)),
        rows_(std::move(rows)) {}
  [[nodiscard]] const std::vector<data::Field>& features() const override { return typed_; }
  [[nodiscard]] const std::vector<Row>& rows() const { return rows_; }
  [[nodiscard]] Result<gold::FeatureValues> read_online_row(std::string_view row,
                                                            EventTime now) const override {
    ASSAY_ASSIGN_OR_RETURN(gold::FeatureValues found, FakeView::read_online_row(row, now));
    const FeatureStatus status = found.statuses[0];
    if (status == FeatureStatus::kPresent) {
      return values_of(rows_[static_cast<std::size_t>(std::get<double>(found.values[0].value))]);
    }
    found.values.clear();
    for (const data::Field& feature : typed_) {
      found.values.push_back(Scalar::null(feature.type));
    }
    found.statuses.assign(typed_.size(), status);
    return found;
  }
  static gold::FeatureValues values_of(const Row& row) {
    gold::FeatureValues found{row.values, {}, EventTime{row.time}};
    for (const Scalar& value : row.values) {
      found.statuses.push_back(value.is_null() ? FeatureStatus::kNullValue
                                               : FeatureStatus::kPresent);
    }
    return found;
  }
  [[nodiscard]] data::Batch batch() const {
    data::BatchBuilder builder(source_schema());
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      int column = 0;
      for (const Scalar& part : rows_[i].key) {
        builder.column(column++).append_scalar(part);
      }
      builder.column(column++).append<int64_t>(rows_[i].time);
      builder.column(column++).append<int64_t>(rows_[i].time);
      builder.column(column++).append<int64_t>(static_cast<int64_t>(i));
      builder.column(column).append<double>(static_cast<double>(i));
    }
    return builder.finish();
  }

 private:
  std::vector<data::Field> typed_;
  std::vector<Row> rows_;
};

RowsView profile() {
  const auto float32 = [](double value) { return Scalar{Type::kFloat32, value}; };
  const auto bytes = [](const std::string& value) { return Scalar{Type::kBytes, value}; };
  const auto seconds = [](int64_t value) { return Scalar::timestamp(value * kMicrosPerSecond); };
  const std::vector<data::Field> features = {{"age", Type::kInt64},
                                             {"n32", Type::kInt32},
                                             {"score", Type::kFloat64},
                                             {"f32", Type::kFloat32},
                                             {"name", Type::kString},
                                             {"active", Type::kBool},
                                             {"seen", Type::kTimestamp},
                                             {"blob", Type::kBytes},
                                             {"tags", Type::list(Type::kString)},
                                             {"vec", Type::list(Type::kFloat32)},
                                             {"ids", Type::list(Type::kInt64)}};
  const auto lists = [](const char* tags, const char* vec, const char* ids) {
    return std::vector<Scalar>{json(Type::list(Type::kString), tags),
                               json(Type::list(Type::kFloat32), vec),
                               json(Type::list(Type::kInt64), ids)};
  };
  const auto row = [](int64_t user, int64_t time, std::vector<Scalar> values, const auto& more) {
    values.insert(values.end(), more.begin(), more.end());
    return Row{{Scalar::int64(user)}, time, std::move(values)};
  };
  std::vector<Scalar> nulls;
  for (const data::Field& feature : features) {
    nulls.push_back(Scalar::null(feature.type));
  }
  const std::string quoted = "Zo\u00eb \"q\" \\ \n\t\u6771\u4eac \U0001F600";
  return RowsView("profile",
                  {{"user_id", Type::kInt64}},
                  features,
                  {row(1,
                       kNewYear,
                       {Scalar::int64(41),
                        Scalar::int32(7),
                        Scalar::float64(0.1),
                        float32(static_cast<double>(0.1F)),
                        Scalar::string("Ann"),
                        Scalar::boolean(true),
                        seconds(1'767'225'600),
                        bytes(std::string("\x00\x01\xff", 3))},
                       lists(R"(["a","b"])", "[1.0,0.5]", "[1,9007199254740993]")),
                   {{Scalar::int64(2)}, kJanuary, nulls},
                   row(3,
                       kMarch,
                       {Scalar::int64(std::numeric_limits<int64_t>::max()),
                        Scalar::int32(std::numeric_limits<int32_t>::min()),
                        Scalar::float64(-1e308),
                        float32(static_cast<double>(std::numeric_limits<float>::max())),
                        Scalar::string(quoted),
                        Scalar::boolean(false),
                        seconds(-1),
                        bytes("")},
                       lists(R"(["","ü"])", "[-0.0]", "[-9223372036854775808]")),
                   row(-7,
                       kNewYear,
                       {Scalar::int64(0),
                        Scalar::int32(0),
                        Scalar::float64(0),
                        float32(0),
                        Scalar::string(""),
                        Scalar::boolean(false),
                        seconds(0),
                        bytes("x")},
                       lists(R"(["x"])", "[0.0]", "[0]")),
                   row(kBig,
                       kNewYear,
                       {Scalar::int64(kBig),
                        Scalar::int32(1),
                        Scalar::float64(1.0 / 3),
                        float32(static_cast<double>(1.0F / 3)),
                        Scalar::string("big key"),
                        Scalar::boolean(true),
                        seconds(4'102'444'800),
                        bytes("y")},
                       lists(R"(["y"])", "[1.0]", "[2]"))});
}

RowsView activity(std::optional<Duration> ttl = std::nullopt) {
  const auto row = [](int64_t user, int64_t time, int64_t count, double amount) {
    return Row{{Scalar::int64(user)}, time, {Scalar::int64(count), Scalar::float64(amount)}};
  };
  return RowsView(
      "activity",
      {{"user_id", Type::kInt64}},
      {{"cnt_1h", Type::kInt64}, {"amt_1h", Type::kFloat64}},
      {row(1, kJanuary, 12, 99.95), row(4, kNewYear, -3, 5e-324), row(kBig, kNewYear, 1, 1e22)},
      ttl);
}

RowsView basket() {
  const auto row = [](int64_t user, const char* region, int64_t time, double spend, int64_t items) {
    return Row{{Scalar::int64(user), Scalar::string(region)},
               time,
               {Scalar::float64(spend), Scalar::int64(items)}};
  };
  return RowsView("basket",
                  {{"user_id", Type::kInt64}, {"region", Type::kString}},
                  {{"spend", Type::kFloat64}, {"items", Type::kInt64}},
                  {row(1, "eu", kNewYear, 1.5, 3),
                   row(1, "", kNewYear, 2.5, 4),
                   row(12, "K\u00f6ln", kMarch, 3.5, 5)});
}

RowsView global_stats() {
  return RowsView("global_stats",
                  {},
                  {{"fx_rate", Type::kFloat64}},
                  {{{}, kNewYear, {Scalar::float64(1.0842)}}});
}

const std::vector<RowsView>& views() {
  static const std::vector<RowsView> kViews = {profile(), activity(), basket(), global_stats()};
  return kViews;
}

using Hash = std::map<std::string, std::string>;

/// As Feast wrote them, in hexadecimal digits; fields of `_ts:` in letters.
std::map<std::string, Hash> recorded() {
  const std::string project = "66656173745f636865636b";
  const auto user = [&](const std::string& digits) {
    return "010000000200000007000000757365725f69640400000008000000" + digits + project;
  };
  const auto both = [&](const std::string& region, const std::string& digits) {
    return "020000000200000006000000726567696f6e0200000007000000757365725f696402000000" + region +
           "0400000008000000" + digits + project;
  };
  const std::map<std::string, Hash> digits = {
      {"01000000020000000a0000005f5f64756d6d795f6964020000000000000066656173745f636865636b",
       {{"9fa44890", "29d42b6519e258f13f"}, {"_ts:global_stats", "0880f2d6ca06"}}},
      {user("0100000000000000"),
       {{"11682468", "62060a01610a0162"},
        {"42b74e93", "4080f2d6ca06"},
        {"493928bb", "2029"},
        {"550bf4ae", "1203416e6e"},
        {"56786444", "720b0a09018180808080808010"},
        {"61bc045b", "0a030001ff"},
        {"680f6328", "3801"},
        {"6a26f2f5", "82010a0a080000803f0000003f"},
        {"70b27797", "35cdcccc3d"},
        {"7c29b818", "200c"},
        {"7eb780bd", "29cdccccccccfc5840"},
        {"93f1d32e", "1807"},
        {"f6529ab0", "299a9999999999b93f"},
        {"_ts:activity", "08a5ebdcca061088eadcc302"},
        {"_ts:profile", "0880f2d6ca06"}}},
      {user("0100000000002000"),
       {{"11682468", "62030a0179"},
        {"42b74e93", "4080ae99a40f"},
        {"493928bb", "208180808080808010"},
        {"550bf4ae", "1207626967206b6579"},
        {"56786444", "72030a0102"},
        {"61bc045b", "0a0179"},
        {"680f6328", "3801"},
        {"6a26f2f5", "8201060a040000803f"},
        {"70b27797", "35abaaaa3e"},
        {"7c29b818", "2001"},
        {"7eb780bd", "2992d54d06cff08044"},
        {"93f1d32e", "1801"},
        {"f6529ab0", "29555555555555d53f"},
        {"_ts:activity", "0880f2d6ca06"},
        {"_ts:profile", "0880f2d6ca06"}}},
      {user("0200000000000000"),
       {{"11682468", ""},
        {"42b74e93", ""},
        {"493928bb", ""},
        {"550bf4ae", ""},
        {"56786444", ""},
        {"61bc045b", ""},
        {"680f6328", ""},
        {"6a26f2f5", ""},
        {"70b27797", ""},
        {"93f1d32e", ""},
        {"f6529ab0", ""},
        {"_ts:profile", "08a5ebdcca061088eadcc302"}}},
      {user("0300000000000000"),
       {{"11682468", "62060a000a02c3bc"},
        {"42b74e93", "40ffffffffffffffffff01"},
        {"493928bb", "20ffffffffffffffff7f"},
        {"550bf4ae", "12185a6fc3ab20227122205c200a09e69db1e4baac20f09f9880"},
        {"56786444", "720c0a0a80808080808080808001"},
        {"61bc045b", "0a00"},
        {"680f6328", "3800"},
        {"6a26f2f5", "8201060a0400000080"},
        {"70b27797", "35ffff7f7f"},
        {"93f1d32e", "1880808080f8ffffffff01"},
        {"f6529ab0", "29a0c8eb85f3cce1ff"},
        {"_ts:profile", "08ffbfb1ce0610e807"}}},
      {user("0400000000000000"),
       {{"7c29b818", "20fdffffffffffffffff01"},
        {"7eb780bd", "290100000000000000"},
        {"_ts:activity", "0880f2d6ca06"}}},
      {user("f9ffffffffffffff"),
       {{"11682468", "62030a0178"},
        {"42b74e93", "4000"},
        {"493928bb", "2000"},
        {"550bf4ae", "1200"},
        {"56786444", "72030a0100"},
        {"61bc045b", "0a0178"},
        {"680f6328", "3800"},
        {"6a26f2f5", "8201060a0400000000"},
        {"70b27797", "3500000000"},
        {"93f1d32e", "1800"},
        {"f6529ab0", "290000000000000000"},
        {"_ts:profile", "0880f2d6ca06"}}},
      {both("00000000", "0100000000000000"),
       {{"0c7d1fa1", "2004"}, {"47e319b0", "290000000000000440"}, {"_ts:basket", "0880f2d6ca06"}}},
      {both("020000006575", "0100000000000000"),
       {{"0c7d1fa1", "2003"}, {"47e319b0", "29000000000000f83f"}, {"_ts:basket", "0880f2d6ca06"}}},
      {both("050000004bc3b66c6e", "0c00000000000000"),
       {{"0c7d1fa1", "2005"},
        {"47e319b0", "290000000000000c40"},
        {"_ts:basket", "08ffbfb1ce0610e807"}}}};
  std::map<std::string, Hash> rows;
  for (const auto& [key, fields] : digits) {
    for (const auto& [field, value] : fields) {
      rows[unhex(key)][field[0] == '_' ? field : unhex(field)] = unhex(value);
    }
  }
  return rows;
}

class FeastReadsTest : public testing::Test {
 protected:
  std::unique_ptr<OnlineStore> open(const std::string& options) {
    Result<std::unique_ptr<OnlineStore>> store = open_redis_store(world_.world, url_ + options);
    EXPECT_TRUE(store.ok()) << store.status().to_string();
    return *std::move(store);
  }
  std::vector<RedisReply> run(const std::vector<RedisCommand>& commands) {
    return (*RedisConnection::connect(*parse_redis_url(url_)))->run(commands).value();
  }
  void write_recorded() {
    for (const auto& [key, fields] : recorded()) {
      for (const auto& [field, value] : fields) {
        run({{"HSET", key, field, value}});
      }
    }
  }
  Hash fields_of(const std::string& key) {
    const std::vector<RedisReply> all = run({{"HGETALL", key}})[0].list;
    Hash fields;
    for (std::size_t i = 0; i + 1 < all.size(); i += 2) {
      fields[all[i].text] = all[i + 1].text;
    }
    return fields;
  }
  /// The one answer for a key, which read_flat gives too.
  gold::FeatureValues read(OnlineStore& store,
                           const RowsView& view,
                           const std::vector<Scalar>& key) {
    const std::vector<data::EntityKey> keys = {key_of(key)};
    const auto answers = store.read(view, keys, now_);
    EXPECT_TRUE(answers.ok()) << answers.status().to_string();
    data::FlatValues flat;
    const auto applied = store.read_flat(view, keys, now_, &flat);
    EXPECT_TRUE(applied.ok() && applied->has_value());
    const gold::FeatureValues& answer = answers->at(0);
    EXPECT_EQ(flat.time(0), answer.event_time.value_or(EventTime{}));
    for (std::size_t i = 0; i < answer.values.size(); ++i) {
      EXPECT_EQ(flat.status(i), answer.statuses[i]);
      EXPECT_EQ(answer.values[i].is_null(), answer.statuses[i] != FeatureStatus::kPresent);
      if (!answer.values[i].is_null()) {
        EXPECT_EQ(flat.scalar(i, view.features()[i].type), answer.values[i]);
      }
    }
    return answer;
  }

  TestWorld world_;
  RedisUnderTest server_;
  std::string url_ = server_.fresh_url();
  EventTime now_{kMarch + kMicrosPerSecond};
};

TEST_F(FeastReadsTest, WhatFeastWroteIsWhatItSays) {
  write_recorded();
  const auto store = open("&from_feast=feast_check");
  for (const RowsView& view : views()) {
    for (const Row& row : view.rows()) {
      const gold::FeatureValues expected = RowsView::values_of(row);
      const gold::FeatureValues found = read(*store, view, row.key);
      EXPECT_EQ(found.values, expected.values) << view.name();
      EXPECT_EQ(found.statuses, expected.statuses) << view.name();
      EXPECT_EQ(found.event_time, expected.event_time) << view.name();
    }
  }
}

TEST_F(FeastReadsTest, WhatIsWrittenForFeastIsWhatFeastWrites) {
  const auto store = open("&feast=feast_check");
  for (const RowsView& view : views()) {
    ASSERT_TRUE(store->apply(view, view.batch(), {}, 0, now_, {}).ok()) << view.name();
  }
  const std::map<std::string, Hash> expected = recorded();
  for (const auto& [key, fields] : expected) {
    EXPECT_EQ(fields_of(key), fields);
  }
  const std::size_t found = run({{"KEYS", "*feast_check"}})[0].list.size();
  EXPECT_EQ(found, expected.size()) << "and no other";
}

TEST_F(FeastReadsTest, WhoHasNoRowIsNotFoundAndWhatIsTooOldHasNoValues) {
  write_recorded();
  const auto store = open("&from_feast=feast_check");
  const RowsView aged = activity(Duration{kMarch - kJanuary});
  using Statuses = std::vector<FeatureStatus>;
  now_ = EventTime{kMarch};
  EXPECT_EQ(read(*store, aged, {Scalar::int64(1)}).statuses, Statuses(2, FeatureStatus::kPresent));
  now_ = EventTime{kMarch + 1};
  const gold::FeatureValues old = read(*store, aged, {Scalar::int64(1)});
  EXPECT_EQ(old.statuses, Statuses(2, FeatureStatus::kOutsideMaxAge));
  EXPECT_EQ(old.event_time, EventTime{kJanuary});
  const gold::FeatureValues none = read(*store, aged, {Scalar::int64(3)});
  EXPECT_EQ(none.statuses, Statuses(2, FeatureStatus::kNotFound)) << "a row of another view";
  EXPECT_EQ(none.event_time, std::nullopt);
  EXPECT_EQ(read(*store, aged, {Scalar::int64(404)}).statuses,
            Statuses(2, FeatureStatus::kNotFound));
  EXPECT_EQ(read(*open("&from_feast=other"), aged, {Scalar::int64(1)}).statuses,
            Statuses(2, FeatureStatus::kNotFound))
      << "of another project";
}

TEST_F(FeastReadsTest, AValueThatWasNeverWrittenIsNull) {
  write_recorded();
  const RowsView wider(
      "global_stats", {}, {{"fx_rate", Type::kFloat64}, {"added", Type::kInt64}}, {});
  const gold::FeatureValues found = read(*open("&from_feast=feast_check"), wider, {});
  EXPECT_EQ(found.statuses,
            (std::vector<FeatureStatus>{FeatureStatus::kPresent, FeatureStatus::kNullValue}));
  EXPECT_EQ(found.values[0], Scalar::float64(1.0842));
}

TEST_F(FeastReadsTest, AVersionOfAViewIsReadUnderItsVersionedName) {
  const std::string key = unhex(
      "010000000200000007000000757365725f69640400000008000000010000000000000066656173745f"
      "636865636b");
  for (const auto& [version, count] : {std::pair{"activity", 10}, {"activity_v2", 20}}) {
    const RowsView view(version, {{"user_id", Type::kInt64}}, {{"cnt_1h", Type::kInt64}}, {});
    run({{"HSET",
          key,
          data::feast_redis_field(version, "cnt_1h"),
          data::to_feast_value(Scalar::int64(count)),
          "_ts:" + std::string(version),
          data::proto_seconds(kNewYear)}});
    const auto store = open("&from_feast=feast_check");
    EXPECT_EQ(read(*store, view, {Scalar::int64(1)}).values[0], Scalar::int64(count));
  }
}

TEST_F(FeastReadsTest, AnotherTypeAndABrokenTimeAreNamed) {
  write_recorded();
  const auto store = open("&from_feast=feast_check");
  const std::vector<data::EntityKey> nobody = {key_of({})};
  const RowsView whole("global_stats", {}, {{"fx_rate", Type::kInt64}}, {});
  const Status other = store->read(whole, nobody, now_).status();
  EXPECT_EQ(other.code(), Code::kFailedPrecondition);
  EXPECT_NE(other.message().find("global_stats:fx_rate"), std::string::npos) << other.message();
  const std::string key =
      unhex("01000000020000000a0000005f5f64756d6d795f6964020000000000000066656173745f636865636b");
  run({{"HSET", key, "_ts:global_stats", "\x08"}});
  data::FlatValues flat;
  EXPECT_EQ(store->read_flat(global_stats(), nobody, now_, &flat).code(), Code::kCorrupt);
  EXPECT_EQ(flat.size().rows, 0U);
}

TEST_F(FeastReadsTest, OnlyTheNamedViewsAreFeastsAndAppliesChangeTheStoresOwn) {
  write_recorded();
  const auto store = open("&from_feast=feast_check&from_feast_views=activity,basket");
  const RowsView other("profile",
                       {{"user_id", Type::kInt64}},
                       {{"age", Type::kInt64}},
                       {{{Scalar::int64(1)}, kNewYear, {Scalar::int64(50)}}});
  const RowsView own("activity",
                     {{"user_id", Type::kInt64}},
                     activity().features(),
                     {{{Scalar::int64(1)}, kMarch, {Scalar::int64(77), Scalar::float64(7.75)}}});
  for (const RowsView* view : {&other, &own}) {
    ASSERT_TRUE(store->apply(*view, view->batch(), {}, 3, now_, {}).ok());
    EXPECT_EQ((*store->applied_to(*view))->position, 3);
  }
  EXPECT_EQ((*store->known_applied_to(other))->position, 3);
  EXPECT_EQ((*store->known_applied_to(own))->position, kPlaceOfFeast.position)
      << "where Feast stands is not known";
  const std::vector<data::EntityKey> keys = {key_of({Scalar::int64(1)}),
                                             key_of({Scalar::int64(4)})};
  const std::vector<ViewKeys> asked = {{&own, keys}, {&other, keys}, {&own, keys}};
  data::FlatValues flat;
  std::vector<std::optional<AppliedTo>> applied;
  ASSERT_TRUE(store->read_flat_views(asked, now_, &flat, &applied).ok());
  EXPECT_EQ(flat.integer(0), 12) << "Feast's, not 77";
  EXPECT_EQ(flat.integer(2), -3);
  EXPECT_EQ(flat.integer(4), 50) << "the store's own";
  EXPECT_EQ(flat.status(5), FeatureStatus::kNotFound);
  EXPECT_EQ(flat.integer(6), 12);
  ASSERT_EQ(applied.size(), 3U);
  EXPECT_EQ(applied[0]->position, kPlaceOfFeast.position);
  EXPECT_EQ(applied[1]->position, 3);
  EXPECT_EQ(store->views()->size(), 2U);
}

TEST_F(FeastReadsTest, ManyKeysAreAskedForInSeveralRoundTrips) {
  write_recorded();
  const auto store = open("&from_feast=feast_check");
  std::vector<data::EntityKey> keys;
  for (int64_t user = 0; user < 2'500; ++user) {
    keys.push_back(key_of({Scalar::int64(user % 5)}));
  }
  const auto answers = store->read(activity(), keys, now_);
  ASSERT_TRUE(answers.ok()) << answers.status().to_string();
  ASSERT_EQ(answers->size(), keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    EXPECT_EQ(answers->at(i).statuses[0],
              i % 5 == 1 || i % 5 == 4 ? FeatureStatus::kPresent : FeatureStatus::kNotFound);
  }
}

TEST_F(FeastReadsTest, AServerThatIsGoneIsSaid) {
  const auto store = open("&from_feast=feast_check");
  server_.kill();
  const std::vector<data::EntityKey> keys = {key_of({Scalar::int64(1)})};
  EXPECT_EQ(store->read(activity(), keys, now_).code(), Code::kUnavailable);
  EXPECT_EQ(store->known_applied_to(activity()).code(), Code::kUnavailable);
}

}  // namespace
}  // namespace assay::online
