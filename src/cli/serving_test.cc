// The flags of servers, end to end over loopback: who may ask, and what changes while they run.

#include "cli/serving.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "base/temp_folder.h"
#include "serve/http_client.h"
#include "serve/serving_fixture.h"
#include "serve/signature.h"

namespace assay::cli {
namespace {

class NoLine : public serve::LineControl {
 public:
  Status push(const std::string&, const std::string&, const std::string&) override { return {}; }
  Result<std::vector<serve::RowVerdict>> judge(const std::string&, const std::string&) override {
    return std::vector<serve::RowVerdict>();
  }
  Result<std::vector<std::string>> behind(const std::vector<std::string>&) override {
    return std::vector<std::string>();
  }
  Result<std::vector<gold::FeatureValues>> past(const gold::FeatureView&,
                                                std::span<const data::EntityKey>,
                                                EventTime) override {
    return Status(Code::kUnimplemented, "no line");
  }
  Result<std::shared_ptr<const serve::ServingModel>> model_at(const std::string&,
                                                              EventTime) override {
    return Status(Code::kUnimplemented, "no line");
  }
  Result<std::string> explain(const serve::ExplainQuestion&) override {
    return Status(Code::kUnimplemented, "no line");
  }
};

class Serving : public testing::Test {
 protected:
  void set(const std::string& flag, const std::string& value) { arguments_.set(flag, {value}); }
  std::string path(const std::string& name) { return join_path(folder_.path(), name); }
  void write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(fixture_.files->write(path(name), text).ok());
  }
  /// One caller of this secret who may do this.
  void allow(const std::string& secret, const std::string& may) {
    write("access.json",
          R"({"callers":[{"name":"a","secret_sha256":")" + serve::sha256_hex(secret) +
              R"(","may":[")" + may + R"("]}]})");
  }
  int status(uint16_t port, const std::string& secret) {
    serve::HttpClient client(port);
    const auto answer = client.send(serve::HttpClient::request(
                            "GET", "/metrics", "", "authorization: Bearer " + secret + "\r\n"))
                            ? client.receive()
                            : std::nullopt;
    return answer.has_value() ? answer->status : 0;
  }
  int handled(const std::string& secret) {
    return features_.handle({"GET", "/metrics", {{"authorization", "Bearer " + secret}}, ""})
        .status;
  }

  TempFolder folder_;
  serve::ServingFixture fixture_;
  NoLine line_;
  serve::FeatureServer features_{fixture_.world, *fixture_.store, fixture_.state};
  Arguments arguments_;
  Output output_{OutputFormat::kTable, false};
  Invocation invocation_{arguments_, fixture_.world, output_};
};

TEST_F(Serving, TheAccessFileHoldsOverHttpAndIsReadAnewWhenItChanges) {
  allow("old", "metrics");
  set("http", "127.0.0.1:0");
  set("grpc", "127.0.0.1:0");
  set("access", path("access.json"));
  set("address-file", path("address"));
  Servers servers(invocation_, features_, line_);
  const Status started = servers.start(1);
  ASSERT_TRUE(started.ok()) << started.to_string();
  const std::string addresses = *fixture_.files->read(path("address"));
  const auto port = static_cast<uint16_t>(std::stoi(addresses.substr(addresses.find(':') + 1)));
  EXPECT_EQ(std::count(addresses.begin(), addresses.end(), '\n'), 2) << "gRPC below";
  EXPECT_EQ(status(port, "old"), 200);
  EXPECT_EQ(status(port, "new"), 401);
  allow("new", "metrics");
  while (status(port, "new") != 200) {
    std::this_thread::yield();
  }
  EXPECT_EQ(status(port, "old"), 401);
}

TEST_F(Serving, AnAccessFileThatCannotBeTakenLeavesTheOneBefore) {
  allow("old", "metrics");
  set("access", path("access.json"));
  AccessFile file(invocation_, features_.gate());
  ASSERT_TRUE(file.look().ok());
  EXPECT_EQ(handled("old"), 200);
  for (const char* const text : {"{", R"({"callers":[]})"}) {
    write("access.json", text);
    EXPECT_FALSE(file.look().ok());
    file.look_again();
    EXPECT_EQ(handled("old"), 200);
  }
  ASSERT_TRUE(fixture_.files->remove(path("access.json")).ok());
  EXPECT_EQ(file.look().code(), Code::kNotFound);
  EXPECT_EQ(handled("old"), 200);
  allow("old", "registry");
  file.look_again();
  EXPECT_EQ(handled("old"), 403);
}

