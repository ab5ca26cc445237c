// The one file that speaks Boost.Beast: HTTP/1.1 over TCP, plain or inside of TLS.
//
// One io_context and one thread per core; a connection stays on its context, so nothing of it is
// locked. Bytes are fed to Beast's parser by hand: one read may hold several requests (pipelining),
// a request may come in many reads. With TLS they go through a TlsChannel before.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_set>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/ascii.h"
#include "serve/connection_slot.h"
#include "serve/error_response.h"
#include "serve/http_head.h"
#include "serve/http_server.h"
#include "serve/listener.h"
#include "serve/server_counters.h"
#include "serve/slow_requests.h"
#include "serve/spare_strings.h"
#include "serve/turn_wait.h"

namespace assay::serve {
namespace {

namespace net = boost::asio;
namespace http = boost::beast::http;
using boost::beast::error_code;
using Executor = net::io_context::executor_type;
using Socket = net::basic_stream_socket<net::ip::tcp, Executor>;
using Stream = boost::beast::basic_stream<net::ip::tcp, Executor>;

constexpr std::size_t kReadBytes = 16 << 10;
constexpr std::size_t kFirstReadBytes = 2 << 10;  // what a connection holds while it is idle
constexpr std::size_t kLingerBytesMax = 64 << 20;
constexpr std::chrono::seconds kLingerTime{2};

/// Give memory back that is not small: a hundred thousand connections may have it.
template <typename Bytes>
void release(Bytes* bytes) {
  if (bytes->capacity() > kFirstReadBytes) {
    Bytes none;
    std::swap(*bytes, none);  // an assignment would keep the memory
  }
}

std::chrono::microseconds chrono(Duration duration) {
  return std::chrono::microseconds(duration.micros);
}

class Session;

/// What the connections of one thread share.
struct Lane {
  Lane(World& the_world,
       const Handler& the_handler,
       const HttpOptions& the_options,
       SlowRequests& the_slow)
      : world(the_world), handler(the_handler), options(the_options), slow(the_slow) {}

  World& world;
  const Handler& handler;
  const HttpOptions& options;
  SlowRequests& slow;
  ServerCounters counters{world.metrics};
  std::unordered_set<Session*> sessions;  // outlives the context, whose end ends the last of them
  bool draining = false;
  net::io_context context{1};
  net::executor_work_guard<Executor> work{context.get_executor()};
  net::steady_timer drain_timer{context};
  TurnWait turn{world.clock};
  HeadDate date{world.clock};
  SpareStrings spares;

  /// How long what arrives now waits for its turn.
  Duration turn_wait() {
    if (!draining && turn.due()) {
      send_mark();
    }
    return turn.now();
  }
  void begin_drain();
  void finish_drain_if_empty() {
    if (draining && sessions.empty()) {
      drain_timer.cancel();
    }
  }

  /// Let marks of `turn` queue among what is ready: as what epoll finds behind all else.
  void wait_for_mark() {
    mark_.async_wait(net::posix::descriptor_base::wait_read, [this](error_code error) {
      if (error) {
        return;
      }
      eventfd_t marks = 0;
      ::eventfd_read(mark_.native_handle(), &marks);
      if (turn.returned()) {
        send_mark();
      }
      wait_for_mark();
    });
  }

 private:
  void send_mark() { ::eventfd_write(mark_.native_handle(), 1); }

