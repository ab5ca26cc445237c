// One connection of the HTTP server, by Boost.Asio: HTTP/1.1 or HTTP/2 over TCP, plain or inside of
// TLS. It speaks HTTP/2 when TLS agreed on that, or when it begins with HTTP/2's preface.
// One read may hold several requests (pipelining), a request may come in many reads: a
// RequestReader puts them together. With TLS bytes go through a TlsChannel before. Answers to what
// was ready together are sent together. Time is counted in ticks: a request sets no timer.

#include "serve/http_connection.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include "serve/body_text.h"
#include "serve/connection_tls.h"
#include "serve/error_response.h"
#include "serve/held_bytes.h"
#include "serve/http2_frames.h"
#include "serve/http2_session.h"
#include "serve/http2_times.h"
#include "serve/request_reader.h"

namespace assay::serve {
namespace {

namespace net = boost::asio;
using boost::system::error_code;
using Executor = net::io_context::executor_type;
using Socket = net::basic_stream_socket<net::ip::tcp, Executor>;

constexpr std::size_t kReadBytes = 16 << 10;
constexpr std::size_t kFirstReadBytes = 2 << 10;  // what a connection holds while it is idle
constexpr std::size_t kLingerBytesMax = 64 << 20;
constexpr std::size_t kBodyBytesKept = 256 << 10;
constexpr std::size_t kOutputBytes = 64 << 10;  // of HTTP/2, sent at once

class Session : public HttpConnection, public std::enable_shared_from_this<Session> {
 public:
  Session(ConnectionLane& lane,
          Socket socket,
          ConnectionSlot slot,
          std::optional<ConnectionSlot> handshake)
      : HttpConnection(lane),
        slot_(std::move(slot)),
        handshake_(std::move(handshake)),
        socket_(std::move(socket)) {}

  void start() {
    error_code ignored;
    socket_.set_option(net::ip::tcp::no_delay(true), ignored);
    socket_.non_blocking(true, ignored);
    if (lane_.options.tls) {
      tls_.begin(lane_.options.tls);
      began_ = true;  // until both sides agree
      begin_time(kReadTime);
      read();
    } else {
      next_request();
    }
  }
  void close() override {
    error_code ignored;
    give_up();
    begin_time(kNoTime);
    socket_.shutdown(net::ip::tcp::socket::shutdown_both, ignored);
    socket_.close(ignored);
  }
  void end_late() override {
    if (http2_ == nullptr || is_ending_ || !http2_times_->may_be_told()) {
      close();
      return;
    }
    begin_time(kReadTime);
    drain();
  }
  void drain() override {
    if (http2_ != nullptr) {
      http2_->drain(lane_.is_notice_over);
      send_output();
    } else if (idle()) {
      say_farewell();
      close();
    }
  }
  /// It stands in out_ and body_.
  void send_answer() override {
    if (http2_ != nullptr) {
      is_output_due_ = false;
      send_output();
      return;
    }
    const std::size_t sent = send_now(out_, body_);
    if (sent == out_.size() + body_.size()) {
      after_send({});
      return;
    }
    begin_time(kReadTime);
    send_rest(sent);
  }

 private:
  void begin_time(TimeKind kind) { lane_.times.begin(kind, &time_); }
  /// Tell the peer of an idle connection that nothing is missing, if that goes at once.
  void say_farewell() {
    if (tls_.is_open()) {
      send_now(tls_.farewell());  // out_ may be under way
    }
  }
  [[nodiscard]] bool idle() const {
    return !handling_ && buffer_.size() == 0 && !reader_.has_begun();
  }
  /// Answer what is there already; else wait for more.
  void next_request() {
    handling_ = false;
    continued_ = false;
    began_ = false;
    reader_.reset();
    if (buffer_.size() == 0) {
      await_request();
    } else {
      begin_time(kReadTime);
      net::post(lane_.context, [self = shared_from_this()] {  // answers of others go before
        self->socket_.is_open() ? self->go_on() : void();
      });
    }
  }
  void await_request() {
    if (lane_.draining || finished_) {
      say_farewell();
      close();
      return;
    }
    release_beyond(kFirstReadBytes, &buffer_);
    release_beyond(kFirstReadBytes, &wire_);
    read_bytes_ = kFirstReadBytes;
    begin_time(kIdleTime);
    read();
  }

