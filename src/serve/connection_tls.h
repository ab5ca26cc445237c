#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "serve/tls.h"

namespace assay::serve {

/// A server's side of TLS on one connection, or nothing of it on a plain one.
///
/// Threads one thread at a time.
class ConnectionTls {
 public:
  /// From now on the connection speaks TLS. Before, and after end(), it is plain.
  void begin(const TlsSource& source) {
    identity_ = source();
    channel_ = identity_->accept();
  }
  void end() { channel_.reset(); }
  [[nodiscard]] bool is_on() const { return channel_ != nullptr; }
  /// Whether both sides have agreed.
  [[nodiscard]] bool is_open() const { return is_on() && channel_->is_open(); }
  [[nodiscard]] bool speaks_http2() const { return is_on() && channel_->speaks_http2(); }
  /// Whether the first bytes of a connection are of anything but TLS.
  [[nodiscard]] bool is_no_greeting(std::string_view wire) const {
    constexpr char kHandshakeRecord = 0x16;
    return !greeted_ && wire.front() != kHandshakeRecord;
  }
  /// TlsChannel::receive.
  Status receive(std::string_view wire, std::string* plain) {
    greeted_ = true;
    return channel_->receive(wire, plain);
  }
  std::string output() { return channel_->output(); }
  /// What is to be sent becomes what goes over the wire. The last of it says so.
  void seal(bool more_follows, std::string* bytes) {
    if (is_on()) {
      channel_->send(*bytes);
      if (!more_follows) {
        channel_->finish();
      }
      *bytes = channel_->output();
    }
  }
  /// What tells the peer that nothing is missing; only once it is open.
  std::string farewell() {
    channel_->finish();
    return channel_->output();
  }
  [[nodiscard]] std::shared_ptr<const PeerNames> peer_names() const {
    return is_on() ? channel_->peer_names() : nullptr;
  }
  /// Whether clients are taken by other authorities than when it began.
  [[nodiscard]] bool is_outdated(const TlsSource& source) const {
    const auto now = identity_ == nullptr ? nullptr : source();
    return now != identity_ && now->texts().client_ca != identity_->texts().client_ca;
  }

 private:
  std::shared_ptr<const TlsIdentity> identity_;  // that the connection began with
  std::unique_ptr<TlsChannel> channel_;          // nullptr: plain
  bool greeted_ = false;
};

}  // namespace assay::serve
