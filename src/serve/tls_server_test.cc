// Servers inside of TLS over real loopback sockets: HTTP and gRPC, with clients of OpenSSL and of
// grpc++, and certificates made for the test.

#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <optional>
#include <thread>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/world.h"
#include "serve/file_limit.h"
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
  static void SetUpTestSuite() { refuse_old_tls(); }
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
  uint16_t start(const std::string& client_ca = "",
                 HttpOptions options = {},
                 const Handler& handler = who) {
    rotate(identity(client_ca));
    options.port = 0;
    options.threads = options.threads == 0 ? 2 : options.threads;
    options.tls = source();
    http_ = start_http_server(world_, handler, options).value();
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
  ASSERT_TRUE(client.send(
      "POST / HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n"));
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
  TlsClientOptions other = client();
  other.protocols = "\x02h3";
  EXPECT_FALSE(TlsClient(port, other).agreed());
  other.protocols = "\x02h3\x08http/1.1";
  EXPECT_EQ(TlsClient(port, other).ask("GET", "/")->status, 200);
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
  // Others are served; on a busy machine not all agree in that time.
  std::optional<WireAnswer> answer;
  while (!answer.has_value()) {
    answer = TlsClient(port, client()).ask("GET", "/");
  }
  EXPECT_EQ(answer->status, 200);
}

