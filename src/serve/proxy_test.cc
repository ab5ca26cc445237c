// A proxy in front of servers that each have a share: it answers as one server that has all would,
// and what one of them does wrong is nobody's harm but of those who ask for its rows.

#include "serve/proxy.h"

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "serve/http_client.h"
#include "serve/json_slices.h"
#include "serve/listener.h"
#include "serve/proxy_fixture.h"
#include "serve/proxy_routes.h"

namespace assay::serve {
namespace {

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
  std::atomic<int> questions{0};
  shares_[2]->before = [&](const Request& request) {  // it takes requests, and does not answer
    questions += Proxy::is_own(request) ? 0 : 1;
    if (is_silent) {
      barrier_.wait();
    }
    return Backend::Instead{};
  };
  options_.answer_max = Duration{2 * kMicrosPerSecond};
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
  const int before = questions;
  EXPECT_EQ(status_of(2), 503) << "at once";
  EXPECT_EQ(questions, before) << "looks alone";
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
  start_servers();
  options_.look_every = Duration{3600 * kMicrosPerSecond};  // none that finds it first
  start_proxy();
  for (int i = 0; i < 10; ++i) {
    for (std::size_t share = 0; share < kNames.size(); ++share) {
      ASSERT_EQ(status_of(share), 200);
      shares_[share]->stop();  // closes them
      shares_[share]->start(shares_[share]->port());
    }
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
