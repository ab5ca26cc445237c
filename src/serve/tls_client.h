#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/time.h"
#include "serve/http_client.h"

namespace assay::serve {

/// For tests: a certificate and its key, in PEM form.
struct TestCertificate {
  std::string pem;
  std::string key;
};

/// What a certificate is to say.
struct CertificateWish {
  std::string name;                      // common name
  std::string alternatives{};            // "DNS:localhost,URI:spiffe://prod/shop"; "": none
  EventTime begin{631'152'000'000'000};  // 1990
  EventTime end{3'786'912'000'000'000};  // 2090
};

/// Signs certificates, with keys of P-256 made anew.
class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name = "authority");
  ~TestAuthority();
  TestAuthority(const TestAuthority&) = delete;
  TestAuthority& operator=(const TestAuthority&) = delete;

  /// Its own certificate.
  [[nodiscard]] const std::string& pem() const;
  [[nodiscard]] TestCertificate issue(const CertificateWish& wish) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct TlsClientOptions {
  std::string server_ca;     // whom it trusts
  TestCertificate own{};     // what it shows; empty: none
  bool old_version = false;  // TLS 1.2 and no newer one
  std::string protocols{};   // of ALPN, each behind its length; "": none
};

/// An HttpClient inside of TLS. When both sides do not agree it is not connected.
class TlsClient : public HttpClient {
 public:
  TlsClient(uint16_t port, const TlsClientOptions& options);
  ~TlsClient() override;

  /// Whether both sides agreed, as far as the client knows. A server that refuses its certificate
  /// says so afterwards.
  [[nodiscard]] bool agreed() const;
  /// The server's certificate, in PEM form.
  [[nodiscard]] std::string server_certificate() const;
  /// Say that nothing more follows.
  void say_finished();
  /// True when the server has said that nothing more follows, once it has closed.
  [[nodiscard]] bool finished_by_server() const;

 protected:
  ssize_t write_some(std::string_view bytes) override;
  ssize_t read_some(char* bytes, std::size_t size) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace assay::serve
