// The one file that speaks Boost.Beast: HTTP/1.1 over TCP.
//
// One io_context and one thread per core; a connection stays on the context that it was given to,
// so nothing of it is locked. Bytes are fed to Beast's parser by hand: one read may hold several
// requests (pipelining), and a request may come in many reads.

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_set>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "serve/http_server.h"
#include "serve/slow_requests.h"

namespace assay::serve {
namespace {

namespace net = boost::asio;
namespace http = boost::beast::http;
using boost::beast::error_code;
using Executor = net::io_context::executor_type;
using Socket = net::basic_stream_socket<net::ip::tcp, Executor>;
using Stream = boost::beast::basic_stream<net::ip::tcp, Executor>;

constexpr std::size_t kReadBytes = 16 << 10;
constexpr std::size_t kLingerBytesMax = 64 << 20;
constexpr std::chrono::seconds kLingerTime{2};
constexpr std::chrono::milliseconds kAcceptPause{50};

std::chrono::microseconds chrono(Duration duration) {
  return std::chrono::microseconds(duration.micros);
}

/// "Sat, 21 Nov 2026 04:34:34 GMT"
std::string http_date(EventTime now) {
  static constexpr std::array kDays = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
  static constexpr std::array kMonths = {
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const int64_t days = floor_to(now.micros, kMicrosPerDay) / kMicrosPerDay;
  const CivilDate date = civil_from_days(days);
  const int64_t second = (now.micros - days * kMicrosPerDay) / kMicrosPerSecond;
  std::array<char, 64> text{};
  std::snprintf(text.data(),
                text.size(),
                "%s, %02u %s %04d %02d:%02d:%02d GMT",
                kDays[static_cast<std::size_t>(((days % 7) + 7) % 7)],
                date.day,
                kMonths[date.month - 1],
                static_cast<int>(date.year),
                static_cast<int>(second / 3600),
                static_cast<int>(second / 60 % 60),
                static_cast<int>(second % 60));
  return text.data();
}

void append_head(const Response& response,
                 std::string_view date,
                 unsigned version,
                 bool keep_alive,
                 std::string* out) {
  const auto line = [out](std::string_view name, std::string_view value) {
    out->append(name).append(": ").append(value).append("\r\n");
  };
  const auto reason =
      http::obsolete_reason(http::int_to_status(static_cast<unsigned>(response.status)));
  out->append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ");
  out->append(reason.data(), reason.size()).append("\r\n");
  line("date", date);
  line("server", "assay");
  if (response.status != 304) {  // its length would be that of the answer it stands for
    line("content-length", std::to_string(response.body.size()));
  }
  if (!response.content_type.empty()) {
    line("content-type", response.content_type);
  }
  for (const auto& [name, value] : response.headers) {
    line(name, value);
  }
  if (!keep_alive) {
    line("connection", "close");
  } else if (version < 11) {
    line("connection", "keep-alive");
  }
  out->append("\r\n");
}

class Session;

/// What the connections of one thread share.
struct Lane {
  Lane(World& the_world,
       const Handler& the_handler,
       const HttpOptions& the_options,
       SlowRequests& the_slow,
       std::atomic<int>& the_connections)
      : world(the_world),
        handler(the_handler),
        options(the_options),
        slow(the_slow),
        connections(the_connections) {}

  World& world;
  const Handler& handler;
  const HttpOptions& options;
  SlowRequests& slow;
  std::atomic<int>& connections;
  std::unordered_set<Session*> sessions;  // outlives the context, whose end ends the last of them
  bool draining = false;
  net::io_context context{1};
  net::executor_work_guard<Executor> work{context.get_executor()};
  net::steady_timer drain_timer{context};

  std::string_view date() {
    const int64_t second = world.clock.now().micros / kMicrosPerSecond;
    if (second != date_second_) {
      date_second_ = second;
      date_ = http_date({second * kMicrosPerSecond});
    }
    return date_;
  }
  void begin_drain();
  void finish_drain_if_empty() {
    if (draining && sessions.empty()) {
      drain_timer.cancel();
    }
  }

 private:
  int64_t date_second_ = -1;
  std::string date_;
};

/// One connection.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Lane& lane, Socket socket) : lane_(lane), stream_(std::move(socket)) {
    ++lane_.connections;
    lane_.sessions.insert(this);
  }
  ~Session() {
    --lane_.connections;
    lane_.sessions.erase(this);
    lane_.finish_drain_if_empty();
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void start() {
    error_code ignored;
    stream_.socket().set_option(net::ip::tcp::no_delay(true), ignored);
    next_request();
  }
  /// End the connection; whatever waits on it fails, and the session with it.
  void close() {
    error_code ignored;
    stream_.socket().shutdown(net::ip::tcp::socket::shutdown_both, ignored);
    stream_.close();
  }
  /// Close when nothing is under way; else the answer under way is the last one.
  void drain() {
    if (idle()) {
      close();
    }
  }

 private:
  using Parser = http::request_parser<http::string_body>;

  [[nodiscard]] bool idle() const {
    return !handling_ && buffer_.size() == 0 && !parser_->got_some();
  }
  void next_request() {
    handling_ = false;
    continued_ = false;
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(lane_.options.header_bytes_max));
    parser_->body_limit(lane_.options.body_bytes_max);
    parser_->eager(true);
    if (buffer_.size() != 0) {
      stream_.expires_after(chrono(lane_.options.read_timeout));
      parse();
    } else if (lane_.draining) {
      close();
    } else {
      stream_.expires_after(chrono(lane_.options.idle_timeout));
      read();
    }
  }

