#include "ingest/schema_registry.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "ingest/test_registry.h"

namespace assay::ingest {
namespace {

class SchemaRegistryTest : public testing::Test {
 protected:
  SchemaRegistryTest() {
    definition_.url = "http://registry/";
    client_->answers["/schemas/ids/1"] = {200, R"({"schema":"\"long\""})"};
  }

  World world() {
    World& system = system_.world();
    return {clock_, system.files, system.random, system.log, system.metrics};
  }

  Code code_of(const std::string& body, int status = 200) {
    client_->answers["/schemas/ids/9"] = {status, body};
    World fake = world();
    return SchemaRegistry(fake, definition_, client_).find(9).code();
  }

  FakeClock clock_{EventTime{1'000'000}};
  SystemWorld system_{LogLevel::kError};
  catalog::RegistryDef definition_;
  std::shared_ptr<TestRegistry> client_ = std::make_shared<TestRegistry>();
};

TEST_F(SchemaRegistryTest, ASchemaIsAskedForOnce) {
  World fake = world();
  SchemaRegistry registry(fake, definition_, client_);
  for (int i = 0; i < 3; ++i) {
    const auto schema = registry.find(1);
    ASSERT_TRUE(schema.ok()) << schema.status().to_string();
    std::string json;
    EXPECT_TRUE((*schema)->append_json("\x02", &json));
    EXPECT_EQ(json, "1");
  }
  EXPECT_EQ(client_->asked, 1);
}

TEST_F(SchemaRegistryTest, ThatThereIsNoneIsAskedAgainAfterAWhile) {
  World fake = world();
  SchemaRegistry registry(fake, definition_, client_);
  EXPECT_EQ(*registry.find(2), nullptr);
  EXPECT_EQ(*registry.find(2), nullptr);
  EXPECT_EQ(client_->asked, 1);
  client_->answers["/schemas/ids/2"] = {200, R"({"schema":"\"int\"","schemaType":"AVRO"})"};
  clock_.advance({31 * kMicrosPerSecond});
  EXPECT_NE(*registry.find(2), nullptr);
}

TEST_F(SchemaRegistryTest, AllThreeKindsOfSchemas) {
  client_->answers["/schemas/ids/3"] = {
      200,
      R"({"schemaType":"PROTOBUF","schema":"syntax = \"proto3\"; message M { int32 a = 1; }"})"};
  client_->answers["/schemas/ids/4"] = {200, R"({"schemaType":"JSON","schema":"{}"})"};
  World fake = world();
  SchemaRegistry registry(fake, definition_, client_);
  std::string json;
  EXPECT_TRUE((*registry.find(3))->append_json(std::string("\0\x08\x05", 3), &json));
  EXPECT_TRUE((*registry.find(4))->append_json("{}", &json));
  EXPECT_EQ(json, R"({"a":5}{})");
}

TEST_F(SchemaRegistryTest, ReferencesAreFollowed) {
  client_->answers["/schemas/ids/5"] = {
      200, R"({"schema":"[\"A\"]","references":[{"name":"A","subject":"a b","version":2}]})"};
  client_->answers["/subjects/a%20b/versions/2"] = {
      200,
      R"({"schema":"{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"b\",\"type\":\"B\"}]}",)"
      R"("references":[{"name":"B","subject":"b","version":1}]})"};
  client_->answers["/subjects/b/versions/1"] = {
      200, R"({"schema":"{\"type\":\"fixed\",\"name\":\"B\",\"size\":1}"})"};
  World fake = world();
  const auto schema = SchemaRegistry(fake, definition_, client_).find(5);
  ASSERT_TRUE(schema.ok()) << schema.status().to_string();
  std::string json;
  EXPECT_TRUE((*schema)->append_json(std::string("\0x", 2), &json));
  EXPECT_EQ(json, R"({"b":"eA=="})");
  client_->answers.erase("/subjects/b/versions/1");
  SystemWorld silent(static_cast<LogLevel>(static_cast<int>(LogLevel::kError) + 1));
  EXPECT_EQ(*SchemaRegistry(silent.world(), definition_, client_).find(5), nullptr);
  client_->answers["/subjects/b/versions/1"] = {
      200, R"({"schema":"1","references":[{"name":"C","subject":"b","version":1}]})"};
  EXPECT_EQ(*SchemaRegistry(silent.world(), definition_, client_).find(5), nullptr) << "for ever";
}

TEST_F(SchemaRegistryTest, OnlyARegistrysOwn404SaysThatThereIsNone) {
  EXPECT_EQ(code_of(R"({"error_code":40403})", 404), Code::kOk);
  EXPECT_EQ(code_of("<html>not found</html>", 404), Code::kUnavailable);
  EXPECT_EQ(code_of("", 404), Code::kUnavailable);
}

TEST_F(SchemaRegistryTest, AnswersThatAreNoneAreAskedForAgain) {
  EXPECT_EQ(code_of("", 200), Code::kUnavailable);
  EXPECT_EQ(code_of("<html>", 200), Code::kUnavailable);
  EXPECT_EQ(code_of(R"({"schema":7})", 200), Code::kUnavailable);
  EXPECT_EQ(code_of("", 503), Code::kUnavailable);
  EXPECT_EQ(code_of("", 302), Code::kUnavailable);
  EXPECT_EQ(code_of("", 401), Code::kUnauthenticated);
  EXPECT_EQ(code_of("", 403), Code::kPermissionDenied);
  client_->failure = Status(Code::kCommitUnknown, "cut short");
  EXPECT_EQ(code_of(""), Code::kUnavailable);
  client_->failure = Status(Code::kFailedPrecondition, "certificate");
  EXPECT_EQ(code_of(""), Code::kFailedPrecondition);
}

