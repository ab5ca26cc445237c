#pragma once

#include <mutex>
#include <unordered_set>

namespace assay::serve {

/// Counts connections that a library serves which does not say when they end: a second handle of
/// each is kept until both directions are shut, as such a library leaves a socket, or the
/// connection broke.
///
/// Threads thread-safe.
/// Cost    a file handle a connection; looking costs what has ended since.
class ConnectionWatch {
 public:
  ConnectionWatch();
  ~ConnectionWatch();
  ConnectionWatch(const ConnectionWatch&) = delete;
  ConnectionWatch& operator=(const ConnectionWatch&) = delete;

  /// From now on the socket counts, whose it stays. False: there is no handle left for it.
  bool add(int socket);
  /// How many there are, those that have ended not counted. Called from time to time: it gives
  /// their handles back.
  std::size_t count();

 private:
  void forget_ended();

  std::mutex mutex_;
  int epoll_ = -1;
  std::unordered_set<int> handles_;
};

}  // namespace assay::serve
