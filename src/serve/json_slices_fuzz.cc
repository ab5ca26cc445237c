// Any bytes as JSON that is taken apart: values are inside of the text, one behind the other.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "serve/json_slices.h"
#include "serve/proxy_routes.h"

namespace {

/// Whether a piece lies in a text from a place on; the place is behind it then.
bool follows(std::string_view text, std::string_view piece, const char** from) {
  const bool is_inside = piece.data() >= *from && !piece.empty() &&
                         piece.data() + piece.size() <= text.data() + text.size();
  *from = piece.data() + piece.size();
  return is_inside;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto elements = assay::serve::json_elements(text)) {
    const char* from = text.data();
    for (const std::string_view element : *elements) {
      ASSAY_CHECK(follows(text, element, &from));
    }
  }
  if (const auto members = assay::serve::json_members(text)) {
    const char* from = text.data();
    for (const assay::serve::JsonMember& member : *members) {
      ASSAY_CHECK(follows(text, member.name, &from) && follows(text, member.value, &from));
    }
  }
  if (const auto share = assay::serve::share_at_ready(text)) {
    ASSAY_CHECK(!share->list.names.empty());
    ASSAY_CHECK(assay::serve::share_at_ready("{\"share\":" + assay::serve::share_as_json(*share) +
                                             "}") != nullptr);
  }
  return 0;
}
