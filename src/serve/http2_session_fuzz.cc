// Any frames behind the preface, in pieces: the session takes them or ends the connection, holds no
// more than it may, and gives all of it back.
//
//   input: how many bytes come at once u8; how much is sent at once u8; what is done u8 (bit 0:
//   requests that are right come first; bit 1: bytes follow as they are, not as below; bit 2: it
//   drains in the middle; bit 3: answers wait for the end; bit 4: time passes). Then frames, each
//   of type u8, flags u8, stream u8, bytes of its payload u8, payload

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "serve/http2_frames.h"
#include "serve/http2_session.h"

namespace {

using assay::serve::ByteBudget;
using assay::serve::Http2Session;

constexpr std::size_t kBudget = 400'000;
constexpr std::size_t kTurns = 30'000;

void append_frame(
    uint8_t type, uint8_t flags, uint8_t stream, std::string_view payload, std::string* out) {
  const std::size_t size = payload.size();
  for (const std::size_t byte :
       {size >> 16, size >> 8 & 0xff, size & 0xff, std::size_t{type}, std::size_t{flags}}) {
    out->push_back(static_cast<char>(byte));
  }
  out->append(3, '\0').push_back(static_cast<char>(stream));
  out->append(payload);
}

std::string field(std::string_view name, std::string_view value) {
  std::string bytes(1, '\0');
  bytes.append(1, static_cast<char>(name.size())).append(name);
  return bytes.append(1, static_cast<char>(value.size())).append(value);
}

/// Settings, a GET, a POST with its body and trailers, a HEAD, one that is half sent, and what a
/// client says between them.
std::string right_requests() {
  const auto head = [](std::string_view method) {
    return field(":method", method) + field(":scheme", "http") + field(":path", "/x") +
           field(":authority", "test");
  };
  std::string bytes;
  append_frame(4, 0, 0, std::string_view("\0\4\0\1\0\0", 6), &bytes);
  append_frame(4, 1, 0, "", &bytes);
  append_frame(1, 5, 1, head("GET"), &bytes);
  append_frame(1, 0, 3, head("POST") + field("expect", "100-continue"), &bytes);
  append_frame(9, 4, 3, field("x-more", "y"), &bytes);
  append_frame(0, 8, 3, std::string_view("\2body\0\0", 7), &bytes);
  append_frame(1, 5, 3, field("x-trailer", "z"), &bytes);
  append_frame(8, 0, 0, std::string_view("\0\1\0\0", 4), &bytes);
  append_frame(1, 5, 5, head("HEAD"), &bytes);
  append_frame(1, 4, 7, head("POST") + field("content-length", "9"), &bytes);
  append_frame(0, 0, 7, "half", &bytes);
  append_frame(6, 0, 0, "12345678", &bytes);
  append_frame(2, 0, 7, std::string_view("\0\0\0\5\1", 5), &bytes);
  return bytes;
}

/// What the client sends.
std::string wire_of(uint8_t what, std::string_view input) {
  std::string wire(assay::serve::kHttp2Preface);
  if ((what & 1) != 0) {
    wire += right_requests();
  }
  if ((what & 2) != 0) {
    return wire.append(input);
  }
  while (input.size() >= 4) {
    const auto byte = [&](std::size_t at) { return static_cast<uint8_t>(input[at]); };
    const std::size_t size = std::min<std::size_t>(byte(3), input.size() - 4);
    append_frame(byte(0), byte(1), byte(2), input.substr(4, size), &wire);
    input.remove_prefix(4 + size);
  }
  return wire;
}

struct Shared {
  assay::FakeClock clock{assay::EventTime{0}};
  assay::Metrics metrics;
  assay::serve::ServerCounters counters{metrics};
  assay::serve::HeadDate date{clock};
  ByteBudget budget{kBudget};
  assay::serve::HttpOptions options;
};

/// Answer all that waits, the last one first.
void answer_all(std::vector<Http2Session::Asked>* waiting, Http2Session* session) {
  while (!waiting->empty()) {
    const Http2Session::Asked& asked = waiting->back();
    ASSAY_CHECK(!asked.request.method.empty());
    assay::serve::Response response;
    response.headers = {{"x-target", asked.request.target}};
    response.body.assign(asked.request.body.size() * 300 + asked.request.target.size(), 'a');
    session->answer(asked.stream, std::move(response));
    waiting->pop_back();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  static Shared shared;
  constexpr std::size_t kHeadBytes = 3;
  if (size < kHeadBytes) {
    return 0;
  }
  shared.options.body_bytes_max = 10'000;
  shared.options.streams_max = 10;
  const std::size_t at_once = std::size_t{data[0]} * 8 + 1;
  const std::size_t sent_at_once = std::size_t{data[1]} * 64 + 1;
  const uint8_t what = data[2];
  const std::string wire =
      wire_of(what, {reinterpret_cast<const char*>(data) + kHeadBytes, size - kHeadBytes});
  assay::serve::ConnectionTimes<assay::serve::TimedStream> times{
      {assay::Duration{80'000}, assay::Duration{80'000}, assay::Duration{80'000}}};
  {
    const auto session = Http2Session::make(
        {shared.options, shared.budget, shared.clock, shared.counters, shared.date, times}, [] {});
    std::vector<Http2Session::Asked> waiting;
    const auto send = [&] {
      std::string out;
      session->append_output(sent_at_once, &out);
      ASSAY_CHECK(out.size() <= sent_at_once + (64 << 10));
      return !out.empty();
    };
    for (std::size_t at = 0; at < wire.size(); at += at_once) {
      session->receive(std::string_view(wire).substr(at, at_once));
      while (auto asked = session->next()) {
        waiting.push_back(*std::move(asked));
      }
      if ((what & 4) != 0 && at > wire.size() / 2) {
        session->drain(at % 2 == 0);
      }
      if ((what & 8) == 0) {
        answer_all(&waiting, session.get());
      }
      if ((what & 16) != 0) {
        times.pass_tick(
            [](const auto& one) -> const auto& { return one.time(); },
            [](auto& one) { one.end_late(); });
      }
      send();
    }
    answer_all(&waiting, session.get());
    std::size_t turns = 0;
    while (send()) {
      ASSAY_CHECK(++turns < kTurns);
    }
  }
  ASSAY_CHECK(shared.budget.take(kBudget));  // all was given back
  shared.budget.give_back(kBudget);
  return 0;
}
