#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace assay {

/// Source of randomness: seeded in tests, the system's in the program.
///
/// Threads thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  /// 64 uniformly distributed bits.
  virtual uint64_t next() = 0;
  /// A version 4 UUID, lower case with dashes.
  std::string uuid();
  /// Uniform in [0, end). `end` > 0.
  uint64_t below(uint64_t end);
};

/// Randomness of the operating system.
std::unique_ptr<Random> system_random();
/// The same sequence for the same seed, on every machine.
std::unique_ptr<Random> seeded_random(uint64_t seed);

}  // namespace assay
