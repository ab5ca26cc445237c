#include "store/s3_credentials.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "base/temp_folder.h"
#include "store/fake_s3.h"

namespace assay::store {
namespace {

class S3CredentialsChain : public testing::Test {
 protected:
  S3CredentialsChain() {
    variables_["HOME"] = folder_.path();
    variables_["AWS_EC2_METADATA_DISABLED"] = "true";
  }

  Result<S3Credentials> get() { return provider("")->get(); }
  std::unique_ptr<CredentialsProvider> provider(const std::string& profile) {
    return make_credentials_provider(
        world_,
        *http_,
        [this](const std::string& name) -> std::optional<std::string> {
          const auto found = variables_.find(name);
          return found == variables_.end() ? std::nullopt : std::optional(found->second);
        },
        profile);
  }
  void write(const std::string& name, const std::string& text) { folder_.write(name, text); }
  /// The fake answers credentials at `path`, and what it was told there.
  void give_at(const std::string& path, const std::string& expiration) {
    fake_.set_other([=, this](const FakeRequest& request) -> std::optional<FakeAnswer> {
      if (request.path != path) {
        return std::nullopt;
      }
      const int number = ++given_;
      return FakeAnswer{200,
                        {},
                        R"({"AccessKeyId":"role-)" + std::to_string(number) +
                            R"(","SecretAccessKey":"s","Token":")" +
                            request.header("authorization") + R"(","Expiration":")" + expiration +
                            R"("})"};
    });
  }

  TempFolder folder_;
  std::map<std::string, std::string> variables_;
  std::unique_ptr<FileSystem> files_ = system_files();
  std::unique_ptr<Random> random_ = seeded_random(1);
  std::unique_ptr<Log> log_ = null_log();
  Metrics metrics_;
  FakeClock clock_{parse_time("2026-01-01T00:00:00Z").value()};
  World world_{clock_, *files_, *random_, *log_, metrics_};
  std::unique_ptr<HttpClient> http_ = make_http_client({});
  std::atomic<int> given_{0};
  FakeS3 fake_;
};

TEST_F(S3CredentialsChain, TheEnvironmentComesFirst) {
  write(".aws/credentials", "[default]\naws_access_key_id=f\naws_secret_access_key=g\n");
  variables_["AWS_ACCESS_KEY_ID"] = "a";
  EXPECT_EQ(get().code(), Code::kUnauthenticated);  // half of it is a mistake
  variables_["AWS_SECRET_ACCESS_KEY"] = "b";
  variables_["AWS_SESSION_TOKEN"] = "c";
  const S3Credentials credentials = get().value();
  EXPECT_EQ(credentials.access_key, "a");
  EXPECT_EQ(credentials.secret_key, "b");
  EXPECT_EQ(credentials.session_token, "c");
}

TEST_F(S3CredentialsChain, TheFileComesSecond) {
  write(".aws/credentials",
        "# mine\n[default]\naws_access_key_id = f\naws_secret_access_key=g=\n\n[other]\n"
        "aws_access_key_id=o\naws_secret_access_key=p\naws_session_token = q\n[half]\n"
        "aws_access_key_id=o\n");
  EXPECT_EQ(get()->access_key, "f");
  EXPECT_EQ(get()->secret_key, "g=");
  EXPECT_EQ(provider("other")->get()->session_token, "q");
  variables_["AWS_PROFILE"] = "other";
  EXPECT_EQ(get()->access_key, "o");
  EXPECT_EQ(provider("half")->get().code(), Code::kUnauthenticated);
  EXPECT_EQ(provider("none")->get().code(), Code::kUnauthenticated);
  variables_["AWS_SHARED_CREDENTIALS_FILE"] = folder_.file("missing");
  EXPECT_EQ(get().code(), Code::kUnauthenticated);
}

