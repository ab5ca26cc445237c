// A proxy in front of servers that each have a share: it answers as one server that has all would,
// and what one of them does wrong is nobody's harm but of those who ask for its rows.

#include "serve/proxy.h"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/pause.h"
#include "online/rendezvous.h"
#include "online/share_store.h"
#include "serve/feature_server.h"
#include "serve/http_client.h"
#include "serve/json_slices.h"
#include "serve/listener.h"
#include "serve/proxy_routes.h"
#include "serve/serving_fixture.h"

namespace assay::serve {
namespace {

using online::FakeRow;

const std::vector<std::string> kNames = {"one", "three", "two"};

/// Holds whoever comes, until it is opened.
class Barrier {
 public:
  void wait() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return is_open_; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
  }
  void wait_for(int waiting) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ >= waiting; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool is_open_ = false;
};

/// A server of one share, or of all.
class Backend {
 public:
  Backend(ServingFixture& fixture, std::unique_ptr<online::OnlineStore> store)
      : fixture_(fixture), store_(std::move(store)) {
    const std::vector<FakeRow> rows = rows_of_users();
    apply(*fixture.clicks, rows);
    apply(*fixture.spend, rows);
    features_ = std::make_unique<FeatureServer>(fixture.world, *store_, fixture.state);
  }
  static std::vector<FakeRow> rows_of_users() {
    std::vector<FakeRow> rows;
    for (int i = 0; i < 40; ++i) {
      const int64_t time = ServingFixture::kTime - i;
      rows.push_back({"u" + std::to_string(i), time, time, {i * 0.1, 1e22 + i}});
    }
    return rows;
  }
  void start(uint16_t port = 0) {
    HttpOptions options;
    options.port = port;
    options.threads = 2;
    options.idle_timeout = idle_timeout;
    http_ =
        start_http_server(
            fixture_.world,
            [this](const Request& request) {
              ++asked;
              return before
                         ? before(request).value_or_eval([&] { return features_->handle(request); })
                         : features_->handle(request);
            },
            options)
            .value();
    port_ = http_->port();
  }
  void stop() { http_.reset(); }
  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] ServerAddress address() const { return {"127.0.0.1", port_}; }

  /// An answer instead, or what happens before there is one.
  struct Instead {
    std::optional<Response> response;
    template <typename Otherwise>
    Response value_or_eval(const Otherwise& otherwise) {
      return response.has_value() ? *std::move(response) : otherwise();
    }
  };
  std::function<Instead(const Request&)> before;
  std::atomic<int> asked{0};
  Duration idle_timeout{120 * kMicrosPerSecond};

 private:
  void apply(const online::FakeView& view, std::vector<FakeRow> rows) {
    for (FakeRow& row : rows) {
      row.features.resize(view.features().size());
    }
    const data::Batch batch = online::fake_batch(view, rows);
    ASSAY_CHECK(store_->apply(view, batch, std::nullopt, 0, EventTime{ServingFixture::kTime}).ok());
  }

  ServingFixture& fixture_;
  std::unique_ptr<online::OnlineStore> store_;
  std::unique_ptr<FeatureServer> features_;
  std::unique_ptr<HttpServer> http_;
  uint16_t port_ = 0;
};

