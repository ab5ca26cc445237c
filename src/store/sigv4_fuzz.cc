// A canonical request says back what went into it: lines of known number, and an encoding that
// decodes to what was encoded.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "store/sigv4.h"

namespace {

int digit(char c) {
  return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::string decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size() || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0) {
        std::abort();
      }
      out.push_back(static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using assay::store::SigningInput;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (decode(assay::store::uri_encode(bytes, false)) != bytes ||
      decode(assay::store::uri_encode(bytes, true)) != bytes) {
    std::abort();
  }
  SigningInput input;
  input.method = "GET";
  std::string* const fields[] = {&input.path, &input.payload_sha256};
  std::string_view rest = bytes;
  for (int field = 0; !rest.empty(); ++field) {
    const std::size_t length = std::min<std::size_t>(rest.front() & 31, rest.size() - 1);
    const std::string text(rest.substr(1, length));
    rest.remove_prefix(1 + length);
    if (field == 0) {
      *fields[0] = text;
    } else if (field % 2 == 0) {
      input.query.emplace_back(text, text);
    } else {
      input.headers.emplace_back("x" + std::to_string(field), text);
    }
  }
  const std::string canonical = assay::store::canonical_request(input);
  const std::size_t lines =
      static_cast<std::size_t>(std::count(canonical.begin(), canonical.end(), '\n'));
  if (lines != 5 + input.headers.size()) {
    std::abort();
  }
  return 0;
}
