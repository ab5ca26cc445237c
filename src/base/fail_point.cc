#include "base/fail_point.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>

namespace assay {
namespace {

struct Armed {
  std::string name;
  std::atomic<long> passes_left{0};
  Armed() {
    const char* setting =
        std::getenv("ASSAY_FAIL_POINT");  // NOLINT(concurrency-mt-unsafe): read once
    if (setting == nullptr) {
      return;
    }
    name = setting;
    const std::size_t colon = name.rfind(':');
    passes_left =
        colon == std::string::npos ? 1 : std::strtol(name.c_str() + colon + 1, nullptr, 10);
    name = name.substr(0, colon);
  }
};

}  // namespace

void fail_point(std::string_view name) {
  static Armed armed;
  if (armed.name.empty() || armed.name != name) {
    return;
  }
  if (armed.passes_left.fetch_sub(1) == 1) {
    std::raise(SIGKILL);
  }
}

}  // namespace assay