  net::posix::basic_stream_descriptor<Executor> mark_{context,
                                                      ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
};

/// One connection.
class Session : public std::enable_shared_from_this<Session> {
 public:
  /// `handshake`: of a connection that has to agree on TLS, until it has.
  Session(Lane& lane, Socket socket, ConnectionSlot slot, std::optional<ConnectionSlot> handshake)
      : lane_(lane),
        slot_(std::move(slot)),
        handshake_(std::move(handshake)),
        stream_(std::move(socket)) {
    parser_.emplace();
    lane_.sessions.insert(this);
  }
  ~Session() {
    lane_.sessions.erase(this);
    lane_.finish_drain_if_empty();
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void start() {
    error_code ignored;
    stream_.socket().set_option(net::ip::tcp::no_delay(true), ignored);
    if (lane_.options.tls) {
      identity_ = lane_.options.tls();
      tls_ = identity_->accept();
      began_ = true;  // until both sides agree
      stream_.expires_after(chrono(lane_.options.read_timeout));
      read();
    } else {
      next_request();
    }
  }
  /// End the connection; whatever waits on it fails, and the session with it.
  void close() {
    error_code ignored;
    stream_.socket().shutdown(net::ip::tcp::socket::shutdown_both, ignored);
    stream_.close();
  }
  /// Tell the peer of an idle connection that nothing is missing, if that goes at once.
  void say_farewell() {
    if (tls_ != nullptr && tls_->is_open()) {
      tls_->finish();
      const std::string bytes = tls_->output();  // out_ may be under way
      error_code ignored;
      stream_.socket().non_blocking(true, ignored);
      stream_.socket().send(net::buffer(bytes), 0, ignored);
    }
  }
  /// Close when nothing is under way; else the answer under way is the last one.
  void drain() {
    if (idle()) {
      say_farewell();
      close();
    }
  }

 private:
  using Parser = http::request_parser<http::string_body>;
  struct Form {  // of an answer
    unsigned version = 11;
    bool keep_alive = false;  // as the client wants it
    bool head_only = false;
    bool linger = false;
  };

  [[nodiscard]] bool idle() const {
    return !handling_ && buffer_.size() == 0 && !parser_->got_some();
  }
  void next_request() {
    handling_ = false;
    continued_ = false;
    began_ = false;
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(lane_.options.header_bytes_max));
    parser_->body_limit(lane_.options.body_bytes_max);
    parser_->eager(true);
    if (buffer_.size() != 0) {
      stream_.expires_after(chrono(lane_.options.read_timeout));
      parse();
    } else if (lane_.draining || finished_) {
      say_farewell();
      close();
    } else {
      release(&buffer_);
      release(&wire_);
      read_bytes_ = kFirstReadBytes;
      stream_.expires_after(chrono(lane_.options.idle_timeout));
      read();
    }
  }

  void read() {
    if (tls_ != nullptr) {
      wire_.resize(read_bytes_);
    }
    stream_.async_read_some(tls_ == nullptr ? buffer_.prepare(read_bytes_) : net::buffer(wire_),
                            [self = shared_from_this()](error_code error, std::size_t bytes) {
                              self->on_read(error, bytes);
                            });
  }

  void on_read(error_code error, std::size_t bytes) {
    if (error) {
      close();
      return;
    }
    if (bytes == read_bytes_) {  // more of it is there
      read_bytes_ = kReadBytes;
    }
    if (!began_) {  // once a request: bytes that come slowly win no time
      began_ = true;
      stream_.expires_after(chrono(lane_.options.read_timeout));
    }
    if (tls_ == nullptr) {
      buffer_.commit(bytes);
      parse();
    } else {
      take_wire({wire_.data(), bytes});
    }
  }

  void take_wire(std::string_view wire) {
    constexpr char kHandshakeRecord = 0x16;
    const bool was_open = tls_->is_open();
    if (!was_open && !greeted_ && wire.front() != kHandshakeRecord) {
      tls_.reset();
      refuse(detail_error(400, "this port speaks TLS; ask https://"));
      return;
    }
    if (!was_open && lane_.turn_wait() > lane_.options.turn_max) {
      lane_.counters.shed_handshakes.add();  // the dearest that a stranger can ask for
      close();
      return;
    }
    greeted_ = true;
    std::string plain = lane_.spares.take();
    const Status taken = tls_->receive(wire, &plain);
    buffer_.commit(net::buffer_copy(buffer_.prepare(plain.size()), net::buffer(plain)));
    lane_.spares.give(&plain);
    out_ = tls_->output();
    if (!taken.ok() && !was_open && !tls_->is_open()) {
      lane_.counters.handshake_failures.add();
    }
    const auto go_on = [self = shared_from_this(), was_open, code = taken.code()] {
      self->after_wire(was_open, code);
    };
    if (out_.empty()) {
      go_on();
    } else {
      net::async_write(stream_,
                       net::buffer(out_),
                       [self = shared_from_this(), go_on](error_code error, std::size_t) {
                         error ? self->close() : go_on();
                       });
    }
  }
  void after_wire(bool was_open, Code taken) {
    finished_ = taken == Code::kUnavailable;  // a request may stand before the end
    if (taken != Code::kOk && !(finished_ && buffer_.size() != 0)) {
      finished_ ? close() : linger();  // so that the alert arrives
    } else if (!tls_->is_open()) {
      read();
    } else if (!was_open) {
      handshake_.reset();
      next_request();
    } else if (idle()) {  // a record that says nothing of a request
      next_request();
    } else {
      parse();
    }
  }

  void parse() {
    error_code error;
    while (buffer_.size() != 0 && !parser_->is_done()) {
      const std::size_t used = parser_->put(buffer_.data(), error);
      buffer_.consume(used);
      if (error || used == 0) {
        break;
      }
    }
    if (error && error != http::error::need_more) {
      refuse(error);
    } else if (parser_->is_done()) {
      handle();
    } else if (expects_continue()) {
      send_continue();
    } else {
      read();
    }
  }

