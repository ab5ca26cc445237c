#include "base/fail_point.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>

#include "base/arm_fail_point.h"

namespace assay {
namespace {

struct Armed {
  std::string name;
  std::atomic<long> passes_left{0};

  Armed() {
    const char* setting =
        std::getenv("ASSAY_FAIL_POINT");  // NOLINT(concurrency-mt-unsafe): read once
    if (setting != nullptr) {
      arm(setting);
    }
  }

  void arm(const std::string& setting) {
    const std::size_t colon = setting.rfind(':');
    passes_left =
        colon == std::string::npos ? 1 : std::strtol(setting.c_str() + colon + 1, nullptr, 10);
    name = setting.substr(0, colon);
  }
};

Armed& armed() {
  static Armed only;
  return only;
}

}  // namespace

void fail_point(std::string_view name) {
  Armed& now = armed();
  if (now.name.empty() || now.name != name) {
    return;
  }
  if (now.passes_left.fetch_sub(1) == 1) {
    std::raise(SIGKILL);
  }
}

void arm_fail_point(const std::string& setting) {
  armed().arm(setting);
}

}  // namespace assay
