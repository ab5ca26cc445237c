// The tests' end of HTTP/2.

#include "serve/http2_client.h"

#include <algorithm>
#include <map>
#include <utility>

#include <nghttp2/nghttp2.h>

#include "base/check.h"
#include "serve/freed.h"
#include "serve/http2_frames.h"

namespace assay::serve {
namespace {

std::string_view text(const uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

uint32_t number(std::string_view bytes) {
  uint32_t value = 0;
  for (const char byte : bytes) {
    value = value << 8 | static_cast<unsigned char>(byte);
  }
  return value;
}

}  // namespace

struct Http2Client::State {
  /// A request's body as far as it may be sent.
  struct Body {
    std::string bytes;
    std::size_t sent = 0;
    bool is_whole = false;
  };

  HttpClient& wire;
  std::unique_ptr<nghttp2_session, Freed<nghttp2_session_del>> session{};
  std::map<int32_t, Body> bodies{};
  std::map<int32_t, Http2Answer> answers{};
  std::vector<int32_t> ended{};
  std::optional<uint32_t> goaway{};

  static State& self(void* user) { return *static_cast<State*>(user); }
  static int on_header(nghttp2_session* /*session*/,
                       const nghttp2_frame* frame,
                       const uint8_t* name,
                       std::size_t name_bytes,
                       const uint8_t* value,
                       std::size_t value_bytes,
                       uint8_t /*flags*/,
                       void* user) {
    Http2Answer& answer = self(user).answers[frame->hd.stream_id];
    const std::string name_text(text(name, name_bytes));
    const std::string value_text(text(value, value_bytes));
    if (name_text == ":status") {
      answer.status = std::stoi(value_text);
    } else {
      answer.headers.emplace_back(name_text, value_text);
    }
    return 0;
  }
  static int on_data(nghttp2_session* /*session*/,
                     uint8_t /*flags*/,
                     int32_t id,
                     const uint8_t* bytes,
                     std::size_t size,
                     void* user) {
    self(user).answers[id].body.append(text(bytes, size));
    return 0;
  }
  static int on_frame(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
    State& state = self(user);
    if (frame->hd.type == NGHTTP2_GOAWAY) {
      state.goaway = frame->goaway.error_code;
    } else if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
               (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      state.ended.push_back(frame->hd.stream_id);
    }
    return 0;
  }
  static int on_close(nghttp2_session* /*session*/, int32_t id, uint32_t error, void* user) {
    State& state = self(user);
    if (std::find(state.ended.begin(), state.ended.end(), id) == state.ended.end()) {
      state.answers[id].reset = error;
      state.ended.push_back(id);
    }
    return 0;
  }
  static ssize_t next_body(nghttp2_session* /*session*/,
                           int32_t id,
                           uint8_t* buffer,
                           std::size_t size,
                           uint32_t* flags,
                           nghttp2_data_source* /*source*/,
                           void* user) {
    Body& body = self(user).bodies[id];
    const std::size_t taken = std::min(size, body.bytes.size() - body.sent);
    std::copy_n(body.bytes.data() + body.sent, taken, reinterpret_cast<char*>(buffer));
    body.sent += taken;
    if (body.sent == body.bytes.size()) {
      if (!body.is_whole && taken == 0) {
        return NGHTTP2_ERR_DEFERRED;
      }
      *flags |= body.is_whole ? uint32_t{NGHTTP2_DATA_FLAG_EOF} : 0U;
    }
    return static_cast<ssize_t>(taken);
  }
  int32_t submit(std::string_view method,
                 std::string_view target,
                 const Body& body,
                 const Headers& headers) {
    const auto field = [](std::string_view name, std::string_view value) {
      const auto bytes = [](std::string_view of) {
        return reinterpret_cast<uint8_t*>(const_cast<char*>(of.data()));
      };
      return nghttp2_nv{bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
    };
    std::vector<nghttp2_nv> fields = {field(":method", method),
                                      field(":path", target),
                                      field(":scheme", "http"),
                                      field(":authority", "test")};
    for (const auto& [name, value] : headers) {
      fields.push_back(field(name, value));
    }
    nghttp2_data_provider provider{};
    provider.read_callback = next_body;
    const bool has_body = !body.is_whole || !body.bytes.empty();
    const int32_t id = nghttp2_submit_request(session.get(),
                                              nullptr,
                                              fields.data(),
                                              fields.size(),
                                              has_body ? &provider : nullptr,
                                              nullptr);
    bodies[id] = body;
    return id;
  }
};

Http2Client::Http2Client(HttpClient& wire, const Http2ClientOptions& options)
    : state_(std::make_unique<State>(State{wire})) {
  nghttp2_session_callbacks* made = nullptr;
  ASSAY_CHECK(nghttp2_session_callbacks_new(&made) == 0);
  const std::unique_ptr<nghttp2_session_callbacks, Freed<nghttp2_session_callbacks_del>> callbacks(
      made);
  nghttp2_session_callbacks_set_on_header_callback(made, State::on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, State::on_data);
  nghttp2_session_callbacks_set_on_frame_recv_callback(made, State::on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(made, State::on_close);
  nghttp2_option* how = nullptr;
  ASSAY_CHECK(nghttp2_option_new(&how) == 0);
  const std::unique_ptr<nghttp2_option, Freed<nghttp2_option_del>> freed(how);
  nghttp2_option_set_peer_max_concurrent_streams(how, 1'000);  // until the server says how many
  nghttp2_option_set_no_auto_window_update(how, options.reads_answers ? 0 : 1);
  nghttp2_session* session = nullptr;
  ASSAY_CHECK(nghttp2_session_client_new2(&session, made, state_.get(), how) == 0);
  state_->session.reset(session);
  const nghttp2_settings_entry window{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options.window_bytes};
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, &window, 1);
  nghttp2_session_set_local_window_size(
      session,
      NGHTTP2_FLAG_NONE,
      0,
      std::max(NGHTTP2_INITIAL_CONNECTION_WINDOW_SIZE, static_cast<int32_t>(options.window_bytes)));
  send_output();
}
Http2Client::~Http2Client() = default;

void Http2Client::send_output() {
  const uint8_t* bytes = nullptr;
  ssize_t size = 0;
  while ((size = nghttp2_session_mem_send(state_->session.get(), &bytes)) > 0 &&
         state_->wire.send(text(bytes, static_cast<std::size_t>(size)))) {
  }
}

int32_t Http2Client::send(std::string_view method,
                          std::string_view target,
                          std::string_view body,
                          const Headers& headers) {
  const int32_t id = state_->submit(method, target, {std::string(body), 0, true}, headers);
  send_output();
  return id;
}

int32_t Http2Client::send_half(std::string_view method,
                               std::string_view target,
                               std::string_view body) {
  const int32_t id = state_->submit(method, target, {std::string(body), 0, false}, {});
  send_output();
  return id;
}

void Http2Client::send_rest(int32_t stream, std::string_view body) {
  state_->bodies[stream].bytes += body;
  state_->bodies[stream].is_whole = true;
  nghttp2_session_resume_data(state_->session.get(), stream);
  send_output();
}

void Http2Client::reset(int32_t stream) {
  nghttp2_submit_rst_stream(state_->session.get(), NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
  send_output();
}

bool Http2Client::read_more() {
  const std::string bytes = state_->wire.receive_bytes();
  if (bytes.empty()) {
    return false;
  }
  const ssize_t taken = nghttp2_session_mem_recv(
      state_->session.get(), reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  send_output();
  return taken >= 0;
}

std::optional<Http2Answer> Http2Client::receive(int32_t stream) {
  const auto& ended = state_->ended;
  while (stream >= 0) {
    if (std::find(ended.begin(), ended.end(), stream) != ended.end()) {
      return std::exchange(state_->answers[stream], {});
    }
    if (!read_more()) {
      break;
    }
  }
  return std::nullopt;
}

bool Http2Client::read_to_end() {
  while (read_more()) {
  }
  return state_->wire.closed_by_server();
}

const std::vector<int32_t>& Http2Client::ended() const {
  return state_->ended;
}

std::optional<uint32_t> Http2Client::goaway() const {
  return state_->goaway;
}

std::string FrameClient::greeting() {
  return std::string(kHttp2Preface) + frame(NGHTTP2_SETTINGS, 0, 0);
}

std::string FrameClient::frame(uint8_t type,
                               uint8_t flags,
                               uint32_t stream,
                               std::string_view payload) {
  std::string bytes;
  const auto put = [&bytes](std::size_t value, int size) {
    for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) {
      bytes += static_cast<char>(value >> shift & 0xff);
    }
  };
  put(payload.size(), 3);
  put(type, 1);
  put(flags, 1);
  put(stream, 4);
  return bytes.append(payload);
}

std::string FrameClient::field(std::string_view name, std::string_view value) {
  std::string bytes(1, '\0');
  for (const std::string_view part : {name, value}) {
    constexpr std::size_t kPrefixMax = 127;
    std::size_t size = part.size();
    bytes += static_cast<char>(std::min(size, kPrefixMax));
    if (size >= kPrefixMax) {
      size -= kPrefixMax;
      for (; size >= 128; size /= 128) {
        bytes += static_cast<char>(128 + size % 128);
      }
      bytes += static_cast<char>(size);
    }
    bytes += part;
  }
  return bytes;
}

std::string FrameClient::get(uint32_t stream, std::string_view target) {
  return frame(NGHTTP2_HEADERS,
               NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,
               stream,
               field(":method", "GET") + field(":scheme", "http") + field(":path", target) +
                   field(":authority", "test"));
}

std::optional<WireFrame> FrameClient::next() {
  constexpr std::size_t kHeadBytes = 9;
  const auto is_whole = [this] {
    return bytes_.size() >= kHeadBytes &&
           bytes_.size() >= kHeadBytes + number(std::string_view(bytes_).substr(0, 3));
  };
  while (!is_whole()) {
    const std::string more = wire_.receive_bytes();
    if (more.empty()) {
      return std::nullopt;
    }
    bytes_ += more;
  }
  const std::size_t size = number(std::string_view(bytes_).substr(0, 3));
  WireFrame frame{static_cast<uint8_t>(bytes_[3]),
                  static_cast<uint8_t>(bytes_[4]),
                  number(std::string_view(bytes_).substr(5, 4)),
                  bytes_.substr(kHeadBytes, size)};
  bytes_.erase(0, kHeadBytes + size);
  return frame;
}

std::optional<WireFrame> FrameClient::next(uint8_t type) {
  std::optional<WireFrame> frame = next();
  while (frame.has_value() && frame->type != type) {
    frame = next();
  }
  return frame;
}

std::optional<uint32_t> FrameClient::goaway() {
  const std::optional<WireFrame> frame = next(NGHTTP2_GOAWAY);
  return frame.has_value() ? std::optional(number(std::string_view(frame->payload).substr(4, 4)))
                           : std::nullopt;
}

}  // namespace assay::serve
