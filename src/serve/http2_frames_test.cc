// Frames cut out of bytes in any pieces, against the frames that were put in.

#include "serve/http2_frames.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "serve/http2_client.h"

namespace assay::serve {
namespace {

struct Seen {
  uint32_t payload_bytes;
  uint8_t type;
  uint8_t flags;
  bool operator==(const Seen&) const = default;
};

TEST(Http2Frames, AreTheSameWhateverThePiecesTheyComeIn) {
  const auto random = seeded_random(7);
  for (int round = 0; round < 200; ++round) {
    std::string bytes(kHttp2Preface);
    std::vector<Seen> expected;
    std::vector<std::size_t> ends = {bytes.size()};
    for (uint64_t i = random->next() % 20; i > 0; --i) {
      const std::string payload(random->next() % 3 == 0 ? 0 : random->next() % 300, 'p');
      const auto type = static_cast<uint8_t>(random->next());
      const auto flags = static_cast<uint8_t>(random->next());
      bytes += FrameClient::frame(type, flags, 1, payload);
      ends.push_back(bytes.size());
      expected.push_back({static_cast<uint32_t>(payload.size()), type, flags});
    }
    Http2Frames frames;
    EXPECT_FALSE(frames.is_midway()) << "nothing has begun";
    std::vector<Seen> seen;
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t size = std::min<std::size_t>(1 + random->next() % 40, bytes.size() - at);
      frames.take(std::string_view(bytes).substr(at, size), [&](const Http2FrameHead& head) {
        seen.push_back({head.payload_bytes, head.type, head.flags});
      });
      at += size;
      EXPECT_EQ(frames.is_midway(), std::find(ends.begin(), ends.end(), at) == ends.end()) << at;
    }
    EXPECT_EQ(seen, expected);
    EXPECT_EQ(frames.count(), static_cast<int64_t>(expected.size()));
  }
}

}  // namespace
}  // namespace assay::serve