  [[nodiscard]] bool expects_continue() const {
    return !continued_ && parser_->is_header_done() &&
           boost::beast::iequals(parser_->get()[http::field::expect], "100-continue");
  }
  void send_continue() {
    continued_ = true;
    out_ = "HTTP/1.1 100 Continue\r\n\r\n";
    seal(true);
    net::async_write(
        stream_, net::buffer(out_), [self = shared_from_this()](error_code error, std::size_t) {
          error ? self->close() : self->read();
        });
  }

  void handle() {
    handling_ = true;
    Parser::value_type message = parser_->release();
    Request request;
    request.method = message.method_string();
    request.target = message.target();
    for (const auto& field : message) {
      request.headers.emplace_back(lower_ascii(field.name_string()), std::string(field.value()));
    }
    request.body = std::move(message.body());
    if (tls_ != nullptr) {
      request.peer_names = tls_->peer_names();
    }
    const Form form{message.version(), message.keep_alive(), request.method == "HEAD", false};
    const HttpOptions& options = lane_.options;
    if (lane_.turn_wait() > options.turn_max &&
        !(options.is_urgent && options.is_urgent(request))) {
      lane_.counters.shed.add();
      send(busy_answer("Server is busy; ask again later"), form);
    } else if (options.is_slow && options.is_slow(request)) {
      answer_slowly(std::move(request), form);
    } else {
      send(answer_safely(lane_.world, lane_.handler, request), form);
    }
  }

  /// Hand the request over; its answer comes back to this thread, on which the session lives and
  /// ends. The thread does not end before.
  void answer_slowly(Request request, Form form) {
    const std::optional<Response> refusal = lane_.slow.take(
        std::move(request),
        [self = shared_from_this(), work = net::make_work_guard(lane_.context), form](
            Response response) mutable {
          net::io_context& context = self->lane_.context;
          net::post(context, [self = std::move(self), response = std::move(response), form] {
            self->send(response, form);
          });
        });
    if (refusal.has_value()) {
      send(*refusal, form);
    }
  }

  void refuse(error_code error) {
    refuse(error == http::error::body_limit     ? detail_error(413, "Request body too large")
           : error == http::error::header_limit ? detail_error(431, "Request headers too large")
                                                : detail_error(400, "Bad Request"));
  }
  void refuse(const Response& response) {
    handling_ = true;
    send(response, {11, false, false, true});
  }

  /// What stands in out_ becomes what goes over the wire.
  void seal(bool more_follows) {
    if (tls_ != nullptr) {
      tls_->send(out_);
      if (!more_follows) {
        tls_->finish();
      }
      out_ = tls_->output();
    }
  }

  void send(const Response& response, const Form& form) {
    const auto identity = identity_ == nullptr ? nullptr : lane_.options.tls();
    const bool is_outdated =  // clients are taken by other authorities than when it began
        identity != identity_ && identity->texts().client_ca != identity_->texts().client_ca;
    const bool keep_alive = form.keep_alive && !lane_.draining && !is_outdated;
    out_ = lane_.spares.take();
    append_head(response, lane_.date.now(), form.version, keep_alive, &out_);
    if (!form.head_only) {
      out_.append(response.body);
    }
    seal(keep_alive);
    stream_.expires_after(chrono(lane_.options.read_timeout));
    net::async_write(stream_,
                     net::buffer(out_),
                     [self = shared_from_this(), keep_alive, linger = form.linger](error_code error,
                                                                                   std::size_t) {
                       self->lane_.spares.give(&self->out_);
                       if (error || (!keep_alive && !linger)) {
                         self->close();
                       } else if (linger) {
                         self->linger();
                       } else {
                         self->next_request();
                       }
                     });
  }

  /// Read what the client still sends and throw it away: closing at once would reset the
  /// connection, and the client would lose the answer that says why.
  void linger() {
    error_code ignored;
    stream_.socket().shutdown(net::ip::tcp::socket::shutdown_send, ignored);
    stream_.expires_after(kLingerTime);
    discard();
  }
  void discard() {
    buffer_.clear();
    stream_.async_read_some(buffer_.prepare(kReadBytes),
                            [self = shared_from_this()](error_code error, std::size_t bytes) {
                              self->discarded_ += bytes;
                              if (error || self->discarded_ > kLingerBytesMax) {
                                self->close();
                              } else {
                                self->discard();
                              }
                            });
  }

