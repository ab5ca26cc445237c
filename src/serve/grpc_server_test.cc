// What a gRPC server does when it is asked for more than it can answer, over real sockets.

#include "serve/grpc_server.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>
#include <gtest/gtest.h>

#include "base/world.h"
#include "serve/all_at_once.h"
#include "serve/slow_work.h"

namespace assay::serve {
namespace {

constexpr char kMethod[] = "/a.B/C";
constexpr char kSlowMethod[] = "/a.B/Slow";
constexpr char kHealth[] = "/grpc.health.v1.Health/Check";
constexpr char kWatch[] = "/grpc.health.v1.Health/Watch";

grpc::ByteBuffer message() {
  const grpc::Slice slice(std::string("ask"));
  return {&slice, 1};
}

/// No call of a test waits for longer, whatever became of it.
void limit(grpc::ClientContext* context) {
  context->set_deadline(
      gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(120, GPR_TIMESPAN)));
}

/// Calls by grpc++ on a connection of its own.
class Client {
 public:
  explicit Client(uint16_t port)
      : stub_(grpc::CreateCustomChannel(
            "127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials(), own_pool())) {}

  /// A call with one message and one answer, not yet answered.
  class Asked {
   public:
    Asked(grpc::GenericStub& stub,
          const std::string& method,
          const std::string& as_of = "",
          gpr_timespec wait = gpr_time_from_seconds(120, GPR_TIMESPAN)) {
      request_ = message();
      context_.set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), wait));
      if (!as_of.empty()) {
        context_.AddMetadata("x-assay-as-of", as_of);
      }
      call_ = stub.PrepareUnaryCall(&context_, method, request_, &queue_);
      call_->StartCall();
      call_->Finish(&response_, &status_, this);
    }
    void cancel() { context_.TryCancel(); }
    grpc::StatusCode code() {
      void* tag = nullptr;
      bool ok = false;
      queue_.Next(&tag, &ok);
      return status_.error_code();
    }
    /// After code(): metadata that the answer began with; "" when there is none of that name.
    [[nodiscard]] std::string metadata(const std::string& name) const {
      const auto& all = context_.GetServerInitialMetadata();
      const auto found = all.find(name);
      return found == all.end() ? "" : std::string(found->second.data(), found->second.size());
    }
    /// After code(): milliseconds after which to ask again, "" when that is not said.
    [[nodiscard]] std::string retry_after() const {
      const auto& trailers = context_.GetServerTrailingMetadata();
      const auto found = trailers.find("grpc-retry-pushback-ms");
      return found == trailers.end() ? "" : std::string(found->second.data(), found->second.size());
    }
    [[nodiscard]] std::string details() const { return status_.error_details(); }

   private:
    grpc::ClientContext context_;
    grpc::CompletionQueue queue_;
    grpc::ByteBuffer request_;
    grpc::ByteBuffer response_;
    grpc::Status status_;
    std::unique_ptr<grpc::GenericClientAsyncResponseReader> call_;
  };
  grpc::StatusCode ask(const std::string& method, const std::string& as_of = "") {
    return Asked(stub_, method, as_of).code();
  }
  std::unique_ptr<Asked> begin(const std::string& method,
                               const std::string& as_of = "",
                               gpr_timespec wait = gpr_time_from_seconds(120, GPR_TIMESPAN)) {
    return std::make_unique<Asked>(stub_, method, as_of, wait);
  }

  /// A call of several messages, of which none has been sent yet.
  class Stream {
   public:
    explicit Stream(grpc::GenericStub& stub, const std::string& method = kMethod) {
      limit(&context_);
      call_ = stub.PrepareCall(&context_, method, &queue_);
      call_->StartCall(this);
      next();
    }
    /// Send a message; whether it was answered.
    bool ask() {
      call_->Write(message(), this);
      if (!next()) {
        return false;
      }
      call_->Read(&response_, this);
      return next();
    }
    /// One message, and no more.
    void send_all() {
      call_->WriteLast(message(), grpc::WriteOptions(), this);
      next();
    }
    /// The next message of the server, "" when there is none.
    std::string read() {
      call_->Read(&response_, this);
      std::vector<grpc::Slice> slices;
      std::string bytes;
      if (next() && response_.Dump(&slices).ok()) {
        for (const grpc::Slice& slice : slices) {
          bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
        }
      }
      return bytes;
    }
    void cancel() { context_.TryCancel(); }
    /// Nothing more is sent.
    grpc::StatusCode end() {
      call_->WritesDone(this);
      next();
      return wait_for_end();
    }
    grpc::StatusCode wait_for_end() {
      grpc::Status status;
      call_->Finish(&status, this);
      next();
      return status.error_code();
    }

