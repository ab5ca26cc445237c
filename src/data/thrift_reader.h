#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "data/thrift_compact.h"

namespace assay::data {

/// Reads structs in Thrift's compact protocol, as ThriftWriter draws it, from bytes that may be
/// anything: what makes no sense ends it, and everything read afterwards is nothing.
///
///   reader.begin_struct();
///   while (reader.next_field()) {
///     reader.id() == 3 ? number = reader.i64() : reader.skip();
///   }
///
/// Threads one thread at a time.
class ThriftReader {
 public:
  explicit ThriftReader(std::string_view bytes) : bytes_(bytes) {}

  [[nodiscard]] bool ok() const { return ok_; }
  /// Bytes read so far.
  [[nodiscard]] std::size_t offset() const { return offset_; }

  /// Of the outermost struct, of a field, or of an element of a list.
  void begin_struct() {
    if (last_ids_.size() == kDepthMax) {
      fail();
    }
    last_ids_.push_back(0);
  }
  /// False at the struct's end.
  bool next_field() {
    const uint8_t head = byte();
    type_ = head & 0x0F;
    if (!ok_ || type_ == 0 || last_ids_.empty()) {
      ok_ = ok_ && !last_ids_.empty();
      if (ok_) {
        last_ids_.pop_back();
      }
      return false;
    }
    const int delta = head >> 4;
    id_ = delta != 0 ? last_ids_.back() + delta : static_cast<int>(number() & 0x7FFF);
    last_ids_.back() = id_;
    return ok_;
  }
  [[nodiscard]] int id() const { return id_; }

  /// The field's value, when it is a number of 16 to 64 bits.
  int64_t i64() { return type_ >= 4 && type_ <= 6 ? number() : wrong(); }
  /// The field is a struct: its fields come next.
  bool enter_struct() {
    if (type_ != 12) {
      wrong();
      return false;
    }
    begin_struct();
    return ok_;
  }
  /// The field is a list of structs: how many there are. begin_struct, for each.
  std::size_t enter_structs() {
    std::size_t size = 0;
    if (type_ != 9 || begin_list(&size) != 12) {
      wrong();
      return 0;
    }
    return size;
  }
  /// Pass over the field's value.
  void skip() { skip_value(type_, 0); }

 private:
  static constexpr std::size_t kDepthMax = 16;

  int64_t wrong() {
    fail();
    return 0;
  }
  void fail() {
    ok_ = false;
    offset_ = bytes_.size();
  }
  uint8_t byte() {
    if (offset_ >= bytes_.size()) {
      fail();
      return 0;
    }
    return static_cast<uint8_t>(bytes_[offset_++]);
  }
  uint64_t varint() {
    std::string_view rest = bytes_.substr(offset_);
    uint64_t value = 0;
    if (!take_varint(rest, &value)) {
      fail();
      return 0;
    }
    offset_ = bytes_.size() - rest.size();
    return value;
  }
  int64_t number() {
    const uint64_t value = varint();
    return static_cast<int64_t>(value >> 1 ^ (~(value & 1) + 1));
  }
  std::string_view bytes_of(uint64_t size) {
    if (size > bytes_.size() - offset_) {
      fail();
      return {};
    }
    const std::string_view part = bytes_.substr(offset_, static_cast<std::size_t>(size));
    offset_ += part.size();
    return part;
  }
  /// The type of the elements.
  int begin_list(std::size_t* size) {
    const uint8_t head = byte();
    const uint64_t count = head >> 4 < 15 ? head >> 4 : varint();
    if (count > bytes_.size() - offset_) {  // an element has at least one byte
      fail();
      return 0;
    }
    *size = static_cast<std::size_t>(count);
    return head & 0x0F;
  }
  void skip_list(std::size_t depth) {
    std::size_t size = 0;
    const int type = begin_list(&size);
    for (std::size_t i = 0; i < size && ok_; ++i) {
      type <= 2 ? static_cast<void>(byte()) : skip_value(type, depth + 1);
    }
  }
  void skip_value(int type, std::size_t depth) {
    if (depth > kDepthMax) {
      return fail();
    }
    switch (type) {
      case 1:  // true and false
      case 2:
        return;
      case 3:
        byte();
        return;
      case 4:
      case 5:
      case 6:
        varint();
        return;
      case 7:
        bytes_of(8);
        return;
      case 8:
        bytes_of(varint());
        return;
      case 9:
      case 10:
        return skip_list(depth);
      case 12:
        begin_struct();
        while (next_field()) {
          skip_value(type_, depth + 1);
        }
        return;
      default:
        return fail();
    }
  }

  std::string_view bytes_;
  std::size_t offset_ = 0;
  bool ok_ = true;
  int id_ = 0;
  int type_ = 0;
  std::vector<int> last_ids_;
};

}  // namespace assay::data
