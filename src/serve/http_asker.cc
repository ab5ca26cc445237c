// Requests to other servers, by Boost.Asio and Beast.
//
// All of it happens on one thread. An exchange takes a connection that is idle, opens one while
// there may be more for its kind, or waits its turn; its time runs from the beginning. A server
// closes connections that were idle for long: a question that was sent on such a one, and of which
// no byte of an answer came, is sent again on a new one.

#include "serve/http_asker.h"

#include <array>
#include <chrono>
#include <deque>
#include <limits>
#include <list>
#include <optional>
#include <thread>
#include <utility>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/ascii.h"

namespace assay::serve {
namespace {

namespace net = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using Tcp = net::ip::tcp;

std::chrono::microseconds chrono(Duration duration) {
  return std::chrono::microseconds(duration.micros);
}

/// A connection to a server, while nobody or one exchange uses it.
struct Connection {
  explicit Connection(net::io_context& context) : socket(context) {}
  Tcp::socket socket;
  boost::beast::flat_buffer buffer;
  Duration idle_since{};  // monotonic
};

class Exchange;
using ExchangePtr = std::shared_ptr<Exchange>;

/// Questions of one kind to a server.
struct Turns {
  std::size_t max = 0;   // connections
  std::size_t used = 0;  // of these
  std::deque<ExchangePtr> waiting = {};
};

/// One of the servers that are asked.
struct Server {
  ServerAddress address;
  std::string name;                                   // "host:port"
  std::array<Turns, 3> lanes;                         // by AskLane
  std::deque<std::unique_ptr<Connection>> idle = {};  // used last behind
};

class Asker final : public HttpAsker {
 public:
  Asker(Clock& clock, const std::vector<ServerAddress>& servers, const Options& options)
      : clock_(clock), options_(options) {
    for (const ServerAddress& address : servers) {
      servers_.push_back({address,
                          address.host + ":" + std::to_string(address.port),
                          {Turns{options.connections_max},
                           Turns{options.slow_max},
                           Turns{std::numeric_limits<std::size_t>::max()}}});
    }
    thread_ = std::jthread([this] { context_.run(); });
  }
  ~Asker() override {
    net::post(context_, [this] {
      fail_all();
      work_.reset();
    });
    thread_.join();
  }
  void ask(std::size_t server, WireQuestion question, Done done) override;
  void end_within(Duration time) override {
    net::post(context_, [this, time] {
      end_timer_.expires_after(chrono(time));
      end_timer_.async_wait([this](error_code error) { error ? void() : fail_all(); });
    });
  }

 private:
  friend class Exchange;

  void begin(const ExchangePtr& exchange);
  void fail_all();
  /// Of those whose connection an exchange gave back.
  void begin_waiting(Turns* turns);
  /// Connections that are open, or are being opened.
  static std::size_t open_of(const Server& server) {
    std::size_t open = server.idle.size();
    for (const Turns& turns : server.lanes) {
      open += turns.used;
    }
    return open;
  }
  /// Close what a server will close, or has closed, by itself.
  void drop_old(Server* server) {
    const int64_t now = clock_.monotonic().micros;
    while (!server->idle.empty() &&
           now - server->idle.front()->idle_since.micros > options_.idle_max.micros) {
      server->idle.pop_front();
    }
  }

  Clock& clock_;
  const Options options_;
  net::io_context context_{1};
  net::executor_work_guard<net::io_context::executor_type> work_{context_.get_executor()};
  net::steady_timer end_timer_{context_};
  std::deque<Server> servers_;                    // they stay where they are
  std::list<std::weak_ptr<Exchange>> exchanges_;  // under way and waiting
  bool is_ended_ = false;
  std::jthread thread_;
};

/// A question and its answer.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(Asker& asker, Server& server, WireQuestion question, HttpAsker::Done done)
      : asker_(asker),
        server_(server),
        turns_(server.lanes.at(static_cast<std::size_t>(question.lane))),
        question_(std::move(question)),
        done_(std::move(done)),
        deadline_{asker.clock_.monotonic().micros + question_.answer_max.micros},
        timer_(asker.context_),
        resolver_(asker.context_) {
    if (asker.options_.arriving != nullptr) {
      held_.emplace(*asker.options_.arriving);
    }
  }

