#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#ifdef __SSE4_2__
#include <nmmintrin.h>
#endif

namespace assay::online {

/// CRC-32C (Castagnoli) of `bytes`; `crc` is the sum so far, so sums of pieces chain.
///
/// Cost    one SSE4.2 instruction per 8 bytes where the build allows it, else a table.
/// Source  RFC 3720 appendix B.4
uint32_t crc32c(std::string_view bytes, uint32_t crc = 0);

/// The same of two words, little-endian, where a call would cost more than the sum.
inline uint32_t crc32c(uint64_t first, uint64_t second) {
#ifdef __SSE4_2__
  const uint64_t sum = _mm_crc32_u64(_mm_crc32_u64(~uint32_t{0}, first), second);
  return ~static_cast<uint32_t>(sum);
#else
  const std::array<uint64_t, 2> words = {first, second};
  return crc32c({reinterpret_cast<const char*>(words.data()), sizeof(words)});
#endif
}

}  // namespace assay::online
