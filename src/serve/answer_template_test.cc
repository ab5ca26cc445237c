// Answers written from values as they were read are, to the byte, those that are made of Scalars,
// and so is what is logged of them. Random views, rows and questions.

#include "serve/answer_template.h"

#include <limits>

#include <gtest/gtest.h>

#include "base/json_writer.h"
#include "base/random.h"
#include "base/temp_folder.h"
#include "data/feast_value.h"
#include "data/protobuf.h"
#include "online/redis_under_test.h"
#include "serve/feature_server.h"
#include "serve/grpc_calls.h"
#include "serve/http_head.h"
#include "serve/serving_fixture.h"

namespace assay::serve {
namespace {

using data::Scalar;
using data::Type;

constexpr int64_t kHour = ServingFixture::kHour;
constexpr int64_t kNow = ServingFixture::kNow;

std::vector<Type> all_types() {
  return {Type::kBool,
          Type::kInt8,
          Type::kInt16,
          Type::kInt32,
          Type::kInt64,
          Type::kFloat32,
          Type::kFloat64,
          Type::kFloat64,
          Type::kString,
          Type::kBytes,
          Type::kDate,
          Type::kTimestamp,
          Type::kTimestampNtz,
          Type::decimal(20, 3),
          Type::list(Type::kFloat32),
          Type::list(Type::kString)};
}

Scalar random_list(Random& random, const Type& type) {
  data::ColumnBuilder builder(type);
  for (uint64_t left = random.below(3); left > 0; --left) {
    if (type.element() == Type::kFloat32) {
      builder.child(0).append(static_cast<float>(random.below(100)) / 8);
    } else {
      builder.child(0).append_text("t" + std::to_string(random.below(10)));
    }
  }
  builder.append_nested();
  return Scalar::nested(builder.finish());
}

Scalar random_value(Random& random, const Type& type) {
  if (random.below(6) == 0) {
    return Scalar::null(type);
  }
  const auto small = static_cast<int64_t>(random.below(200)) - 100;
  switch (type) {
    case Type::kBool:
      return Scalar::boolean(small > 0);
    case Type::kFloat32:
      return {type, static_cast<double>(static_cast<float>(small) / 7)};
    case Type::kFloat64: {
      const std::vector<double> values = {static_cast<double>(small),
                                          static_cast<double>(small) / 100,
                                          static_cast<double>(small) / 3,
                                          -0.0,
                                          1e22,
                                          5e-324,
                                          std::numeric_limits<double>::quiet_NaN(),
                                          std::numeric_limits<double>::infinity()};
      return Scalar::float64(values[random.below(values.size())]);
    }
    case Type::kString:
      return Scalar::string(std::string(random.below(20), 'a') + "\"\n\xc3\xab");
    case Type::kBytes:
      return {type, std::string("\0\xff", 2)};
    case Type::kTimestamp:
    case Type::kTimestampNtz:
      return {type, small * 1'234'567};
    case Type::kDecimal:
      return {type, data::Int128{small} * 1'000'000'007};
    case Type::kList:
      return random_list(random, type);
    case Type::kInt64:
      return {type, small * std::numeric_limits<int32_t>::max()};
    default:
      return {type, small};
  }
}

/// Views of random types over a table each, filled, and what asks them.
struct Twins {
  explicit Twins(uint64_t seed, const std::string& place) : random(seeded_random(seed)) {
    store = online::open_online_store(fixture.world, place, false).value();
    state.project = "twins";
    const auto views = 1 + random->below(3);
    for (uint64_t view = 0; view < views; ++view) {
      add_view("v" + std::to_string(view));
    }
    catalog::ServiceDef everything;
    everything.name = "everything";
    for (const auto& [name, view] : state.views) {
      everything.items.push_back({name, {}, {}});
    }
    state.services["everything"] = gold::compile_service(everything, state.views, {}).value();
    std::vector<std::string> inputs;
    for (const gold::ServiceFeature& feature : state.services["everything"]->features) {
      inputs.push_back(feature.name);
    }
    state.models.emplace(
        "sum",
        ServingModel::make("sum",
                           "1",
                           state.services["everything"],
                           std::make_shared<SumScorer>(static_cast<int>(inputs.size())),
                           inputs)
            .value());
    auto shared = std::make_shared<const ServingState>(state);
    flat = std::make_unique<FeatureServer>(fixture.world, *store, shared, &flat_log);
    general = std::make_unique<FeatureServer>(other.world, *store, shared, &log);
    general->answer_in_general();
  }

  static std::vector<data::Field> keys_of(const std::string& entity) {
    const data::Field user{"user_id", Type::kInt64, false};
    const data::Field item{"item_id", Type::kString, false};
    return entity == "e0"   ? std::vector<data::Field>{user}
           : entity == "e1" ? std::vector<data::Field>{item}
                            : std::vector<data::Field>{user, item};
  }
  void add_view(const std::string& name) {
    catalog::FeatureViewDef definition;
    definition.name = name;
    definition.slide = {60 * kMicrosPerSecond};
    if (random->below(2) == 0) {
      definition.ttl = Duration{kHour};
    }
    catalog::EntityDef entity;
    entity.name = "e" + std::to_string(random->below(3));
    entity.keys = keys_of(entity.name);
    definition.entity = entity.name;
    std::vector<data::Field> source = {{"user_id", Type::kInt64, false},
                                       {"item_id", Type::kString, false},
                                       {"event_time", Type::kTimestamp, false},
                                       {"known_time", Type::kTimestamp, false},
                                       {"sequence", Type::kInt64, false},
                                       {"big", Type::kInt64, false}};
    const std::vector<Type> types = all_types();
    for (uint64_t i = 0; i < 1 + random->below(12); ++i) {
      catalog::FeatureDef feature;
      feature.kind = catalog::FeatureDef::Kind::kLatest;
      feature.name = name + "_f" + std::to_string(i);
      feature.column = feature.name;
      definition.features.push_back(feature);
      source.push_back({feature.name, types[random->below(types.size())], true});
    }
    if (random->below(3) == 0) {
      catalog::FeatureDef sum;
      sum.kind = catalog::FeatureDef::Kind::kWindow;
      sum.name = name + "_sum";
      sum.aggregate = catalog::Aggregate::kSum;
      sum.of = "big";
      sum.over = {{24 * kHour}};
      definition.features.push_back(sum);
    }
    const data::SchemaPtr schema = data::make_schema(source);
    const auto view = gold::FeatureView::compile(definition, entity, *schema).value();
    data::BatchBuilder rows(schema);
    for (int64_t row = 0; row < 30; ++row) {
      const int64_t time = kNow - static_cast<int64_t>(random->below(3)) * kHour / 2 -
                           static_cast<int64_t>(random->below(2));
      rows.column(0).append(static_cast<int64_t>(random->below(8)));
      rows.column(1).append_text("item" + std::to_string(random->below(3)));
      rows.column(2).append(time);
      rows.column(3).append(time);
      rows.column(4).append(row);
      rows.column(5).append(int64_t{5'000'000'000'000'000'000});  // two of them do not fit
      for (int i = 6; i < schema->size(); ++i) {
        const Scalar value = random_value(*random, schema->field(i).type);
        value.is_null() ? rows.column(i).append_null() : rows.column(i).append_scalar(value);
      }
    }
    ASSERT_TRUE(store->apply(*view, rows.finish(), std::nullopt, 0, EventTime{kNow - kHour}).ok());
    state.views[name] = view;
  }

  std::string random_users() {
    std::string users;
    std::string items;
    constexpr std::array<uint64_t, 5> kCounts = {0, 1, 1, 2, 40};
    for (uint64_t left = kCounts[random->below(kCounts.size())]; left > 0; --left) {
      users += (users.empty() ? "" : ",") +
               (random->below(60) == 0 ? "null" : std::to_string(random->below(10)));
      items += (items.empty() ? "" : ",") +
               (random->below(60) == 0 ? std::string("null")
                                       : "\"item" + std::to_string(random->below(4)) + "\"");
    }
    return "\"entities\":{\"item_id\":[" + items + "],\"else\":[1],\"user_id\":[" + users + "]}";
  }
  std::string random_question() {
    std::string question = "{" + random_users();
    if (random->below(2) == 0) {
      question += R"(,"feature_service":"everything")";
    } else {
      std::vector<std::string> names;
      for (const auto& [name, view] : state.views) {
        for (const data::Field& feature : view->features()) {
          if (random->below(2) == 0) {
            names.push_back("\"" + name + ":" + feature.name + "\"");
          }
        }
      }
      question += ",\"features\":[";
      for (std::size_t i = names.size(); i > 0; --i) {  // in any order
        std::swap(names[i - 1], names[random->below(i)]);
        question += (i < names.size() ? "," : "") + names[i - 1];
      }
      question += "]";
    }
    question += random->below(2) == 0 ? R"(,"full_feature_names":true)" : "";
    question += random->below(2) == 0 ? R"(,"include_feature_view_version_metadata":true)" : "";
    return question + "}";
  }

  ServingFixture fixture;
  ServingFixture other;  // the other server's clock and counters
  std::unique_ptr<Random> random;
  std::unique_ptr<online::OnlineStore> store;
  ServingState state;
  ServedLog flat_log{fixture.metrics, {.share = 0.5}};
  ServedLog log{other.metrics, {.share = 0.5}};
  std::unique_ptr<FeatureServer> flat;
  std::unique_ptr<FeatureServer> general;
};

/// All that a log has kept, as text.
std::string kept_in(ServedLog& log) {
  std::string text;
  const std::vector<ServedBatch> batches = log.take().value();
  for (const ServedBatch& batch : batches) {
    for (int64_t row = 0; row < batch.rows.rows(); ++row) {
      for (int column = 0; column < batch.rows.column_count(); ++column) {
        text += data::format_scalar(batch.rows.column(column).scalar(row)) + "|";
      }
      text += "\n";
    }
  }
  return text;
}

std::string lines_of(const Metrics& metrics, const std::string& name) {
  const std::string text = metrics.to_text();
  std::string lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    lines += line.starts_with(name) ? line + "\n" : "";
    at = end + 1;
  }
  return lines;
}

class AnswerTemplateTest : public testing::TestWithParam<std::string> {
 protected:
  static std::string place_in(const TempFolder& folder) {
    return GetParam() == "redis" ? online::RedisUnderTest::shared().fresh_url()
                                 : GetParam() + ":" + folder.path();
  }
};

TEST_P(AnswerTemplateTest, WritesWhatScalarsAreWrittenAs) {
  int answered = 0;
  int logged = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const TempFolder folder;
    Twins twins(seed, place_in(folder));
    for (int question = 0; question < 20; ++question) {
      const Request request{"POST", "/get-online-features", {}, twins.random_question()};
      const Response flat = twins.flat->handle(request);
      const Response general = twins.general->handle(request);
      ASSERT_EQ(flat.status, general.status) << request.body;
      ASSERT_EQ(flat.body, general.body) << request.body;
      ASSERT_EQ(own_headers(flat), own_headers(general));
      answered += flat.status == 200 ? 1 : 0;
      const Request scored{"POST", "/predict", {}, "{" + twins.random_users() + "}"};
      ASSERT_EQ(twins.flat->handle(scored).body, twins.general->handle(scored).body);
    }
    const std::string kept = kept_in(twins.log);
    ASSERT_EQ(kept_in(twins.flat_log), kept);
    logged += kept.empty() ? 0 : 1;
    for (const char* const name : {"feast_online_features_status_total",
                                   "assay_serve_entities",
                                   "assay_serve_logged_rows"}) {
      EXPECT_EQ(lines_of(twins.fixture.metrics, name), lines_of(twins.other.metrics, name));
    }
  }
  EXPECT_GT(answered, 400);
  EXPECT_GT(logged, 30);
}

constexpr char kGrpcFeatures[] = "/feast.serving.ServingService/GetOnlineFeatures";

/// feast.serving.GetOnlineFeaturesRequest of everything, for these users.
std::string grpc_question(const std::vector<int64_t>& users) {
  std::string values;
  std::string items;
  for (std::size_t row = 0; row < users.size(); ++row) {
    data::ProtoWriter(values).bytes(1, data::to_feast_value(Scalar::int64(users[row])));
    data::ProtoWriter(items).bytes(
        1, data::to_feast_value(Scalar::string("item" + std::to_string(row % 4))));
  }
  std::string request;
  data::ProtoWriter(request).bytes(1, "everything");
  for (const auto& [name, list] : {std::pair{"user_id", &values}, {"item_id", &items}}) {
    std::string column;
    data::ProtoWriter(column).bytes(1, name);
    data::ProtoWriter(column).bytes(2, *list);
    data::ProtoWriter(request).bytes(3, column);
  }
  return request;
}

TEST_P(AnswerTemplateTest, GrpcAnswersAreTheSameToo) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const TempFolder folder;
    Twins twins(seed, place_in(folder));
    for (const int64_t rows :
         {0, 1, 2, 5, 6, 7, 8, 9, 10, 60, 150, 1500}) {  // lengths of 1 to 3 bytes
      std::vector<int64_t> users;
      for (int64_t row = 0; row < rows; ++row) {
        users.push_back(row % 11);
      }
      const std::string request = grpc_question(users);
      const Result<std::string> flat = answer_grpc(*twins.flat, kGrpcFeatures, request, {});
      const Result<std::string> general = answer_grpc(*twins.general, kGrpcFeatures, request, {});
      ASSERT_EQ(flat.code(), general.code()) << "seed " << seed << ", rows " << rows;
      ASSERT_EQ(flat.ok() ? *flat : "", general.ok() ? *general : "")
          << "seed " << seed << ", rows " << rows;
      ASSERT_TRUE(flat.ok() || rows == 0);
    }
  }
}

TEST_P(AnswerTemplateTest, GrpcKeysComeBackAsTheyWereAsked) {
  const TempFolder folder;
  Twins twins(1, place_in(folder));
  for (const int64_t user : {int64_t{0},
                             int64_t{-1},
                             int64_t{127},
                             int64_t{128},
                             int64_t{1} << 55,
                             int64_t{1} << 56,
                             int64_t{1} << 62,
                             std::numeric_limits<int64_t>::min(),
                             std::numeric_limits<int64_t>::max()}) {
    const Result<std::string> answer =
        answer_grpc(*twins.flat, kGrpcFeatures, grpc_question({user}), {});
    ASSERT_TRUE(answer.ok()) << user;
    std::string value;
    data::ProtoWriter(value).bytes(1, data::to_feast_value(Scalar::int64(user)));
    EXPECT_NE(answer->find(value), std::string::npos) << user;
  }
}

INSTANTIATE_TEST_SUITE_P(Stores, AnswerTemplateTest, testing::Values("hashlog", "lmdb", "redis"));

}  // namespace
}  // namespace assay::serve
