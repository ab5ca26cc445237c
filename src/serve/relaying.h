#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "serve/http_server.h"

namespace assay::serve {

/// Takes an answer, once, on any thread.
using Answered = std::function<void(Response)>;
/// Takes a request and answers it later, by calling what it is given; or answers at once, and calls
/// nothing.
using Relay = std::function<std::optional<Response>(Request, Answered)>;

/// start_http_server() whose requests that options.is_slow names are answered by `relay`: no thread
/// waits for them. Its stop() waits until all of them are answered. What `relay` was given must be
/// gone before the server is: end whoever holds it between stop() and the server's end.
Result<std::unique_ptr<HttpServer>> start_relaying_server(World& world,
                                                          Relay relay,
                                                          Handler handler,
                                                          const HttpOptions& options);

}  // namespace assay::serve
