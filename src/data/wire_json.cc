#include "data/wire_json.h"

#include <algorithm>
#include <cmath>

#include "base/time.h"
#include "data/decimal.h"

namespace assay::data {
namespace {

std::string_view non_finite(double value) {
  return std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}

}  // namespace

bool take_zigzag(std::string_view* bytes, int64_t* value) {
  uint64_t bits = 0;
  for (std::size_t i = 0; i < bytes->size() && i < 10; ++i) {
    const auto byte = static_cast<uint8_t>((*bytes)[i]);
    if (i == 9 && byte > 1) {
      return false;  // more than 64 bits
    }
    bits |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      bytes->remove_prefix(i + 1);
      *value = static_cast<int64_t>(bits >> 1) ^ -static_cast<int64_t>(bits & 1);
      return true;
    }
  }
  return false;
}

void write_days(int64_t days, JsonWriter* json) {
  int64_t micros = 0;
  if (__builtin_mul_overflow(days, kMicrosPerDay, &micros) || micros < kFirstInstant.micros ||
      micros >= kEndInstant.micros) {
    json->integer(days);
    return;
  }
  json->string(format_time({micros}).substr(0, 10));
}

void write_instant(int64_t count, int64_t micros_each, JsonWriter* json) {
  int64_t micros = 0;
  if (__builtin_mul_overflow(count, micros_each, &micros) || micros < kFirstInstant.micros ||
      micros >= kEndInstant.micros) {
    json->integer(count);
    return;
  }
  json->string(format_time({micros}));
}

void write_real(double value, JsonWriter* json) {
  std::isfinite(value) ? json->number(value) : json->string(non_finite(value));
}

std::optional<std::string> unscaled_decimal(std::string_view bytes, int64_t scale) {
  if (bytes.empty() || bytes.size() > sizeof(Int128) || scale > kDecimalDigitsMax ||
      scale < -kDecimalDigitsMax) {
    return std::nullopt;
  }
  // Shifted without a sign: of 16 bytes what was extended before is shifted out whole.
  __extension__ typedef unsigned __int128 Bits;
  Bits bits = static_cast<signed char>(bytes[0]) < 0 ? ~Bits{0} : Bits{0};
  for (const char byte : bytes) {
    bits = (bits << 8) | static_cast<uint8_t>(byte);
  }
  const auto units = static_cast<Int128>(bits);
  std::string text = format_decimal(units, static_cast<int>(std::max<int64_t>(scale, 0)));
  if (scale < 0 && units != 0) {
    text.append(static_cast<std::size_t>(-scale), '0');
  }
  return text;
}

}  // namespace assay::data
