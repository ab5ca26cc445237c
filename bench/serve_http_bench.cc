// HTTP: one entity with 50 features over loopback, out of an LMDB store of 100k entities (or the
// count given as argument), against a handler of the same server that answers with the same bytes
// without looking anything up. One connection asks for latency, eight connections for throughput;
// every answer is checked. Client and server share the machine's cores.

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "base/check.h"
#include "online/fake_view.h"
#include "online/store_fixture.h"
#include "serve/feature_server.h"
#include "serve/http_client.h"

namespace {

using assay::EventTime;
using assay::serve::HttpClient;

constexpr int kFeatures = 50;
constexpr int kRepeats = 3;
constexpr int kSingleRequests = 20'000;
constexpr int kConnections = 8;
constexpr int kRequestsEach = 5'000;

assay::data::Batch users(const assay::online::FakeView& view, int64_t begin, int64_t end) {
  assay::data::BatchBuilder builder(view.source_schema());
  for (int64_t user = begin; user < end; ++user) {
    builder.column(0).append<int64_t>(user);
    for (int i = 1; i <= 3; ++i) {
      builder.column(i).append<int64_t>(1);
    }
    for (int f = 0; f < kFeatures; ++f) {
      builder.column(4 + f).append<double>(static_cast<double>(user) + f * 0.5);
    }
  }
  return builder.finish();
}

std::string body_for(int64_t user) {
  return R"({"entities":{"user_id":[)" + std::to_string(user) + R"(]},"feature_service":"all"})";
}

/// Latencies in microseconds of `requests` requests by one connection, checked when `entities` > 0.
std::vector<double> ask(uint16_t port, int requests, int64_t entities, int64_t first) {
  HttpClient client(port);
  ASSAY_CHECK(client.connected());
  const auto clock = assay::system_clock();
  std::vector<double> micros;
  micros.reserve(static_cast<std::size_t>(requests));
  for (int i = 0; i < requests; ++i) {
    const int64_t user = entities > 0 ? (first + i * 7919) % entities : 0;
    const auto begin = clock->monotonic();
    const auto answer = client.ask("POST", "/get-online-features", body_for(user));
    micros.push_back(static_cast<double>(clock->monotonic().micros - begin.micros));
    ASSAY_CHECK(answer.has_value() && answer->status == 200);
    if (entities > 0) {
      const std::string last =
          R"({"values":[)" + std::to_string(user + 24) + R"(.5],"statuses":["PRESENT"])";
      ASSAY_CHECK(answer->body.find(last) != std::string::npos);
    }
  }
  return micros;
}

struct Measured {
  double p50_us = 0;
  double p99_us = 0;
  double requests_per_second = 0;
};

Measured measure(uint16_t port, int64_t entities) {
  std::vector<double> micros = ask(port, kSingleRequests, entities, 0);
  std::sort(micros.begin(), micros.end());
  const auto clock = assay::system_clock();
  const auto begin = clock->monotonic();
  {
    std::vector<std::jthread> clients;
    for (int c = 0; c < kConnections; ++c) {
      clients.emplace_back([port, entities, c] { ask(port, kRequestsEach, entities, c * 1000); });
    }
  }
  const double seconds = static_cast<double>(clock->monotonic().micros - begin.micros) * 1e-6;
  return {micros[micros.size() / 2],
          micros[micros.size() * 99 / 100],
          kConnections * kRequestsEach / seconds};
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t entities = argc > 1 ? std::atoll(argv[1]) : 100'000;
  ASSAY_CHECK(entities > 0);
  const auto view = std::make_shared<assay::online::FakeView>(
      "user_stats",
      std::vector<assay::data::Field>{{"user_id", assay::data::Type::kInt64}},
      kFeatures);
  const assay::online::TestFolder folder;
  assay::online::TestWorld world;
  assay::SystemWorld system;
  assay::online::LmdbOptions store_options;
  store_options.sync = false;
  const auto store =
      assay::online::open_lmdb_store(world.world, folder.path(), store_options).value();
  ASSAY_CHECK(store->apply(*view, users(*view, 0, entities), std::nullopt, 0, EventTime{1}).ok());

  assay::serve::ServingState state;
  state.project = "bench";
  state.views = {{"user_stats", view}};
  assay::catalog::ServiceDef all;
  all.name = "all";
  all.items = {{"user_stats", {}, {}}};
  state.services = {{"all", assay::gold::compile_service(all, state.views, {}).value()}};
  assay::serve::FeatureServer features(
      system.world(), *store, std::make_shared<const assay::serve::ServingState>(state));
  assay::serve::HttpOptions options;
  options.port = 0;
  options.threads = 1;
  const auto server = start_http_server(system.world(), features.handler(), options).value();
  const std::string same_bytes =
      HttpClient(server->port()).ask("POST", "/get-online-features", body_for(0))->body;
  const auto bare = start_http_server(
                        system.world(),
                        [&](const assay::serve::Request&) {
                          return assay::serve::Response{200, "application/json", same_bytes, {}};
                        },
                        options)
                        .value();

  std::vector<double> ratios;
  for (int repeat = 1; repeat <= kRepeats; ++repeat) {
    const Measured ours = measure(server->port(), entities);
    const Measured peer = measure(bare->port(), 0);
    ratios.push_back(ours.requests_per_second / peer.requests_per_second);
    std::printf(
        "repeat %d: features p50 %.0f us p99 %.0f us, %.0f req/s | bare p50 %.0f us p99 %.0f us, "
        "%.0f req/s | "
        "share %.2f\n",
        repeat,
        ours.p50_us,
        ours.p99_us,
        ours.requests_per_second,
        peer.p50_us,
        peer.p99_us,
        peer.requests_per_second,
        ratios.back());
  }
  std::sort(ratios.begin(), ratios.end());
  std::printf(
      "1 entity x %d features over HTTP, %zu bytes: share of a bare handler's throughput %.2f "
      "(spread %.2f to %.2f)\n",
      kFeatures,
      same_bytes.size(),
      ratios[ratios.size() / 2],
      ratios.front(),
      ratios.back());
  return 0;
}