TEST_F(S3CredentialsChain, AContainersRoleComesThirdAndIsRenewed) {
  give_at("/container", "2026-01-01T01:00:00Z");
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = fake_.endpoint() + "/container";
  write("token", "Bearer x\n");
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = folder_.file("token");
  const auto chain = provider("");
  EXPECT_EQ(chain->get()->access_key, "role-1");
  EXPECT_EQ(chain->get()->session_token, "Bearer x");
  clock_.advance({54 * 60 * kMicrosPerSecond});
  EXPECT_EQ(chain->get()->access_key, "role-1");
  clock_.advance({2 * 60 * kMicrosPerSecond});  // within five minutes of their end
  EXPECT_EQ(chain->get()->access_key, "role-2");
  chain->invalidate(S3Credentials{"role-1", "s", "Bearer x", EventTime::max()});
  EXPECT_EQ(chain->get()->access_key, "role-3");  // theirs end at one o'clock, too
}

TEST_F(S3CredentialsChain, OldOnesServeWhileTheirSourceIsAway) {
  give_at("/container", "2026-01-01T01:00:00Z");
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = fake_.endpoint() + "/container";
  const auto chain = provider("");
  EXPECT_EQ(chain->get()->access_key, "role-1");
  fake_.set_other([](const FakeRequest&) { return FakeAnswer{500, {}, "away"}; });
  clock_.advance({57 * 60 * kMicrosPerSecond});
  EXPECT_EQ(chain->get()->access_key, "role-1");
  clock_.advance({4 * 60 * kMicrosPerSecond});
  EXPECT_EQ(chain->get().code(), Code::kUnauthenticated);
}

TEST_F(S3CredentialsChain, TheMachinesRoleComesLast) {
  variables_.erase("AWS_EC2_METADATA_DISABLED");
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = fake_.endpoint() + "/";
  fake_.set_other([](const FakeRequest& request) -> std::optional<FakeAnswer> {
    const std::string roles = "/latest/meta-data/iam/security-credentials/";
    if (request.method == "PUT" && request.path == "/latest/api/token" &&
        !request.header("x-aws-ec2-metadata-token-ttl-seconds").empty()) {
      return FakeAnswer{200, {}, "session"};
    }
    if (request.header("x-aws-ec2-metadata-token") != "session") {
      return FakeAnswer{401, {}, ""};
    }
    if (request.path == roles) {
      return FakeAnswer{200, {}, "my-role\n"};
    }
    if (request.path == roles + "my-role") {
      return FakeAnswer{200,
                        {},
                        R"({"Code":"Success","AccessKeyId":"m","SecretAccessKey":"s",)"
                        R"("Token":"t","Expiration":"2026-01-01T06:00:00Z"})"};
    }
    return FakeAnswer{404, {}, ""};
  });
  const S3Credentials credentials = get().value();
  EXPECT_EQ(credentials.access_key, "m");
  EXPECT_EQ(format_time(credentials.expires), "2026-01-01T06:00:00Z");
}

TEST_F(S3CredentialsChain, WithoutAnyTheMessageSaysWhatToSet) {
  const auto none = get();
  EXPECT_EQ(none.code(), Code::kUnauthenticated);
  EXPECT_NE(none.status().message().find("AWS_ACCESS_KEY_ID"), std::string::npos);
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://127.0.0.1:1/x";
  EXPECT_EQ(get().code(), Code::kUnauthenticated);
}

TEST(S3RoleCredentials, AnswersThatHoldNoneAreRefused) {
  for (const char* text : {"",
                           "[]",
                           "{}",
                           R"({"AccessKeyId":"a"})",
                           R"({"AccessKeyId":"a","SecretAccessKey":"b","Expiration":"soon"})",
                           R"({"AccessKeyId":1,"SecretAccessKey":2})"}) {
    EXPECT_EQ(parse_role_credentials(text).code(), Code::kCorrupt) << text;
  }
}

}  // namespace
}  // namespace assay::store
