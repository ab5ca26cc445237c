// What a question costs by gRPC: one user and a hundred users with five views of ten features,
// against a handler of the same server that answers with the same bytes without looking anything
// up, and against grpc++'s asynchronous generic server that does nothing else. The client is grpc++
// too, with 16 calls under way on one connection; on two cores it is the slower half, so what
// counts is the CPU that the server's process takes. Then each is asked at fixed instants, half as
// often as it answered: latencies count from when a question should have been sent. Every answer is
// compared with what the handler gives in this process.
//
//   serve_grpc_bench [ENTITIES [SECONDS]]

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>

#include "data/feast_value.h"
#include "data/protobuf.h"
#include "grpc_echo.h"
#include "load_client.h"
#include "machine_stops.h"
#include "serve/grpc_calls.h"
#include "serve/grpc_server.h"
#include "served_line.h"
#include "served_process.h"
#include "served_shape.h"

namespace {

using namespace assay::bench;  // NOLINT(google-build-using-namespace): of this program alone

constexpr char kMethod[] = "/feast.serving.ServingService/GetOnlineFeatures";
constexpr int kCalls = 16;
constexpr int kRepeats = 3;

/// feast.serving.GetOnlineFeaturesRequest for the service `all`.
std::string request_for(const std::vector<int64_t>& users) {
  std::string list;
  for (const int64_t user : users) {
    assay::data::ProtoWriter(list).bytes(
        1, assay::data::to_feast_value(assay::data::Scalar::int64(user)));
  }
  std::string entry;
  assay::data::ProtoWriter(entry).bytes(1, "user_id");
  assay::data::ProtoWriter(entry).bytes(2, list);
  std::string message;
  assay::data::ProtoWriter(message).bytes(1, "all");
  assay::data::ProtoWriter(message).bytes(3, entry);
  return message;
}

class GrpcServed : public Served {
 public:
  explicit GrpcServed(assay::serve::GrpcHandler handler) {
    assay::serve::GrpcOptions options;
    options.port = 0;
    server_ = assay::serve::start_grpc_server(system_.world(), std::move(handler), options).value();
  }
  [[nodiscard]] uint16_t port() const override { return server_->port(); }
  void add_to(Usage* /*usage*/) const override {}

