#include "serve/answer_tag.h"

#include <array>
#include <string_view>

#include "base/hash.h"

namespace assay::serve {

void write_tag(char* out, uint64_t tag) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out[0] = '"';
  for (std::size_t i = kTagBytes - 2; i > 0; --i, tag >>= 4) {
    out[i] = kDigits[tag & 15];
  }
  out[kTagBytes - 1] = '"';
}

void add_tag(const Request& request, Response* response) {
  const uint64_t tag = hash_many_bytes(response->body);
  const std::string_view known = request.header("if-none-match");
  if (!known.empty()) {
    std::array<char, kTagBytes> text{};
    write_tag(text.data(), tag);
    if (known == "*" || known.find({text.data(), text.size()}) != std::string_view::npos) {
      response->status = 304;
      response->body.clear();
      response->content_type = "";
    }
  }
  response->marks.tag = tag;
}

}  // namespace assay::serve