   private:
    bool next() {
      void* tag = nullptr;
      bool ok = false;
      queue_.Next(&tag, &ok);
      return ok;
    }
    grpc::ClientContext context_;
    grpc::CompletionQueue queue_;
    grpc::ByteBuffer response_;
    std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  };
  std::unique_ptr<Stream> stream(const std::string& method = kMethod) {
    return std::make_unique<Stream>(stub_, method);
  }
  /// Somebody who watches health.
  std::unique_ptr<Stream> watch() {
    auto watch = std::make_unique<Stream>(stub_, kWatch);
    watch->send_all();
    return watch;
  }

 private:
  /// grpc++ sends a call whose connection ended too early again by itself, and a call of several
  /// messages was seen that never ended then: what the server does to a call is its end here.
  static grpc::ChannelArguments own_pool() {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    return arguments;
  }
  grpc::GenericStub stub_;
};

class GrpcServerTest : public testing::Test {
 protected:
  uint16_t start(GrpcOptions options, const GrpcHandler& handler = echo) {
    options.port = 0;
    server_ = start_grpc_server(world_, handler, options).value();
    return server_->port();
  }
  static Result<GrpcReply> echo(std::string_view /*method*/,
                                std::string_view request,
                                const Credentials& /*credentials*/) {
    return GrpcReply{std::string(request)};
  }
  /// Of the first call that finds room: the server ends one a moment after its client knows.
  static grpc::StatusCode first_taken(Client& client) {
    grpc::StatusCode code = grpc::RESOURCE_EXHAUSTED;
    while (code == grpc::RESOURCE_EXHAUSTED) {
      code = client.ask(kMethod);
    }
    return code;
  }
  /// A past that waits until it is let go, and says what it was asked.
  GrpcOptions with_past() {
    GrpcOptions options;
    options.past.slow = &slow_;
    options.past.may_wait = [](const Credentials&) { return Status(); };
    options.past.answer = [this](std::string_view,
                                 std::string_view,
                                 const Credentials&,
                                 std::string_view as_of,
                                 const Pace&) -> Result<GrpcReply> {
      ++entered_;
      std::unique_lock lock(mutex_);
      let_go_.wait(lock, [this] { return is_let_go_; });
      return as_of == "then" ? Result<GrpcReply>({std::string(as_of)})
                             : Status(Code::kInvalidArgument, "no time");
    };
    return options;
  }
  void let_go() {
    const std::lock_guard lock(mutex_);
    is_let_go_ = true;
    let_go_.notify_all();
  }
  int64_t shed() { return metrics_.counter("assay_serve_grpc_shed_total", "").value(); }

  FakeClock clock_{EventTime{0}};
  std::unique_ptr<FileSystem> files_ = system_files();
  std::unique_ptr<Random> random_ = seeded_random(1);
  std::unique_ptr<Log> log_ = null_log();
  Metrics metrics_;
  World world_{clock_, *files_, *random_, *log_, metrics_};
  std::mutex mutex_;
  std::condition_variable let_go_;
  bool is_let_go_ = false;
  std::atomic<int> entered_{0};
  SlowWork slow_{world_, {.requests_max = 2}};
  std::unique_ptr<GrpcServer> server_;
};

TEST_F(GrpcServerTest, AMethodOfOneMessageEndsWithItsAnswer) {
  Client client(start({}));
  for (const char* const method : {"/feast.serving.ServingService/GetOnlineFeatures",
                                   "/feast.registry.RegistryServer/GetEntity",
                                   "/assay.serving.PushService/Push",
                                   kHealth}) {
    const auto call = client.stream(method);
    EXPECT_TRUE(call->ask()) << method;
    EXPECT_EQ(call->wait_for_end(), grpc::OK) << method << ", though its client might say more";
  }
  const auto call = client.stream();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(call->ask());
  }
  EXPECT_EQ(call->end(), grpc::OK);
}