  void read() {
    is_reading_ = true;
    if (tls_.is_on()) {
      wire_.resize(read_bytes_);
    }
    socket_.async_read_some(tls_.is_on() ? net::buffer(wire_) : buffer_.prepare(read_bytes_),
                            [self = shared_from_this()](error_code error, std::size_t bytes) {
                              self->on_read(error, bytes);
                            });
  }

  void on_read(error_code error, std::size_t bytes) {
    is_reading_ = false;
    if (error || is_ending_) {
      is_ending_ ? take_discarded(error, bytes) : end_input(error);
      return;
    }
    if (bytes == read_bytes_) {  // more of it is there
      read_bytes_ = kReadBytes;
    }
    if (!began_) {  // once a request: bytes that come slowly win no time
      began_ = true;
      begin_time(kReadTime);
    }
    if (tls_.is_on()) {
      take_wire({wire_.data(), bytes});
    } else {
      buffer_.commit(bytes);
      http2_ != nullptr ? take_frames() : go_on();
    }
  }

  void take_wire(std::string_view wire) {
    const bool was_open = tls_.is_open();
    if (!was_open && tls_.is_no_greeting(wire)) {
      tls_.end();
      refuse(detail_error(400, "this port speaks TLS; ask https://"));
      return;
    }
    if (!was_open && lane_.turn_wait(lane_.world.clock.monotonic()) > lane_.options.turn_max) {
      lane_.counters.shed_handshakes.add();  // the dearest that a stranger can ask for
      close();
      return;
    }
    std::string plain = lane_.spares.take();
    const Status taken = tls_.receive(wire, &plain);
    buffer_.commit(net::buffer_copy(buffer_.prepare(plain.size()), net::buffer(plain)));
    lane_.spares.give(&plain);
    if (http2_ != nullptr) {
      take_frames_of(taken.code());
      return;
    }
    out_ = tls_.output();
    if (!taken.ok() && !was_open && !tls_.is_open()) {
      lane_.counters.handshake_failures.add();
    }
    const auto and_then = [self = shared_from_this(), was_open, code = taken.code()] {
      self->after_wire(was_open, code);
    };
    if (out_.empty()) {
      and_then();
    } else {
      net::async_write(socket_,
                       net::buffer(out_),
                       [self = shared_from_this(), and_then](error_code error, std::size_t) {
                         error ? self->close() : and_then();
                       });
    }
  }
  void after_wire(bool was_open, Code taken) {
    finished_ = taken == Code::kUnavailable;  // a request may stand before the end
    if (taken != Code::kOk && !(finished_ && buffer_.size() != 0)) {
      finished_ ? close() : linger();  // so that the alert arrives
    } else if (!tls_.is_open()) {
      read();
    } else if (!was_open) {
      handshake_.reset();
      tls_.speaks_http2() ? speak_http2() : next_request();
    } else if (idle()) {  // a record that says nothing of a request
      next_request();
    } else {
      go_on();
    }
  }

  void go_on() {
    const std::string_view bytes = buffered();
    if (is_first_ && is_preface(bytes)) {
      bytes.size() < kHttp2Preface.size() ? read() : speak_http2();
      return;
    }
    buffer_.consume(reader_.take(bytes, &lane_.request));
    if (reader_.state() == RequestReader::State::kWhole) {
      handle(reader_.form());
    } else if (reader_.state() == RequestReader::State::kRefused) {
      refuse(reader_.refusal());
    } else if (!held_.hold(buffer_.size() + reader_.held_bytes())) {
      lane_.counters.no_room.add();
      refuse(busy_answer("Server holds too much that is half sent; ask again later"));
    } else if (!continued_ && reader_.expects_continue()) {
      send_continue();
    } else {
      read();
    }
  }

