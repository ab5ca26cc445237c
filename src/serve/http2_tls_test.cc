// HTTP/2 inside of TLS, which both sides agree on by ALPN.

#include <mutex>
#include <thread>

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include "serve/http2_client.h"
#include "serve/http_server_fixture.h"
#include "serve/tls_client.h"

namespace assay::serve {
namespace {

constexpr std::string_view kHttp2 = "\x02h2";
constexpr std::string_view kBoth = "\x08http/1.1\x02h2";

class Http2Tls : public HttpServerTest {
 protected:
  uint16_t start_tls(const Handler& handler = echo, const std::string& client_ca = "") {
    rotate(client_ca);
    HttpOptions options;
    options.tls = [this] {
      const std::lock_guard lock(mutex_);
      return identity_;
    };
    options.is_slow = [](const Request& request) { return request.target == "/slow"; };
    options.threads = 1;
    start(handler, options);
    return server_->port();
  }
  void rotate(const std::string& client_ca) {
    const TestCertificate own = authority_.issue({"server", "DNS:localhost,IP:127.0.0.1"});
    TlsTexts texts{{"c", own.pem}, {"k", own.key}, {}};
    if (!client_ca.empty()) {
      texts.client_ca = {"ca", client_ca};
    }
    const std::lock_guard lock(mutex_);
    identity_ = TlsIdentity::make(texts, clock_.now()).value();
  }
  TlsClientOptions offering(std::string_view protocols, const TestCertificate& own = {}) {
    return {authority_.pem(), own, false, std::string(protocols)};
  }

  TestAuthority authority_;
  std::mutex mutex_;
  std::shared_ptr<const TlsIdentity> identity_;
};

TEST_F(Http2Tls, IsSpokenWithWhoOffersItAndHttp1WithOthers) {
  const uint16_t port = start_tls();
  for (const std::string_view protocols : {kHttp2, kBoth}) {
    TlsClient wire(port, offering(protocols));
    ASSERT_TRUE(wire.agreed());
    Http2Client client(wire);
    for (const std::size_t size : {0, 1, 16'384, 16'385, 1'000'000, 7}) {
      const std::string body(size, 'b');
      EXPECT_EQ(client.ask("POST", "/x", body)->body, "POST /x " + body);
      EXPECT_EQ(client.ask("POST", "/slow", body)->body, "POST /slow " + body);
    }
  }
  EXPECT_EQ(TlsClient(port, offering("\x08http/1.1")).ask("GET", "/")->status, 200);
  EXPECT_EQ(TlsClient(port, offering("")).ask("GET", "/")->status, 200);
  EXPECT_FALSE(TlsClient(port, offering("\x02h3")).agreed());
}

TEST_F(Http2Tls, WhoAgreedOnItAndSpeaksHttp1IsToldSoInHttp2) {
  TlsClient wire(start_tls(), offering(kHttp2));
  FrameClient frames(wire);
  ASSERT_TRUE(wire.send(HttpClient::request("GET", "/a/path/that/is/longer/than/a/preface")));
  EXPECT_EQ(frames.goaway(), NGHTTP2_PROTOCOL_ERROR);
  EXPECT_TRUE(wire.closed_by_server());
}

TEST_F(Http2Tls, ClientsAreKnownByTheirCertificateAndAskedToLeaveWhenTheirAuthorityIsTakenAway) {
  const TestAuthority clients("clients");
  const uint16_t port = start_tls(
      [](const Request& request) {
        return Response{200, "text/plain", request.peer_names->front(), {}};
      },
      clients.pem());
  TlsClient wire(port, offering(kBoth, clients.issue({"shop", "DNS:shop.internal"})));
  Http2Client client(wire);
  EXPECT_EQ(client.ask("GET", "/")->body, "dns:shop.internal");
  rotate(clients.pem());
  EXPECT_EQ(client.ask("GET", "/")->status, 200) << "another certificate of ours";
  EXPECT_FALSE(client.goaway().has_value());
  rotate(authority_.pem());
  EXPECT_EQ(client.ask("GET", "/")->status, 200) << "one more answer";
  EXPECT_TRUE(client.read_to_end());
  EXPECT_EQ(client.goaway(), NGHTTP2_NO_ERROR);
  EXPECT_TRUE(wire.finished_by_server()) << "nothing is missing";
}

TEST_F(Http2Tls, StopSaysSoToIdleConnections) {
  TlsClient wire(start_tls(), offering(kHttp2));
  Http2Client client(wire);
  ASSERT_EQ(client.ask("GET", "/")->status, 200);
  std::jthread stopper([&] { server_->stop(); });
  EXPECT_TRUE(client.read_to_end());
  EXPECT_EQ(client.goaway(), NGHTTP2_NO_ERROR);
  EXPECT_TRUE(wire.finished_by_server());
}

}  // namespace
}  // namespace assay::serve
