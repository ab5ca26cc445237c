#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "online/redis_client.h"

namespace assay::online {

/// The inside of a connection to Redis that is sealed by TLS (1.2 or newer). The adapter to OpenSSL
/// is redis_tls.cc; the socket, and its time-outs, are the caller's.
///
/// The server's certificate must be one that a trusted authority signed (`ca_file`, else the
/// machine's own), be valid by now, and be of the host that was connected to, or of `server_name`.
/// Files are read for each connection: one that was renewed is taken with the next.
/// Threads one thread at a time.
class RedisTlsSession {
 public:
  /// Agree with the server behind a connected, blocking socket.
  ///
  /// Errors  kFailedPrecondition: a file cannot be read or is none of the kind, the server's
  ///         certificate is not to be trusted, or it speaks no TLS; kUnavailable: the connection
  ///         broke, or the server refused. Messages say the next step, without the address.
  static Result<std::unique_ptr<RedisTlsSession>> agree(int socket,
                                                        const RedisTls& tls,
                                                        const std::string& host);
  virtual ~RedisTlsSession() = default;
  /// Errors  kUnavailable: the connection broke; errno as the socket left it.
  virtual Status write(std::string_view bytes) = 0;
  /// Some bytes, one at least, into `room`; how many. Errors as write.
  virtual Result<std::size_t> read(char* room, std::size_t size) = 0;
};

}  // namespace assay::online
