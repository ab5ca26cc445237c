#include "base/json_writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/shortest_decimal.h"

namespace assay {
namespace {

/// Write the shortest text of a number with at most six decimals, as most are, and where it ends;
/// nullptr for others. One multiplication and division tell whether it is N / 10^6 for an N of at
/// most 14 digits: then no other text of so few digits reads back to the same bits.
char* few_decimals(double value, char* out) {
  constexpr uint32_t kScale = 1'000'000;
  constexpr uint32_t kHundredth = kScale / 100;
  constexpr double kUnitsEnd = 1e14;
  constexpr uint32_t kRound = 100'000;  // below 10^8 only 1e+05 and the like may be shorter
  const double magnitude = std::fabs(value);
  const double units = std::floor(magnitude * kScale + 0.5);
  if (!((magnitude >= 0.001 || magnitude == 0) && units < kUnitsEnd) ||
      units / kScale != magnitude) {
    return nullptr;
  }
  const auto count = static_cast<int64_t>(units);
  const auto whole = static_cast<uint32_t>(count / kScale);
  const auto fraction = static_cast<uint32_t>(count % kScale);
  if (fraction == 0 && whole != 0 && whole % kRound == 0) {
    return nullptr;
  }
  *out = '-';
  out = write_small_number(out + (std::signbit(value) ? 1 : 0), whole);
  *out++ = '.';
  const uint32_t hundredths = fraction / kHundredth;
  if (hundredths * kHundredth == fraction) {  // as money has
    out[0] = static_cast<char>('0' + hundredths / 10);
    out[1] = static_cast<char>('0' + hundredths % 10);
    return out + (hundredths % 10 == 0 ? 1 : 2);
  }
  // With a one before the six digits they keep the zeroes that they begin with.
  std::array<char, 8> digits{};
  write_small_number(digits.data(), kScale + fraction);
  std::memcpy(out, &digits[1], 6);
  out += 6;
  for (uint32_t left = fraction; left % 10 == 0; left /= 10) {
    --out;
  }
  return out;
}
/// Numbers with a fraction, and those that few_decimals() takes; nullptr for others.
char* write_fraction(double value, char* out) {
  char* const end = few_decimals(value, out);
  return end != nullptr ? end : write_shortest_decimal(out, value);
}
char* write_fraction(float /*value*/, char* /*out*/) {
  return nullptr;
}

template <typename T>
char* write_shortest(char* out, T value) {
  if (char* const end = write_fraction(value, out)) {
    return end;
  }
  char* const end = std::to_chars(out, out + kJsonNumberBytesMax, value).ptr;
  // "1" would read back as an integer.
  if (std::any_of(out, end, [](char c) { return c == '.' || c == 'e'; })) {
    return end;
  }
  end[0] = '.';
  end[1] = '0';
  return end + 2;
}

template <typename T>
void append_shortest(std::string& out, T value) {
  std::array<char, kJsonNumberBytesMax> text{};
  out.append(text.data(), write_shortest(text.data(), value));
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  std::size_t plain = 0;  // from here on nothing was to be escaped
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && c != '"' && c != '\\') {
      continue;
    }
    out.append(text, plain, at - plain);
    plain = at + 1;
    out += '\\';
    if (c == '"' || c == '\\') {
      out += c;
    } else if (c == '\n') {
      out += 'n';
    } else if (c == '\t') {
      out += 't';
    } else if (c == '\r') {
      out += 'r';
    } else {
      out += "u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  out.append(text, plain);
  out += '"';
}

void append_json_number(std::string& out, double value) {
  append_shortest(out, value);
}

char* write_json_number(char* out, double value) {
  return write_shortest(out, value);
}

void JsonWriter::separate() {
  if (needs_comma_) {
    out_ += ',';
  }
  needs_comma_ = true;
}

void JsonWriter::begin_object() {
  separate();
  out_ += '{';
  needs_comma_ = false;
}

void JsonWriter::end_object() {
  out_ += '}';
  needs_comma_ = true;
}

void JsonWriter::begin_array() {
  separate();
  out_ += '[';
  needs_comma_ = false;
}

void JsonWriter::end_array() {
  out_ += ']';
  needs_comma_ = true;
}

void JsonWriter::key(std::string_view name) {
  separate();
  append_json_string(out_, name);
  out_ += ':';
  needs_comma_ = false;
}

void JsonWriter::string(std::string_view text) {
  separate();
  append_json_string(out_, text);
}

void JsonWriter::integer(int64_t value) {
  separate();
  std::array<char, 24> text{};
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value);
  out_.append(text.data(), static_cast<std::size_t>(result.ptr - text.data()));
}

void JsonWriter::number(double value) {
  if (!std::isfinite(value)) {
    null();
    return;
  }
  separate();
  append_shortest(out_, value);
}

void JsonWriter::number32(float value) {
  if (!std::isfinite(value)) {
    null();
    return;
  }
  separate();
  append_shortest(out_, value);
}

void JsonWriter::boolean(bool value) {
  separate();
  out_ += value ? "true" : "false";
}

void JsonWriter::null() {
  separate();
  out_ += "null";
}

void JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
}

}  // namespace assay