TEST_F(TlsServer, BytesOneByOneWinNoTime) {
  HttpOptions options;
  options.read_timeout = Duration{200'000};
  const uint16_t port = start("", options);
  HttpClient slow(port);
  const std::string hello("\x16\x03\x01\x40\x00", 5);  // of 16 KiB, which never come
  ASSERT_TRUE(slow.send(hello));
  while (!slow.readable(5) && slow.send("x")) {  // until it is closed
  }
  EXPECT_TRUE(slow.closed_by_server());
}

TEST_F(TlsServer, HandshakesAreShedBeforeTheRequestsOfThoseWhoAgreed) {
  HttpOptions options;
  options.threads = 1;
  options.is_urgent = [](const Request& request) { return request.target == "/urgent"; };
  std::promise<void> entered;
  std::promise<void> may_finish;
  const uint16_t port = start("", options, [&](const Request& request) {
    if (request.target == "/long") {
      entered.set_value();
      may_finish.get_future().wait();
      clock_.advance(Duration{2 * kMicrosPerSecond});  // so long it took
    }
    return who(request);
  });
  HttpClient stranger(port);
  ASSERT_TRUE(stranger.connected());
  TlsClient agreed(port, client());  // accepted behind the stranger
  TlsClient busy(port, client());
  for (TlsClient* one : {&agreed, &busy}) {
    ASSERT_EQ(one->ask("GET", "/")->status, 200);
  }
  clock_.advance(Duration{kMicrosPerSecond});  // a mark is due
  ASSERT_TRUE(busy.send(HttpClient::request("GET", "/long")));
  entered.get_future().wait();
  ASSERT_TRUE(stranger.send(std::string("\x16\x03\x01\x02", 4)));
  ASSERT_TRUE(agreed.send(HttpClient::request("GET", "/urgent")));
  may_finish.set_value();
  EXPECT_EQ(busy.receive()->status, 200);
  EXPECT_TRUE(stranger.closed_by_server());
  EXPECT_EQ(agreed.receive()->status, 200);
  EXPECT_EQ(metrics_.counter("assay_serve_tls_handshakes_shed_total", "").value(), 1);
  EXPECT_EQ(TlsClient(port, client()).ask("GET", "/")->status, 200) << "the wait is over";
}

TEST_F(TlsServer, ConnectionsThatHaveNotAgreedHoldAShareOnly) {
  HttpOptions options;
  options.handshakes_max = 2;
  const uint16_t port = start("", options);
  TlsClient agreed(port, client());
  ASSERT_EQ(agreed.ask("GET", "/")->status, 200);
  auto half = std::make_unique<HttpClient>(port);
  const HttpClient second(port);
  EXPECT_TRUE(HttpClient(port).closed_by_server()) << "one too many";
  EXPECT_EQ(agreed.ask("GET", "/")->status, 200);
  half.reset();
  while (!TlsClient(port, client()).agreed()) {  // until the server has seen that it left
    std::this_thread::yield();
  }
}

TEST_F(TlsServer, WhoseAuthorityIsTakenAwayGetsOneMoreAnswerOnHisConnection) {
  const TestAuthority clients("clients");
  const TestAuthority others("others");
  const uint16_t port = start(clients.pem());
  const auto own = clients.issue({"shop"});
  TlsClient kept(port, client(own));
  ASSERT_EQ(kept.ask("GET", "/")->status, 200);
  rotate(identity(clients.pem()));
  EXPECT_NE(kept.ask("GET", "/")->header("connection"), "close") << "another certificate of ours";
  rotate(identity(others.pem()));
  EXPECT_EQ(kept.ask("GET", "/")->header("connection"), "close");
  EXPECT_TRUE(kept.closed_by_server());
  EXPECT_FALSE(TlsClient(port, client(own)).ask("GET", "/").has_value());
  EXPECT_EQ(TlsClient(port, client(others.issue({"x"}))).ask("GET", "/")->status, 200);
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
  EXPECT_TRUE(idle.finished_by_server()) << "nothing is missing";
}

TEST_F(TlsServer, RequestsBeforeTheEndOfAConnectionAreAnswered) {
  TlsClient client(start(), this->client());
  ASSERT_TRUE(
      client.send(HttpClient::request("POST", "/", "a") + HttpClient::request("POST", "/", "b")));
  client.say_finished();
  EXPECT_EQ(client.receive()->body, "a");
  EXPECT_EQ(client.receive()->body, "b");
  EXPECT_TRUE(client.closed_by_server());
}

int open_files() {
  int count = 0;
  for ([[maybe_unused]] const auto& one : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

TEST_F(TlsServer, WhoLeavesInTheMiddleOfAHandshakeLeavesNothingBehind) {
  const uint16_t port = start();
  ASSERT_EQ(TlsClient(port, client()).ask("GET", "/")->status, 200);
  const int before = open_files();
  for (int i = 0; i < 200; ++i) {
    const std::string greeting("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
    HttpClient leaves(port);
    ASSERT_TRUE(leaves.send(greeting.substr(0, static_cast<std::size_t>(i) % 12)));
  }
  while (open_files() > before) {  // until the server has seen all of them leave
    std::this_thread::yield();
  }
  EXPECT_EQ(TlsClient(port, client()).ask("GET", "/")->status, 200);
}

TEST_F(TlsServer, WithoutFileHandlesAClientWaitsUntilThereIsOne) {
  const uint16_t port = start();
  TlsClient agreed(port, client());
  ASSERT_EQ(agreed.ask("GET", "/")->status, 200);
  FileLimit limit;
  const int next = ::dup(0);  // the lowest that is free
  ASSERT_GE(next, 0);
  ::close(next);
  limit.below(next + 1);  // the client's own is the last
  auto waiting = std::async(std::launch::async, [&] {
    TlsClient late(port, client());
    return late.ask("GET", "/")->status;
  });
  Counter& failures = metrics_.counter("assay_serve_accept_failures_total", "");
  while (failures.value() < 3) {
    std::this_thread::yield();
  }
  EXPECT_EQ(agreed.ask("GET", "/")->status, 200) << "others are served meanwhile";
  limit.lift();
  EXPECT_EQ(waiting.get(), 200);
}

/// Bytes of memory that the process has.
int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t pages = 0;
  file >> pages >> pages;
  return pages * ::sysconf(_SC_PAGESIZE);
}

TEST_F(TlsServer, IdleConnectionsGiveTheMemoryOfLargeAnswersBack) {
  constexpr std::size_t kAnswerBytes = 4 << 20;
  constexpr int kClients = 100;
  int port_pipe[2];
  int done_pipe[2];
  ASSERT_EQ(::pipe(port_pipe), 0);
  ASSERT_EQ(::pipe(done_pipe), 0);
  const pid_t child = ::fork();  // what clients keep is not the server's
  if (child == 0) {
    ::close(port_pipe[1]);
    uint16_t port = 0;
    if (::read(port_pipe[0], &port, sizeof(port)) != sizeof(port)) {
      ::_exit(1);
    }
    std::vector<std::unique_ptr<TlsClient>> clients;
    bool good = true;
    for (int i = 0; i < kClients; ++i) {
      clients.push_back(std::make_unique<TlsClient>(port, client()));
      const auto answer = clients.back()->ask("GET", "/");
      good = good && answer.has_value() && answer->body.size() == kAnswerBytes;
    }
    const char result = good ? 'y' : 'n';
    if (::write(done_pipe[1], &result, 1) != 1 ||
        ::read(port_pipe[0], &port, sizeof(port)) != 0) {  // until the server has looked
      ::_exit(1);
    }
    ::_exit(0);
  }
  ::close(port_pipe[0]);
  const uint16_t port = start("", {}, [](const Request&) {
    return Response{200, "text/plain", std::string(kAnswerBytes, 'x'), {}};
  });
  const int64_t before = resident_bytes();
  ASSERT_EQ(::write(port_pipe[1], &port, sizeof(port)), static_cast<ssize_t>(sizeof(port)));
  char result = 'n';
  ASSERT_EQ(::read(done_pipe[0], &result, 1), 1);
  EXPECT_EQ(result, 'y');
  EXPECT_LT(resident_bytes() - before, int64_t{450} << 20)
      << kClients << " connections had an answer of " << kAnswerBytes << " bytes each";
  ::close(port_pipe[1]);
  ::close(done_pipe[0]);
  ::close(done_pipe[1]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

class GrpcAnswer;

/// A connection of its own, by grpc++.
class GrpcChannel {
 public:
  GrpcChannel(uint16_t port, const std::string& server_ca, const TestCertificate& own) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = server_ca;
    options.pem_cert_chain = own.pem;
    options.pem_private_key = own.key;
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    stub_ = std::make_unique<grpc::GenericStub>(grpc::CreateCustomChannel(
        "localhost:" + std::to_string(port), grpc::SslCredentials(options), arguments));
  }
  GrpcAnswer ask(const std::string& authorization = "");

 private:
  std::unique_ptr<grpc::GenericStub> stub_;
};

/// What a call came to: the answer, or the error's code.
class GrpcAnswer {
 public:
  /// One call on a connection of its own.
  GrpcAnswer(uint16_t port,
             const std::string& server_ca,
             const TestCertificate& own,
             const std::string& authorization = "")
      : GrpcAnswer(GrpcChannel(port, server_ca, own).ask(authorization)) {}
  GrpcAnswer(grpc::GenericStub& stub, const std::string& authorization) {
    grpc::ClientContext context;
    context.set_deadline(  // nothing waits for longer, whatever became of it
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(120, GPR_TIMESPAN)));
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

GrpcAnswer GrpcChannel::ask(const std::string& authorization) {
  return {*stub_, authorization};
}

TEST_F(TlsServer, GrpcKnowsItsClientsByCertificateAndMetadata) {
  const TestAuthority clients("clients");
  rotate(identity(clients.pem()));
  GrpcOptions options;
  options.port = 0;
  options.tls = source();
  const auto server = start_grpc_server(
                          world_,
                          [](std::string_view,
                             std::string_view request,
                             const Credentials& credentials) -> Result<GrpcReply> {
                            std::string text(request);
                            text.append(":").append(credentials.authorization);
                            for (const std::string& name : credentials.certificate) {
                              text += " " + name;
                            }
                            return GrpcReply{text};
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

TEST_F(TlsServer, GrpcTakesClientsWithoutACertificateWhereNoneIsAskedFor) {
  rotate(identity());
  GrpcOptions options;
  options.port = 0;
  options.tls = source();
  const auto server =
      start_grpc_server(
          world_,
          [](std::string_view, std::string_view request, const Credentials& credentials) {
            return Result<GrpcReply>(
                {std::string(request) + std::to_string(credentials.certificate.size())});
          },
          options)
          .value();
  EXPECT_EQ(GrpcAnswer(server->port(), authority_.pem(), {}).text(), "ask0");
  const TestAuthority others("others");
  EXPECT_EQ(GrpcAnswer(server->port(), authority_.pem(), others.issue({"x"})).text(), "ask0")
      << "nobody's certificate is looked at";
  rotate(identity());
  EXPECT_EQ(GrpcAnswer(server->port(), authority_.pem(), {}).code(), grpc::OK);
  server->stop();
}

TEST_F(TlsServer, AGrpcConnectionEndsWithTheAuthorityOfItsClient) {
  const TestAuthority clients("clients");
  const TestAuthority others("others");
  rotate(identity(clients.pem()));
  GrpcOptions options;
  options.port = 0;
  options.tls = source();
  options.age_max = Duration{50'000};
  const auto server = start_grpc_server(
                          world_,
                          [](std::string_view, std::string_view request, const Credentials&) {
                            return Result<GrpcReply>({std::string(request)});
                          },
                          options)
                          .value();
  const auto own = clients.issue({"shop"});
  GrpcChannel kept(server->port(), authority_.pem(), own);
  ASSERT_EQ(kept.ask().code(), grpc::OK);
  rotate(identity(others.pem()));
  while (kept.ask().code() == grpc::OK) {  // until it is too old
    std::this_thread::yield();
  }
  EXPECT_EQ(kept.ask().code(), grpc::UNAVAILABLE);
  EXPECT_EQ(GrpcAnswer(server->port(), authority_.pem(), others.issue({"x"})).code(), grpc::OK);
  server->stop();
}

}  // namespace
}  // namespace assay::serve
