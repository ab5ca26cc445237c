// What answers of servers may hold of a proxy's memory, while they arrive and are put together.

#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "serve/proxy_fixture.h"

namespace assay::serve {
namespace {

/// Instead of features, so many bytes.
std::function<Backend::Instead(const Request&)> answers_with(std::size_t bytes) {
  return [bytes](const Request& request) {
    return Proxy::is_own(request)
               ? Backend::Instead{}
               : Backend::Instead{Response{200, "text/plain", std::string(bytes, 'x'), {}}};
  };
}

TEST_F(ProxyTest, AnAnswerThatThereIsNoRoomForIs503AndItsServerIsAskedAgain) {
  shares_[0]->before = answers_with(300'000);
  shares_[1]->before = answers_with(80'000);
  options_.answer_bytes_max = 100'000;
  start_servers();
  start_proxy();
  for (int i = 1; i <= 3; ++i) {
    const WireAnswer answer = ask_proxy("POST", "/get-online-features", about({user_of(0)}));
    EXPECT_EQ(answer.status, 503);
    EXPECT_NE(answer.body.find("no room"), std::string::npos) << answer.body;
    EXPECT_EQ(counter("assay_serve_proxy_without_room_total"), i);
    EXPECT_EQ(status_of(1), 200) << "what it held is given back";
  }
  EXPECT_EQ(ask_proxy("GET", "/ready").status, 200);
}

TEST_F(ProxyTest, AnswersOfPartsThatThereIsNoRoomForTogetherAre503) {
  for (const auto& share : shares_) {
    share->before = answers_with(80'000);
  }
  options_.answer_bytes_max = 200'000;
  start_servers();
  start_proxy();
  EXPECT_EQ(status_of(0), 200);
  const WireAnswer all =
      ask_proxy("POST", "/get-online-features", about({user_of(0), user_of(1), user_of(2)}));
  EXPECT_EQ(all.status, 503);
  EXPECT_NE(all.body.find("no room"), std::string::npos) << all.body;
  EXPECT_EQ(status_of(0), 200);
}

/// Ten thousand questions of 60 KB would hold more than what is counted of them.
TEST_F(ProxyTest, SmallAnswersOfPartsAreCountedToo) {
  for (const auto& share : shares_) {
    share->before = answers_with(20'000);
  }
  options_.answer_bytes_max = 50'000;
  start_servers();
  start_proxy();
  EXPECT_EQ(status_of(0), 200);
  EXPECT_EQ(
      ask_proxy("POST", "/get-online-features", about({user_of(0), user_of(1), user_of(2)})).status,
      503);
  EXPECT_EQ(counter("assay_serve_proxy_without_room_total"), 1);
  EXPECT_EQ(status_of(0), 200);
}

TEST_F(ProxyTest, BodiesUnderWayAreBoundedByTheirBytes) {
  options_.bytes_max = 3'000;
  start_servers();
  start_proxy();
  EXPECT_EQ(status_of(0), 200);
  const WireAnswer answer =
      ask_proxy("POST", "/get-online-features", about({std::string(1'000, 'u')}));
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(counter("assay_serve_proxy_refused_total"), 1);
  EXPECT_EQ(status_of(0), 200);
}

}  // namespace
}  // namespace assay::serve
