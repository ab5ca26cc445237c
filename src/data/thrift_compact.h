#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assay::data {

/// Append an unsigned number, seven bits a byte, lowest first.
inline void append_varint(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

/// Take such a number from the front of `bytes`; false when there is none of at most 64 bits.
inline bool take_varint(std::string_view& bytes, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto next = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    *value |= uint64_t{next & 0x7FU} << shift;
    if (next < 0x80) {
      return true;
    }
  }
  return false;
}

/// Appends structs in Thrift's compact protocol, as much of it as Parquet's page headers and
/// footers are made of. Fields are written in ascending order of their ids.
///
///   field   (id - id before) << 4 | type, then the value; a boolean's value is its type
///   list    size << 4 | type of its elements, size 15: a varint follows; then the elements
///   struct  its fields, then 0
///
/// Threads one thread at a time.
class ThriftWriter {
 public:
  enum class Element : uint8_t { kI32 = 5, kBinary = 8, kStruct = 12 };

  /// Begins with the outermost struct.
  explicit ThriftWriter(std::string& out) : out_(out) {}

  void boolean(int id, bool value) { field(id, value ? 1 : 2); }
  void byte(int id, int8_t value) {
    field(id, 3);
    out_.push_back(static_cast<char>(value));
  }
  void i32(int id, int32_t value) {
    field(id, 5);
    number(value);
  }
  void i64(int id, int64_t value) {
    field(id, 6);
    number(value);
  }
  void binary(int id, std::string_view bytes) {
    field(id, 8);
    binary_element(bytes);
  }
  void begin_struct(int id) {
    field(id, 12);
    begin_element();
  }
  /// Of a struct, also of the outermost one.
  void end_struct() {
    out_.push_back('\0');
    last_ids_.pop_back();
  }
  /// `size` elements follow.
  void begin_list(int id, Element element, std::size_t size) {
    field(id, 9);
    const auto type = static_cast<uint8_t>(element);
    out_.push_back(static_cast<char>((size < 15 ? size : 15) << 4 | type));
    if (size >= 15) {
      append_varint(out_, size);
    }
  }
  void i32_element(int32_t value) { number(value); }
  void binary_element(std::string_view bytes) {
    append_varint(out_, bytes.size());
    out_.append(bytes);
  }
  /// A struct of a list; end_struct ends it.
  void begin_element() { last_ids_.push_back(0); }

 private:
  void field(int id, uint8_t type) {
    out_.push_back(static_cast<char>((id - last_ids_.back()) << 4 | type));
    last_ids_.back() = id;
  }
  void number(int64_t value) {
    append_varint(out_, static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63));
  }

  std::string& out_;
  std::vector<int> last_ids_{0};
};

}  // namespace assay::data
