#pragma once

#include <cstddef>
#include <cstdint>

#include "serve/http_server.h"

namespace assay::serve {

/// Name the answer by what it says (its mark `tag`); a client that has it already gets no more than
/// that.
void add_tag(const Request& request, Response* response);
/// A tag as it stands in a header: sixteen hexadecimal digits in quotes.
inline constexpr std::size_t kTagBytes = 18;
void write_tag(char* out, uint64_t tag);

}  // namespace assay::serve
