#pragma once

#include <cstdint>
#include <string_view>

namespace assay::online {

/// CRC-32C (Castagnoli) of `bytes`; `crc` is the sum so far, so sums of pieces chain.
///
/// Cost    one SSE4.2 instruction per 8 bytes where the build allows it, else a table.
/// Source  RFC 3720 appendix B.4
uint32_t crc32c(std::string_view bytes, uint32_t crc = 0);

}  // namespace assay::online