TEST_F(SchemaRegistryTest, ASchemaThatCannotBeReadIsNoneUntilItIsAskedForAgain) {
  SystemWorld silent(static_cast<LogLevel>(static_cast<int>(LogLevel::kError) + 1));
  World& system = silent.world();
  World fake{clock_, system.files, system.random, system.log, system.metrics};
  client_->answers["/schemas/ids/9"] = {200, R"({"schema":"\"gone\""})"};
  client_->answers["/schemas/ids/10"] = {200, R"({"schema":"x","schemaType":"XML"})"};
  SchemaRegistry registry(fake, definition_, client_);
  EXPECT_EQ(*registry.find(9), nullptr);
  EXPECT_EQ(*registry.find(10), nullptr);
  EXPECT_EQ(*registry.find(9), nullptr);
  EXPECT_EQ(client_->asked, 2);
  EXPECT_NE(*registry.find(1), nullptr) << "others are read";
  client_->answers["/schemas/ids/9"] = {200, R"({"schema":"\"int\""})"};
  clock_.advance({31 * kMicrosPerSecond});
  EXPECT_NE(*registry.find(9), nullptr);
}

TEST_F(SchemaRegistryTest, NumbersThatAreNoneAreAskedForWithinBounds) {
  SystemWorld silent(static_cast<LogLevel>(static_cast<int>(LogLevel::kError) + 1));
  World& system = silent.world();
  World fake{clock_, system.files, system.random, system.log, system.metrics};
  SchemaRegistry registry(fake, definition_, client_);
  for (int32_t number = -5; number < 10'000; ++number) {
    if (number != 1) {
      EXPECT_EQ(*registry.find(number), nullptr);
    }
  }
  EXPECT_EQ(client_->asked, 200);
  clock_.advance({31 * kMicrosPerSecond});
  EXPECT_NE(*registry.find(1), nullptr);
  EXPECT_EQ(*registry.find(5'000), nullptr);
  EXPECT_EQ(client_->asked, 202) << "asked again after a while";
}

TEST_F(SchemaRegistryTest, ASchemaThatManyRecordsNameIsFoundAmongNumbersThatAreNone) {
  SystemWorld silent(static_cast<LogLevel>(static_cast<int>(LogLevel::kError) + 1));
  World& system = silent.world();
  World fake{clock_, system.files, system.random, system.log, system.metrics};
  SchemaRegistry registry(fake, definition_, client_);
  std::vector<std::string> records;
  for (int32_t number = 1'000; number < 1'300; ++number) {  // each named once
    records.push_back(wire_record(number, ""));
  }
  client_->answers["/schemas/ids/5000"] = {200, R"({"schema":"\"int\""})"};
  for (int i = 0; i < 10; ++i) {
    records.push_back(wire_record(5'000, "\x02"));
  }
  WireSchemas schemas;
  ASSERT_TRUE(registry.find_all({records.begin(), records.end()}, &schemas).ok());
  EXPECT_NE(schemas.at(5'000), nullptr) << "asked for first";
  EXPECT_EQ(client_->asked, 201);

  schemas.clear();
  const std::string alone = wire_record(1, "\x02");
  ASSERT_TRUE(registry.find_all({alone}, &schemas).ok());
  EXPECT_NE(schemas.at(1), nullptr) << "although 200 are missing";
  for (int32_t number = 6'000; number < 7'000; ++number) {
    const std::string record = wire_record(number, "");
    ASSERT_TRUE(registry.find_all({record}, &schemas).ok());
  }
  EXPECT_EQ(client_->asked, 402) << "within bounds";
}

TEST_F(SchemaRegistryTest, BasicAuthenticationWhenThereIsAUser) {
  World fake = world();
  ASSERT_TRUE(SchemaRegistry(fake, definition_, client_).find(1).ok());
  EXPECT_EQ(client_->last_headers.count("authorization"), 0U);
  definition_.username = "Aladdin";
  definition_.password = "open sesame";
  ASSERT_TRUE(SchemaRegistry(fake, definition_, client_).find(1).ok());
  EXPECT_EQ(client_->last_headers["authorization"], "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

TEST_F(SchemaRegistryTest, ASilentRegistryIsWaitedForUntilItsTimeout) {
  World fake = world();
  definition_.timeout = {60 * kMicrosPerSecond};
  SchemaResolver resolver(fake, definition_, client_);
  const std::string text = wire_record(1, "\x02");
  const std::vector<std::string_view> values{text, "plain", "", wire_record(7, "x").substr(0, 4)};
  client_->failure = Status(Code::kUnavailable, "no connection");
  EXPECT_FALSE(*resolver.find(values, {0}));
  clock_.advance({59 * kMicrosPerSecond});
  EXPECT_FALSE(*resolver.find(values, {0}));
  client_->failure = Status();
  EXPECT_TRUE(*resolver.find(values, {0})) << "it is back";
  EXPECT_EQ(resolver.schemas().size(), 1U);

  const std::string other = wire_record(8, "");
  client_->failure = Status(Code::kUnavailable, "no connection");
  EXPECT_FALSE(*resolver.find({other}, {0})) << "counted anew";
  clock_.advance({61 * kMicrosPerSecond});
  EXPECT_EQ(resolver.find({other}, {0}).code(), Code::kUnavailable);
}

}  // namespace
}  // namespace assay::ingest
