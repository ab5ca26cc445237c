#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

// For tests only: TLS before a plain service of this machine.

namespace assay::store {

/// Takes connections inside of TLS on a port of its own of the loopback, and passes on what they
/// hold. Its certificate is its own authority's, which nobody trusts who is not told to.
class TlsFront {
 public:
  /// Before the service on port `behind`.
  explicit TlsFront(int behind);
  ~TlsFront();
  TlsFront(const TlsFront&) = delete;
  TlsFront& operator=(const TlsFront&) = delete;

  [[nodiscard]] std::string endpoint() const {
    return "https://127.0.0.1:" + std::to_string(port_);
  }
  /// The authority's certificate, in PEM form.
  [[nodiscard]] const std::string& authority() const { return authority_; }
  /// Connections on which both sides agreed.
  [[nodiscard]] int agreed();

 private:
  struct Tls;
  void accept_all();
  void serve(int socket);
  /// Note a socket that is to be closed at the end; false when that has begun.
  bool keep(int socket);

  const int behind_;
  std::unique_ptr<Tls> tls_;
  std::string authority_;
  int listener_ = -1;
  int port_ = 0;
  std::mutex mutex_;
  std::vector<int> sockets_;
  int agreed_ = 0;
  bool stopping_ = false;
  std::list<std::jthread> connections_;
  std::jthread acceptor_;
};

}  // namespace assay::store
