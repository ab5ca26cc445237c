#pragma once

#include <string>
#include <string_view>

namespace assay {

/// ASCII letters in lower case, other bytes as they are; whatever the process's locale.
inline char lower_ascii(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
inline std::string lower_ascii(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    c = lower_ascii(c);
  }
  return lower;
}

}  // namespace assay
