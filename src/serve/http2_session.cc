// The one file that speaks nghttp2, which has the frames, their compressed headers, flow control
// and the turns of streams: DATA of a large answer goes in between that of others.
//
// What nghttp2 does not bound is bounded here: bodies and answers by the server's budget, frames
// that ask nothing and header blocks by an Http2Flood, requests and answers by time. RFC 9113.

#include "serve/http2_session.h"

#include <algorithm>
#include <deque>
#include <new>
#include <unordered_map>
#include <utility>
#include <vector>

#include <nghttp2/nghttp2.h>

#include "base/ascii.h"
#include "base/check.h"
#include "serve/error_response.h"
#include "serve/freed.h"
#include "serve/http2_flood.h"
#include "serve/http2_frames.h"
#include "serve/http2_stream.h"
#include "serve/slow_requests.h"

namespace assay::serve {
namespace {

constexpr uint32_t kStreamWindowBytes = 256 << 10;
constexpr int32_t kConnectionWindowBytes = 1 << 20;
constexpr std::size_t kHeaderOverhead = 32;      // of each, as RFC 9113, section 6.5.2 counts
constexpr std::size_t kPieceBytes = 4 << 10;     // taken at once
constexpr std::size_t kDiscardedMax = 64 << 20;  // of a body that is refused

using Native = std::unique_ptr<nghttp2_session, Freed<nghttp2_session_del>>;
using Callbacks = std::unique_ptr<nghttp2_session_callbacks, Freed<nghttp2_session_callbacks_del>>;
using Options = std::unique_ptr<nghttp2_option, Freed<nghttp2_option_del>>;

nghttp2_nv field(std::string_view name, std::string_view value) {
  const auto bytes = [](std::string_view text) {  // which are copied
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

std::string_view text(const uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

constexpr std::size_t kFrameHeadBytes = 9;
constexpr std::string_view kNotice = "draining";  // of the PING behind the first GOAWAY

Callbacks make_callbacks();
ssize_t next_data(nghttp2_session* session,
                  int32_t id,
                  uint8_t* buffer,
                  std::size_t bytes_max,
                  uint32_t* flags,
                  nghttp2_data_source* source,
                  void* user);

class SessionOfNghttp2;

struct Stream final : Http2Stream {
  Stream(SessionOfNghttp2& owner, ConnectionTimes<TimedStream>& times, int32_t number)
      : Http2Stream(times, number), session(owner) {}
  void end_late() override;

  SessionOfNghttp2& session;
};

class SessionOfNghttp2 final : public Http2Session {
 public:
  SessionOfNghttp2(const Parts& parts, std::function<void()> wants_to_send)
      : parts_(parts), wants_to_send_(std::move(wants_to_send)) {
    nghttp2_session* made = nullptr;
    nghttp2_option* options = nullptr;
    ASSAY_CHECK(nghttp2_option_new(&options) == 0);  // else memory ran out
    const Options freed(options);
    nghttp2_option_set_no_closed_streams(options, 1);
    const Callbacks callbacks = make_callbacks();
    ASSAY_CHECK(nghttp2_session_server_new2(&made, callbacks.get(), this, options) == 0);
    native_.reset(made);
    const std::vector<nghttp2_settings_entry> settings = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, static_cast<uint32_t>(parts.options.streams_max)},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindowBytes},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
         static_cast<uint32_t>(parts.options.header_bytes_max)}};
    nghttp2_submit_settings(made, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
    nghttp2_session_set_local_window_size(made, NGHTTP2_FLAG_NONE, 0, kConnectionWindowBytes);
  }

  void receive(std::string_view bytes) override;
  std::optional<Asked> next() override;
  void answer(int32_t stream, Response response) override;
  void append_output(std::size_t bytes_max, std::string* out) override;
  void drain(bool at_once) override;
  [[nodiscard]] bool has_streams() const override { return !streams_.empty(); }
  [[nodiscard]] bool is_midway() const override { return flood_.is_midway(); }
  [[nodiscard]] int64_t frames() const override { return flood_.frames(); }
  [[nodiscard]] bool is_over() const override {
    return is_broken_ || (nghttp2_session_want_read(native_.get()) == 0 &&
                          nghttp2_session_want_write(native_.get()) == 0);
  }
  void abandon() override {
    streams_.clear();
    ready_.clear();
    held_.release();
    held_bytes_ = 0;
    has_ended_ = true;
    is_broken_ = true;
  }
  /// The time of a stream is over.
  void cut_off(Stream& stream);

  // What nghttp2 calls, see there.
  void begin_stream(int32_t id);
  int take_header(int32_t id, std::string_view name, std::string_view value);
  void take_head(int32_t id, bool is_last);
  void take_body(int32_t id, std::string_view bytes);
  void take_small_data(int32_t id) {
    const Stream* const stream = find(id);
    if (stream != nullptr && !stream->is_answered) {
      flood_.take_back();
    }
  }
  /// Who takes a request back has paid for it: its HEADERS.
  void take_reset(int32_t id) {
    Stream* const stream = find(id);
    if (stream != nullptr && !stream->is_sent) {
      stream->is_taken_back = true;
      flood_.take_back();
    }
  }
  /// A GOAWAY is sent: a PING goes behind the first one, which nghttp2 would send before it.
  void follow_notice() {
    if (!last_stream_.has_value() && !has_ended_) {
      nghttp2_submit_ping(
          native_.get(), NGHTTP2_FLAG_NONE, reinterpret_cast<const uint8_t*>(kNotice.data()));
    }
  }
  void take_pong(std::string_view payload) {
    if (has_notice_ && payload == kNotice) {
      drain(true);
    }
  }
  void take_end(int32_t id);
  [[nodiscard]] std::size_t unsent_bytes(int32_t id) {
    const Stream* const stream = find(id);
    return stream == nullptr ? 0 : stream->body.size() - stream->sent;
  }
  int send_data(int32_t id, std::string_view head, std::size_t bytes);
  void end_answer(int32_t id);
  void end_stream(int32_t id, uint32_t error);

 private:
  Stream* find(int32_t id) {
    const auto found = streams_.find(id);
    return found == streams_.end() ? nullptr : found->second.get();
  }
  void refuse(Stream& stream, Response response);
  void send_response(Stream& stream, Response response);
  bool hold(Stream& stream, std::size_t bytes);
  /// End the connection with GOAWAY; nothing more is taken.
  void end(uint32_t error);
  void end_flood() {
    parts_.counters.floods.add();
    end(NGHTTP2_ENHANCE_YOUR_CALM);
  }

  const Parts parts_;
  const std::function<void()> wants_to_send_;
  Http2Flood flood_{parts_.clock, parts_.options.header_bytes_max};
  HeldBytes held_{parts_.budget};
  std::size_t held_bytes_ = 0;
  std::unordered_map<int32_t, std::unique_ptr<Stream>> streams_;
  std::deque<int32_t> ready_;   // requests that are whole; a stream of them may be reset
  std::string* out_ = nullptr;  // while output is appended
  std::size_t out_bytes_max_ = 0;
  std::size_t sent_ = 0;                // bytes of answers
  bool has_notice_ = false;             // the client, that the connection will end
  std::optional<int32_t> last_stream_;  // that is answered, once it does
  bool has_ended_ = false;
  bool is_broken_ = false;
  Native native_;  // ends first
};

SessionOfNghttp2& self(void* user) {
  return *static_cast<SessionOfNghttp2*>(user);
}

void Stream::end_late() {
  session.cut_off(*this);
}

/// What comes next of a request or an answer is counted to what the connection holds. False: there
/// is no room for it.
bool SessionOfNghttp2::hold(Stream& stream, std::size_t bytes) {
  const std::size_t all = held_bytes_ - stream.held + bytes;
  if (!held_.hold(all)) {
    return false;
  }
  held_bytes_ = all;
  stream.held = bytes;
  return true;
}

void SessionOfNghttp2::end(uint32_t error) {
  if (!has_ended_) {
    has_ended_ = true;
    nghttp2_session_terminate_session(native_.get(), error);
  }
}

void SessionOfNghttp2::receive(std::string_view bytes) {
  while (!bytes.empty() && !has_ended_ && nghttp2_session_want_read(native_.get()) != 0) {
    const std::string_view piece = bytes.substr(0, kPieceBytes);
    bytes.remove_prefix(piece.size());
    if (!flood_.take(piece)) {
      end_flood();
      return;
    }
    const ssize_t taken = nghttp2_session_mem_recv(
        native_.get(), reinterpret_cast<const uint8_t*>(piece.data()), piece.size());
    if (taken == NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
      end(NGHTTP2_PROTOCOL_ERROR);
    } else if (taken == NGHTTP2_ERR_NOMEM ||
               (taken == NGHTTP2_ERR_CALLBACK_FAILURE && !flood_.is_seen())) {
      end(NGHTTP2_INTERNAL_ERROR);
    } else if (taken < 0 || flood_.is_seen()) {  // by the library's own bounds, or ours
      end_flood();
    }
  }
}

/// A stream that nobody answers, because GOAWAY says so, is nghttp2's alone.
void SessionOfNghttp2::begin_stream(int32_t id) {
  if (id <= last_stream_.value_or(id)) {
    streams_[id] = std::make_unique<Stream>(*this, parts_.times, id);
  }
}

int SessionOfNghttp2::take_header(int32_t id, std::string_view name, std::string_view value) {
  Stream* const stream = find(id);
  if (stream == nullptr) {
    return 0;
  }
  stream->take_header(name, value, parts_.options);
  flood_.look_at_headers(stream->header_bytes);
  return flood_.is_seen() ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

void SessionOfNghttp2::take_head(int32_t id, bool is_last) {
  Stream* const stream = find(id);
  if (stream == nullptr) {
    return;
  }
  Request& request = stream->request;
  if (request.method == "CONNECT") {  // whose target is a host, as in HTTP/1.1
    request.target = request.header("host");
  }
  std::optional<Response> refusal = stream->refusal(parts_.options);
  if (refusal.has_value()) {
    refuse(*stream, *std::move(refusal));
  } else if (!hold(*stream, stream->header_bytes)) {
    parts_.counters.no_room.add();
    refuse(*stream, busy_answer("Server holds too much that is half sent; ask again later"));
  } else if (!is_last && lower_ascii(request.header("expect")) == "100-continue") {
    const nghttp2_nv status = field(":status", "100");
    nghttp2_submit_headers(
        native_.get(), NGHTTP2_FLAG_NONE, stream->id, nullptr, &status, 1, nullptr);
  }
}

void SessionOfNghttp2::take_body(int32_t id, std::string_view bytes) {
  Stream* const stream = find(id);
  if (stream == nullptr) {
    return;
  }
  if (stream->is_answered) {
    stream->discarded += bytes.size();
    if (stream->discarded > kDiscardedMax) {
      nghttp2_submit_rst_stream(native_.get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
    }
    return;
  }
  std::string& body = stream->request.body;
  if (body.size() + bytes.size() > parts_.options.body_bytes_max) {
    refuse(*stream, detail_error(413, "Request body too large"));
  } else if (!hold(*stream, stream->held + bytes.size())) {
    parts_.counters.no_room.add();
    refuse(*stream, busy_answer("Server holds too much that is half sent; ask again later"));
  } else {
    body.append(bytes);
  }
}

void SessionOfNghttp2::take_end(int32_t id) {
  Stream* const stream = find(id);
  if (stream == nullptr || id > last_stream_.value_or(id)) {
    return;
  }
  stream->is_whole = true;
  if (!stream->is_answered) {
    stream->begin_time(kNoTime);
    ready_.push_back(id);
  }
}

std::optional<Http2Session::Asked> SessionOfNghttp2::next() {
  while (!ready_.empty()) {
    Stream* const stream = find(ready_.front());
    ready_.pop_front();
    if (stream != nullptr) {
      hold(*stream, 0);
      return Asked{stream->id, stream->head_only, std::exchange(stream->request, {})};
    }
  }
  return std::nullopt;
}

void SessionOfNghttp2::refuse(Stream& stream, Response response) {
  stream.request = {};
  hold(stream, 0);
  send_response(stream, std::move(response));
}

void SessionOfNghttp2::answer(int32_t id, Response response) {
  Stream* const stream = find(id);
  if (stream == nullptr || stream->is_answered) {
    return;
  }
  if (!stream->head_only && !hold(*stream, response.body.capacity())) {
    parts_.counters.no_room.add();
    response = no_room_answer(response.body.capacity(), parts_.budget.max());
  }
  send_response(*stream, std::move(response));
}

void SessionOfNghttp2::send_response(Stream& stream, Response response) {
  stream.is_answered = true;
  stream.begin_time(kReadTime);
  const std::string status = std::to_string(response.status);
  std::deque<std::string> kept;  // until they are copied
  std::vector<nghttp2_nv> fields = {field(":status", status)};
  for_each_header(response, parts_.date.now(), [&](std::string_view name, std::string_view value) {
    kept.push_back(lower_ascii(name));
    kept.emplace_back(value);
    fields.push_back(field(kept[kept.size() - 2], kept.back()));
  });
  if (!stream.head_only) {
    stream.body = std::move(response.body);
  }
  nghttp2_data_provider body{};
  body.read_callback = next_data;
  nghttp2_submit_response(native_.get(),
                          stream.id,
                          fields.data(),
                          fields.size(),
                          stream.body.empty() ? nullptr : &body);
}

int SessionOfNghttp2::send_data(int32_t id, std::string_view head, std::size_t bytes) {
  if (out_->size() >= out_bytes_max_) {
    return NGHTTP2_ERR_WOULDBLOCK;  // the same the next time
  }
  Stream* const stream = find(id);
  if (stream == nullptr) {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  out_->append(head).append(stream->body, stream->sent, bytes);
  const std::size_t progress = progress_bytes(stream->body.size());
  if (stream->sent / progress != (stream->sent + bytes) / progress) {
    stream->begin_time(kReadTime);
  }
  stream->sent += bytes;
  sent_ += bytes;
  flood_.sent(bytes);
  return 0;
}

void SessionOfNghttp2::append_output(std::size_t bytes_max, std::string* out) {
  out_ = out;
  out_bytes_max_ = bytes_max;
  while (out->size() < bytes_max && !is_broken_) {
    const uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(native_.get(), &bytes);
    is_broken_ = size < 0;
    if (size > 0) {
      out->append(text(bytes, static_cast<std::size_t>(size)));
    } else if (flood_.is_seen() && !has_ended_) {
      end_flood();
    } else {
      break;
    }
  }
  out_ = nullptr;
}

/// All of an answer stands in the output.
void SessionOfNghttp2::end_answer(int32_t id) {
  Stream* const stream = find(id);
  if (stream == nullptr) {
    return;
  }
  stream->is_sent = true;
  flood_.answered();
  stream->begin_time(kReadTime);  // for the rest of a request that is refused
}

void SessionOfNghttp2::cut_off(Stream& stream) {
  // The window of the connection is used up nearly always where it is small: then somebody's bytes
  // must have been taken meanwhile.
  const bool is_open =
      stream.body.empty() ||
      (nghttp2_session_get_stream_remote_window_size(native_.get(), stream.id) > 0 &&
       (nghttp2_session_get_remote_window_size(native_.get()) > 0 || sent_ != stream.seen_sent));
  if (stream.is_answered && !stream.is_sent && is_open) {
    stream.seen_sent = sent_;  // it waits for its turn, or for the socket, which has its own time
    stream.begin_time(kReadTime);
    return;
  }
  if (!stream.is_sent) {
    parts_.counters.late_streams.add();
  }
  stream.is_answered = true;
  stream.begin_time(kNoTime);
  nghttp2_submit_rst_stream(native_.get(),
                            NGHTTP2_FLAG_NONE,
                            stream.id,
                            stream.is_sent ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
  wants_to_send_();
}

/// RFC 9113, section 6.8: first that there will be a last request, then which it is, once the
/// client has read the first and all that it had sent by then is here: a PING is answered in turn.
void SessionOfNghttp2::drain(bool at_once) {
  if (!has_notice_ && !at_once && !has_ended_) {
    has_notice_ = true;
    nghttp2_submit_shutdown_notice(native_.get());
  }
  if (at_once && !last_stream_.has_value() && !has_ended_) {
    last_stream_ = nghttp2_session_get_last_proc_stream_id(native_.get());
    nghttp2_submit_goaway(
        native_.get(), NGHTTP2_FLAG_NONE, *last_stream_, NGHTTP2_NO_ERROR, nullptr, 0);
  }
}

void SessionOfNghttp2::end_stream(int32_t id, uint32_t error) {
  Stream* const stream = find(id);
  if (stream == nullptr) {
    return;
  }
  if (error != NGHTTP2_NO_ERROR && !stream->is_sent && !stream->is_taken_back) {
    flood_.spend_reset();
  }
  hold(*stream, 0);
  streams_.erase(id);
}

/// No exception goes through nghttp2: memory may run out.
template <typename Do>
int guarded(const Do& take) {
  try {
    return take();
  } catch (const std::bad_alloc&) {
    return NGHTTP2_ERR_CALLBACK_FAILURE;
  }
}

int on_begin_headers(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
  return guarded([&] {
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      self(user).begin_stream(frame->hd.stream_id);
    }
    return 0;
  });
}

/// What stands behind a body is no header of it.
int on_header(nghttp2_session* /*session*/,
              const nghttp2_frame* frame,
              const uint8_t* name,
              std::size_t name_bytes,
              const uint8_t* value,
              std::size_t value_bytes,
              uint8_t /*flags*/,
              void* user) {
  return guarded([&] {
    return frame->headers.cat != NGHTTP2_HCAT_REQUEST
               ? 0
               : self(user).take_header(
                     frame->hd.stream_id, text(name, name_bytes), text(value, value_bytes));
  });
}

int on_data(nghttp2_session* /*session*/,
            uint8_t /*flags*/,
            int32_t id,
            const uint8_t* bytes,
            std::size_t size,
            void* user) {
  return guarded([&] {
    self(user).take_body(id, text(bytes, size));
    return 0;
  });
}

int on_frame(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
  return guarded([&] {
    const int32_t id = frame->hd.stream_id;
    const bool is_data = frame->hd.type == NGHTTP2_DATA;
    const bool is_last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (is_data && frame->hd.length <= Http2FrameHead::kPaddingMax &&
        frame->hd.length > frame->data.padlen) {
      self(user).take_small_data(id);
    }
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      self(user).take_head(id, is_last);
    } else if (frame->hd.type == NGHTTP2_RST_STREAM) {
      self(user).take_reset(id);
    } else if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
      self(user).take_pong(text(frame->ping.opaque_data, sizeof(frame->ping.opaque_data)));
    }
    if (is_last && (frame->hd.type == NGHTTP2_HEADERS || is_data)) {
      self(user).take_end(id);
    }
    return 0;
  });
}

int on_sent(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
  if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
      (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
    self(user).end_answer(frame->hd.stream_id);
  } else if (frame->hd.type == NGHTTP2_GOAWAY) {
    self(user).follow_notice();
  }
  return 0;
}

int on_close(nghttp2_session* /*session*/, int32_t id, uint32_t error, void* user) {
  self(user).end_stream(id, error);
  return 0;
}

/// How much of an answer goes next: the bytes themselves are taken by send_data.
ssize_t next_data(nghttp2_session* /*session*/,
                  int32_t id,
                  uint8_t* /*buffer*/,
                  std::size_t bytes_max,
                  uint32_t* flags,
                  nghttp2_data_source* /*source*/,
                  void* user) {
  const std::size_t left = self(user).unsent_bytes(id);
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (left <= bytes_max) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
  }
  return static_cast<ssize_t>(std::min(left, bytes_max));
}

int send_data(nghttp2_session* /*session*/,
              nghttp2_frame* frame,
              const uint8_t* head,
              std::size_t bytes,
              nghttp2_data_source* /*source*/,
              void* user) {
  return guarded([&] {
    return self(user).send_data(frame->hd.stream_id, text(head, kFrameHeadBytes), bytes);
  });
}

Callbacks make_callbacks() {
  nghttp2_session_callbacks* made = nullptr;
  ASSAY_CHECK(nghttp2_session_callbacks_new(&made) == 0);  // else memory ran out
  nghttp2_session_callbacks_set_on_begin_headers_callback(made, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(made, on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, on_data);
  nghttp2_session_callbacks_set_on_frame_recv_callback(made, on_frame);
  nghttp2_session_callbacks_set_on_frame_send_callback(made, on_sent);
  nghttp2_session_callbacks_set_on_stream_close_callback(made, on_close);
  nghttp2_session_callbacks_set_send_data_callback(made, send_data);
  return Callbacks(made);
}

}  // namespace

std::unique_ptr<Http2Session> Http2Session::make(const Parts& parts,
                                                 std::function<void()> wants_to_send) {
  return std::make_unique<SessionOfNghttp2>(parts, std::move(wants_to_send));
}

}  // namespace assay::serve
