// Eight clients at once over an embedded store that a writer changes meanwhile: every answer is
// whole and of one state.

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "base/temp_folder.h"
#include "serve/feature_server.h"
#include "serve/http_client.h"
#include "serve/serving_fixture.h"

namespace assay::serve {
namespace {

TEST(ServingSlow, EightClientsAskingAThousandTimesEachGetRightAnswersWhileAWriterApplies) {
  ServingFixture fixture;
  const TempFolder folder;
  online::LmdbOptions store_options;
  store_options.sync = false;
  const auto store = online::open_lmdb_store(fixture.world, folder.path(), store_options).value();
  const auto rows_of = [&](int64_t round) {
    std::vector<online::FakeRow> rows;
    for (int user = 0; user < 50; ++user) {
      const auto value = static_cast<double>(round);
      rows.push_back({"u" + std::to_string(user), round, round, {value, value}});
    }
    return online::fake_batch(*fixture.clicks, rows, round * 50);
  };
  ASSERT_TRUE(store->apply(*fixture.clicks, rows_of(0), std::nullopt, 0, EventTime{0}).ok());
  FeatureServer features(fixture.world, *store, fixture.state);
  HttpOptions options;
  options.port = 0;
  options.threads = 2;
  const auto server = start_http_server(fixture.world, features.handler(), options).value();

  std::atomic<int> right{0};
  std::vector<std::jthread> clients;
  for (int c = 0; c < 8; ++c) {
    clients.emplace_back([&, c] {
      HttpClient client(server->port());
      for (int i = 0; i < 1000; ++i) {
        const std::string user = "u" + std::to_string((c * 1000 + i) % 50);
        const auto answer = client.ask(
            "POST",
            "/get-online-features",
            R"({"entities":{"user_id":[")" + user + R"("]},"features":["clicks:f0","clicks:f1"]})");
        if (!answer.has_value() || answer->status != 200) {
          continue;
        }
        const std::string start =
            R"({"results":[{"values":[")" + user + R"("],"statuses":["PRESENT"])";
        const std::string value_start = R"({"values":[)";
        const std::size_t first = answer->body.find(value_start, start.size());
        const std::size_t second = answer->body.find(value_start, first + 1);
        const auto value_at = [&](std::size_t at) {
          return answer->body.substr(at, answer->body.find(']', at) - at);
        };
        right += answer->body.starts_with(start) && second != std::string::npos &&
                         value_at(first) == value_at(second)
                     ? 1
                     : 0;
      }
    });
  }
  for (int64_t round = 1; round <= 100; ++round) {
    EXPECT_TRUE(
        store->apply(*fixture.clicks, rows_of(round), round - 1, round, EventTime{round}).ok());
  }
  clients.clear();
  EXPECT_EQ(right, 8000);
}

}  // namespace
}  // namespace assay::serve