TEST_F(Serving, AKeySetBesideTheAccessFileIsReadAnewToo) {
  constexpr char kKeys[] = R"({"keys":[{"kty":"EC","crv":"P-256","kid":"e",
      "x":"QqQg8LX4WUoyhdMC8H7Ig3Yg7T_NTUW1IX1YwOymcoI",
      "y":"f_aDSYSLnc2f1wHZ18TNJHHhEa0cLhj40pCv5-h2L1c"}]})";
  write("access.json", R"({"jwt":{"jwks":"keys.json","issuer":"i","audience":"a"}})");
  set("access", path("access.json"));
  AccessFile file(invocation_, features_.gate());
  EXPECT_EQ(file.look().code(), Code::kNotFound) << "the key set is missing";
  write("keys.json", kKeys);
  EXPECT_TRUE(file.look().ok());
  write("keys.json", R"({"keys":[]})");
  EXPECT_EQ(file.look().code(), Code::kInvalidArgument);
}

TEST_F(Serving, AKeySetBehindAnAddressIsFetchedAnewEachMinute) {
  constexpr char kKeys[] = R"({"keys":[{"kty":"EC","crv":"P-256","kid":"e",
      "x":"QqQg8LX4WUoyhdMC8H7Ig3Yg7T_NTUW1IX1YwOymcoI",
      "y":"f_aDSYSLnc2f1wHZ18TNJHHhEa0cLhj40pCv5-h2L1c"}]})";
  std::atomic<int> asked = 0;
  std::atomic<int> status = 503;
  std::atomic<bool> is_page = true;
  serve::HttpOptions options;
  options.port = 0;
  options.threads = 1;
  const auto issuer = serve::start_http_server(
                          fixture_.world,
                          [&](const serve::Request&) -> serve::Response {
                            ++asked;
                            return {status, "application/json", is_page ? "<html>" : kKeys, {}};
                          },
                          options)
                          .value();
  write("access.json",
        R"({"jwt":{"jwks":"http://127.0.0.1:)" + std::to_string(issuer->port()) +
            R"(/keys","issuer":"i","audience":"a"}})");
  set("access", path("access.json"));
  AccessFile file(invocation_, features_.gate());
  const auto minute = [&] { fixture_.clock.advance(Duration{60 * kMicrosPerSecond}); };
  EXPECT_EQ(file.look().code(), Code::kUnavailable) << "nobody is let in without keys";
  status = 200;
  minute();
  EXPECT_EQ(file.look().code(), Code::kUnavailable) << "nor with a page instead of keys";
  is_page = false;
  minute();
  EXPECT_TRUE(file.look().ok());
  EXPECT_TRUE(file.look().ok());
  EXPECT_EQ(asked, 3) << "not again within a minute";
  is_page = true;
  minute();
  EXPECT_TRUE(file.look().ok()) << "as they were";
  EXPECT_EQ(asked, 4);
  is_page = false;
  status = 404;
  minute();
  EXPECT_TRUE(file.look().ok()) << "as they were";
  EXPECT_EQ(asked, 5);
  issuer->stop();
  minute();
  EXPECT_TRUE(file.look().ok());
  for (const char* const wrong : {"http://login.example.com/keys",
                                  "http://127.0.0.1.example.com/keys",
                                  "ftp://127.0.0.1/keys"}) {
    write("access.json",
          std::string(R"({"jwt":{"jwks":")") + wrong + R"(","issuer":"i","audience":"a"}})");
    EXPECT_EQ(file.look().code(), Code::kInvalidArgument) << wrong;
  }
}

/// Of `https://login.example.com` for `assay`, signed by kIssuerKeys.
constexpr char kToken[] =
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImUifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkI"
    "joiYXNzYXkiLCJzdWIiOiJib2IiLCJleHAiOjQxMDI0NDQ4MDAsInBlcm1pc3Npb25zIjpbInNlcnZpY2U6c2hvc"
    "CJdfQ.pbKoY_LeGTqkpHXWyPhSgJPlK0tooeHh_BDHDZwuo55l7LGznfc_AkdRA8lyiJGTuNISNnR-e6cnsPGh85"
    "pDzQ";
constexpr char kIssuerKeys[] = R"({"keys":[{"kty":"EC","crv":"P-256","kid":"e",
    "x":"QqQg8LX4WUoyhdMC8H7Ig3Yg7T_NTUW1IX1YwOymcoI",
    "y":"f_aDSYSLnc2f1wHZ18TNJHHhEa0cLhj40pCv5-h2L1c"}]})";

