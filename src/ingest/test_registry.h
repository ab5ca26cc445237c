#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "store/http_client.h"

// For tests: a schema registry without a network, and records that name schemas of it.

namespace assay::ingest {

/// A registry that answers from a table, and counts.
class TestRegistry : public store::HttpClient {
 public:
  Result<store::HttpResponse> send(const store::HttpRequest& request) override {
    ++asked;
    last_headers = {request.headers.begin(), request.headers.end()};
    if (!failure.ok()) {
      return failure;
    }
    store::HttpResponse response;
    const std::string path = request.url.substr(std::string("http://registry").size());
    const auto found = answers.find(path);
    response.status = found == answers.end() ? 404 : found->second.first;
    response.body = found == answers.end() ? R"({"error_code":40403,"message":"not found"})"
                                           : found->second.second;
    return response;
  }

  std::map<std::string, std::pair<int, std::string>> answers;
  std::map<std::string, std::string> last_headers;
  Status failure;
  int asked = 0;
};

/// A record in Confluent's wire format.
inline std::string wire_record(int32_t number, const std::string& payload) {
  std::string bytes(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(number >> shift));
  }
  return bytes + payload;
}

}  // namespace assay::ingest
