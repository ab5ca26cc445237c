// Connections are accepted on one thread and served on others, a lane each.

#include "serve/http_server.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <new>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "serve/connection_slot.h"
#include "serve/http_head.h"
#include "serve/http_lane.h"
#include "serve/listener.h"
#include "serve/relaying.h"
#include "serve/slow_requests.h"

namespace assay::serve {
namespace {

class ServerOfLanes : public HttpServer {
 public:
  ServerOfLanes(World& world, Handler handler, HttpOptions options, Relay relay)
      : world_(world),
        handler_(std::move(handler)),
        options_(std::move(options)),
        slow_(world, handler_, options_, lane_count(options_.threads), std::move(relay)),
        budget_(options_.held_bytes_max),
        refused_(world.metrics.counter("assay_serve_connections_refused_total",
                                       "Connections beyond what the server may have.")) {
    for (int i = 0; i < lane_count(options_.threads); ++i) {
      lanes_.push_back(HttpLane::make({world, options_, slow_, budget_}));
    }
  }
  ~ServerOfLanes() override { stop(); }

  Status listen() {
    ASSAY_ASSIGN_OR_RETURN(
        listener_,
        Listener::open(world_, options_.host, options_.port, [this](int socket) { take(socket); }));
    port_ = listener_->port();
    for (const std::unique_ptr<HttpLane>& lane : lanes_) {
      threads_.emplace_back([target = lane.get()] { target->run(); });
    }
    return {};
  }
  [[nodiscard]] uint16_t port() const override { return port_; }
  void stop() override;

 private:
  void take(int socket);
  void refuse(int socket);

  World& world_;
  const Handler handler_;
  const HttpOptions options_;
  SlowRequests slow_;
  ByteBudget budget_;
  Counter& refused_;
  std::atomic<int> connections_{0};
  std::atomic<int> handshakes_{0};  // of them, that have not agreed yet
  std::vector<std::unique_ptr<HttpLane>> lanes_;
  std::size_t next_lane_ = 0;
  uint16_t port_ = 0;
  std::mutex stop_mutex_;
  std::vector<std::jthread> threads_;
  std::unique_ptr<Listener> listener_;  // last: it hands to all else
};

/// On the listener's thread.
void ServerOfLanes::take(int socket) {
  const bool is_tls = static_cast<bool>(options_.tls);
  if (connections_.load() >= options_.connections_max ||
      (is_tls && handshakes_.load() >= options_.handshakes_max)) {
    refuse(socket);
    return;
  }
  std::optional<ConnectionSlot> handshake;
  if (is_tls) {
    handshake.emplace(handshakes_);
  }
  lanes_[next_lane_++ % lanes_.size()]->take(
      socket, ConnectionSlot(connections_), std::move(handshake));
}

/// One that is too many gets its answer if it can be had at once.
void ServerOfLanes::refuse(int socket) {
  refused_.add();
  std::string answer;
  try {
    if (!options_.tls) {
      const Response response = busy_answer("Too many connections; ask again later");
      answer = last_answer(response, world_.clock.now());
    }
  } catch (const std::bad_alloc&) {  // then without
  }
  send_and_close(socket, answer);
}

void ServerOfLanes::stop() {
  const std::lock_guard lock(stop_mutex_);
  if (threads_.empty()) {
    return;
  }
  listener_->stop();
  for (const std::unique_ptr<HttpLane>& lane : lanes_) {
    lane->drain();
  }
  slow_.stop();
  threads_.clear();  // joins
}

}  // namespace

int lane_count(int threads) {
  return threads > 0 ? threads
                     : static_cast<int>(std::max(1U, std::jthread::hardware_concurrency()));
}

Result<std::unique_ptr<HttpServer>> start_http_server(World& world,
                                                      Handler handler,
                                                      const HttpOptions& options) {
  return start_relaying_server(world, {}, std::move(handler), options);
}

Result<std::unique_ptr<HttpServer>> start_relaying_server(World& world,
                                                          Relay relay,
                                                          Handler handler,
                                                          const HttpOptions& options) {
  auto server =
      std::make_unique<ServerOfLanes>(world, std::move(handler), options, std::move(relay));
  ASSAY_RETURN_IF_ERROR(server->listen());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace assay::serve
