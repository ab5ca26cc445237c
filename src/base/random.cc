#include "base/random.h"

#include <array>
#include <cstdio>
#include <mutex>
#include <random>

#include "base/check.h"

namespace assay {
namespace {

class SystemRandom : public Random {
 public:
  uint64_t next() override {
    std::lock_guard lock(mutex_);
    return (static_cast<uint64_t>(device_()) << 32) | device_();
  }

 private:
  std::mutex mutex_;
  std::random_device device_;
};

/// splitmix64: any seed, full period, the same everywhere.
class SeededRandom : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  uint64_t next() override {
    std::lock_guard lock(mutex_);
    state_ += 0x9e3779b97f4a7c15U;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }

 private:
  std::mutex mutex_;
  uint64_t state_;
};

}  // namespace

std::string Random::uuid() {
  const uint64_t high = (next() & 0xffffffffffff0fffU) | 0x4000U;
  const uint64_t low = (next() & 0x3fffffffffffffffU) | 0x8000000000000000U;
  std::array<char, 40> text{};
  const int size = std::snprintf(text.data(),
                                 text.size(),
                                 "%08x-%04x-%04x-%04x-%012llx",
                                 static_cast<unsigned>(high >> 32),
                                 static_cast<unsigned>(high >> 16 & 0xffff),
                                 static_cast<unsigned>(high & 0xffff),
                                 static_cast<unsigned>(low >> 48),
                                 static_cast<unsigned long long>(low & 0xffffffffffffU));
  return {text.data(), static_cast<std::size_t>(size)};
}

uint64_t Random::below(uint64_t end) {
  ASSAY_CHECK(end > 0);
  // Values past the last whole multiple of `end` would favour small results: draw again.
  const uint64_t limit = UINT64_MAX - UINT64_MAX % end;
  uint64_t value = next();
  while (value >= limit) {
    value = next();
  }
  return value % end;
}

std::unique_ptr<Random> system_random() {
  return std::make_unique<SystemRandom>();
}
std::unique_ptr<Random> seeded_random(uint64_t seed) {
  return std::make_unique<SeededRandom>(seed);
}

}  // namespace assay
