#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace assay {

/// 64-bit hash of bytes (wyhash-like mixing), the same on every machine and in every version: it is
/// written to disk. Not for secrets.
uint64_t hash_bytes(std::string_view bytes, uint64_t seed = 0);
/// Another one of the same kind, four times as fast where there are many bytes. It may change from
/// version to version: for what is not kept.
uint64_t hash_many_bytes(std::string_view bytes);
/// 16 hexadecimal digits.
std::string hash_text(uint64_t hash);
/// Mix of two hashes; order matters.
uint64_t hash_mix(uint64_t a, uint64_t b);

}  // namespace assay
