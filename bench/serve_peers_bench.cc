// Our HTTP server against others that answer the same questions about the same values
// (bench/serve_peers.sh starts Feast's): one user and ten features, one user and fifty, a hundred
// users and fifty. Turn by turn, a closed loop of eight connections. Ours is one process of one
// thread on a core of its own; the others take what cores they get. CPU is of all processes of a
// server's session, the system's part included; of peers it is without their Redis. Each answer is
// read by hand once, by the names that it has, and is compared with that from then on.
//
//   serve_peers_bench ENTITIES SECONDS [NAME PORT SESSION]...

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "load_client.h"
#include "serve/feature_server.h"
#include "served_line.h"
#include "served_process.h"
#include "served_shape.h"

namespace {

using assay::bench::LoadClient;
using assay::bench::LoadResult;
using assay::bench::Question;
using assay::bench::ServedProcess;

constexpr int kConnections = 8;
constexpr int kRepeats = 3;

struct Shape {
  const char* name;
  const char* service;
  int users;
  int features;
};
constexpr Shape kShapes[] = {{"1 x 10", "one", 1, assay::bench::kViewFeatures},
                             {"1 x 50", "all", 1, assay::bench::kFeatures},
                             {"100 x 50", "all", 100, assay::bench::kFeatures}};

/// The body of an answer whose end came; peers send long ones in chunks.
std::string body_of(std::string_view answer) {
  const std::size_t head = answer.find("\r\n\r\n") + 4;
  std::string_view rest = answer.substr(head);
  if (!assay::bench::is_chunked(answer.substr(0, head))) {
    return std::string(rest);
  }
  std::string body;
  while (true) {
    char* end = nullptr;
    const std::size_t size = std::strtoull(rest.data(), &end, 16);
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()) + 2);
    if (size == 0) {
      return body;
    }
    body += rest.substr(0, size);
    rest.remove_prefix(size + 2);
  }
}

/// The lists of an answer by their columns' names, each text of numbers.
std::map<std::string, std::string> columns_of(const std::string& body) {
  constexpr std::string_view kNames = "\"feature_names\":[";
  constexpr std::string_view kValues = "\"values\":[";
  std::map<std::string, std::string> columns;
  std::size_t name = body.find(kNames) + kNames.size();
  std::size_t values = 0;
  while (body[name] == '"' || body[name] == ',') {
    name = body.find('"', name) + 1;
    const std::size_t name_end = body.find('"', name);
    values = body.find(kValues, values);
    ASSAY_CHECK(values != std::string::npos);
    values += kValues.size();
    columns[body.substr(name, name_end - name)] =
        body.substr(values, body.find(']', values) - values);
    name = name_end + 1;
  }
  return columns;
}

bool is_right(const std::string& body, const std::vector<int64_t>& users, int features) {
  const std::map<std::string, std::string> columns = columns_of(body);
  for (int feature = -1; feature < features; ++feature) {
    const auto found = columns.find(feature < 0 ? "user_id" : assay::bench::feature_name(feature));
    if (found == columns.end()) {
      return false;
    }
    const char* at = found->second.c_str();
    for (const int64_t user : users) {
      char* end = nullptr;
      const double value = std::strtod(at, &end);
      if (end == at || value != (feature < 0 ? static_cast<double>(user)
                                             : assay::bench::feature_value(user, feature))) {
        return false;
      }
      at = end + 1;
    }
  }
  return columns.size() == static_cast<std::size_t>(features) + 1;
}

std::string ask_once(uint16_t port, const std::string& bytes) {
  const int socket = assay::bench::connect_tcp(port);
  ASSAY_CHECK(::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
              static_cast<ssize_t>(bytes.size()));
  std::string answer;
  std::array<char, 65536> buffer;
  for (std::size_t size = 0; size == 0 || answer.size() < size;) {
    const ssize_t got = ::recv(socket, buffer.data(), buffer.size(), 0);
    ASSAY_CHECK(got > 0);
    answer.append(buffer.data(), static_cast<std::size_t>(got));
    size = size == 0 ? assay::bench::http_size(answer, {}) : size;
  }
  ::close(socket);
  return answer;
}

