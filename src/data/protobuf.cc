#include "data/protobuf.h"

#include <array>
#include <cstring>

#include "base/time.h"

namespace assay::data {
namespace {

using Wire = ProtoField::Wire;

constexpr uint64_t kFieldNumberMax = (uint64_t{1} << 29) - 1;

Status broken() {
  return {Code::kInvalidArgument, "not a protobuf message"};
}

void append_tag(std::string* out, int field, Wire wire) {
  append_varint(out, static_cast<uint64_t>(field) << 3 | static_cast<uint64_t>(wire));
}

template <typename T>
void append_fixed(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(T));  // little-endian, as the machine
}

}  // namespace

void append_varint(std::string* out, uint64_t value) {
  std::array<char, kVarintBytesMax> bytes;  // filled as far as it is used
  out->append(bytes.data(), write_varint(bytes.data(), value));
}

void ProtoWriter::integer(int field, int64_t value) {
  append_tag(&out_, field, Wire::kVarint);
  append_varint(&out_, static_cast<uint64_t>(value));
}

void ProtoWriter::real32(int field, float value) {
  append_tag(&out_, field, Wire::kFixed32);
  append_fixed(&out_, value);
}

void ProtoWriter::real64(int field, double value) {
  append_tag(&out_, field, Wire::kFixed64);
  append_fixed(&out_, value);
}

void ProtoWriter::bytes(int field, std::string_view value) {
  append_tag(&out_, field, Wire::kBytes);
  append_varint(&out_, value.size());
  out_.append(value);
}

std::string proto_seconds(int64_t micros) {
  std::array<char, kProtoSecondsBytesMax> bytes;  // filled as far as it is used
  return {bytes.data(), write_proto_seconds(bytes.data(), micros)};
}

char* write_proto_seconds(char* out, int64_t micros) {
  constexpr char kSecondsTag = 1 << 3 | static_cast<char>(Wire::kVarint);
  constexpr char kNanosTag = 2 << 3 | static_cast<char>(Wire::kVarint);
  int64_t seconds = micros / kMicrosPerSecond;
  int64_t rest = micros % kMicrosPerSecond;
  if (rest < 0) {
    seconds -= 1;
    rest += kMicrosPerSecond;
  }
  if (seconds != 0) {
    *out++ = kSecondsTag;
    out = write_varint(out, static_cast<uint64_t>(seconds));
  }
  if (rest != 0) {
    *out++ = kNanosTag;
    out = write_varint(out, static_cast<uint64_t>(rest * 1000));
  }
  return out;
}

Result<int64_t> read_proto_seconds(std::string_view message) {
  constexpr int64_t kNanosPerMicro = 1000;
  constexpr int64_t kNanosPerSecond = kMicrosPerSecond * kNanosPerMicro;
  int64_t seconds = 0;
  int64_t nanos = 0;
  ProtoReader reader(message);
  while (true) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<ProtoField> field, reader.next());
    if (!field.has_value()) {
      break;
    }
    if (field->number > 2) {
      continue;
    }
    if (field->wire != Wire::kVarint) {
      return broken();
    }
    (field->number == 1 ? seconds : nanos) = static_cast<int64_t>(field->bits);
  }
  if (seconds < kFirstInstant.micros / kMicrosPerSecond ||
      seconds >= kEndInstant.micros / kMicrosPerSecond || nanos < 0 || nanos >= kNanosPerSecond) {
    return broken();
  }
  return seconds * kMicrosPerSecond + nanos / kNanosPerMicro;
}

Result<std::optional<uint64_t>> ProtoReader::next_varint() {
  if (rest_.empty()) {
    return std::optional<uint64_t>();
  }
  uint64_t value = 0;
  for (std::size_t i = 0; i < kVarintBytesMax && i < rest_.size(); ++i) {
    const auto byte = static_cast<uint8_t>(rest_[i]);
    if (i == kVarintBytesMax - 1 && byte > 1) {
      break;
    }
    value |= static_cast<uint64_t>(byte & 0x7F) << (7 * i);
    if (byte < 0x80) {
      rest_.remove_prefix(i + 1);
      return std::optional<uint64_t>(value);
    }
  }
  return broken();
}

Result<std::optional<ProtoField>> ProtoReader::next() {
  ASSAY_ASSIGN_OR_RETURN(const std::optional<uint64_t> tag, next_varint());
  if (!tag.has_value()) {
    return std::optional<ProtoField>();
  }
  const uint64_t number = *tag >> 3;
  if (number == 0 || number > kFieldNumberMax) {
    return broken();
  }
  ProtoField field;
  field.number = static_cast<int>(number);
  field.wire = static_cast<Wire>(*tag & 7);
  std::size_t size = 0;
  switch (field.wire) {
    case Wire::kVarint: {
      ASSAY_ASSIGN_OR_RETURN(const std::optional<uint64_t> value, next_varint());
      if (!value.has_value()) {
        return broken();
      }
      field.bits = *value;
      return std::optional<ProtoField>(field);
    }
    case Wire::kBytes: {
      ASSAY_ASSIGN_OR_RETURN(const std::optional<uint64_t> length, next_varint());
      if (!length.has_value() || *length > rest_.size()) {
        return broken();
      }
      field.bytes = rest_.substr(0, *length);
      rest_.remove_prefix(*length);
      return std::optional<ProtoField>(field);
    }
    case Wire::kFixed64:
      size = 8;
      break;
    case Wire::kFixed32:
      size = 4;
      break;
  }
  if (size == 0 || rest_.size() < size) {
    return broken();
  }
  std::memcpy(&field.bits, rest_.data(), size);
  rest_.remove_prefix(size);
  return std::optional<ProtoField>(field);
}

}  // namespace assay::data
