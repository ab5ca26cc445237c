#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/world.h"

namespace assay::serve {

/// Accepts connections on a thread of its own and hands each over.
///
/// When the process has no file handles or no memory left it waits a little and tries again, so
/// that it does not spin: the clients wait in the system's queue meanwhile. That is logged once,
/// and counted. Threads thread-safe.
class Listener {
 public:
  /// Whose the socket is then, also when it throws; called on the listener's thread.
  using Take = std::function<void(int socket)>;

  /// Listen. `port` 0 is any free one. `host` is an address or a name: then on the first of its
  /// addresses that this host has, those of IPv4 before others.
  ///
  /// Errors  kUnavailable: the address is in use, with the port named, or not of this host, or the
  ///         name cannot be looked up now; kInvalidArgument: not an address, and no name that is
  ///         known; kPermissionDenied: a port that needs more rights.
  static Result<std::unique_ptr<Listener>> open(World& world,
                                                const std::string& host,
                                                uint16_t port,
                                                Take take);
  virtual ~Listener() = default;
  [[nodiscard]] virtual uint16_t port() const = 0;
  /// Accept no more; those that wait are refused by the system.
  virtual void stop() = 0;
};

/// End a connection that is not taken, with an answer if that goes at once; "": without.
void send_and_close(int socket, std::string_view answer);

}  // namespace assay::serve
