// Messages of gRPC in and out, with the field numbers of Feast's; its own client asks in
// tests/feast.

#include "serve/grpc_calls.h"

#include <gtest/gtest.h>

#include "data/feast_value.h"
#include "data/protobuf.h"
#include "serve/grpc_server.h"
#include "serve/serving_fixture.h"

namespace assay::serve {
namespace {

using data::ProtoField;
using data::ProtoReader;
using data::ProtoWriter;

constexpr char kFeatures[] = "/feast.serving.ServingService/GetOnlineFeatures";
constexpr char kPredict[] = "/assay.serving.PredictionService/Predict";

std::string message(const std::vector<std::pair<int, std::string>>& fields) {
  std::string bytes;
  ProtoWriter writer(bytes);
  for (const auto& [number, value] : fields) {
    writer.bytes(number, value);
  }
  return bytes;
}

std::string column(const std::string& name, const std::vector<data::Scalar>& values) {
  std::string list;
  for (const data::Scalar& value : values) {
    ProtoWriter(list).bytes(1, data::to_feast_value(value));
  }
  return message({{1, name}, {2, list}});
}

std::string text_column(const std::string& name, const std::vector<std::string>& values) {
  std::vector<data::Scalar> scalars;
  for (const std::string& value : values) {
    scalars.push_back(data::Scalar::string(value));
  }
  return column(name, scalars);
}

/// All fields of one number.
std::vector<ProtoField> fields_of(std::string_view bytes, int number) {
  std::vector<ProtoField> found;
  ProtoReader reader(bytes);
  while (true) {
    const auto field = reader.next();
    EXPECT_TRUE(field.ok());
    if (!field.ok() || !field->has_value()) {
      return found;
    }
    if ((*field)->number == number) {
      found.push_back(**field);
    }
  }
}

class GrpcCalls : public testing::Test {
 protected:
  Result<std::string> ask(std::string_view method, const std::string& request) {
    return answer_grpc(server_, method, request);
  }
  ServingFixture fixture_;
  FeatureServer server_{fixture_.world, *fixture_.store, fixture_.state};
};

TEST_F(GrpcCalls, FeaturesComeAsValuesStatusesAndTimes) {
  const Result<std::string> answer =
      ask(kFeatures,
          message({{2, message({{1, "clicks:f0"}, {1, "spend:f0"}})},
                   {3, text_column("user_id", {"u1", "u2", "nobody"})}}) +
              std::string("\x20\x01", 2));  // full names
  ASSERT_TRUE(answer.ok()) << answer.status().to_string();
  const std::string metadata(fields_of(*answer, 1)[0].bytes);
  const std::string names(fields_of(metadata, 1)[0].bytes);
  std::vector<std::string> columns;
  for (const ProtoField& name : fields_of(names, 1)) {
    columns.emplace_back(name.bytes);
  }
  EXPECT_EQ(columns, (std::vector<std::string>{"user_id", "clicks__f0", "spend__f0"}));
  const std::vector<ProtoField> results = fields_of(*answer, 2);
  ASSERT_EQ(results.size(), columns.size());
  const std::vector<ProtoField> values = fields_of(results[1].bytes, 1);
  ASSERT_EQ(values.size(), 3U);
  EXPECT_EQ(values[0].bytes, data::to_feast_value(data::Scalar::float64(1.5)));
  EXPECT_EQ(values[1].bytes, "");
  EXPECT_EQ(fields_of(results[1].bytes, 2)[0].bytes, "\x01\x02\x03");
  EXPECT_EQ(fields_of(results[2].bytes, 2)[0].bytes, "\x01\x04\x03");
  EXPECT_EQ(fields_of(results[1].bytes, 3)[0].bytes, data::proto_seconds(ServingFixture::kTime));
  EXPECT_EQ(fields_of(results[1].bytes, 3)[2].bytes, "");
}

TEST_F(GrpcCalls, RefusalsHaveTheCodeAndFeastsDetails) {
  const std::string user = text_column("user_id", {"u1"});
  const Result<std::string> view =
      ask(kFeatures, message({{2, message({{1, "nope:x"}})}, {3, user}}));
  EXPECT_EQ(view.code(), Code::kNotFound);
  EXPECT_EQ(view.status().message(),
            "{\"module\": \"feast.errors\", \"class\": \"FeatureViewNotFoundException\", "
            "\"message\": \"Feature view nope does not exist in project shop\"}");
  EXPECT_EQ(ask(kFeatures, message({{1, "nope"}, {3, user}})).code(), Code::kNotFound);
  EXPECT_EQ(ask(kFeatures, message({{2, message({{1, "clicks:f0"}})}})).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(ask(kFeatures,
                message({{2, message({{1, "clicks:f0"}})},
                         {3, column("user_id", {data::Scalar::int64(1)})}}))
                .code(),
            Code::kInvalidArgument);
  EXPECT_EQ(ask(kFeatures, "\x0a").code(), Code::kInvalidArgument);
  EXPECT_EQ(ask(kFeatures, std::string("\x08\x01", 2)).code(), Code::kInvalidArgument);
  EXPECT_EQ(ask("/feast.serving.ServingService/Nope", "").code(), Code::kUnimplemented);
}

TEST_F(GrpcCalls, RequestValuesComeAmongEntitiesOrInTheContext) {
  for (const int field : {3, 5}) {
    const Result<std::string> answer =
        ask(kFeatures,
            message({{1, "shop"},
                     {3, text_column("user_id", {"u1"})},
                     {field, column("amount", {data::Scalar::float64(10)})}}));
    ASSERT_TRUE(answer.ok()) << answer.status().to_string();
    EXPECT_EQ(fields_of(*answer, 2).size(), 5U);
  }
}

TEST_F(GrpcCalls, PredictionsAreScored) {
  const Result<std::string> answer =
      ask(kPredict,
          message({{2, text_column("user_id", {"u1", "nobody"})},
                   {2, column("amount", {data::Scalar::float64(10), data::Scalar::float64(1)})}}));
  ASSERT_TRUE(answer.ok()) << answer.status().to_string();
  std::string first;
  ProtoWriter writer(first);
  writer.real32(1, 23.5F);
  writer.integer(2, 1);
  EXPECT_EQ(fields_of(*answer, 1)[0].bytes, first);
  EXPECT_EQ(fields_of(*answer, 1).size(), 2U);
  EXPECT_EQ(fields_of(*answer, 2)[0].bytes, "buy");
  EXPECT_EQ(fields_of(*answer, 3)[0].bytes, "3");
  EXPECT_EQ(ask(kPredict, message({{1, "byu"}})).code(), Code::kNotFound);
}

TEST_F(GrpcCalls, HealthAndInfoAnswer) {
  constexpr char kCheck[] = "/grpc.health.v1.Health/Check";
  const std::string serving("\x08\x01", 2);
  const std::string not_serving("\x08\x02", 2);
  const std::vector<std::string> ours = {"",
                                         "feast.serving.ServingService",
                                         "assay.serving.PredictionService",
                                         "assay.serving.PushService",
                                         "feast.registry.RegistryServer"};
  for (const std::string& service : ours) {
    EXPECT_EQ(*ask(kCheck, message({{1, service}})), serving) << service;
  }
  EXPECT_EQ(*ask(kCheck, ""), serving);
  EXPECT_EQ(ask(kCheck, message({{1, "no.Such"}})).code(), Code::kNotFound);
  EXPECT_EQ(*ask("/grpc.health.v1.Health/Watch", message({{1, "no.Such"}})),
            std::string("\x08\x03", 2));
  EXPECT_EQ(ask(kCheck, "\x0a").code(), Code::kInvalidArgument);
  server_.drain();
  for (const std::string& service : ours) {
    EXPECT_EQ(*ask(kCheck, message({{1, service}})), not_serving) << service;
  }
  for (const char* const alive : {"grpc.health.v1.Health",
                                  "grpc.reflection.v1.ServerReflection",
                                  "grpc.reflection.v1alpha.ServerReflection"}) {
    EXPECT_EQ(*ask(kCheck, message({{1, alive}})), serving) << alive << " answers still";
  }
  const std::string info = *ask("/feast.serving.ServingService/GetFeastServingInfo", "");
  EXPECT_TRUE(fields_of(info, 1)[0].bytes.starts_with("assay "));
}

TEST_F(GrpcCalls, ReflectionKnowsItsServicesAndFiles) {
  constexpr char kReflection[] = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
  const std::string list = *ask(kReflection, message({{7, ""}}));
  EXPECT_NE(list.find("feast.serving.ServingService"), std::string::npos);
  EXPECT_NE(list.find("assay.serving.PredictionService"), std::string::npos);
  EXPECT_NE(list.find("assay.serving.PushService"), std::string::npos);
  for (const auto& [field, name] :
       std::vector<std::pair<int, std::string>>{{4, "feast.serving.ServingService"},
                                                {4, "feast.types.Value"},
                                                {4, "assay.serving.PredictRequest"},
                                                {4, "assay.serving.PushRequest"},
                                                {4, "assay.serving.RowFate"},
                                                {3, "feast/types/Value.proto"},
                                                {3, "google/protobuf/timestamp.proto"}}) {
    EXPECT_EQ(fields_of(*ask(kReflection, message({{field, name}})), 4).size(), 1U) << name;
  }
  EXPECT_EQ(fields_of(*ask(kReflection, message({{4, "feast.serving.Nope"}})), 7).size(), 1U);
  EXPECT_EQ(ask(kReflection, "\x0a").code(), Code::kInvalidArgument);
  std::string many;
  for (int i = 0; i < 1000; ++i) {
    many += message({{7, ""}});
  }
  EXPECT_EQ(fields_of(*ask(kReflection, many), 6).size(), 1U);  // one answer, however often asked
}

TEST_F(GrpcCalls, TheRegistryIsReadAndNotWritten) {
  const auto registry = [&](const std::string& name, const std::string& request) {
    return ask("/feast.registry.RegistryServer/" + name, request);
  };
  EXPECT_EQ(*registry("Proto", ""), server_.registry()->file());
  for (const auto& [list, count] :
       std::vector<std::pair<std::string, std::size_t>>{{"ListFeatureViews", 4},
                                                        {"ListAllFeatureViews", 4},
                                                        {"ListFeatureServices", 1},
                                                        {"ListEntities", 1},
                                                        {"ListStreamFeatureViews", 0},
                                                        {"ListSavedDatasets", 0}}) {
    EXPECT_EQ(fields_of(*registry(list, message({{1, "shop"}})), 1).size(), count) << list;
    EXPECT_EQ(*registry(list, message({{1, "other"}})), "") << list;
  }
  const std::string view = *registry("GetFeatureView", message({{1, "spend"}, {2, "shop"}}));
  EXPECT_EQ(fields_of(fields_of(view, 1)[0].bytes, 1)[0].bytes, "spend");
  const std::string any = *registry("GetAnyFeatureView", message({{1, "spend"}, {2, "shop"}}));
  EXPECT_EQ(fields_of(fields_of(any, 1)[0].bytes, 1)[0].bytes, view);
  const Result<std::string> none = registry("GetFeatureView", message({{1, "x"}, {2, "shop"}}));
  EXPECT_EQ(none.code(), Code::kNotFound);
  EXPECT_NE(none.status().message().find("FeatureViewNotFoundException"), std::string::npos);
  EXPECT_EQ(registry("GetProject", message({{1, "x"}})).code(), Code::kNotFound);
  EXPECT_EQ(fields_of(*registry("ListProjects", ""), 1).size(), 1U);
  EXPECT_EQ(registry("ApplyEntity", "").code(), Code::kUnimplemented);
  EXPECT_EQ(registry("GetEntity", "\x0a").code(), Code::kInvalidArgument);
}

TEST_F(GrpcCalls, CallersAreKnownByTheirAuthorization) {
  const std::string hash = sha256_hex("secret");
  server_.gate().protect(*Access::parse(
      R"({"callers":[{"name":"a","secret_sha256":")" + hash + R"(","may":["view:clicks"]}]})",
      [](const std::string& path) -> Result<std::string> {
        return Status(Code::kNotFound, path);
      }));
  const auto features = [&](const std::string& view, std::string_view authorization) {
    return answer_grpc(
        server_,
        kFeatures,
        message({{2, message({{1, view + ":f0"}})}, {3, text_column("user_id", {"u1"})}}),
        {authorization, "", {}});
  };
  EXPECT_EQ(features("clicks", "").code(), Code::kUnauthenticated);
  EXPECT_TRUE(features("clicks", "Bearer secret").ok());
  EXPECT_EQ(features("spend", "Bearer secret").code(), Code::kPermissionDenied);
  EXPECT_EQ(
      answer_grpc(server_, "/feast.registry.RegistryServer/Proto", "", {"Bearer secret", "", {}})
          .code(),
      Code::kPermissionDenied);
  EXPECT_TRUE(ask("/grpc.health.v1.Health/Check", "").ok());
}

TEST_F(GrpcCalls, AServerStartsStopsAndSaysWhenItsPortIsTaken) {
  GrpcOptions options;
  options.port = 0;
  const auto handler =
      [&](std::string_view method, std::string_view request, const Credentials& credentials) {
        return plain_reply(answer_grpc(server_, method, request, credentials));
      };
  const auto first = start_grpc_server(fixture_.world, handler, options);
  ASSERT_TRUE(first.ok()) << first.status().to_string();
  options.port = (*first)->port();
  ASSERT_GT(options.port, 0);
  EXPECT_EQ(start_grpc_server(fixture_.world, handler, options).code(), Code::kUnavailable);
  (*first)->stop();
  (*first)->stop();
}

}  // namespace
}  // namespace assay::serve