  /// Take a connection: there may be one more than are used.
  void go() {
    ++turns_.used;
    asker_.drop_old(&server_);
    if (question_.may_repeat && !is_repeated_ && !server_.idle.empty()) {
      connection_ = std::move(server_.idle.back());
      server_.idle.pop_back();
      is_reused_ = true;
      send();
    } else {
      if (!server_.idle.empty() && Asker::open_of(server_) > asker_.options_.connections_max) {
        server_.idle.pop_front();
      }
      connect();
    }
  }
  /// Until there is a connection for it.
  void wait_turn() {
    is_waiting = true;
    has_waited_ = true;
    wait_until(deadline_.micros);
  }
  void finish(Result<Response> answer) {
    if (done_ == nullptr) {
      return;
    }
    timer_.cancel();
    resolver_.cancel();
    held_.reset();  // what there is of an answer is for `done` to count
    const HttpAsker::Done done = std::exchange(done_, nullptr);
    if (is_waiting) {
      is_waiting = false;
      std::erase(turns_.waiting, shared_from_this());
    } else {
      give_connection_back(answer.ok());
      asker_.begin_waiting(&turns_);
    }
    asker_.exchanges_.erase(place);
    done(std::move(answer));
  }
  /// What became of it is not known once it was sent.
  void finish_lost(const std::string& why) {
    finish(Status(is_sent_ ? Code::kAborted : Code::kUnavailable, why));
  }
  [[nodiscard]] Turns& turns() { return turns_; }
  [[nodiscard]] const std::string& name() const { return server_.name; }

  bool is_waiting = false;  // for a connection
  std::list<std::weak_ptr<Exchange>>::iterator place{};

 private:
  void wait_until(int64_t end) {
    timer_.expires_after(chrono({end - asker_.clock_.monotonic().micros}));
    // One that ran out just before it was set anew is called without an error, and says nothing.
    timer_.async_wait([self = shared_from_this(), wait = ++waits_, end](error_code error) {
      if (!error && wait == self->waits_) {
        self->finish_late(end);
      }
    });
  }
  /// Time that was spent waiting for others says nothing of the server.
  void finish_late(int64_t end) {
    if (is_sent_) {
      finish(Status(Code::kDeadlineExceeded, server_.name + ": no answer in time"));
    } else if (has_waited_ && end == deadline_.micros) {
      finish(Status(Code::kResourceExhausted,
                    server_.name + ": no connection was free in time, too many ask it"));
    } else {
      finish(Status(Code::kUnavailable, server_.name + ": no connection in time"));
    }
  }
  void connect() {
    is_reused_ = false;
    is_sent_ = false;
    connection_ = std::make_unique<Connection>(asker_.context_);
    wait_until(std::min(deadline_.micros,
                        asker_.clock_.monotonic().micros + asker_.options_.connect_max.micros));
    error_code error;
    std::string host = server_.address.host;
    if (host.starts_with('[') && host.ends_with(']')) {  // as URLs have IPv6
      host = host.substr(1, host.size() - 2);
    }
    const auto address = net::ip::make_address(host, error);
    if (!error) {
      connect_to(std::array{Tcp::endpoint(address, server_.address.port)});
      return;
    }
    resolver_.async_resolve(
        host,
        std::to_string(server_.address.port),
        [self = shared_from_this()](error_code failure, const Tcp::resolver::results_type& found) {
          if (self->done_ == nullptr) {
            return;
          }
          failure ? self->fail(failure)
                  : self->connect_to(std::vector<Tcp::endpoint>(found.begin(), found.end()));
        });
  }
  template <typename Endpoints>
  void connect_to(Endpoints endpoints) {
    const auto kept = std::make_shared<Endpoints>(std::move(endpoints));
    net::async_connect(connection_->socket,
                       *kept,
                       [self = shared_from_this(), kept](error_code failure, const Tcp::endpoint&) {
                         if (self->done_ == nullptr) {
                           return;
                         }
                         if (failure) {
                           self->fail(failure);
                           return;
                         }
                         error_code ignored;
                         self->connection_->socket.set_option(Tcp::no_delay(true), ignored);
                         self->send();
                       });
  }
  void send() {
    is_sent_ = true;
    wait_until(deadline_.micros);
    net::async_write(connection_->socket,
                     net::buffer(question_.bytes),
                     [self = shared_from_this()](error_code failure, std::size_t) {
                       if (self->done_ != nullptr) {
                         failure ? self->fail(failure) : self->receive();
                       }
                     });
  }
  void receive() {
    parser_.emplace();
    parser_->header_limit(64U << 10U);
    parser_->body_limit(asker_.options_.answer_bytes_max);
    parser_->skip(question_.is_head);
    parser_->eager(true);
    receive_more();
  }
  void receive_more() {
    http::async_read_some(connection_->socket,
                          connection_->buffer,
                          *parser_,
                          [self = shared_from_this()](error_code failure, std::size_t) {
                            if (self->done_ != nullptr) {
                              failure ? self->fail(failure) : self->take_some();
                            }
                          });
  }
  void take_some() {
    const std::size_t bytes = parser_->get().body().capacity();
    if (held_.has_value() && !held_->hold(bytes)) {
      finish_without_room();
    } else if (parser_->is_done()) {
      take_answer();
    } else {
      receive_more();
    }
  }
  void finish_without_room() {
    finish(Status(Code::kOutOfRange, server_.name + ": there is no room for its answer"));
  }
  void take_answer() {
    http::response<http::string_body> message = parser_->release();
    is_kept_ = message.keep_alive() && connection_->buffer.size() == 0;
    Response answer;
    answer.status = static_cast<int>(message.result_int());
    answer.content_type = "";
    for (const auto& field : message) {
      answer.headers.emplace_back(lower_ascii(field.name_string()), std::string(field.value()));
    }
    answer.body = std::move(message.body());
    finish(std::move(answer));
  }
  void fail(error_code failure) {
    if (is_reused_ && !is_repeated_ && (!parser_.has_value() || !parser_->got_some())) {
      is_repeated_ = true;
      parser_.reset();
      connection_.reset();
      connect();
      return;
    }
    if (failure == http::error::body_limit) {
      finish_without_room();
      return;
    }
    finish_lost(server_.name + ": " + failure.message());
  }
  void give_connection_back(bool is_answered) {
    --turns_.used;
    if (is_answered && is_kept_ && connection_ != nullptr) {
      connection_->idle_since = asker_.clock_.monotonic();
      server_.idle.push_back(std::move(connection_));
    } else if (connection_ != nullptr) {
      error_code ignored;
      connection_->socket.close(ignored);  // what waits on it ends, and then all of this
    }
  }