class ProxyTest : public testing::Test {
 protected:
  ProxyTest() {
    for (const std::string& name : kNames) {
      shares_.push_back(of_share(name));
    }
    whole_ = std::make_unique<Backend>(fixture_, online::make_memory_store(fixture_.metrics));
  }
  std::unique_ptr<Backend> of_share(const std::string& name) {
    return std::make_unique<Backend>(
        fixture_,
        online::make_share_store({name, kNames, "user_id"},
                                 online::make_memory_store(fixture_.metrics)));
  }
  void start_servers() {
    whole_->start();
    for (const auto& share : shares_) {
      share->start();
      options_.servers.push_back(share->address());
    }
  }
  void start_proxy() {
    options_.threads = 1;
    options_.look_every = Duration{20'000};
    proxy_ = Proxy::start(fixture_.world, options_);
    HttpOptions http;
    http.port = 0;
    http.threads = 2;
    http.is_urgent = Proxy::is_own;
    http.is_slow = [](const Request& request) { return !Proxy::is_own(request); };
    server_ = start_relaying_server(
                  fixture_.world,
                  [this](Request request, Answered done) {
                    return proxy_->relay(std::move(request), std::move(done));
                  },
                  [this](const Request& request) { return proxy_->handle(request); },
                  http)
                  .value();
  }
  void TearDown() override {
    if (proxy_ != nullptr) {
      proxy_->end_within(Duration{kMicrosPerSecond});
    }
    if (server_ != nullptr) {
      server_->stop();
    }
    proxy_.reset();
    server_.reset();
  }
  WireAnswer ask(uint16_t port,
                 const std::string& method,
                 const std::string& path,
                 const std::string& body = "",
                 const std::string& headers = "") {
    HttpClient client(port);
    client.send(HttpClient::request(method, path, body, headers));
    return client.receive(method == "HEAD").value_or(WireAnswer());
  }
  WireAnswer ask_proxy(const std::string& method,
                       const std::string& path,
                       const std::string& body = "",
                       const std::string& headers = "") {
    return ask(server_->port(), method, path, body, headers);
  }
  static std::string about(const std::vector<std::string>& users) {
    std::string list;
    for (const std::string& user : users) {
      list += (list.empty() ? "\"" : ",\"") + user + "\"";
    }
    return R"({"features":["spend:f0","clicks:f1"],"entities":{"user_id":[)" + list + "]}}";
  }
  /// A user of a share.
  static std::string user_of(std::size_t share) {
    const online::Rendezvous owners(kNames);
    for (int i = 0;; ++i) {
      const std::string user = "u" + std::to_string(i);
      if (owners.owner(online::fake_key(user).bytes()) == share) {
        return user;
      }
    }
  }
  int status_of(std::size_t share) {
    return ask_proxy("POST", "/get-online-features", about({user_of(share)})).status;
  }
  /// Waits until a condition holds, which it must.
  static bool becomes(const std::function<bool()>& condition) {
    for (int tries = 0; tries < 3'000; ++tries) {
      if (condition()) {
        return true;
      }
      pause_for(Duration{10'000});
    }
    return false;
  }
  int64_t counter(const std::string& name, const MetricLabels& labels = {}) {
    return fixture_.metrics.counter(name, "", labels).value();
  }

  Barrier barrier_;  // outlives the servers, whose threads may still be in it
  ServingFixture fixture_;
  std::vector<std::unique_ptr<Backend>> shares_;
  std::unique_ptr<Backend> whole_;
  ProxyOptions options_;
  std::unique_ptr<Proxy> proxy_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(ProxyTest, AnswersAreThoseOfOneServerThatHasAll) {
  start_servers();
  start_proxy();
  std::vector<std::string> many;
  for (int i = 0; i < 100; ++i) {
    many.push_back("u" + std::to_string(i * 7 % 60));
  }
  const std::vector<std::array<std::string, 3>> requests = {
      {"POST", "/get-online-features", about(many)},
      {"POST", "/get-online-features", about({"u1"})},
      {"POST", "/get-online-features", about({"nobody", "u3", "Zoë"})},
      {"POST", "/get-online-features", about({})},
      {"POST",
       "/get-online-features",
       R"({"feature_service":"shop","full_feature_names":true,"entities":{"amount":[1,2.5,null,4],"user_id":["u1","u2","u3","u4"]}})"},
      {"POST",
       "/get-online-features",
       R"({"features":["routes:f0","clicks:f1"],"entities":{"item_id":[1,2,3,4],"user_id":["u1",null,"u3","u4"]}})"},
      {"POST",
       "/predict",
       R"({"with_features":true,"entities":{"amount":[1,2.5,3,4],"user_id":["u1","u2","u3","u4"]}})"},
      {"POST", "/predict", R"({"entities":{"amount":[1],"user_id":["u9"]}})"},
      // What is wrong is said as it is of the whole question.
      {"POST",
       "/get-online-features",
       R"({"feature_service":"shop","entities":{"amount":[1,2,3,"x"],"user_id":["u1","u2","u3","u4"]}})"},
      {"POST",
       "/get-online-features",
       R"({"features":["clicks:f0"],"entities":{"user_id":["u1",2,"u3","u4"]}})"},
      {"POST",
       "/get-online-features",
       R"({"features":["clicks:nothing"],"entities":{"user_id":["u1","u2","u3","u4"]}})"},
      {"POST",
       "/get-online-features",
       R"({"feature_service":"none","entities":{"user_id":["u1","u2","u3"]}})"},
      {"POST",
       "/get-online-features",
       R"({"features":["routes:f0"],"entities":{"user_id":["u1","u2"]}})"},
      {"POST", "/get-online-features", "{"},
      {"POST",
       "/get-online-features",
       R"({"entities":{"user_id":["u1","u2","u3"],"item_id":[1]}})"},
      {"POST", "/predict", R"({"model":"none","entities":{"user_id":["u1","u2","u3"]}})"},
      {"POST", "/write-to-online-store", "{}"},
      {"POST", "/search", "{}"},
      {"GET", "/get-online-features", ""},
      {"GET", "/openapi.json", ""},
      {"GET", "/nothing", ""},
      {"HEAD", "/openapi.json", ""},
      {"PUT", "/ready", "x"}};
  int good = 0;
  for (const auto& [method, path, body] : requests) {
    const WireAnswer expected = ask(whole_->port(), method, path, body);
    const WireAnswer found = ask_proxy(method, path, body);
    EXPECT_EQ(found.status, expected.status) << path << body << found.body;
    good += expected.status == 200 ? 1 : 0;
    EXPECT_EQ(found.body, expected.body) << path << body;
    for (const char* const header :
         {"content-type", "etag", "x-assay-as-of", "x-assay-known-until", "allow"}) {
      EXPECT_EQ(found.header(header), expected.header(header)) << header << path << body;
    }
  }
  EXPECT_EQ(good, 9);
  EXPECT_GT(counter("assay_serve_proxy_split_total"), 5);
}

TEST_F(ProxyTest, AClientThatHasTheAnswerGetsNoMoreThanThat) {
  start_servers();
  start_proxy();
  const std::string body = about({user_of(0), user_of(1), user_of(2)});
  const std::string tag = ask_proxy("POST", "/get-online-features", body).header("etag");
  ASSERT_FALSE(tag.empty());
  const WireAnswer again =
      ask_proxy("POST", "/get-online-features", body, "if-none-match: " + tag + "\r\n");
  EXPECT_EQ(again.status, 304);
  EXPECT_EQ(again.body, "");
  const std::string one = about({user_of(1)});
  const std::string tag_of_one = ask_proxy("POST", "/get-online-features", one).header("etag");
  EXPECT_EQ(ask_proxy("POST", "/get-online-features", one, "if-none-match: " + tag_of_one + "\r\n")
                .status,
            304);
}

TEST_F(ProxyTest, AServerThatIsAwayFailsItsOwnEntitiesAloneUntilItIsBack) {
  start_servers();
  start_proxy();
  ASSERT_EQ(status_of(1), 200);
  const uint16_t port = shares_[1]->port();
  shares_[1]->stop();
  EXPECT_EQ(status_of(1), 503);
  EXPECT_EQ(status_of(0), 200);
  EXPECT_EQ(status_of(2), 200);
  const WireAnswer mixed =
      ask_proxy("POST", "/get-online-features", about({user_of(0), user_of(1)}));
  EXPECT_EQ(mixed.status, 503);
  EXPECT_NE(mixed.body.find("three"), std::string::npos) << mixed.body;
  EXPECT_EQ(mixed.header("retry-after"), "1");
  const WireAnswer ready = ask_proxy("GET", "/ready");
  EXPECT_EQ(ready.status, 200) << "others are answered";
  EXPECT_NE(ready.body.find("\"share\":\"three\",\"available\":false"), std::string::npos)
      << ready.body;
  shares_[1]->start(port);
  EXPECT_TRUE(becomes([&] { return status_of(1) == 200; }));
  for (const auto& share : shares_) {
    share->stop();
  }
  EXPECT_TRUE(becomes([&] { return ask_proxy("GET", "/ready").status == 503; }));
  EXPECT_EQ(ask_proxy("GET", "/health").status, 200);
  EXPECT_EQ(ask_proxy("GET", "/openapi.json").status, 503);
}

TEST_F(ProxyTest, ASilentServerKeepsNobodyElseWaitingAndIsNotAskedAgain) {
  std::atomic<bool> is_silent{false};
  shares_[2]->before = [&](const Request&) {  // it takes requests, and does not answer
    if (is_silent) {
      barrier_.wait();
    }
    return Backend::Instead{};
  };
  options_.answer_max = Duration{300'000};
  start_servers();
  start_proxy();
  ASSERT_EQ(status_of(2), 200);
  is_silent = true;
  std::jthread waits([&] { EXPECT_EQ(status_of(2), 503); });
  barrier_.wait_for(1);
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(status_of(0), 200);
    ASSERT_EQ(status_of(1), 200);
  }
  waits.join();
  ASSERT_TRUE(becomes([&] {  // its looks are late as well
    return ask_proxy("GET", "/ready").body.find("\"available\":false") != std::string::npos;
  }));
  const int before = shares_[2]->asked;
  EXPECT_EQ(status_of(2), 503) << "at once";
  EXPECT_LE(shares_[2]->asked - before, 1) << "a look, no question";
  is_silent = false;
  barrier_.open();
  EXPECT_TRUE(becomes([&] { return status_of(2) == 200; }));
}

TEST_F(ProxyTest, TwoServersOfOneShareStandInForEachOther) {
  start_servers();
  const std::unique_ptr<Backend> other = of_share("one");
  other->start();
  options_.servers.push_back(other->address());
  start_proxy();
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(status_of(0), 200);
  }
  shares_[0]->stop();
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(status_of(0), 200) << "the other one is asked";
  }
  EXPECT_GT(other->asked, 5);
}

TEST_F(ProxyTest, ConnectionsThatTheServerClosedMeanwhileAreMadeAnew) {
  for (const auto& share : shares_) {
    share->idle_timeout = Duration{1'000};
  }
  start_servers();
  options_.look_every = Duration{3600 * kMicrosPerSecond};
  start_proxy();
  for (int i = 0; i < 20; ++i) {
    for (std::size_t share = 0; share < kNames.size(); ++share) {
      ASSERT_EQ(status_of(share), 200);
    }
    pause_for(Duration{10'000});
  }
}

TEST_F(ProxyTest, WhatIsNoAnswerIs503) {
  start_servers();
  start_proxy();
  ASSERT_EQ(status_of(1), 200);
  for (const std::string& body : {std::string("{"), std::string("{\"results\":[]}")}) {
    shares_[1]->stop();
    shares_[1]->before = [&](const Request& request) {
      return Backend::Instead{Proxy::is_own(request)
                                  ? std::nullopt
                                  : std::optional(Response{200, "application/json", body, {}})};
    };
    shares_[1]->start(options_.servers[1].port);
    const std::string question = about({user_of(0), user_of(1), user_of(2)});
    EXPECT_TRUE(becomes([&] { return status_of(1) == 200; })) << "it is what the server said";
    const WireAnswer answer = ask_proxy("POST", "/get-online-features", question);
    EXPECT_EQ(answer.status, 503);
    EXPECT_NE(answer.body.find("alike"), std::string::npos) << answer.body;
  }
  shares_[1]->stop();
  // No HTTP at all.
  const auto listener =
      Listener::open(fixture_.world, "127.0.0.1", options_.servers[1].port, [](int socket) {
        send_and_close(socket, "nonsense\r\n");
      }).value();
  EXPECT_EQ(status_of(1), 503);
  EXPECT_EQ(status_of(0), 200);
  listener->stop();
}

TEST_F(ProxyTest, ServersThatShareOutOtherwiseAreNotAsked) {
  start_servers();
  Backend other(fixture_,
                online::make_share_store({"two", {"one", "two"}, "user_id"},
                                         online::make_memory_store(fixture_.metrics)));
  other.start();
  options_.servers.push_back(other.address());
  options_.servers.push_back(whole_->address());
  start_proxy();
  const std::string ready = ask_proxy("GET", "/ready").body;
  EXPECT_NE(ready.find("another list"), std::string::npos) << ready;
  EXPECT_NE(ready.find("it says of no share"), std::string::npos) << ready;
  for (std::size_t share = 0; share < kNames.size(); ++share) {
    EXPECT_EQ(status_of(share), 200);
  }
}

TEST_F(ProxyTest, PushesGoToTheFirstServerThatTakesThemAndAreNotRepeated) {
  for (const std::size_t share : {std::size_t{0}, std::size_t{1}, std::size_t{2}}) {
    shares_[share]->before = [share](const Request& request) {
      const bool is_push = request.target == "/push";
      return Backend::Instead{
          !is_push ? std::nullopt
          : share == 0
              ? std::optional(Response{501, "application/json", "no", {}})
              : std::optional(Response{200, "application/json", std::to_string(share), {}})};
    };
  }
  start_servers();
  start_proxy();
  for (int i = 0; i < 6; ++i) {
    const WireAnswer answer = ask_proxy("POST", "/push", "{}");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "1") << "always the same";
  }
  shares_[0]->stop();
  shares_[1]->stop();
  shares_[2]->stop();
  shares_[2]->before = [](const Request& request) {
    return Backend::Instead{request.target == "/push"
                                ? std::optional(Response{501, "application/json", "no", {}})
                                : std::nullopt};
  };
  shares_[2]->start(options_.servers[2].port);
  EXPECT_TRUE(becomes([&] { return ask_proxy("POST", "/push", "{}").status == 501; }));
}

TEST_F(ProxyTest, APushGoesOnToTheNextServerWhileNothingWasSent) {
  for (const std::size_t share : {std::size_t{0}, std::size_t{1}}) {
    shares_[share]->before = [share](const Request& request) {
      return Backend::Instead{request.target == "/push"
                                  ? std::optional(Response{200, "", std::to_string(share), {}})
                                  : std::nullopt};
    };
  }
  options_.look_every = Duration{3600 * kMicrosPerSecond};  // none that finds it first
  start_servers();
  start_proxy();
  EXPECT_EQ(ask_proxy("POST", "/push", "{}").body, "0");
  shares_[0]->stop();
  const WireAnswer answer = ask_proxy("POST", "/push", "{}");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "1");
  shares_[1]->stop();
  shares_[2]->stop();
  const WireAnswer none = ask_proxy("POST", "/push", "{}");
  EXPECT_EQ(none.status, 503);
  EXPECT_EQ(none.body.find("may have been done"), std::string::npos) << none.body;
}

TEST_F(ProxyTest, EverythingIsMaterializedWhenAllServersHaveIt) {
  // The fourth is another server of the first share, with a store of its own.
  shares_.push_back(of_share("one"));
  std::vector<std::atomic<int>> says(shares_.size());
  for (std::size_t i = 0; i < shares_.size(); ++i) {
    says[i] = 200;
    shares_[i]->before = [&, i](const Request& request) {
      const bool is_asked = request.target == "/materialize";
      return Backend::Instead{is_asked ? std::optional(Response{says[i], "", "null", {}})
                                       : std::nullopt};
    };
  }
  start_servers();
  start_proxy();
  EXPECT_EQ(ask_proxy("POST", "/materialize", "{}").status, 200);
  for (std::atomic<int>& one : says) {
    one = 503;
    EXPECT_EQ(ask_proxy("POST", "/materialize", "{}").status, 503);
    one = 200;
  }
  EXPECT_EQ(ask_proxy("POST", "/materialize", "{}").status, 200);
  shares_[3]->stop();
  EXPECT_EQ(ask_proxy("POST", "/materialize", "{}").status, 503);
  EXPECT_EQ(status_of(0), 200);
}

TEST_F(ProxyTest, WhatStopsSaysSoAndRelaysAsBefore) {
  start_servers();
  start_proxy();
  EXPECT_EQ(ask_proxy("GET", "/ready").status, 200);
  proxy_->drain();
  EXPECT_EQ(ask_proxy("GET", "/ready").status, 503);
  EXPECT_EQ(ask_proxy("GET", "/health").status, 200);
  EXPECT_EQ(status_of(1), 200);
}

TEST_F(ProxyTest, AShareIsNamedAfterTheListOfSharesBecameShorter) {
  ProxyServers servers(fixture_.world, {"a", "b", "c", "d", "e"});
  const auto say = [&](std::size_t server, const std::string& name, std::vector<std::string> of) {
    const ShareMap share{{name, std::move(of), "user_id"}, data::Type::kString, {}};
    servers.has_answered(server, 200, R"({"share":)" + share_as_json(share) + "}");
  };
  say(0, "one", kNames);
  say(1, "three", kNames);
  const std::shared_ptr<const ProxyRoutes> before = servers.routes();
  for (const std::size_t server : {2, 3, 4}) {
    say(server, "one", {"one", "other"});
  }
  EXPECT_EQ(servers.routes()->of_shares.size(), 2);
  EXPECT_EQ(servers.why_none(before->shares->list.names.at(2)),
            "share two has no server that has said so yet");
  EXPECT_NE(servers.why_not_all().find("a cannot be asked"), std::string::npos);
}

TEST_F(ProxyTest, RequestsUnderWayAreBounded) {
  shares_[0]->before = [&](const Request& request) {
    if (!Proxy::is_own(request)) {
      barrier_.wait();
    }
    return Backend::Instead{};
  };
  options_.requests_max = 1;
  start_servers();
  start_proxy();
  std::jthread waits([&] { EXPECT_EQ(status_of(0), 200); });
  barrier_.wait_for(1);
  EXPECT_EQ(status_of(1), 503);
  EXPECT_EQ(counter("assay_serve_proxy_refused_total"), 1);
  barrier_.open();
  waits.join();
  EXPECT_TRUE(becomes([&] { return status_of(1) == 200; }));
}

TEST_F(ProxyTest, WhatIsUnderWayWhenItStopsIsAnswered) {
  shares_[0]->before = [&](const Request& request) {
    if (!Proxy::is_own(request)) {
      barrier_.wait();
    }
    return Backend::Instead{};
  };
  start_servers();
  start_proxy();
  std::jthread waits([&] { EXPECT_EQ(status_of(0), 503); });
  barrier_.wait_for(1);
  proxy_->end_within(Duration{100'000});
  server_->stop();
  waits.join();
  barrier_.open();
}

}  // namespace
}  // namespace assay::serve