TEST_F(GrpcServerTest, CallsBeyondTheBoundAreRefusedAtOnceAndHealthIsNot) {
  GrpcOptions options;
  options.calls_max = 1;
  Client client(start(options));
  const auto stream = client.stream();
  ASSERT_TRUE(stream->ask());
  EXPECT_EQ(client.ask(kMethod), grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(client.ask(kHealth), grpc::OK);
  EXPECT_EQ(shed(), 1);
  EXPECT_EQ(stream->end(), grpc::OK);
  EXPECT_EQ(first_taken(client), grpc::OK);
}

TEST_F(GrpcServerTest, WhatWaitedTooLongWhileManyWaitIsShedAndHealthIsNot) {
  GrpcOptions options;
  options.turn_max = Duration{0};  // all have waited that long
  options.turn_calls = 1;
  Client client(start(options));
  EXPECT_EQ(client.ask(kMethod), grpc::UNAVAILABLE);
  EXPECT_EQ(client.ask(kHealth), grpc::OK);
  EXPECT_EQ(shed(), 1);
  options.turn_calls = 2;
  Client few(start(options));
  EXPECT_EQ(few.ask(kMethod), grpc::OK) << "nobody waits beside it";
}

TEST_F(GrpcServerTest, CallsThatSayNothingAreCutOffAndTakeNoRoom) {
  GrpcOptions options;
  options.calls_max = 2;
  options.read_timeout = Duration{500'000};  // a message that is sent with its call comes sooner
  Client client(start(options));
  const auto first = client.stream();
  const auto second = client.stream();
  EXPECT_EQ(first->wait_for_end(), grpc::CANCELLED);
  EXPECT_EQ(second->wait_for_end(), grpc::CANCELLED);
  EXPECT_EQ(first_taken(client), grpc::OK);
}

TEST_F(GrpcServerTest, AConnectionEndsWithItsAgeThoughACallOnItGoesOn) {
  GrpcOptions options;
  options.age_max = Duration{300'000};
  options.age_grace = Duration{50'000};
  Client client(start(options));
  const auto stream = client.stream();
  while (stream->ask()) {  // until it is too old
  }
  const grpc::StatusCode code = stream->wait_for_end();
  EXPECT_NE(code, grpc::OK);
  EXPECT_NE(code, grpc::DEADLINE_EXCEEDED) << "the client's own";
  grpc::StatusCode next = grpc::UNAVAILABLE;
  for (int tries = 0; tries < 1'000 && next != grpc::OK; ++tries) {
    next = client.ask(kMethod);  // on another connection, if that is not too old before
  }
  EXPECT_EQ(next, grpc::OK);
}

TEST_F(GrpcServerTest, CallsAboutThePastHoldNobodyUpAndAreBounded) {
  Client client(start(with_past()));
  const auto first = client.begin(kMethod, "then");
  while (entered_ == 0) {
    std::this_thread::yield();
  }
  const auto second = client.begin(kMethod, "never");
  EXPECT_EQ(client.ask(kMethod), grpc::OK) << "about now";
  EXPECT_EQ(client.ask(kHealth, "then"), grpc::OK) << "is about now in any case";
  const auto third = client.begin(kMethod, "then");  // of the last two one finds no room
  while (metrics_.counter("assay_serve_slow_refused_total", "").value() == 0) {
    std::this_thread::yield();
  }
  let_go();
  EXPECT_EQ(first->code(), grpc::OK);
  std::vector<grpc::StatusCode> codes{second->code(), third->code()};
  EXPECT_EQ(std::count(codes.begin(), codes.end(), grpc::RESOURCE_EXHAUSTED), 1);
  EXPECT_EQ(client.ask(kMethod, "never"), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(metrics_.counter("assay_serve_slow_refused_total", "").value(), 1);
}

TEST_F(GrpcServerTest, WhatWritesWaitsForNoCallAboutThePast) {
  SlowWork writes(world_, {.requests_max = 1});
  GrpcOptions options = with_past();
  options.past.writes = &writes;
  options.past.is_slow = [](std::string_view method) { return method == kSlowMethod; };
  options.past.answer = [this, before = options.past.answer](std::string_view method,
                                                             std::string_view request,
                                                             const Credentials& credentials,
                                                             std::string_view as_of,
                                                             const Pace& pace) {
    return method == kSlowMethod ? Result<GrpcReply>({"written"})
                                 : before(method, request, credentials, as_of, pace);
  };
  Client client(start(options));
  const auto first = client.begin(kMethod, "then");
  while (entered_ == 0) {
    std::this_thread::yield();
  }
  EXPECT_EQ(client.ask(kSlowMethod), grpc::OK);
  let_go();
  EXPECT_EQ(first->code(), grpc::OK);
  writes.stop();
  EXPECT_EQ(client.ask(kSlowMethod), grpc::UNAVAILABLE);
  server_->stop();
}

TEST_F(GrpcServerTest, AnAnswerBeginsWithItsMetadata) {
  GrpcOptions options = with_past();
  options.past.answer = [](auto&&...) {
    return Result<GrpcReply>({"", {{"x-assay-as-of", "then"}}});
  };
  Client client(start(options, [](auto&&...) {
    return Result<GrpcReply>({"", {{"x-assay-as-of", "now"}, {"x-assay-known-until", "before"}}});
  }));
  const auto now = client.begin(kMethod);
  EXPECT_EQ(now->code(), grpc::OK);
  EXPECT_EQ(now->metadata("x-assay-as-of"), "now");
  EXPECT_EQ(now->metadata("x-assay-known-until"), "before");
  const auto then = client.begin(kMethod, "then");
  EXPECT_EQ(then->code(), grpc::OK);
  EXPECT_EQ(then->metadata("x-assay-as-of"), "then");
  EXPECT_EQ(then->metadata("x-assay-known-until"), "");
}

TEST_F(GrpcServerTest, WhatTheHandlerLeavesIsAnsweredApart) {
  SlowWork large(world_, {.finish_max = Duration{1}});
  std::atomic<int64_t> looks{0};
  GrpcOptions options = with_past();
  options.past.large = &large;
  options.past.answer = [&](std::string_view,
                            std::string_view,
                            const Credentials&,
                            std::string_view,
                            const Pace& pace) -> Result<GrpcReply> {
    EXPECT_FALSE(pace.is_hurried);
    while (true) {  // until nobody wants it
      ASSAY_RETURN_IF_ERROR(pace.check());
      ++looks;
      std::this_thread::yield();
    }
  };
  Client client(start(options,
                      [](std::string_view method, std::string_view request, const Credentials&)
                          -> std::optional<Result<GrpcReply>> {
                        return method == kSlowMethod ? std::optional<Result<GrpcReply>>()
                                                     : Result<GrpcReply>({std::string(request)});
                      }));
  const auto leave = [&](auto& call) {
    looks = 0;
    while (looks == 0) {
      std::this_thread::yield();
    }
    EXPECT_EQ(client.ask(kMethod), grpc::OK);
    call.cancel();
    EXPECT_EQ(call.code(), grpc::CANCELLED);
  };
  const auto left = client.begin(kSlowMethod);
  leave(*left);
  const auto late_one = client.begin(kSlowMethod, "", gpr_time_from_millis(300, GPR_TIMESPAN));
  const grpc::StatusCode late_code = late_one->code();
  EXPECT_TRUE(late_code == grpc::DEADLINE_EXCEEDED || late_code == grpc::CANCELLED)
      << "whoever of the two says it first: " << late_code;
  const auto ended = client.begin(kSlowMethod);
  looks = 0;
  while (looks == 0) {
    std::this_thread::yield();
  }
  large.stop();
  EXPECT_EQ(ended->code(), grpc::UNAVAILABLE);
  EXPECT_EQ(client.ask(kSlowMethod), grpc::UNAVAILABLE) << "and no others are begun";
  EXPECT_GE(metrics_.counter("assay_serve_grpc_late_total", "").value(), 1);
  server_->stop();
}

TEST_F(GrpcServerTest, CallsAboutThePastThatWaitAreRefusedWhenTheServerStops) {
  Client client(start(with_past()));
  const auto first = client.begin(kMethod, "then");
  while (entered_ == 0) {
    std::this_thread::yield();
  }
  const auto waits = client.begin(kMethod, "then");
  std::jthread stop([this] { slow_.stop(); });
  EXPECT_EQ(waits->code(), grpc::UNAVAILABLE);
  let_go();
  EXPECT_EQ(first->code(), grpc::OK);
  stop.join();
  EXPECT_EQ(client.ask(kMethod, "then"), grpc::UNAVAILABLE);
  EXPECT_EQ(client.ask(kMethod), grpc::OK);
}

TEST_F(GrpcServerTest, WhatIsUnderWayIsFinishedThoughServerAndQueueStopAtOnce) {
  Client client(start(with_past()));
  const auto first = client.begin(kMethod, "then");
  while (entered_ == 0) {
    std::this_thread::yield();
  }
  const auto waits = client.begin(kMethod, "then");
  std::jthread stop([this] {
    all_at_once({[this] { slow_.stop(); }, [this] { server_->stop(); }});
  });
  const auto refused = waits->code();  // cancelled where the server had not taken it yet
  EXPECT_TRUE(refused == grpc::UNAVAILABLE || refused == grpc::CANCELLED) << refused;
  let_go();
  EXPECT_EQ(first->code(), grpc::OK);
}

TEST_F(GrpcServerTest, WhoIsNotKnownDoesNotQueueForThePast) {
  GrpcOptions options = with_past();
  options.past.may_wait = [](const Credentials&) { return Status(Code::kUnauthenticated, "who?"); };
  Client client(start(options));
  EXPECT_EQ(client.ask(kMethod, "then"), grpc::UNAUTHENTICATED);
  EXPECT_EQ(entered_, 0);
}

TEST_F(GrpcServerTest, MethodsThatWaitForADiskAreBoundedTooAndSayWhenToAskAgain) {
  GrpcOptions options = with_past();
  options.past.is_slow = [](std::string_view method) { return method == kSlowMethod; };
  Client client(start(options));
  const auto first = client.begin(kSlowMethod);
  while (entered_ == 0) {
    std::this_thread::yield();
  }
  const auto second = client.begin(kSlowMethod);
  EXPECT_EQ(client.ask(kMethod), grpc::OK) << "does not wait";
  const auto third = client.begin(kSlowMethod);  // of the last two one finds no room
  while (metrics_.counter("assay_serve_slow_refused_total", "").value() == 0) {
    std::this_thread::yield();
  }
  let_go();
  EXPECT_EQ(first->code(), grpc::INVALID_ARGUMENT) << "by the one that answers for the past";
  int refused = 0;
  for (const auto& one : {second.get(), third.get()}) {
    if (one->code() == grpc::RESOURCE_EXHAUSTED) {
      ++refused;
      EXPECT_EQ(one->retry_after(), "1000");
      const std::string delay("\x0a\x02\x08\x01", 4);  // RetryInfo: Duration: one second
      EXPECT_NE(one->details().find("google.rpc.RetryInfo\x12\x04" + delay), std::string::npos);
    } else {
      EXPECT_EQ(one->retry_after(), "");
    }
  }
  EXPECT_EQ(refused, 1);
}

TEST_F(GrpcServerTest, WhoWatchesHealthIsToldWhatItBecomesUntilTheServerStops) {
  std::atomic<int> health = 1;
  GrpcOptions options;
  options.calls_max = 0;  // is no bound of these
  options.watches_max = 2;
  Client client(start(options, [&](std::string_view method, std::string_view, const Credentials&) {
    return method == kWatch ? Result<GrpcReply>({std::to_string(health.load())})
                            : Status(Code::kUnimplemented, "");
  }));
  const auto first = client.watch();
  EXPECT_EQ(first->read(), "1");
  auto second = client.watch();
  EXPECT_EQ(second->read(), "1");
  EXPECT_EQ(client.watch()->wait_for_end(), grpc::RESOURCE_EXHAUSTED);
  health = 2;
  server_->tell_health();
  EXPECT_EQ(first->read(), "2");
  health = 3;
  EXPECT_EQ(first->read(), "3") << "each second by itself";
  EXPECT_EQ(second->read(), "2");
  second->cancel();
  EXPECT_EQ(second->wait_for_end(), grpc::CANCELLED);
  second = client.watch();
  while (second->read() != "3") {  // until there is room
    second = client.watch();
  }
  std::jthread stop([this] { server_->stop(); });
  EXPECT_EQ(first->read(), "");
  EXPECT_EQ(first->wait_for_end(), grpc::UNAVAILABLE);
  EXPECT_EQ(second->wait_for_end(), grpc::UNAVAILABLE);
}

TEST_F(GrpcServerTest, WithoutAPastItsCallsAreUnimplemented) {
  Client client(start({}));
  EXPECT_EQ(client.ask(kMethod, "then"), grpc::UNIMPLEMENTED);
}

}  // namespace
}  // namespace assay::serve