  [[nodiscard]] std::string_view buffered() const {
    return {static_cast<const char*>(buffer_.data().data()), buffer_.size()};
  }
  /// Whether the connection begins with HTTP/2's preface, or may yet.
  bool is_preface(std::string_view bytes) {
    const std::size_t size = std::min(bytes.size(), kHttp2Preface.size());
    is_first_ = bytes.substr(0, size) == kHttp2Preface.substr(0, size);
    return is_first_;
  }

  void send_continue() {
    continued_ = true;
    out_ = "HTTP/1.1 100 Continue\r\n\r\n";
    tls_.seal(true, &out_);
    net::async_write(
        socket_, net::buffer(out_), [self = shared_from_this()](error_code error, std::size_t) {
          error ? self->close() : self->read();
        });
  }

  /// Answer the lane's request.
  void handle(const AnswerForm& form) {
    handling_ = true;
    begin_time(kNoTime);
    forget_request();
    answer_request(form);
  }
  void answer_request(const AnswerForm& form) {
    const Duration instant = lane_.unsent.begin();
    Request& request = lane_.request;
    request.peer_names = tls_.peer_names();
    const HttpOptions& options = lane_.options;
    if (lane_.turn_wait(instant) > options.turn_max &&
        !(options.is_urgent && options.is_urgent(request))) {
      lane_.counters.shed.add();
      send(busy_answer("Server is busy; ask again later"), form);
      return;
    }
    std::optional<Response> answer = lane_.slow.answer_now(request);
    if (!answer.has_value()) {
      answer_slowly(std::move(request), form);
      return;
    }
    send(*std::move(answer), form);
    release_beyond(kBodyBytesKept, &request.body);
  }

  /// Hand the request over; its answer comes back to this thread, on which the session lives and
  /// ends. The thread does not end before.
  void answer_slowly(Request request, AnswerForm form) {
    std::optional<Response> refusal = lane_.slow.take(
        std::move(request),
        [self = shared_from_this(), work = net::make_work_guard(lane_.context), form](
            Response response) mutable {
          net::io_context& context = self->lane_.context;
          net::post(context,
                    [self = std::move(self), response = std::move(response), form]() mutable {
                      self->send(std::move(response), form);
                    });
        });
    if (refusal.has_value()) {
      send(*std::move(refusal), form);
    }
  }

  void refuse(Response response) {
    handling_ = true;
    buffer_.clear();
    reader_.reset();
    forget_request();
    send(std::move(response), {11, false, false, true});
  }

  /// What it took to read the request is not kept until the answer is sent.
  void forget_request() {
    if (buffer_.capacity() > HeldBytes::kUncountedMax) {
      buffer_.shrink_to_fit();
    }
    held_.release();
  }

  /// How many bytes the socket took, of one piece and then another. What fails fails again when the
  /// rest is sent.
  std::size_t send_now(std::string_view head, std::string_view body = "") {
    error_code ignored;
    return socket_.send(std::array{net::buffer(head), net::buffer(body)}, 0, ignored);
  }