  Asker& asker_;
  Server& server_;
  Turns& turns_;  // of its kind
  WireQuestion question_;
  HttpAsker::Done done_;
  const Duration deadline_;  // monotonic
  net::steady_timer timer_;
  Tcp::resolver resolver_;
  std::unique_ptr<Connection> connection_;
  std::optional<http::response_parser<http::string_body>> parser_;
  std::optional<HeldBytes> held_;  // of the answer, while it arrives
  bool is_reused_ = false;         // the connection
  bool is_repeated_ = false;       // on a new one
  bool is_kept_ = false;           // behind the answer
  bool has_waited_ = false;        // for others
  bool is_sent_ = false;           // some of it may be
  int64_t waits_ = 0;              // the last one counts
};

void Asker::ask(std::size_t server, WireQuestion question, Done done) {
  net::post(context_,
            [this, server, question = std::move(question), done = std::move(done)]() mutable {
              const auto exchange = std::make_shared<Exchange>(
                  *this, servers_[server], std::move(question), std::move(done));
              exchange->place = exchanges_.insert(exchanges_.end(), exchange);
              begin(exchange);
            });
}

void Asker::begin(const ExchangePtr& exchange) {
  Turns& turns = exchange->turns();
  if (is_ended_) {
    exchange->is_waiting = true;  // it has no connection to give back
    exchange->finish(Status(Code::kUnavailable, "this program is stopping"));
  } else if (turns.used < turns.max) {
    exchange->go();
  } else if (turns.waiting.size() < options_.waiting_max) {
    turns.waiting.push_back(exchange);
    exchange->wait_turn();
  } else {
    exchange->is_waiting = true;
    exchange->finish(Status(Code::kResourceExhausted, exchange->name() + ": too many wait for it"));
  }
}

void Asker::begin_waiting(Turns* turns) {
  if (!is_ended_ && !turns->waiting.empty() && turns->used < turns->max) {
    const ExchangePtr next = std::move(turns->waiting.front());
    turns->waiting.pop_front();
    next->is_waiting = false;
    next->go();
  }
}

void Asker::fail_all() {
  is_ended_ = true;
  while (!exchanges_.empty()) {
    const ExchangePtr exchange = exchanges_.front().lock();
    if (exchange == nullptr) {
      exchanges_.pop_front();
    } else {
      exchange->finish_lost("this program is stopping");
    }
  }
  for (Server& server : servers_) {
    server.idle.clear();
  }
  end_timer_.cancel();
}

}  // namespace

std::unique_ptr<HttpAsker> HttpAsker::start(Clock& clock,
                                            const std::vector<ServerAddress>& servers,
                                            const Options& options) {
  return std::make_unique<Asker>(clock, servers, options);
}

}  // namespace assay::serve