TEST_F(Serving, KeysThatWereNotFetchedForTooLongLetNoTokenIn) {
  serve::HttpOptions options;
  options.port = 0;
  options.threads = 1;
  std::atomic<int> status = 200;
  const auto issuer = serve::start_http_server(
                          fixture_.world,
                          [&](const serve::Request&) -> serve::Response {
                            return {status, "application/json", kIssuerKeys, {}};
                          },
                          options)
                          .value();
  const auto write_access = [&](const std::string& more) {
    write("access.json",
          R"({"callers":[{"name":"a","secret_sha256":")" + serve::sha256_hex("s3cret") +
              R"(","may":["metrics"]}],"jwt":{"jwks":"http://127.0.0.1:)" +
              std::to_string(issuer->port()) +
              R"(/keys","issuer":"https://login.example.com","audience":"assay")" + more + "}}");
  };
  write_access(R"(,"keys_for":"2h")");
  set("access", path("access.json"));
  AccessFile file(invocation_, features_.gate());
  const auto look_after = [&](int64_t minutes) {
    fixture_.clock.advance(Duration{minutes * 60 * kMicrosPerSecond});
    return file.look();
  };
  ASSERT_TRUE(file.look().ok());
  const int let_in = handled(kToken);
  EXPECT_NE(let_in, 401);
  status = 503;
  EXPECT_TRUE(look_after(119).ok());
  EXPECT_EQ(handled(kToken), let_in);
  EXPECT_TRUE(look_after(2).ok());
  EXPECT_EQ(handled(kToken), 401);
  EXPECT_EQ(handled("s3cret"), 200) << "who needs no token";
  EXPECT_EQ(fixture_.metrics.gauge("assay_serve_key_set_age_seconds", "").value(), 121 * 60);
  status = 200;
  EXPECT_TRUE(look_after(1).ok());
  EXPECT_EQ(handled(kToken), let_in);
  status = 503;
  write_access("");  // a day, when nothing is said
  EXPECT_TRUE(look_after(23 * 60).ok());
  EXPECT_EQ(handled(kToken), let_in);
  EXPECT_TRUE(look_after(61).ok());
  EXPECT_EQ(handled(kToken), 401);
  // They are fetched each minute: that often, and once in vain, they must hold.
  write_access(R"(,"keys_for":"4m59s")");
  EXPECT_EQ(file.look().code(), Code::kInvalidArgument);
  write_access(R"(,"keys_for":"5m")");
  EXPECT_TRUE(file.look().ok());
  write_access(R"(,"keys_for":"soon")");
  EXPECT_EQ(file.look().code(), Code::kInvalidArgument);
}

constexpr char kOtherKeys[] = R"({"keys":[{"kty":"EC","crv":"P-256","kid":"other",
    "x":"QqQg8LX4WUoyhdMC8H7Ig3Yg7T_NTUW1IX1YwOymcoI",
    "y":"f_aDSYSLnc2f1wHZ18TNJHHhEa0cLhj40pCv5-h2L1c"}]})";

TEST_F(Serving, ATokenOfAKeyThatIsNotKnownLetsKeysBeFetchedButNotEachTime) {
  serve::HttpOptions options;
  options.port = 0;
  options.threads = 1;
  std::atomic<int> asked = 0;
  std::atomic<bool> has_key = false;
  const auto issuer =
      serve::start_http_server(
          fixture_.world,
          [&](const serve::Request&) -> serve::Response {
            ++asked;
            return {200, "application/json", has_key ? kIssuerKeys : kOtherKeys, {}};
          },
          options)
          .value();
  write("access.json",
        R"({"jwt":{"jwks":"http://127.0.0.1:)" + std::to_string(issuer->port()) +
            R"(/keys","issuer":"https://login.example.com","audience":"assay"}})");
  set("access", path("access.json"));
  AccessFile file(invocation_, features_.gate());
  const auto look_after = [&](int64_t seconds) {
    fixture_.clock.advance(Duration{seconds * kMicrosPerSecond});
    EXPECT_TRUE(file.look().ok());
  };
  look_after(0);
  look_after(30);
  EXPECT_EQ(asked, 1) << "nobody misses a key";
  has_key = true;
  EXPECT_EQ(handled(kToken), 401) << "whoever asks does not wait for it";
  EXPECT_EQ(asked, 1);
  look_after(1);
  EXPECT_EQ(asked, 2);
  EXPECT_NE(handled(kToken), 401);
  has_key = false;
  look_after(60);
  EXPECT_EQ(asked, 3);
  for (int second = 0; second < 55; ++second) {
    EXPECT_EQ(handled(kToken), 401);
    look_after(1);
  }
  EXPECT_LE(asked, 3 + 6) << "each ten seconds at most";
  has_key = true;
  EXPECT_EQ(handled(kToken), 401);
  for (int second = 0; second < 10; ++second) {
    look_after(1);
  }
  EXPECT_NE(handled(kToken), 401) << "what was missed just after a fetch is not forgotten";
  const int then = asked;
  look_after(45);
  EXPECT_EQ(asked, then) << "all keys are there";
}

