#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/pause.h"
#include "online/rendezvous.h"
#include "online/share_store.h"
#include "serve/feature_server.h"
#include "serve/http_client.h"
#include "serve/proxy.h"
#include "serve/serving_fixture.h"

// A proxy in front of servers that each have a share, and one beside them that has all.

namespace assay::serve {

inline const std::vector<std::string> kNames = {"one", "three", "two"};

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
    const std::vector<online::FakeRow> rows = rows_of_users();
    apply(*fixture.clicks, rows);
    apply(*fixture.spend, rows);
    apply(*fixture.routes, {});
    features_ = std::make_unique<FeatureServer>(fixture.world, *store_, fixture.state);
  }
  static std::vector<online::FakeRow> rows_of_users() {
    std::vector<online::FakeRow> rows;
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

 private:
  void apply(const online::FakeView& view, std::vector<online::FakeRow> rows) {
    for (online::FakeRow& row : rows) {
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
    options_.look_every = Duration{20'000};
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

}  // namespace assay::serve
