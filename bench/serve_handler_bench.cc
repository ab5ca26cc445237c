// What answering takes without a socket: the handlers of HTTP and gRPC asked in a loop, in the
// shape of serve_http_bench, processor time of the one thread that asks. A server's share of the
// system's work, and what that does to its caches, is in serve_http_bench and serve_grpc_bench.
//
//   read      a hundred keys of five views, as the servers read them; no peer
//   http      1 x 10, 1 x 50, 100 x 50, and 1 x 50 with 200 trees
//   grpc      1 x 50 and 100 x 50
//   trees     200 trees alone, against XGBoost's own prediction of the same rows
//
// Answers are compared with what the general way gives (FeatureServer::answer_in_general), scores
// with XGBoost's, to the bit. Smallest and median of many short rounds: others use the machine too.
//
//   serve_handler_bench [ENTITIES [ROUNDS [WORD]]]      WORD: only those with it in their names

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/feast_value.h"
#include "data/protobuf.h"
#include "serve/body_text.h"
#include "serve/get.h"
#include "serve/grpc_calls.h"
#include "served_line.h"

namespace {

using namespace assay::bench;  // NOLINT(google-build-using-namespace): of this program alone
using assay::serve::Request;

constexpr char kMethod[] = "/feast.serving.ServingService/GetOnlineFeatures";
constexpr int kQuestions = 500;
constexpr double kRoundMicros = 20'000;

double thread_micros() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

std::vector<int64_t> users_of(const Line& line, int users, int64_t question) {
  std::vector<int64_t> asked;
  for (int64_t i = 0; i < users; ++i) {
    asked.push_back((question * 7919 + i * 611'953) % line.entities);
  }
  return asked;
}

/// `asks`: the name of a service, or the model's.
Request http_question(const std::vector<int64_t>& users, const std::string& asks) {
  std::string body = "{\"entities\":{\"user_id\":[";
  for (const int64_t user : users) {
    body += (body.back() == '[' ? "" : ",") + std::to_string(user);
  }
  const bool scores = asks == "buy";
  body += (scores ? R"(]},"model":")" : R"(]},"feature_service":")") + asks + "\"}";
  return {"POST", scores ? "/predict" : "/get-online-features", {}, body};
}

std::string grpc_question(const std::vector<int64_t>& users) {
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

/// Asks question after question; what one took.
void measure(const char* name, int rounds, const std::function<void(std::size_t)>& ask) {
  std::vector<double> micros;
  std::size_t next = 0;
  for (int round = 0; round <= rounds; ++round) {
    const double begin = thread_micros();
    double now = begin;
    int asked = 0;
    for (; now < begin + kRoundMicros; now = thread_micros()) {
      for (int i = 0; i < 16; ++i, ++asked) {
        ask(next++ % kQuestions);
      }
    }
    if (round != 0) {  // the first one warms
      micros.push_back((now - begin) / asked);
    }
  }
  std::sort(micros.begin(), micros.end());
  std::printf("%-24s %8.2f us, median %8.2f\n", name, micros.front(), micros[micros.size() / 2]);
  std::fflush(stdout);
}

void measure_http(
    const Line& line, const char* name, int users, const std::string& asks, int rounds) {
  FeaturesOf server(line);
  FeaturesOf general(line);
  general.features.answer_in_general();
  std::vector<Request> questions;
  for (int i = 0; i < kQuestions; ++i) {
    questions.push_back(http_question(users_of(line, users, i), asks));
    const std::string answer = server.features.handle(questions.back()).body;
    ASSAY_CHECK(answer == general.features.handle(questions.back()).body);
  }
  measure(name, rounds, [&](std::size_t i) {
    assay::serve::Response answer = server.features.handle(questions[i]);
    ASSAY_CHECK(answer.status == 200);
    assay::serve::SpareBodies::of_thread().give(&answer.body);  // as the servers do
  });
}

void measure_grpc(const Line& line, const char* name, int users, int rounds) {
  FeaturesOf server(line);
  FeaturesOf general(line);
  general.features.answer_in_general();
  std::vector<std::string> questions;
  for (int i = 0; i < kQuestions; ++i) {
    questions.push_back(grpc_question(users_of(line, users, i)));
    const std::string answer = answer_grpc(server.features, kMethod, questions.back()).value();
    ASSAY_CHECK(answer == answer_grpc(general.features, kMethod, questions.back()).value());
  }
  measure(name, rounds, [&](std::size_t i) {
    std::string answer = answer_grpc(server.features, kMethod, questions[i]).value();
    assay::serve::SpareBodies::of_thread().give(&answer);
  });
}

/// The rows of a hundred users in five views, without request and answer.
void measure_read(const Line& line, const char* name, int rounds) {
  FeaturesOf server(line);
  const assay::gold::Service& service = *line.state.services.at("all");
  std::vector<assay::serve::RequestRows> questions;
  for (int i = 0; i < kQuestions; ++i) {
    assay::serve::RequestRows rows;
    rows.columns.push_back({"user_id", {}});
    for (const int64_t user : users_of(line, 100, i)) {
      rows.columns[0].values.push_back(assay::data::Scalar::int64(user));
    }
    rows.rows = 100;
    questions.push_back(std::move(rows));
  }
  const assay::EventTime now{1'700'000'100'000'000};
  measure(name, rounds, [&](std::size_t i) {
    auto answer = get_flat_features(service, *server.store, questions[i], now).value();
    ASSAY_CHECK(answer.has_value() && answer->values.size().rows == 500);
    keep_memory_of(*std::move(answer));
  });
}

void measure_trees(const Line& line, const char* name, int rounds) {
  BoosterHandle booster = nullptr;
  check(XGBoosterCreate(nullptr, 0, &booster));
  const std::string model = train();
  check(XGBoosterLoadModelFromBuffer(booster, model.data(), model.size()));
  std::vector<std::vector<float>> rows;
  for (int64_t user = 0; user < kQuestions; ++user) {
    std::vector<float>& row = rows.emplace_back();
    for (int f = 0; f < kFeatures; ++f) {
      row.push_back(static_cast<float>(feature_value(user, f)));
    }
    DMatrixHandle matrix = nullptr;
    check(XGDMatrixCreateFromMat(row.data(), 1, kFeatures, -1, &matrix));
    bst_ulong size = 0;
    const float* score = nullptr;
    check(XGBoosterPredict(booster, matrix, 0, 0, 0, &size, &score));
    ASSAY_CHECK(size == 1 && *score == line.scorer->score(row));
    check(XGDMatrixFree(matrix));
  }
  check(XGBoosterFree(booster));
  float sum = 0;
  measure(name, rounds, [&](std::size_t i) { sum += line.scorer->score(rows[i]); });
  ASSAY_CHECK(sum > 0);
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t entities = argc > 1 ? std::atoll(argv[1]) : 100'000;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 50;
  const std::string word = argc > 3 ? argv[3] : "";
  ASSAY_CHECK(entities > 0 && rounds > 0);
  const Line line(entities, "hashlog");
  using Measure = std::function<void(const char* name)>;
  const std::array<std::pair<const char*, Measure>, 8> all = {
      {{"200 trees", [&](const char* name) { measure_trees(line, name, rounds); }},
       {"read 100 x 5 views", [&](const char* name) { measure_read(line, name, rounds); }},
       {"HTTP, 1 x 10", [&](const char* name) { measure_http(line, name, 1, "one", rounds); }},
       {"HTTP, 1 x 50", [&](const char* name) { measure_http(line, name, 1, "all", rounds); }},
       {"HTTP, 1 x 50, 200 trees",
        [&](const char* name) { measure_http(line, name, 1, "buy", rounds); }},
       {"HTTP, 100 x 50", [&](const char* name) { measure_http(line, name, 100, "all", rounds); }},
       {"gRPC, 1 x 50", [&](const char* name) { measure_grpc(line, name, 1, rounds); }},
       {"gRPC, 100 x 50", [&](const char* name) { measure_grpc(line, name, 100, rounds); }}}};
  for (const auto& [name, measure_it] : all) {
    if (std::string_view(name).find(word) != std::string_view::npos) {
      measure_it(name);
    }
  }
  return 0;
}