  void send(Response response, const AnswerForm& form) {
    if (http2_ != nullptr) {
      http2_->answer(form.stream, std::move(response));
      if (tls_.is_outdated(lane_.options.tls)) {
        http2_->drain(std::exchange(is_outdated_, true));
      }
      send_output_later();
      return;
    }
    if (!form.head_only && !held_.hold(response.body.capacity())) {
      lane_.counters.no_room.add();
      response = no_room_answer(response.body.capacity(), lane_.budget.max());
    }
    keep_alive_ = form.keep_alive && !lane_.draining && !tls_.is_outdated(lane_.options.tls);
    linger_ = form.linger;
    out_ = lane_.spares.take();
    append_head(response, lane_.date.now(), form.version, keep_alive_, &out_);
    body_ = form.head_only ? std::string() : std::move(response.body);
    if (tls_.is_on()) {
      out_.append(std::exchange(body_, ""));
    }
    tls_.seal(keep_alive_, &out_);
    lane_.unsent.add(shared_from_this());
  }
  /// What the client has not taken yet, behind `sent` bytes. As long as it takes enough it has
  /// time for more.
  void send_rest(std::size_t sent) {
    const std::size_t of_head = std::min(sent, out_.size());
    socket_.async_write_some(
        std::array{net::buffer(out_) + of_head, net::buffer(body_) + (sent - of_head)},
        [self = shared_from_this(), sent](error_code error, std::size_t bytes) {
          const std::size_t all = self->out_.size() + self->body_.size();
          if (error || sent + bytes == all) {
            self->after_send(error);
            return;
          }
          const std::size_t progress = progress_bytes(all);
          if (sent / progress != (sent + bytes) / progress) {
            self->begin_time(kReadTime);
          }
          self->send_rest(sent + bytes);
        });
  }
  void after_send(error_code error) {
    lane_.spares.give(&out_);
    SpareBodies::of_thread().give(&body_);
    held_.release();
    if (error || (!keep_alive_ && !linger_)) {
      close();
    } else if (linger_) {
      linger();
    } else {
      next_request();
    }
  }

  /// Read what the client still sends and throw it away: closing at once would reset the
  /// connection, and the client would lose the answer that says why.
  void linger() {
    shut_down();
    discard();
  }
  void shut_down() {
    error_code ignored;
    socket_.shutdown(net::ip::tcp::socket::shutdown_send, ignored);
    begin_time(kLingerTime);
  }
  void discard() {
    buffer_.clear();
    socket_.async_read_some(buffer_.prepare(kReadBytes),
                            [self = shared_from_this()](error_code error, std::size_t bytes) {
                              self->take_discarded(error, bytes);
                            });
  }
  void take_discarded(error_code error, std::size_t bytes) {
    discarded_ += bytes;
    if (error || discarded_ > kLingerBytesMax) {
      close();
    } else {
      discard();
    }
  }

  // HTTP/2: bytes are read and sent side by side, and requests are answered in any order.

