#pragma once

#include <utility>

#include <unistd.h>

namespace assay::serve {

/// A socket that closes unless somebody takes it over.
class OwnedSocket {
 public:
  explicit OwnedSocket(int socket) : socket_(socket) {}
  OwnedSocket(OwnedSocket&& other) noexcept : socket_(other.release()) {}
  OwnedSocket& operator=(OwnedSocket&&) = delete;
  ~OwnedSocket() {
    if (socket_ >= 0) {
      ::close(socket_);
    }
  }

  [[nodiscard]] int get() const { return socket_; }
  int release() { return std::exchange(socket_, -1); }

 private:
  int socket_;
};

}  // namespace assay::serve
