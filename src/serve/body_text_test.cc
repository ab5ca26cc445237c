#include "serve/body_text.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace assay::serve {
namespace {

TEST(BodyText, HoldsWhatAStringHolds) {
  const std::unique_ptr<Random> random = seeded_random(7);
  SpareBodies& spares = SpareBodies::of_thread();
  for (int body = 0; body < 300; ++body) {
    BodyText text;
    std::string naive;
    for (uint64_t left = random->below(40); left > 0; --left) {
      const std::string piece(random->below(2000), static_cast<char>('a' + random->below(26)));
      if (random->below(3) == 0) {
        char* const room = text.room(piece.size() + random->below(100));
        std::memcpy(room, piece.data(), piece.size());
        text.end(room + piece.size());
        naive += piece;
      } else if (!naive.empty() && random->below(3) == 0) {
        const std::size_t begin = random->below(naive.size());
        const std::size_t end = begin + random->below(naive.size() - begin + 1);
        text.repeat(begin, end);
        naive.append(naive, begin, end - begin);
      } else {
        text.append(piece);
        naive += piece;
      }
      ASSERT_EQ(text.size(), naive.size());
    }
    std::string taken = text.take();
    ASSERT_EQ(taken, naive);
    EXPECT_EQ(text.size(), 0U);
    spares.give(&taken);
    EXPECT_TRUE(taken.empty());
    EXPECT_LE(spares.bytes(), SpareBodies::kBytesMax);
  }
}

TEST(BodyText, ASmallBodyHoldsNoMemoryOfALargeOne) {
  std::string large(300'000, 'x');
  SpareBodies::of_thread().give(&large);
  for (const std::size_t bytes : {10, 1000, 20'000, 70'000, 300'000, 2'000'000}) {
    BodyText text;
    for (std::size_t left = bytes; left > 0; left -= 10) {
      text.append("0123456789");
    }
    std::string body = text.take();
    EXPECT_EQ(body.size(), bytes);
    EXPECT_LE(body.capacity(), bytes + bytes / 8 + (8 << 10));
    SpareBodies::of_thread().give(&body);
  }
}

TEST(SpareBodies, KeepsMemoryWithinItsBound) {
  SpareBodies spares;
  EXPECT_TRUE(spares.take().empty());
  std::string body(100'000, 'x');
  const char* const memory = body.data();
  spares.give(&body);
  EXPECT_EQ(body.capacity(), std::string().capacity()) << "nothing is left with who gave it";
  EXPECT_EQ(spares.take().data(), memory);
  EXPECT_EQ(spares.bytes(), 0U);
  for (std::size_t bytes : {std::size_t{10}, SpareBodies::kBytesMax + 1}) {
    std::string other(bytes, 'x');
    spares.give(&other);
    EXPECT_EQ(spares.bytes(), 0U) << bytes;
    EXPECT_TRUE(other.empty());
  }
  for (int i = 0; i < 100; ++i) {
    std::string other(100'000, 'x');
    spares.give(&other);
    EXPECT_LE(spares.bytes(), SpareBodies::kBytesMax);
  }
  EXPECT_GT(spares.bytes(), SpareBodies::kBytesMax / 2);
}

}  // namespace
}  // namespace assay::serve