  Lane& lane_;
  ConnectionSlot slot_;
  std::optional<ConnectionSlot> handshake_;
  Stream stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::string out_;
  std::shared_ptr<const TlsIdentity> identity_;  // that the connection began with
  std::unique_ptr<TlsChannel> tls_;              // nullptr: plain
  std::string wire_;                             // what was read last, when there is TLS
  std::size_t read_bytes_ = kFirstReadBytes;     // at once
  std::size_t discarded_ = 0;
  bool began_ = false;  // bytes of the next request are here, and its time runs
  bool greeted_ = false;
  bool finished_ = false;  // the peer, with TLS: it asks nothing more
  bool handling_ = false;
  bool continued_ = false;
};

void Lane::begin_drain() {
  draining = true;
  work.reset();
  error_code ignored;
  mark_.close(ignored);                               // what waits for it would keep the thread
  const std::unordered_set<Session*> all = sessions;  // closing removes from the set later, not now
  for (Session* session : all) {
    session->drain();
  }
  if (!sessions.empty()) {
    drain_timer.expires_after(chrono(options.drain_max));
    drain_timer.async_wait([this](error_code error) {
      const std::unordered_set<Session*> late = error ? std::unordered_set<Session*>() : sessions;
      for (Session* session : late) {
        session->close();
      }
    });
  }
}

class BeastServer : public HttpServer {
 public:
  BeastServer(World& world, Handler handler, HttpOptions options)
      : world_(world),
        handler_(std::move(handler)),
        options_(std::move(options)),
        slow_(world, handler_, options_.slow),
        refused_(world.metrics.counter("assay_serve_connections_refused_total",
                                       "Connections beyond what the server may have.")) {
    const int cores = static_cast<int>(std::max(1U, std::jthread::hardware_concurrency()));
    const int threads = options_.threads > 0 ? options_.threads : cores;
    for (int i = 0; i < threads; ++i) {
      lanes_.push_back(std::make_unique<Lane>(world, handler_, options_, slow_));
    }
  }
  ~BeastServer() override { stop(); }

  Status listen() {
    ASSAY_ASSIGN_OR_RETURN(
        listener_,
        Listener::open(world_, options_.host, options_.port, [this](int socket) { take(socket); }));
    port_ = listener_->port();
    for (const std::unique_ptr<Lane>& lane : lanes_) {
      lane->wait_for_mark();
      threads_.emplace_back([context = &lane->context] { context->run(); });
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
  Counter& refused_;
  std::atomic<int> connections_{0};
  std::atomic<int> handshakes_{0};  // of them, that have not agreed yet
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::size_t next_lane_ = 0;
  uint16_t port_ = 0;
  std::mutex stop_mutex_;
  std::vector<std::jthread> threads_;
  std::unique_ptr<Listener> listener_;  // last: it hands to all else
};

/// On the listener's thread.
void BeastServer::take(int socket) {
  const bool is_tls = static_cast<bool>(options_.tls);
  if (connections_.load() >= options_.connections_max ||
      (is_tls && handshakes_.load() >= options_.handshakes_max)) {
    refuse(socket);
    return;
  }
  Lane& lane = *lanes_[next_lane_++ % lanes_.size()];
  error_code error;
  Socket taken(lane.context);
  taken.assign(net::ip::tcp::v4(), socket, error);
  if (error) {
    ::close(socket);
    return;
  }
  std::optional<ConnectionSlot> handshake;
  if (is_tls) {
    handshake.emplace(handshakes_);
  }
  net::post(lane.context,
            [&lane,
             moved = std::move(taken),
             slot = ConnectionSlot(connections_),
             agreeing = std::move(handshake)]() mutable {
              if (!lane.draining) {
                std::make_shared<Session>(
                    lane, std::move(moved), std::move(slot), std::move(agreeing))
                    ->start();
              }
            });
}

/// One that is too many gets its answer if it can be had at once.
void BeastServer::refuse(int socket) {
  refused_.add();
  const Response response = busy_answer("Too many connections; ask again later");
  send_and_close(socket, options_.tls ? "" : last_answer(response, world_.clock.now()));
}

void BeastServer::stop() {
  const std::lock_guard lock(stop_mutex_);
  if (threads_.empty()) {
    return;
  }
  listener_->stop();
  for (const std::unique_ptr<Lane>& lane : lanes_) {
    net::post(lane->context, [target = lane.get()] { target->begin_drain(); });
  }
  slow_.stop();
  threads_.clear();  // joins
  for (const std::unique_ptr<Lane>& lane : lanes_) {
    lane->draining = false;  // what is left ends with the context, without its timer
  }
}

}  // namespace

Result<std::unique_ptr<HttpServer>> start_http_server(World& world,
                                                      Handler handler,
                                                      const HttpOptions& options) {
  auto server = std::make_unique<BeastServer>(world, std::move(handler), options);
  ASSAY_RETURN_IF_ERROR(server->listen());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace assay::serve
