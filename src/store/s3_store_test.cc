// The store on S3 through every fault: a fake service in this process does wrong by script.

#include "store/s3_store.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/temp_folder.h"
#include "store/fake_s3.h"
#include "store/tls_front.h"

namespace assay::store {
namespace {

using testing::HasSubstr;

class S3Store : public testing::Test {
 protected:
  S3Store() { options_ = fake_.options(folder_.path()); }

  ObjectStore& store() {
    if (store_ == nullptr) {
      store_ = open_s3_store(world_.world(), options_).value();
    }
    return *store_;
  }
  /// Requests since the last look.
  std::vector<std::string> sent() {
    const std::vector<std::string> requests = fake_.requests();
    fake_.forget_requests();
    return requests;
  }
  void refuse(const std::string& method, int status, const std::string& code, int times = 1) {
    fake_.add_fault({method, "", Misdeed::kRefuse, status, code, times});
  }
  void misbehave(const std::string& method, Misdeed misdeed, int times = 1) {
    fake_.add_fault({method, "", misdeed, 0, "", times});
  }

  SystemWorld world_{LogLevel::kError};
  FakeS3 fake_;
  TempFolder folder_;
  S3Options options_;
  std::unique_ptr<ObjectStore> store_;
};

using Requests = std::vector<std::string>;

TEST_F(S3Store, EachOperationIsOneRequest) {
  ASSERT_TRUE(store().put("a/b", "12345").ok());
  ASSERT_TRUE(store().put_if_absent("a/c", "x").ok());
  ASSERT_TRUE(store().get("a/b").ok());
  ASSERT_TRUE(store().get_range("a/b", 1, 2).ok());
  ASSERT_TRUE(store().stat("a/b").ok());
  ASSERT_TRUE(store().list("a/").ok());
  ASSERT_TRUE(store().list_folders("").ok());
  ASSERT_TRUE(store().remove_all({"a/b", "a/c"}).ok());
  EXPECT_EQ(sent(),
            (Requests{"PUT /bucket/a/b",
                      "PUT /bucket/a/c",
                      "GET /bucket/a/b",
                      "GET /bucket/a/b",
                      "HEAD /bucket/a/b",
                      "GET /bucket/?list-type=2&prefix=a%2F",
                      "GET /bucket/?delimiter=%2F&list-type=2&prefix=",
                      "POST /bucket/?delete="}));
}

TEST_F(S3Store, AnOwnAuthorityIsTrustedWhereItsCertificateIsNamed) {
  TlsFront front(fake_.port());
  options_.endpoint = front.endpoint();
  const Result<std::unique_ptr<ObjectStore>> untrusting = open_s3_store(world_.world(), options_);
  const Status refused = untrusting.ok() ? (*untrusting)->put("a", "x") : untrusting.status();
  EXPECT_EQ(refused.code(), Code::kFailedPrecondition);
  EXPECT_THAT(refused.message(), HasSubstr("certificate"));
  EXPECT_THAT(refused.message(), HasSubstr("`ca_file`"));
  EXPECT_EQ(sent(), Requests{});

  options_.ca_file = folder_.path() + "/authority.pem";
  ASSERT_TRUE(world_.world().files.write(options_.ca_file, front.authority()).ok());
  ASSERT_TRUE(store().put("a", "x").ok());
  EXPECT_EQ(store().get("a").value(), "x");
  EXPECT_EQ(sent(), (Requests{"PUT /bucket/a", "GET /bucket/a"}));
  EXPECT_GT(front.agreed(), 0);
}

TEST_F(S3Store, TheBucketMayBePartOfTheHostsName) {
  options_.endpoint = "http://localhost:" + std::to_string(fake_.port());
  options_.path_style = false;
  ASSERT_TRUE(store().put("a b", "x").ok());
  EXPECT_EQ(store().get("a b").value(), "x");
  EXPECT_EQ(sent(), (Requests{"PUT /a b", "GET /a b"}));
}

TEST_F(S3Store, RefusesForAWhileAreTriedAgain) {
  refuse("PUT", 503, "SlowDown", 2);
  refuse("PUT", 500, "InternalError");
  refuse("PUT", 409, "OperationAborted");
  refuse("GET", 429, "TooManyRequests");
  misbehave("GET", Misdeed::kDropBefore);
  misbehave("GET", Misdeed::kTruncate);
  EXPECT_TRUE(store().put("a", "bytes").ok());
  EXPECT_EQ(store().get("a").value(), "bytes");
  EXPECT_EQ(fake_.faults_left(), 0U);
}

TEST_F(S3Store, ARefusalThatStaysEndsTheTrying) {
  options_.attempts_max = 4;
  refuse("PUT", 503, "SlowDown", 100);
  const Status status = store().put("a", "bytes");
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("SlowDown"));
  EXPECT_EQ(sent().size(), 4U);
}

TEST_F(S3Store, WaitsDoubleAndAreDrawnAtRandom) {
  std::vector<int64_t> waits;
  options_.pause = [&](Duration wait) { waits.push_back(wait.micros); };
  options_.attempts_max = 7;
  options_.retry_wait_max = {1 * kMicrosPerSecond};
  refuse("PUT", 503, "SlowDown", 100);
  EXPECT_FALSE(store().put("a", "bytes").ok());
  ASSERT_EQ(waits.size(), 6U);
  int64_t most = 100'000;
  for (const int64_t wait : waits) {
    EXPECT_GE(wait, most / 2);
    EXPECT_LE(wait, most);
    most = std::min<int64_t>(most * 2, kMicrosPerSecond);
  }
}

TEST_F(S3Store, AServiceInTroubleIsLeftAlone) {
  refuse("PUT", 503, "SlowDown", 1'000'000);
  for (int i = 0; i < 200; ++i) {
    EXPECT_FALSE(store().put("a", "bytes").ok());
  }
  EXPECT_LT(sent().size(), 400U);  // and not 8 * 200
}

// ---- Creating an object
// -----------------------------------------------------------------------------

TEST_F(S3Store, AKeyThatIsTakenIsSaid) {
  fake_.set_object("log", "theirs");
  EXPECT_EQ(store().put_if_absent("log", "mine").code(), Code::kAlreadyExists);
  EXPECT_EQ(fake_.objects().at("log"), "theirs");
  EXPECT_EQ(sent().size(), 1U);
}

TEST_F(S3Store, AConflictOfConditionsIsTriedAgain) {
  refuse("PUT", 409, "ConditionalRequestConflict", 3);
  EXPECT_TRUE(store().put_if_absent("log", "mine").ok());
  EXPECT_EQ(sent().size(), 4U);
}

TEST_F(S3Store, ALostRaceAfterARefusalIsALostRace) {
  refuse("PUT", 503, "SlowDown");
  misbehave("PUT", Misdeed::kLoseRaceFirst);
  EXPECT_EQ(store().put_if_absent("log", "mine").code(), Code::kAlreadyExists);
}

TEST_F(S3Store, ALostAnswerLeavesItOpenWhoseTheObjectIs) {
  for (const Misdeed misdeed : {Misdeed::kDropAfter, Misdeed::kDropBefore}) {
    const std::string key = "log/" + std::to_string(static_cast<int>(misdeed));
    misbehave("PUT", misdeed);
    const Status status = store().put_if_absent(key, "mine");
    // Where it landed, the second attempt finds it there; where it did not, the second one lands.
    EXPECT_EQ(status.code(), misdeed == Misdeed::kDropAfter ? Code::kCommitUnknown : Code::kOk);
    EXPECT_EQ(fake_.objects().at(key), "mine");
  }
}

TEST_F(S3Store, A500AfterTheWriteLandedLeavesItOpenToo) {
  fake_.set_object("log", "mine");
  refuse("PUT", 500, "InternalError");
  EXPECT_EQ(store().put_if_absent("log", "mine").code(), Code::kCommitUnknown);
}

TEST_F(S3Store, NoAnswerToAnyAttemptIsUnknown) {
  options_.attempts_max = 3;
  misbehave("PUT", Misdeed::kDropBefore, 3);
  EXPECT_EQ(store().put_if_absent("log", "mine").code(), Code::kCommitUnknown);
  options_.attempts_max = 8;
  EXPECT_TRUE(store().put_if_absent("log", "mine").ok());
}

TEST_F(S3Store, AServiceThatCannotBeReachedHasDoneNothing) {
  options_.endpoint = "http://127.0.0.1:1";
  options_.attempts_max = 2;
  EXPECT_EQ(store().put_if_absent("log", "mine").code(), Code::kUnavailable);
}

TEST_F(S3Store, AnAnswerThatDoesNotComeIsGivenUp) {
  options_.timeout = {1 * kMicrosPerSecond};
  misbehave("GET", Misdeed::kHangAfter);
  fake_.set_object("a", "bytes");
  EXPECT_EQ(store().get("a").value(), "bytes");
  EXPECT_EQ(sent().size(), 2U);
}

TEST_F(S3Store, AServiceThatLosesCommitsIsRefused) {
  options_.check_conditional_put = true;
  for (const FakeS3::Condition condition :
       {FakeS3::Condition::kIgnored, FakeS3::Condition::kAllWin}) {
    fake_.set_condition(condition);
    const Status status = store().put_if_absent("log", "mine");
    EXPECT_EQ(status.code(), Code::kFailedPrecondition);
    EXPECT_THAT(status.message(), HasSubstr("If-None-Match"));
    EXPECT_TRUE(fake_.objects().empty());
  }
}

TEST_F(S3Store, TheCheckIsMadeOnceForALake) {
  options_.check_conditional_put = true;
  EXPECT_TRUE(store().put_if_absent("a", "1").ok());
  EXPECT_EQ(fake_.objects().at(".assay/conditional_put"),
            "127.0.0.1:" + std::to_string(fake_.port()));
  EXPECT_EQ(fake_.objects().size(), 2U);  // what was put to the test is gone
  store_.reset();
  sent();
  EXPECT_TRUE(store().put_if_absent("b", "1").ok());
  EXPECT_TRUE(store().put_if_absent("c", "1").ok());
  EXPECT_EQ(sent(),
            (Requests{"GET /bucket/.assay/conditional_put", "PUT /bucket/b", "PUT /bucket/c"}));
}

// ---- Bytes
// ------------------------------------------------------------------------------------------

TEST_F(S3Store, BytesThatAreNotTheirChecksumsAreReadAgainThenRefused) {
  ASSERT_TRUE(store().put("a", "0123456789").ok());
  misbehave("GET", Misdeed::kFlipByte);
  misbehave("GET", Misdeed::kShorten);
  EXPECT_EQ(store().get("a").value(), "0123456789");
  misbehave("GET", Misdeed::kFlipByte, 100);
  EXPECT_EQ(store().get("a").code(), Code::kCorrupt);
}

TEST_F(S3Store, ARequestThatArrivedDamagedIsSentAgain) {
  refuse("PUT", 400, "BadDigest", 2);
  EXPECT_TRUE(store().put("a", "bytes").ok());
  refuse("PUT", 400, "XAmzContentSHA256Mismatch", 100);
  EXPECT_EQ(store().put("a", "bytes").code(), Code::kCorrupt);
}

TEST_F(S3Store, AnotherRangeThanAskedForIsNotTaken) {
  ASSERT_TRUE(store().put("a", "0123456789").ok());
  misbehave("GET", Misdeed::kWrongRange);
  EXPECT_EQ(store().get_range("a", 2, 3).value(), "234");
  misbehave("GET", Misdeed::kWrongRange, 100);
  EXPECT_EQ(store().get_range("a", 2, 3).code(), Code::kCorrupt);
}

TEST_F(S3Store, ALargeObjectGoesUpInParts) {
  options_.multipart_from_bytes = 100;
  options_.part_bytes = 64;
  const std::string bytes(200, 'x');
  ASSERT_TRUE(store().put("big", bytes).ok());
  EXPECT_EQ(fake_.objects().at("big"), bytes);
  EXPECT_EQ(sent().size(), 6U);
  // Never for a commit.
  ASSERT_TRUE(store().put_if_absent("commit", bytes).ok());
  EXPECT_EQ(sent(), Requests{"PUT /bucket/commit"});
}

TEST_F(S3Store, PartsSurviveFaultsAndAFailedUploadIsTakenBack) {
  options_.multipart_from_bytes = 100;
  options_.part_bytes = 64;
  const std::string bytes(200, 'x');
  fake_.add_fault({"PUT", "partNumber=2", Misdeed::kDropAfter});
  fake_.add_fault({"POST", "uploadId", Misdeed::kErrorAfter200, 200, "InternalError"});
  fake_.add_fault({"POST", "uploadId", Misdeed::kDropAfter});
  ASSERT_TRUE(store().put("big", bytes).ok());
  EXPECT_EQ(fake_.objects().at("big"), bytes);
  EXPECT_EQ(fake_.faults_left(), 0U);
  fake_.add_fault({"PUT", "partNumber=2", Misdeed::kRefuse, 403, "AccessDenied"});
  sent();
  EXPECT_EQ(store().put("other", bytes).code(), Code::kPermissionDenied);
  EXPECT_THAT(sent().back(), HasSubstr("DELETE /bucket/other?uploadId"));
  EXPECT_EQ(fake_.objects().count("other"), 0U);
}

TEST_F(S3Store, TheSpoolIsEmptyAfterAnUploadAndAfterAProcessThatEndedEarly) {
  const std::string path = store().write_path("t/part.parquet");
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  ASSERT_TRUE(world_.world().files.write(path, "rows").ok());
  ASSERT_TRUE(store().adopt("t/part.parquet").ok());
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(fake_.objects().at("t/part.parquet"), "rows");
  std::filesystem::create_directories(folder_.file("dead/t"));
  ASSERT_TRUE(world_.world().files.write(folder_.file("dead/t/part.parquet"), "rows").ok());
  ASSERT_TRUE(world_.world().files.write(folder_.file("dead.lock"), "").ok());
  const auto second = open_s3_store(world_.world(), options_).value();
  EXPECT_FALSE(std::filesystem::exists(folder_.file("dead")));
  EXPECT_TRUE(std::filesystem::exists(std::filesystem::path(path).parent_path().parent_path()));
}

TEST_F(S3Store, MissingBatchDeletesAreMadeOneByOne) {
  refuse("POST", 501, "NotImplemented");
  fake_.set_object("a", "x");
  fake_.set_object("b", "x");
  EXPECT_TRUE(store().remove_all({"a", "b"}).ok());
  EXPECT_TRUE(fake_.objects().empty());
}

// ---- Refusals
// ---------------------------------------------------------------------------------------

TEST_F(S3Store, ABucketThatVanishedIsNamedAndIsNoMissingObject) {
  ASSERT_TRUE(store().put("a", "x").ok());
  fake_.remove_bucket();
  for (const Status& status : {store().get("a").status(),
                               store().put("a", "x"),
                               store().put_if_absent("b", "x"),
                               store().list("").status(),
                               store().remove("a")}) {
    EXPECT_EQ(status.code(), Code::kFailedPrecondition);
    EXPECT_THAT(status.message(), HasSubstr("no bucket `bucket`"));
  }
}

TEST_F(S3Store, CodesSayWhatIsWrong) {
  const std::vector<std::tuple<int, std::string, Code>> refusals = {
      {403, "AccessDenied", Code::kPermissionDenied},
      {403, "SignatureDoesNotMatch", Code::kUnauthenticated},
      {403, "InvalidAccessKeyId", Code::kUnauthenticated},
      {401, "Unauthorized", Code::kUnauthenticated},
      {409, "ObjectParentIsFile", Code::kFailedPrecondition},
      {301, "PermanentRedirect", Code::kFailedPrecondition},
      {400, "AuthorizationHeaderMalformed", Code::kFailedPrecondition},
      {400, "EntityTooLarge", Code::kResourceExhausted},
      {507, "InsufficientStorage", Code::kResourceExhausted},
      {501, "NotImplemented", Code::kUnimplemented},
      {400, "InvalidArgument", Code::kInvalidArgument},
      {505, "Strange", Code::kUnavailable}};
  for (const auto& [status, code, expected] : refusals) {
    refuse("PUT", status, code);
    EXPECT_EQ(store().put_if_absent("a", "x").code(), expected) << code;
  }
  EXPECT_TRUE(fake_.objects().empty());
}

TEST_F(S3Store, ExpiredCredentialsAreFetchedAnew) {
  S3Credentials current{"first", "secret-1", "token-1", EventTime::max()};
  fake_.set_credentials(current);
  options_.environment = [&](const std::string& name) -> std::optional<std::string> {
    return name == "AWS_ACCESS_KEY_ID"       ? current.access_key
           : name == "AWS_SECRET_ACCESS_KEY" ? current.secret_key
           : name == "AWS_SESSION_TOKEN"     ? std::optional(current.session_token)
                                             : std::nullopt;
  };
  EXPECT_TRUE(store().put("a", "x").ok());
  const S3Credentials second{"second", "secret-2", "token-2", EventTime::max()};
  fake_.set_credentials(second);
  EXPECT_EQ(store().put("b", "x").code(), Code::kUnauthenticated);
  current = second;
  EXPECT_TRUE(store().put("b", "x").ok());
  EXPECT_EQ(store().sql_access().value()->session_token, "token-2");
}

TEST_F(S3Store, AClockThatIsOffIsPutRightByTheServicesOwn) {
  refuse("PUT", 403, "RequestTimeTooSkewed");
  EXPECT_TRUE(store().put("a", "x").ok());
  refuse("PUT", 403, "RequestTimeTooSkewed", 2);
  EXPECT_EQ(store().put("a", "x").code(), Code::kUnauthenticated);
}

TEST_F(S3Store, AStaleListIsShorterAndNothingElse) {
  fake_.set_object("a", "x");
  fake_.set_object("b", "x");
  misbehave("GET", Misdeed::kHideNewest);
  EXPECT_EQ(store().list("").value().size(), 1U);
  EXPECT_EQ(store().list("").value().size(), 2U);
}

TEST_F(S3Store, ObjectsOfOthersAreLeftOut) {
  options_.prefix = "lake";
  fake_.set_object("lake2/a", "x");
  fake_.set_object("lake/folder/", "");
  fake_.set_object("lake/a", "x");
  const std::vector<ObjectInfo> objects = store().list("").value();
  ASSERT_EQ(objects.size(), 1U);
  EXPECT_EQ(objects[0].key, "a");
}

TEST(S3Url, IsABucketAndAPrefix) {
  S3Options options;
  ASSERT_TRUE(parse_s3_url("s3://my-bucket/team/lake/", &options).ok());
  EXPECT_EQ(options.bucket, "my-bucket");
  EXPECT_EQ(options.prefix, "team/lake");
  ASSERT_TRUE(parse_s3_url("s3://my.bucket", &options).ok());
  EXPECT_EQ(options.prefix, "");
  for (const char* url : {"s3://",
                          "s3://A/b",
                          "s3://ab",
                          "s3://bucket//x",
                          "s3://bucket/a/../b",
                          "gs://bucket",
                          "s3://bucket/a*",
                          "s3://user@bucket/x"}) {
    EXPECT_EQ(parse_s3_url(url, &options).code(), Code::kInvalidArgument) << url;
  }
}

TEST(S3Url, EndpointsAreSchemeHostAndPort) {
  SystemWorld world;
  for (const char* endpoint :
       {"127.0.0.1:9000", "http://", "http://a/b", "ftp://a", "http://a b"}) {
    S3Options options;
    options.bucket = "bucket";
    options.endpoint = endpoint;
    options.spool_folder = ::testing::TempDir() + "assay_unused_spool";
    EXPECT_EQ(open_s3_store(world.world(), options).code(), Code::kInvalidArgument) << endpoint;
  }
}

}  // namespace
}  // namespace assay::store