/// What a server is asked, and what it must answer.
std::vector<Question> questions_of(uint16_t port, const Shape& shape, int64_t entities) {
  std::vector<Question> questions;
  const int64_t count = shape.users == 1 ? 500 : 20;
  for (int64_t i = 0; i < count; ++i) {
    std::vector<int64_t> users;
    std::string list;
    for (int64_t user = 0; user < shape.users; ++user) {
      users.push_back((i * 7919 + user * 611'953) % entities);
      list += (list.empty() ? "" : ",") + std::to_string(users.back());
    }
    const std::string body = "{\"feature_service\":\"" + std::string(shape.service) +
                             "\",\"entities\":{\"user_id\":[" + list + "]}}";
    const std::string bytes =
        "POST /get-online-features HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
        "application/json\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body;
    const std::string answer = ask_once(port, bytes);
    ASSAY_CHECK(is_right(body_of(answer), users, shape.features));
    questions.push_back({bytes, answer.substr(answer.find("\r\n\r\n") + 4)});
  }
  return questions;
}

/// What all processes of a session have used so far.
double session_cpu_micros(int session) {
  double ticks = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    if (std::isdigit(static_cast<unsigned char>(entry.path().filename().native()[0])) == 0) {
      continue;
    }
    std::ifstream file(entry.path() / "stat");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::size_t name_end = text.rfind(')');
    if (name_end == std::string::npos) {
      continue;
    }
    std::istringstream words(text.substr(name_end + 2));
    std::vector<std::string> fields{std::istream_iterator<std::string>(words), {}};
    if (std::atoi(fields[3].c_str()) == session) {
      ticks += std::atof(fields[11].c_str()) + std::atof(fields[12].c_str());
    }
  }
  return ticks * 1e6 / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

/// One of those that are asked.
struct Contender {
  std::string name;
  uint16_t port;
  std::function<double()> cpu_micros;
  std::vector<double> per_second{};
  std::vector<double> micros{};  // of CPU, a request
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string spread(const std::vector<double>& ours, const std::vector<double>& theirs, bool less) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    ratios.push_back(less ? theirs[i] / ours[i] : ours[i] / theirs[i]);
  }
  std::sort(ratios.begin(), ratios.end());
  char text[80];
  std::snprintf(text,
                sizeof text,
                "%.1f times (%.1f to %.1f)",
                ratios[ratios.size() / 2],
                ratios[0],
                ratios.back());
  return text;
}

void compare(const Shape& shape, int64_t entities, double seconds, std::vector<Contender> all) {
  std::vector<std::vector<Question>> questions;
  for (const Contender& each : all) {
    questions.push_back(questions_of(each.port, shape, entities));
  }
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      LoadClient client([port = all[i].port] { return assay::bench::connect_tcp(port); },
                        kConnections,
                        assay::bench::http_size,
                        questions[i]);
      client.closed(seconds / 4);  // warm
      const double before = all[i].cpu_micros();
      const LoadResult result = client.closed(seconds);
      all[i].per_second.push_back(result.per_second);
      all[i].micros.push_back((all[i].cpu_micros() - before) / static_cast<double>(result.count));
    }
  }
  std::printf("%s\n", shape.name);
  for (const Contender& each : all) {
    std::printf("  %-14s %8.0f req/s, CPU %.1f us",
                each.name.c_str(),
                median(each.per_second),
                median(each.micros));
    if (&each != &all.front()) {
      std::printf("; ours %s by CPU, %s by requests",
                  spread(all.front().micros, each.micros, true).c_str(),
                  spread(all.front().per_second, each.per_second, false).c_str());
    }
    std::printf("\n");
  }
  std::fflush(stdout);
}

/// Our HTTP server.
class OurServer : public assay::bench::Served {
 public:
  explicit OurServer(const assay::bench::Line& line) : features_(line) {
    assay::serve::HttpOptions options;
    options.port = 0;
    options.threads = 1;
    server_ = start_http_server(
                  features_.system.world(),
                  [this](const assay::serve::Request& request) {
                    return features_.features.handle(request);
                  },
                  options)
                  .value();
  }
  [[nodiscard]] uint16_t port() const override { return server_->port(); }
  void add_to(assay::bench::Usage* /*usage*/) const override {}

 private:
  assay::bench::FeaturesOf features_;
  std::unique_ptr<assay::serve::HttpServer> server_;
};

}  // namespace

int main(int argc, char** argv) {
  ASSAY_CHECK(argc >= 3 && argc % 3 == 0);
  const int64_t entities = std::atoll(argv[1]);
  const double seconds = std::atof(argv[2]);
  const assay::bench::Line line(entities, "hashlog");
  assay::bench::pin_to(1);
  ServedProcess ours([&] { return std::make_unique<OurServer>(line); });
  std::vector<Contender> all = {{"assay", ours.port(), [&] { return ours.usage().cpu_micros; }}};
  for (int i = 3; i + 2 < argc; i += 3) {
    all.push_back({argv[i],
                   static_cast<uint16_t>(std::atoi(argv[i + 1])),
                   [session = std::atoi(argv[i + 2])] { return session_cpu_micros(session); }});
  }
  for (const Shape& shape : kShapes) {
    compare(shape, entities, seconds, all);
  }
  return 0;
}