TEST_F(Serving, KeysGrowOldAndAreFetchedAnewBehindAFileThatCannotBeTaken) {
  serve::HttpOptions options;
  options.port = 0;
  options.threads = 1;
  std::atomic<int> status = 200;
  std::atomic<bool> is_withdrawn = false;
  const auto issuer =
      serve::start_http_server(
          fixture_.world,
          [&](const serve::Request&) -> serve::Response {
            return {status, "application/json", is_withdrawn ? kOtherKeys : kIssuerKeys, {}};
          },
          options)
          .value();
  const std::string good =
      R"({"callers":[{"name":"a","secret_sha256":")" + serve::sha256_hex("s3cret") +
      R"(","may":["metrics"]}],"jwt":{"jwks":"http://127.0.0.1:)" + std::to_string(issuer->port()) +
      R"(/keys","issuer":"https://login.example.com","audience":"assay","keys_for":"2h"}})";
  set("access", path("access.json"));
  const auto minutes = [&](int64_t count) {
    fixture_.clock.advance(Duration{count * 60 * kMicrosPerSecond});
  };
  const auto break_file = [&](bool is_gone) {
    if (is_gone) {
      ASSERT_TRUE(fixture_.files->remove(path("access.json")).ok());
    } else {
      write("access.json", good.substr(1));
    }
  };
  for (const bool is_gone : {false, true}) {
    write("access.json", good);
    status = 200;
    is_withdrawn = false;
    AccessFile file(invocation_, features_.gate());
    ASSERT_TRUE(file.look().ok());
    const int let_in = handled(kToken);
    EXPECT_NE(let_in, 401);
    ASSERT_NO_FATAL_FAILURE(break_file(is_gone));
    minutes(119);
    EXPECT_FALSE(file.look().ok());
    EXPECT_EQ(handled(kToken), let_in) << "fetched just now";
    status = 503;
    minutes(119);
    EXPECT_FALSE(file.look().ok());
    EXPECT_EQ(handled(kToken), let_in);
    minutes(2);
    EXPECT_FALSE(file.look().ok());
    EXPECT_EQ(handled(kToken), 401) << "nobody has seen its key for more than two hours";
    EXPECT_EQ(handled("s3cret"), 200);
    status = 200;
    minutes(1);
    EXPECT_FALSE(file.look().ok());
    EXPECT_EQ(handled(kToken), let_in);
    is_withdrawn = true;
    minutes(1);
    EXPECT_FALSE(file.look().ok());
    EXPECT_EQ(handled(kToken), 401);
    EXPECT_EQ(handled("s3cret"), 200);
  }
}

TEST_F(Serving, WhatIsLookedAtEachSecondIsLookedAtWhileItDrains) {
  set("http", "127.0.0.1:0");
  set("drain-for", "1s");
  Servers servers(invocation_, features_, line_);
  ASSERT_TRUE(servers.start(1).ok());
  int looks = 0;
  servers.stop([&] {
    ++looks;
    fixture_.clock.advance(Duration{kMicrosPerSecond});
  });
  EXPECT_EQ(looks, 1);
  set("drain-for", "10s");
  Servers longer(invocation_, features_, line_);
  ASSERT_TRUE(longer.start(1).ok());
  looks = 0;
  longer.stop([&] {
    ++looks;
    fixture_.clock.advance(Duration{4 * kMicrosPerSecond});
  });
  EXPECT_EQ(looks, 3);
}

TEST_F(Serving, FlagsThatWouldLetEverybodyInAreRefused) {
  set("access", "");
  EXPECT_EQ(AccessFile(invocation_, features_.gate()).look().code(), Code::kInvalidArgument);
  write("access.json", R"({"callers":[{"name":"a","certificate":"dns:a","may":["*"]}]})");
  set("access", path("access.json"));
  EXPECT_EQ(AccessFile(invocation_, features_.gate()).look().code(), Code::kInvalidArgument)
      << "nobody asks for certificates";
  set("tls-client-ca", path("ca.pem"));
  EXPECT_TRUE(AccessFile(invocation_, features_.gate()).look().ok());
  EXPECT_EQ(tls_files(invocation_).code(), Code::kInvalidArgument) << "no certificate of its own";
  set("tls-cert", path("server.pem"));
  set("tls-key", path("server.key"));
  EXPECT_EQ(tls_files(invocation_).code(), Code::kNotFound);
  set("tls-client-ca", "");
  EXPECT_EQ(tls_files(invocation_).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace assay::cli
