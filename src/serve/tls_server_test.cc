// Servers inside of TLS over real loopback sockets: HTTP and gRPC, with clients of OpenSSL and of
// grpc++, and certificates made for the test.

#include <atomic>
#include <mutex>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>
#include <gtest/gtest.h>

#include "base/world.h"
#include "serve/grpc_server.h"
#include "serve/http_server.h"
#include "serve/tls_client.h"

namespace assay::serve {
namespace {

/// Who asked, as the server knows it.
Response who(const Request& request) {
  Response response;
  response.content_type = "text/plain";
  response.body = request.body;
  for (const std::string& name :
       request.peer_names == nullptr ? PeerNames() : *request.peer_names) {
    response.body += name + " ";
  }
  return response;
}

class TlsServer : public testing::Test {
 protected:
  std::shared_ptr<const TlsIdentity> identity(const std::string& client_ca = "") {
    const TestCertificate own = authority_.issue({"server", "DNS:localhost,IP:127.0.0.1"});
    TlsTexts texts{{"c", own.pem}, {"k", own.key}, {}};
    if (!client_ca.empty()) {
      texts.client_ca = {"ca", client_ca};
    }
    return *TlsIdentity::make(texts, clock_.now());
  }
  void rotate(std::shared_ptr<const TlsIdentity> to) {
    const std::lock_guard lock(mutex_);
    identity_ = std::move(to);
  }
  TlsSource source() {
    return [this] {
      const std::lock_guard lock(mutex_);
      return identity_;
    };
  }
  /// Starts the HTTP server; its port.
  uint16_t start(const std::string& client_ca = "", HttpOptions options = {}) {
    rotate(identity(client_ca));
    options.port = 0;
    options.threads = 2;
    options.tls = source();
    http_ = start_http_server(world_, who, options).value();
    return http_->port();
  }
  TlsClientOptions client(const TestCertificate& own = {}) { return {authority_.pem(), own}; }
  int64_t failures() {
    return metrics_.counter("assay_serve_tls_handshake_failures_total", "").value();
  }

