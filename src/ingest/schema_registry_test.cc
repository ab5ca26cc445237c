#include "ingest/schema_registry.h"

#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/wait_until.h"
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
  ASSERT_TRUE(registry.find_all(named_schemas({records.begin(), records.end()}), &schemas).ok());
  EXPECT_NE(schemas.at(5'000), nullptr) << "asked for first";
  EXPECT_EQ(client_->asked, 201);

  schemas.clear();
  const std::string alone = wire_record(1, "\x02");
  ASSERT_TRUE(registry.find_all(named_schemas({alone}), &schemas).ok());
  EXPECT_NE(schemas.at(1), nullptr) << "although 200 are missing";
  for (int32_t number = 6'000; number < 7'000; ++number) {
    const std::string record = wire_record(number, "");
    ASSERT_TRUE(registry.find_all(named_schemas({record}), &schemas).ok());
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

/// A registry that is away, and comes back, while it is asked.
class RegistryThatGoes : public store::HttpClient {
 public:
  explicit RegistryThatGoes(std::shared_ptr<TestRegistry> registry)
      : registry_(std::move(registry)) {}
  Result<store::HttpResponse> send(const store::HttpRequest& request) override {
    return is_away ? Status(Code::kUnavailable, "no connection") : registry_->send(request);
  }
  std::atomic<bool> is_away = true;

 private:
  std::shared_ptr<TestRegistry> registry_;
};

/// Until it has said that the registry does not answer, which, as the clock stands, takes an answer.
void find_silent(SchemaResolver& resolver, const std::vector<std::string_view>& values) {
  wait_until("a registry that is silent",
             [&] {
               EXPECT_FALSE(*resolver.find(values, {1'000}));
               return resolver.is_silent();
             },
             std::identity());
}

TEST_F(SchemaRegistryTest, ASilentRegistryIsWaitedForUntilItsTimeout) {
  World fake = world();
  definition_.timeout = {60 * kMicrosPerSecond};
  const auto goes = std::make_shared<RegistryThatGoes>(client_);
  SchemaResolver resolver(fake, definition_, goes);
  const std::string text = wire_record(1, "\x02");
  const std::vector<std::string_view> values{text, "plain", "", wire_record(7, "x").substr(0, 4)};
  find_silent(resolver, values);
  clock_.advance({59 * kMicrosPerSecond});
  EXPECT_FALSE(*resolver.find(values, {0}));
  goes->is_away = false;
  wait_until("the schema", [&] { return *resolver.find(values, {1'000}); }, std::identity());
  EXPECT_EQ(resolver.schemas().size(), 1U);

  const std::string other = wire_record(8, "");
  goes->is_away = true;
  find_silent(resolver, {other});  // counted anew
  clock_.advance({61 * kMicrosPerSecond});
  wait_until("that it was silent for too long",
             [&] { return resolver.find({other}, {1'000}).code(); },
             [](Code code) { return code == Code::kUnavailable; });
}

/// A registry that answers when it is let.
class SlowRegistry : public store::HttpClient {
 public:
  explicit SlowRegistry(std::shared_ptr<TestRegistry> registry) : registry_(std::move(registry)) {}
  Result<store::HttpResponse> send(const store::HttpRequest& request) override {
    is_asked = true;
    let_.wait();
    return registry_->send(request);
  }
  void let() { may_.set_value(); }
  std::atomic<bool> is_asked = false;

 private:
  std::shared_ptr<TestRegistry> registry_;
  std::promise<void> may_;
  std::shared_future<void> let_ = may_.get_future().share();
};

TEST_F(SchemaRegistryTest, ARegistryThatHangsIsNotWaitedForAndAskedOnce) {
  World fake = world();
  client_->answers["/schemas/ids/5"] = {
      200, R"({"schema":"\"A\"","references":[{"name":"A","subject":"a","version":1}]})"};
  client_->answers["/subjects/a/versions/1"] = {
      200, R"({"schema":"{\"type\":\"fixed\",\"name\":\"A\",\"size\":1}"})"};
  const auto slow = std::make_shared<SlowRegistry>(client_);
  SchemaResolver resolver(fake, definition_, slow);
  const std::string text = wire_record(5, "x");
  const std::string other = wire_record(1, "x");
  for (int i = 0; i < 50; ++i) {
    EXPECT_FALSE(*resolver.find({text}, {0}));  // while nobody has let it answer
  }
  EXPECT_FALSE(resolver.is_silent());
  clock_.advance({definition_.timeout.micros + 1});
  EXPECT_FALSE(*resolver.find({text}, {0})) << "a failure is told by an answer alone";
  EXPECT_TRUE(resolver.is_silent());
  EXPECT_FALSE(*resolver.find({other}, {0})) << "of others";
  slow->let();
  wait_until("the schema", [&] { return *resolver.find({text}, {1'000}); }, std::identity());
  EXPECT_NE(resolver.schemas().at(5), nullptr);
  EXPECT_FALSE(resolver.is_silent());
  EXPECT_EQ(client_->asked, 2) << "the schema and what it refers to";
}

/// A registry that knows no schema, and takes its time to say so.
class LongRegistry : public store::HttpClient {
 public:
  explicit LongRegistry(FakeClock& clock) : clock_(clock) {}
  Result<store::HttpResponse> send(const store::HttpRequest& /*request*/) override {
    ++asked;
    clock_.advance({31 * kMicrosPerSecond});
    return store::HttpResponse{404, {}, R"({"error_code":40403})", false};
  }
  std::atomic<int> asked = 0;

 private:
  FakeClock& clock_;
};

TEST_F(SchemaRegistryTest, AnswersAreTakenHoweverLongTheyTookTogether) {
  World fake = world();
  const auto slow = std::make_shared<LongRegistry>(clock_);
  SchemaResolver resolver(fake, definition_, slow);
  const std::string first = wire_record(1, "x");
  const std::string second = wire_record(2, "x");
  // The first number may be asked for again by the time that the second one is answered.
  wait_until("that there are none",
             [&] { return slow->asked > 10 || *resolver.find({first, second}, {1'000}); },
             std::identity());
  EXPECT_EQ(slow->asked.load(), 2);
  EXPECT_EQ(resolver.schemas(), (WireSchemas{{1, nullptr}, {2, nullptr}}));
}

TEST_F(SchemaRegistryTest, PatienceMayBeEndless) {
  constexpr auto kEndless = SchemaResolver::Patience::kEndless;
  World fake = world();
  const auto goes = std::make_shared<RegistryThatGoes>(client_);
  SchemaResolver resolver(fake, definition_, goes);
  const std::string text = wire_record(1, "x");
  find_silent(resolver, {text});
  clock_.advance({definition_.timeout.micros * 10});
  for (int i = 0; i < 50; ++i) {
    EXPECT_FALSE(*resolver.find({text}, {1'000}, kEndless));
  }
  EXPECT_TRUE(resolver.is_silent());
  client_->answers["/schemas/ids/1"] = {401, ""};
  goes->is_away = false;
  wait_until("that it refuses us",
             [&] { return resolver.find({text}, {1'000}, kEndless).code(); },
             [](Code code) { return code == Code::kUnauthenticated; });
}

/// Who reads goes on while the question of a source that has ended is on its way; it is the last.
TEST_F(SchemaRegistryTest, AResolverEndsWhileItsRegistryHangs) {
  World fake = world();
  const auto slow = std::make_shared<SlowRegistry>(client_);
  const std::string first = wire_record(1, "x");
  const std::string second = wire_record(2, "x");
  {
    LeftAskers left;
    {
      SchemaResolver resolver(fake, definition_, slow, &left);
      EXPECT_FALSE(*resolver.find({first, second}, {0}));
      wait_until("a question", [&] { return slow->is_asked.load(); }, std::identity());
    }
    slow->let();
  }
  EXPECT_EQ(client_->asked, 1) << "not for the second schema too";
}

}  // namespace
}  // namespace assay::ingest