  void read() {
    stream_.async_read_some(buffer_.prepare(kReadBytes),
                            [self = shared_from_this()](error_code error, std::size_t bytes) {
                              self->on_read(error, bytes);
                            });
  }

  void on_read(error_code error, std::size_t bytes) {
    if (error) {
      close();
      return;
    }
    if (idle()) {
      stream_.expires_after(chrono(lane_.options.read_timeout));
    }
    buffer_.commit(bytes);
    parse();
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
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    net::async_write(stream_,
                     net::buffer(kContinue.data(), kContinue.size()),
                     [self = shared_from_this()](error_code error, std::size_t) {
                       error ? self->close() : self->read();
                     });
  }

  void handle() {
    handling_ = true;
    Parser::value_type message = parser_->release();
    Request request;
    request.method = std::string(message.method_string());
    request.target = std::string(message.target());
    for (const auto& field : message) {
      std::string name(field.name_string());
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char letter) {
        return static_cast<char>(std::tolower(letter));
      });
      request.headers.emplace_back(std::move(name), std::string(field.value()));
    }
    request.body = std::move(message.body());
    const bool head_only = request.method == "HEAD";
    if (lane_.options.is_slow && lane_.options.is_slow(request)) {
      answer_slowly(std::move(request), message.version(), message.keep_alive(), head_only);
      return;
    }
    const Response response = answer_safely(lane_.world, lane_.handler, request);
    const bool keep_alive = message.keep_alive() && !lane_.draining;
    send(response, message.version(), keep_alive, head_only, false);
  }

  /// Hand the request over; its answer comes back to this thread, on which the session lives and
  /// ends. The thread does not end before.
  void answer_slowly(Request request, unsigned version, bool keep_alive, bool head_only) {
    const std::optional<Response> refusal = lane_.slow.take(
        std::move(request),
        [self = shared_from_this(),
         work = net::make_work_guard(lane_.context),
         version,
         keep_alive,
         head_only](Response response) mutable {
          net::io_context& context = self->lane_.context;
          net::post(context,
                    [self = std::move(self),
                     response = std::move(response),
                     version,
                     keep_alive,
                     head_only] {
                      self->send(
                          response, version, keep_alive && !self->lane_.draining, head_only, false);
                    });
        });
    if (refusal.has_value()) {
      send(*refusal, version, keep_alive && !lane_.draining, head_only, false);
    }
  }

  void refuse(error_code error) {
    handling_ = true;
    Response response;
    if (error == http::error::body_limit) {
      response = {413, "application/json", R"({"detail":"Request body too large"})", {}};
    } else if (error == http::error::header_limit) {
      response = {431, "application/json", R"({"detail":"Request headers too large"})", {}};
    } else {
      response = {400, "application/json", R"({"detail":"Bad Request"})", {}};
    }
    send(response, 11, false, false, true);
  }

  void send(
      const Response& response, unsigned version, bool keep_alive, bool head_only, bool linger) {
    out_.clear();
    append_head(response, lane_.date(), version, keep_alive, &out_);
    if (!head_only) {
      out_.append(response.body);
    }
    stream_.expires_after(chrono(lane_.options.read_timeout));
    net::async_write(
        stream_,
        net::buffer(out_),
        [self = shared_from_this(), keep_alive, linger](error_code error, std::size_t) {
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
  Stream stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::string out_;
  std::size_t discarded_ = 0;
  bool handling_ = false;
  bool continued_ = false;
};

void Lane::begin_drain() {
  draining = true;
  work.reset();
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
        slow_(world_, handler_, options_.slow) {
    const int cores = static_cast<int>(std::max(1U, std::jthread::hardware_concurrency()));
    const int threads = options_.threads > 0 ? options_.threads : cores;
    for (int i = 0; i < threads; ++i) {
      lanes_.push_back(std::make_unique<Lane>(world_, handler_, options_, slow_, connections_));
    }
    acceptor_.emplace(lanes_.front()->context);
    accept_pause_.emplace(lanes_.front()->context);
  }
  ~BeastServer() override { stop(); }

  Status listen();
  [[nodiscard]] uint16_t port() const override { return port_; }
  void stop() override;

 private:
  using Acceptor = net::basic_socket_acceptor<net::ip::tcp, Executor>;
  void accept();
  void on_accept(error_code error, Lane& lane, Socket socket);

  World& world_;
  const Handler handler_;
  const HttpOptions options_;
  SlowRequests slow_;
  std::atomic<int> connections_{0};
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::optional<Acceptor> acceptor_;
  std::optional<net::steady_timer> accept_pause_;
  std::size_t next_lane_ = 0;
  uint16_t port_ = 0;
  std::mutex stop_mutex_;
  std::vector<std::jthread> threads_;
};

Status BeastServer::listen() {
  const std::string where = options_.host + ":" + std::to_string(options_.port);
  error_code error;
  const net::ip::address address = net::ip::make_address(options_.host, error);
  if (error) {
    return {Code::kInvalidArgument,
            "not an address to listen on; try 127.0.0.1 or 0.0.0.0: " + options_.host};
  }
  const net::ip::tcp::endpoint endpoint(address, options_.port);
  acceptor_->open(endpoint.protocol(), error);
  if (!error) {
    acceptor_->set_option(net::socket_base::reuse_address(true), error);
  }
  if (!error) {
    acceptor_->bind(endpoint, error);
  }
  if (!error) {
    acceptor_->listen(net::socket_base::max_listen_connections, error);
  }
  if (error == net::error::address_in_use) {
    return {Code::kUnavailable,
            "the address is in use; stop what listens there or choose another port: " + where};
  }
  if (error == net::error::access_denied) {
    return {Code::kPermissionDenied,
            "this port needs more rights; choose one above 1023: " + where};
  }
  if (error) {
    return {Code::kUnavailable, "cannot listen on " + where + ": " + error.message()};
  }
  port_ = acceptor_->local_endpoint().port();
  accept();
  for (const std::unique_ptr<Lane>& lane : lanes_) {
    threads_.emplace_back([context = &lane->context] { context->run(); });
  }
  return {};
}

void BeastServer::accept() {
  Lane& lane = *lanes_[next_lane_++ % lanes_.size()];
  acceptor_->async_accept(lane.context, [this, &lane](error_code error, Socket socket) {
    on_accept(error, lane, std::move(socket));
  });
}

void BeastServer::on_accept(error_code error, Lane& lane, Socket socket) {
  if (error == net::error::operation_aborted || !acceptor_->is_open()) {
    return;
  }
  if (error) {  // out of file handles, or the client gave up: go on a little later
    world_.log.warn("http_accept_failed", {{"error", error.message()}});
    accept_pause_->expires_after(kAcceptPause);
    accept_pause_->async_wait([this](error_code cancelled) {
      if (!cancelled) {
        accept();
      }
    });
    return;
  }
  if (connections_.load() < options_.connections_max) {
    net::post(lane.context, [&lane, moved = std::move(socket)]() mutable {
      if (!lane.draining) {
        std::make_shared<Session>(lane, std::move(moved))->start();
      }
    });
  } else {
    world_.log.warn("http_connection_refused",
                    {{"connections_max", int64_t{options_.connections_max}}});
  }
  accept();
}

void BeastServer::stop() {
  const std::lock_guard lock(stop_mutex_);
  if (threads_.empty()) {
    return;
  }
  net::post(lanes_.front()->context, [this] {
    error_code ignored;
    acceptor_->close(ignored);
    accept_pause_->cancel();
    for (const std::unique_ptr<Lane>& lane : lanes_) {
      net::post(lane->context, [target = lane.get()] { target->begin_drain(); });
    }
  });
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
