#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"

namespace assay::serve {

/// Names that a client's certificate proves, each with what it is: "uri:spiffe://prod/shop",
/// "dns:shop.internal", "email:a@b", and last "subject:CN=shop,O=Example" as RFC 2253 writes it.
using PeerNames = std::vector<std::string>;

/// One connection's TLS: bytes of the wire in and out, bytes of the program out and in. It holds no
/// socket.
///
/// Threads one thread at a time.
class TlsChannel {
 public:
  virtual ~TlsChannel() = default;
  /// Take bytes that came from the peer; what they say is appended to `plain`.
  ///
  /// Errors  kUnavailable: the peer finished. kInvalidArgument: not TLS 1.3, no certificate that is
  ///         trusted, or broken; output() has the alert that says so. Then no more is taken.
  virtual Status receive(std::string_view wire, std::string* plain) = 0;
  /// Send these bytes: they are in output() afterwards. Only once is_open().
  virtual void send(std::string_view plain) = 0;
  /// Say that nothing more will be sent.
  virtual void finish() = 0;
  /// What is to be sent to the peer by now, once.
  virtual std::string output() = 0;
  /// Whether both sides have agreed.
  [[nodiscard]] virtual bool is_open() const = 0;
  /// Whether they agreed on HTTP/2 inside of it.
  [[nodiscard]] virtual bool speaks_http2() const = 0;
  /// Of the peer's certificate; empty without one.
  [[nodiscard]] virtual std::shared_ptr<const PeerNames> peer_names() const = 0;
};

/// Texts in PEM form, and where they came from, for messages.
struct TlsTexts {
  struct Text {
    std::string path;
    std::string pem;
    bool operator==(const Text&) const = default;
  };
  Text certificate;  // the server's, then those between it and its root
  Text key;
  Text client_ca;  // clients must have a certificate of one of these; no path: they need none
  bool operator==(const TlsTexts&) const = default;
};

/// Who a server is to its clients: a certificate with its key, and whose clients it takes. TLS 1.3
/// only, HTTP/2 or HTTP/1.1 in it as the client offers (ALPN), no tickets: each connection agrees
/// anew.
///
/// Threads immutable.
class TlsIdentity {
 public:
  /// Errors  kInvalidArgument: no certificate, no key, or not of each other; kFailedPrecondition:
  ///         the certificate is not valid at `now`. Each says which file, and what to do.
  static Result<std::shared_ptr<const TlsIdentity>> make(TlsTexts texts, EventTime now);
  virtual ~TlsIdentity() = default;
  /// The server's end of a new connection. It may outlive this object.
  [[nodiscard]] virtual std::unique_ptr<TlsChannel> accept() const = 0;
  [[nodiscard]] const TlsTexts& texts() const { return texts_; }
  /// The first instant at which the certificate is not valid any more.
  [[nodiscard]] EventTime expires() const { return expires_; }

 protected:
  TlsIdentity(TlsTexts texts, EventTime expires) : texts_(std::move(texts)), expires_(expires) {}

 private:
  TlsTexts texts_;
  EventTime expires_;
};

/// Who a server is for its next connection. Called on the server's threads, on several at once.
using TlsSource = std::function<std::shared_ptr<const TlsIdentity>()>;

}  // namespace assay::serve
