#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace assay {

/// Appends JSON to a string; the caller keeps brackets balanced. Commas are put by the writer.
///
/// Numbers  doubles in shortest form that reads back to the same bits, always with '.', 'e' or a
///          sign of not being an integer ("1.0"); NaN and infinities become null.
/// Strings  UTF-8 as it is; control characters, quote and backslash escaped.
/// Threads  one thread at a time.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}
  void begin_object();
  void end_object();
  void begin_array();
  void end_array();
  void key(std::string_view name);
  void string(std::string_view text);
  void integer(int64_t value);
  void number(double value);
  void number32(float value);
  void boolean(bool value);
  void null();
  /// Bytes that are already one JSON value.
  void raw(std::string_view json);

 private:
  void separate();
  std::string& out_;
  bool needs_comma_ = false;
};

/// Append `text` as a JSON string with its quotes.
void append_json_string(std::string& out, std::string_view text);
/// Append a finite double in shortest round-trip form; whole numbers keep ".0".
void append_json_number(std::string& out, double value);
/// The same to where there is room for that many bytes; where it ends.
inline constexpr std::size_t kJsonNumberBytesMax = 32;
char* write_json_number(char* out, double value);

}  // namespace assay
