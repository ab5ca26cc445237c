#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace assay::data {

/// Appends the fields of one protobuf message to a string, in the order of the calls.
///
/// A field is written whatever its value is; leaving out defaults is the caller's, as proto3 asks.
/// Source  protobuf.dev/programming-guides/encoding
class ProtoWriter {
 public:
  explicit ProtoWriter(std::string& out) : out_(out) {}
  /// int32, int64, uint64, enum: two's complement of 64 bits.
  void integer(int field, int64_t value);
  void boolean(int field, bool value) { integer(field, value ? 1 : 0); }
  void real32(int field, float value);
  void real64(int field, double value);
  /// bytes, string, a message that is encoded already, packed numbers.
  void bytes(int field, std::string_view value);

 private:
  std::string& out_;
};

/// Append a number as a varint, without a field: for packed lists.
void append_varint(std::string* out, uint64_t value);
/// The same to where there is room for that many bytes; where it ends.
inline constexpr std::size_t kVarintBytesMax = 10;
inline char* write_varint(char* out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) {
    *out++ = static_cast<char>((value & 0x7F) | 0x80);
  }
  *out++ = static_cast<char>(value);
  return out;
}
/// google.protobuf.Timestamp or Duration of microseconds: seconds 1, nanoseconds 2, zeros left out.
std::string proto_seconds(int64_t micros);
/// The same to where there is room for that many bytes; where it ends.
inline constexpr std::size_t kProtoSecondsBytesMax = 2 * (1 + kVarintBytesMax);
char* write_proto_seconds(char* out, int64_t micros);
/// One read back, in microseconds; what is below them is cut off.
/// Errors  kInvalidArgument: no such message, or outside of the years 1 to 9999.
Result<int64_t> read_proto_seconds(std::string_view message);

/// One field as it stands in a message. `bytes` is of the message's memory.
struct ProtoField {
  enum class Wire { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };
  int number = 0;
  Wire wire = Wire::kVarint;
  uint64_t bits = 0;
  std::string_view bytes;
};

/// Reads the fields of a message one after the other.
///
/// Errors  kInvalidArgument: bytes that are no message; groups count as such.
class ProtoReader {
 public:
  explicit ProtoReader(std::string_view message) : rest_(message) {}
  /// The next field; nothing at the end.
  Result<std::optional<ProtoField>> next();
  /// The next number of a packed list; nothing at the end.
  Result<std::optional<uint64_t>> next_varint();

 private:
  std::string_view rest_;
};

}  // namespace assay::data