  FakeClock clock_{EventTime{1'790'000'000 * kMicrosPerSecond}};
  std::unique_ptr<FileSystem> files_ = system_files();
  std::unique_ptr<Random> random_ = seeded_random(1);
  std::unique_ptr<Log> log_ = null_log();
  Metrics metrics_;
  World world_{clock_, *files_, *random_, *log_, metrics_};
  TestAuthority authority_;
  std::mutex mutex_;
  std::shared_ptr<const TlsIdentity> identity_;
  std::unique_ptr<HttpServer> http_;
};

TEST_F(TlsServer, AConnectionServesManyRequestsOfAllSizes) {
  TlsClient client(start(), this->client());
  ASSERT_TRUE(client.agreed());
  for (const std::size_t size : {0, 1, 100, 16'384, 16'385, 1'000'000, 7}) {
    const std::string body(size, 'b');
    const auto answer = client.ask("POST", "/", body);
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->body, body);
  }
  std::string all;
  for (int i = 0; i < 50; ++i) {
    all += HttpClient::request("POST", "/", std::to_string(i));
  }
  ASSERT_TRUE(client.send(all));
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(client.receive()->body, std::to_string(i));
  }
}

TEST_F(TlsServer, ExpectContinueIsAnsweredBeforeTheBodyAndTheLastAnswerSaysSo) {
  TlsClient client(start(), this->client());
  ASSERT_TRUE(client.send("POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n"));
  EXPECT_EQ(client.receive()->status, 100);
  ASSERT_TRUE(client.send("body"));
  EXPECT_EQ(client.receive()->body, "body");
  ASSERT_TRUE(client.send(HttpClient::request("GET", "/", "", "connection: close\r\n")));
  EXPECT_EQ(client.receive()->header("connection"), "close");
  EXPECT_TRUE(client.closed_by_server());
  EXPECT_TRUE(client.finished_by_server());
}

TEST_F(TlsServer, AnOlderTlsAndAnotherProtocolInsideAreRefused) {
  const uint16_t port = start();
  TlsClientOptions old = client();
  old.old_version = true;
  EXPECT_FALSE(TlsClient(port, old).agreed());
  TlsClientOptions http2 = client();
  http2.protocols = "\x02h2";
  EXPECT_FALSE(TlsClient(port, http2).agreed());
  http2.protocols = "\x02h2\x08http/1.1";
  EXPECT_TRUE(TlsClient(port, http2).agreed());
  const TestAuthority stranger("stranger");
  EXPECT_FALSE(TlsClient(port, {stranger.pem()}).agreed()) << "the client does not know us";
  EXPECT_EQ(TlsClient(port, client()).ask("GET", "/")->status, 200) << "others are served";
}

TEST_F(TlsServer, PlainHttpIsToldToUseTls) {
  const uint16_t port = start();
  HttpClient plain(port);
  const auto answer = plain.ask("GET", "/");
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 400);
  EXPECT_NE(answer->body.find("https"), std::string::npos);
  EXPECT_TRUE(plain.closed_by_server());
}

TEST_F(TlsServer, ClientsAreKnownByTheirCertificateAndStrangersRefused) {
  const TestAuthority clients("clients");
  const uint16_t port = start(clients.pem());
  const auto own =
      clients.issue({"shop", "DNS:shop.internal,URI:spiffe://prod/shop,email:a@b,DNS:two"});
  EXPECT_EQ(TlsClient(port, client(own)).ask("GET", "/")->body,
            "uri:spiffe://prod/shop dns:shop.internal dns:two email:a@b subject:CN=shop ");
  EXPECT_EQ(TlsClient(port, client(clients.issue({"a, \"b\""}))).ask("GET", "/")->body,
            "subject:CN=a\\, \\\"b\\\" ");
  EXPECT_EQ(failures(), 0);
  EXPECT_FALSE(TlsClient(port, client()).ask("GET", "/").has_value()) << "no certificate";
  EXPECT_FALSE(TlsClient(port, client(authority_.issue({"x"}))).ask("GET", "/").has_value())
      << "of another authority";
  const auto ended = clients.issue({"x", "", EventTime{0}, EventTime{kMicrosPerSecond}});
  EXPECT_FALSE(TlsClient(port, client(ended)).ask("GET", "/").has_value()) << "not valid any more";
  EXPECT_EQ(failures(), 3);
}

TEST_F(TlsServer, ANewCertificateIsForNewConnectionsAndOldOnesGoOn) {
  const uint16_t port = start();
  TlsClient before(port, client());
  ASSERT_EQ(before.ask("GET", "/")->status, 200);
  rotate(identity());
  TlsClient after(port, client());
  EXPECT_EQ(before.ask("GET", "/")->status, 200);
  EXPECT_EQ(after.ask("GET", "/")->status, 200);
  EXPECT_NE(before.server_certificate(), after.server_certificate());
}

TEST_F(TlsServer, WhoDoesNotComeToAnAgreementIsCutOff) {
  HttpOptions options;
  options.read_timeout = Duration{50'000};
  const uint16_t port = start("", options);
  HttpClient silent(port);
  EXPECT_TRUE(silent.closed_by_server());
  HttpClient half(port);
  ASSERT_TRUE(half.send(std::string("\x16\x03\x01\x02", 4)));
  EXPECT_TRUE(half.closed_by_server());
  EXPECT_EQ(TlsClient(port, client()).ask("GET", "/")->status, 200) << "others are served";
}

TEST_F(TlsServer, BytesOneByOneWinNoTime) {
  HttpOptions options;
  options.read_timeout = Duration{200'000};
  const uint16_t port = start("", options);
  HttpClient slow(port);
  const std::string hello("\x16\x03\x01\x40\x00", 5);  // of 16 KiB, which never come
  ASSERT_TRUE(slow.send(hello));
  while (!slow.readable(5)) {
    ASSERT_TRUE(slow.send("x"));
  }
  EXPECT_TRUE(slow.closed_by_server());
}

TEST_F(TlsServer, StopClosesConnectionsThatHaveNotAgreedYet) {
  const uint16_t port = start();
  HttpClient half(port);
  ASSERT_TRUE(half.send(std::string("\x16\x03\x01\x02", 4)));
  TlsClient idle(port, client());
  ASSERT_EQ(idle.ask("GET", "/")->status, 200);
  http_->stop();
  EXPECT_TRUE(half.closed_by_server());
  EXPECT_TRUE(idle.closed_by_server());
}

/// One call by grpc++; the answer, or the error's code.
class GrpcAnswer {
 public:
  GrpcAnswer(uint16_t port,
             const std::string& server_ca,
             const TestCertificate& own,
             const std::string& authorization = "") {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = server_ca;
    options.pem_cert_chain = own.pem;
    options.pem_private_key = own.key;
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
    grpc::GenericStub stub(grpc::CreateCustomChannel(
        "localhost:" + std::to_string(port), grpc::SslCredentials(options), arguments));
    grpc::ClientContext context;
    if (!authorization.empty()) {
      context.AddMetadata("authorization", authorization);
    }
    grpc::CompletionQueue queue;
    const grpc::Slice slice(std::string("ask"));
    const grpc::ByteBuffer request(&slice, 1);
    const auto call = stub.PrepareUnaryCall(&context, "/a.B/C", request, &queue);
    call->StartCall();
    grpc::ByteBuffer response;
    call->Finish(&response, &status_, this);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    std::vector<grpc::Slice> slices;
    if (status_.ok() && response.Dump(&slices).ok()) {
      for (const grpc::Slice& one : slices) {
        text_.append(reinterpret_cast<const char*>(one.begin()), one.size());
      }
    }
    if (const auto peer = context.auth_context()) {
      for (const auto& value : peer->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME)) {
        server_certificate_.assign(value.data(), value.size());
      }
    }
  }
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] grpc::StatusCode code() const { return status_.error_code(); }
  [[nodiscard]] const std::string& server_certificate() const { return server_certificate_; }

 private:
  grpc::Status status_;
  std::string text_;
  std::string server_certificate_;
};

TEST_F(TlsServer, GrpcKnowsItsClientsByCertificateAndMetadata) {
  const TestAuthority clients("clients");
  rotate(identity(clients.pem()));
  GrpcOptions options;
  options.port = 0;
  options.tls = source();
  const auto server = start_grpc_server(
                          [](std::string_view,
                             std::string_view request,
                             const Credentials& credentials) -> Result<std::string> {
                            std::string text(request);
                            text.append(":").append(credentials.authorization);
                            for (const std::string& name : credentials.certificate) {
                              text += " " + name;
                            }
                            return text;
                          },
                          options)
                          .value();
  const auto own = clients.issue({"shop", "DNS:shop.internal,URI:spiffe://prod/shop,email:a@b"});
  const GrpcAnswer known(server->port(), authority_.pem(), own, "Bearer x");
  EXPECT_EQ(known.text(),
            "ask:Bearer x uri:spiffe://prod/shop dns:shop.internal email:a@b subject:CN=shop");
  EXPECT_EQ(GrpcAnswer(server->port(), authority_.pem(), {}).code(), grpc::UNAVAILABLE);
  EXPECT_EQ(GrpcAnswer(server->port(), authority_.pem(), authority_.issue({"x"})).code(),
            grpc::UNAVAILABLE);
  rotate(identity(clients.pem()));
  const GrpcAnswer after(server->port(), authority_.pem(), own);
  EXPECT_EQ(after.code(), grpc::OK);
  EXPECT_NE(after.server_certificate(), known.server_certificate());
  EXPECT_NE(after.server_certificate(), "");
  TlsClientOptions old = client(own);
  old.protocols = "\x02h2";
  EXPECT_TRUE(TlsClient(server->port(), old).agreed());
  old.old_version = true;
  EXPECT_FALSE(TlsClient(server->port(), old).agreed()) << "TLS 1.2";
  server->stop();
}

}  // namespace
}  // namespace assay::serve