 private:
  assay::SystemWorld system_;
  std::unique_ptr<assay::serve::GrpcServer> server_;
};

std::string text_of(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  ASSAY_CHECK(buffer.Dump(&slices).ok());
  std::string text;
  for (const grpc::Slice& slice : slices) {
    text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return text;
}

/// Unary calls over one connection, each followed by the next.
class GrpcLoad {
 public:
  GrpcLoad(uint16_t port, const std::vector<Question>& questions)
      : stub_(grpc::CreateChannel("127.0.0.1:" + std::to_string(port),
                                  grpc::InsecureChannelCredentials())),
        questions_(questions) {}

  LoadResult run(double seconds) {
    micros_.clear();
    const double begin = now_micros();
    for (int i = 0; i < kCalls; ++i) {
      ask(now_micros());
    }
    int open = kCalls;
    void* tag = nullptr;
    bool ok = false;
    while (open > 0 && queue_.Next(&tag, &ok)) {
      take(static_cast<Asked*>(tag));
      --open;
      if (now_micros() < begin + seconds * 1e6) {
        ask(now_micros());
        ++open;
      }
    }
    return result_of(&micros_, (now_micros() - begin) * 1e-6);
  }
  /// At fixed instants, however many are under way.
  LoadResult open(double per_second, double seconds) {
    micros_.clear();
    const double begin = now_micros();
    const auto total = static_cast<int64_t>(per_second * seconds);
    int64_t sent = 0;
    void* tag = nullptr;
    bool ok = false;
    while (static_cast<int64_t>(micros_.size()) < total) {
      const double due = begin + static_cast<double>(sent) * 1e6 / per_second;
      if (sent < total && due <= now_micros()) {
        ask(due);
        ++sent;
      } else if (queue_.AsyncNext(&tag, &ok, gpr_inf_past(GPR_CLOCK_MONOTONIC)) ==
                 grpc::CompletionQueue::GOT_EVENT) {
        take(static_cast<Asked*>(tag));
      }
    }
    return result_of(&micros_, (now_micros() - begin) * 1e-6);
  }

 private:
  struct Asked {
    grpc::ClientContext context;
    grpc::ByteBuffer request;
    grpc::ByteBuffer response;
    grpc::Status status;
    const Question* question = nullptr;
    double since = 0;
    std::unique_ptr<grpc::GenericClientAsyncResponseReader> call;
  };

  void ask(double due) {
    auto asked = std::make_unique<Asked>();
    asked->question = &questions_[next_++ % questions_.size()];
    asked->since = due;
    const grpc::Slice slice(asked->question->bytes);
    asked->request = grpc::ByteBuffer(&slice, 1);
    asked->call = stub_.PrepareUnaryCall(&asked->context, kMethod, asked->request, &queue_);
    asked->call->StartCall();
    Asked* const tag = asked.release();  // until it comes back in take()
    tag->call->Finish(&tag->response, &tag->status, tag);
  }
  void take(Asked* tag) {
    const std::unique_ptr<Asked> asked(tag);
    ASSAY_CHECK(asked->status.ok() && text_of(asked->response) == asked->question->answer);
    micros_.push_back(now_micros() - asked->since);
  }

  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
  const std::vector<Question>& questions_;
  std::size_t next_ = 0;
  std::vector<double> micros_;
};

struct Measured {
  LoadResult load;
  double cpu_micros = 0;
  LoadResult open{};
};

Measured measure(ServedProcess* server, const std::vector<Question>& questions, double seconds) {
  GrpcLoad client(server->port(), questions);
  client.run(seconds / 10);
  const Usage before = server->usage();
  Measured measured{client.run(seconds)};
  measured.cpu_micros =
      (server->usage().cpu_micros - before.cpu_micros) / static_cast<double>(measured.load.count);
  measured.open = client.open(measured.load.per_second / 2, seconds);
  return measured;
}

std::vector<Question> questions_of(const Line& line, int users) {
  std::vector<Question> questions;
  for (int64_t i = 0; i < (users == 1 ? 2000 : 40); ++i) {
    std::vector<int64_t> asked;
    for (int64_t user = 0; user < users; ++user) {
      asked.push_back((i * 7919 + user * 611'953) % line.entities);
    }
    questions.push_back({request_for(asked), ""});
  }
  return questions;
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t entities = argc > 1 ? std::atoll(argv[1]) : 100'000;
  const double seconds = argc > 2 ? std::atof(argv[2]) : 3;
  ASSAY_CHECK(entities > 0 && seconds > 0);
  pin_to(1);
  const Line line(entities, "hashlog");
  std::vector<std::vector<Question>> shapes = {questions_of(line, 1), questions_of(line, 100)};
  {
    FeaturesOf here(line);
    for (std::vector<Question>& questions : shapes) {
      for (Question& question : questions) {
        question.answer = answer_grpc(here.features, kMethod, question.bytes).value();
      }
    }
  }
  // All servers before gRPC starts a thread in this process.
  ServedProcess ours([&] {
    auto kept = std::make_shared<FeaturesOf>(line);
    return std::make_unique<GrpcServed>([kept](std::string_view method,
                                               std::string_view request,
                                               const auto& credentials) {
      return assay::serve::plain_reply(answer_grpc(kept->features, method, request, credentials));
    });
  });
  std::vector<std::unique_ptr<ServedProcess>> bare;
  std::vector<std::unique_ptr<ServedProcess>> echoes;
  for (const std::vector<Question>& questions : shapes) {
    echoes.push_back(std::make_unique<ServedProcess>(
        [&] { return std::make_unique<GrpcEcho>(questions.front().answer); }));
    bare.push_back(std::make_unique<ServedProcess>([&] {
      return std::make_unique<GrpcServed>(
          [answer = questions.front().answer](std::string_view, std::string_view, const auto&) {
            return assay::Result<assay::serve::GrpcReply>({answer});
          });
    }));
  }
  for (std::size_t shape = 0; shape < shapes.size(); ++shape) {
    const std::vector<Question>& questions = shapes[shape];
    std::vector<Question> same = questions;
    for (Question& question : same) {
      question.answer = questions.front().answer;
    }
    std::printf("%d x 50 by gRPC: %zu bytes answered\n",
                shape == 0 ? 1 : 100,
                questions.front().answer.size());
    print_machine_stops("client", 1, "server", 0);
    std::array<std::vector<double>, 4> shares;
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
      const Measured a = measure(&ours, questions, seconds);
      const Measured b = measure(bare[shape].get(), same, seconds);
      const Measured c = measure(echoes[shape].get(), same, seconds);
      for (const auto& [who, measured] :
           {std::pair{"assay", a}, {"same, bare", b}, {"grpc++ echo", c}}) {
        std::printf(
            "  %-12s %8.0f calls/s, p50 %.0f p99 %.0f us | at half of it p50 %.0f p99 %.0f p99.9 "
            "%.0f us | CPU %.1f us\n",
            who,
            measured.load.per_second,
            measured.load.p50,
            measured.load.p99,
            measured.open.p50,
            measured.open.p99,
            measured.open.p999,
            measured.cpu_micros);
      }
      shares[0].push_back(a.load.per_second / b.load.per_second);
      shares[1].push_back(b.cpu_micros / a.cpu_micros);
      shares[2].push_back(a.load.per_second / c.load.per_second);
      shares[3].push_back(c.cpu_micros / a.cpu_micros);
    }
    constexpr std::array<const char*, 4> kWhat = {"a bare handler's, by calls/s",
                                                  "a bare handler's, by CPU",
                                                  "a grpc++ echo's, by calls/s",
                                                  "a grpc++ echo's, by CPU"};
    for (std::size_t i = 0; i < shares.size(); ++i) {
      std::vector<double>& values = shares[i];
      std::sort(values.begin(), values.end());
      std::printf("  share of %s: %.2f (spread %.2f to %.2f)\n",
                  kWhat[i],
                  values[values.size() / 2],
                  values.front(),
                  values.back());
    }
    std::fflush(stdout);
  }
  return 0;
}