  /// What is in the buffer, and all that follows, is HTTP/2.
  void speak_http2() {
    is_first_ = false;
    began_ = true;
    http2_times_.emplace(lane_.stream_times, *this);
    http2_ = Http2Session::make({lane_.options,
                                 lane_.budget,
                                 lane_.world.clock,
                                 lane_.counters,
                                 lane_.date,
                                 lane_.stream_times},
                                [this] { send_output_later(); });
    if (lane_.draining) {
      http2_->drain(lane_.is_notice_over);
    }
    take_frames();
  }
  /// The same inside of TLS, which the peer may have ended, or broken.
  void take_frames_of(Code taken) {
    finished_ = taken == Code::kUnavailable;
    if (finished_ || taken == Code::kOk) {
      take_frames();
    } else if (is_writing_) {
      close();
    } else {
      send_now(tls_.output());  // so that the alert arrives
      end_http2();
    }
  }
  void take_frames() {
    http2_->receive(buffered());
    buffer_.consume(buffer_.size());
    answer_next();
  }
  /// One request that is whole; others have their turn before the next one.
  void answer_next() {
    if (!socket_.is_open()) {
      return;
    }
    if (std::optional<Http2Session::Asked> asked = http2_->next()) {
      lane_.request = std::move(asked->request);
      answer_request({11, true, asked->head_only, false, asked->stream});
      net::post(lane_.context, [self = shared_from_this()] { self->answer_next(); });
      return;
    }
    send_output_later();
    if (finished_) {
      end_input(net::error::eof);
    } else if (!is_ending_) {
      if (!http2_->has_streams()) {
        release_beyond(kFirstReadBytes, &buffer_);
        release_beyond(kFirstReadBytes, &wire_);
        read_bytes_ = kFirstReadBytes;
      }
      read();
    }
  }
  /// What HTTP/2 holds for a client that takes no more of it.
  void give_up() {
    if (http2_ != nullptr) {
      http2_->abandon();
      http2_times_->end();
    }
  }
  /// The peer sends nothing more. It may still wait for answers.
  void end_input(error_code error) {
    finished_ = true;
    if (http2_ == nullptr || error != net::error::eof ||
        (!http2_->has_streams() && !is_writing_ && !is_output_due_)) {
      close();
    }
  }
  /// Together with what is ready by then.
  void send_output_later() {
    if (!is_output_due_) {
      lane_.unsent.add(shared_from_this());
      is_output_due_ = true;
    }
  }
  void send_output() {
    if (is_writing_ || is_ending_ || !socket_.is_open()) {
      return;
    }
    out_ = lane_.spares.take();
    http2_->append_output(kOutputBytes, &out_);
    tls_.seal(!http2_->is_over(), &out_);
    const std::size_t sent = out_.empty() ? 0 : send_now(out_);
    if (sent == out_.size()) {
      after_output(false);
      return;
    }
    is_writing_ = true;
    keep_time();
    net::async_write(socket_,
                     net::buffer(out_) + sent,
                     [self = shared_from_this()](error_code error, std::size_t /*bytes*/) {
                       self->is_writing_ = false;
                       error ? self->close() : self->after_output(true);
                     });
  }
  /// More is to be sent when there was much, or when it waited for the socket.
  void after_output(bool has_waited) {
    const bool may_have_more = has_waited || out_.size() >= kOutputBytes;
    lane_.spares.give(&out_);
    if (http2_->is_over()) {
      end_http2();
    } else if (finished_ && !may_have_more && !http2_->has_streams()) {
      say_farewell();
      close();
    } else {
      keep_time();
      if (may_have_more) {
        send_output_later();  // others have their turn before
      }
    }
  }
  /// The last frame is sent; until the client has read it.
  void end_http2() {
    is_ending_ = true;
    give_up();
    if (is_reading_) {  // what is read is thrown away
      shut_down();
    } else {
      linger();
    }
  }
  void keep_time() {
    http2_times_->keep(*http2_, is_writing_, [this](TimeKind kind) { begin_time(kind); });
  }

  ConnectionSlot slot_;
  std::optional<ConnectionSlot> handshake_;
  Socket socket_;
  HeldBytes held_{lane_.budget};
  boost::beast::flat_buffer buffer_;
  RequestReader reader_{lane_.options};
  std::string out_;
  std::string body_;  // goes behind it
  ConnectionTls tls_;
  std::string wire_;                          // what was read last, when there is TLS
  std::size_t read_bytes_ = kFirstReadBytes;  // at once
  std::size_t discarded_ = 0;
  bool began_ = false;     // bytes of the next request are here, and its time runs
  bool finished_ = false;  // the peer, with TLS: it asks nothing more
  bool handling_ = false;
  bool continued_ = false;
  bool keep_alive_ = false;   // behind the answer
  bool linger_ = false;       // then
  bool is_outdated_ = false;  // and HTTP/2 was told so
  bool is_first_ = true;      // nothing has come that is no preface of HTTP/2
  bool is_reading_ = false;
  bool is_writing_ = false;                // the rest of HTTP/2's output
  bool is_output_due_ = false;             // it will be sent soon
  bool is_ending_ = false;                 // its last frame is sent
  std::unique_ptr<Http2Session> http2_{};  // nullptr: HTTP/1.1
  std::optional<Http2Times> http2_times_{};
};

}  // namespace

void HttpConnection::start(ConnectionLane& lane,
                           OwnedSocket socket,
                           ConnectionSlot slot,
                           std::optional<ConnectionSlot> handshake) {
  error_code error;
  Socket taken(lane.context);
  taken.assign(net::ip::tcp::v4(), socket.get(), error);
  if (error) {
    return;
  }
  socket.release();
  std::make_shared<Session>(lane, std::move(taken), std::move(slot), std::move(handshake))->start();
}

}  // namespace assay::serve
