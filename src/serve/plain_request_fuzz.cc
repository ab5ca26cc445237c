// Any bytes as a request: what is taken for plain is read alike when more comes behind it, and when
// its body comes piece by piece.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "serve/plain_request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using assay::serve::read_plain_request;
  const assay::serve::HttpOptions limits;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  assay::serve::Request request;
  const std::size_t used = read_plain_request(bytes, limits, &request);
  if (used > bytes.size()) {  // its body is not whole
    ASSAY_CHECK(used <= bytes.size() + limits.body_bytes_max && request.body.empty());
    std::string whole = bytes;
    whole.resize(used, 'x');
    ASSAY_CHECK(read_plain_request(whole, limits, &request) == used);
    ASSAY_CHECK(whole.ends_with(request.body));
    return 0;
  }
  if (used == 0) {
    return 0;
  }
  assay::serve::Request again;
  ASSAY_CHECK(read_plain_request(bytes.substr(0, used) + "GET", limits, &again) == used);
  ASSAY_CHECK(again.headers == request.headers && again.body == request.body &&
              again.target == request.target);
  ASSAY_CHECK(read_plain_request(bytes.substr(0, used - 1), limits, &again) ==
              (request.body.empty() ? 0 : used));
  return 0;
}
