#include "serve/answer_tag.h"

#include <string>
#include <string_view>

#include "base/hash.h"

namespace assay::serve {

void add_tag(const Request& request, Response* response) {
  const std::string tag = "\"" + hash_text(hash_many_bytes(response->body)) + "\"";
  const std::string_view known = request.header("if-none-match");
  if (!known.empty() && (known == "*" || known.find(tag) != std::string_view::npos)) {
    response->status = 304;
    response->body.clear();
    response->content_type = "";
  }
  response->headers.emplace_back("etag", tag);
}

}  // namespace assay::serve
