#pragma once

#include <string>
#include <string_view>

namespace assay::store {

/// SHA-256 of bytes, 32 bytes.
std::string sha256(std::string_view bytes);
/// HMAC-SHA-256, 32 bytes.
std::string hmac_sha256(std::string_view key, std::string_view message);
/// MD5, 16 bytes: what S3 wants beside a request to remove many objects. Not for secrets.
std::string md5(std::string_view bytes);
/// Lower case hexadecimal digits.
std::string to_hex(std::string_view bytes);
/// Base64 with padding.
std::string to_base64(std::string_view bytes);

}  // namespace assay::store
