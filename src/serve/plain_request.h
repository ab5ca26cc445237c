#pragma once

#include <cstddef>
#include <string_view>

#include "serve/http_server.h"

namespace assay::serve {

/// Read a request at the beginning of `bytes` that says nothing out of the ordinary: GET or POST of
/// HTTP/1.1, plain headers, a body of a length that is told, a connection that goes on. Most are.
///
/// How many bytes it has. 0: it is for the parser that knows all of HTTP, right or wrong. More than
/// there are: its head is plain, but its body is not whole; the same is to be asked again with all
/// of them, and `request` has no body yet.
/// What `request` had is written over; its memory is used again.
/// Cost    one pass; no memory beyond what the request needs.
std::size_t read_plain_request(std::string_view bytes, const HttpOptions& limits, Request* request);

}  // namespace assay::serve
