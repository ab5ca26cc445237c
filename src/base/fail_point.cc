#include "base/fail_point.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>

#include "base/arm_fail_point.h"
#include "base/pause.h"

namespace assay {
namespace {

struct Armed {
  std::string name;
  std::atomic<long> passes_left{0};
  std::string slow_name;
  std::atomic<long> slow_ms{0};

  Armed() {
    const char* setting =
        std::getenv("ASSAY_FAIL_POINT");  // NOLINT(concurrency-mt-unsafe): read once
    if (setting != nullptr) {
      arm(setting);
    }
    setting = std::getenv("ASSAY_SLOW_POINT");  // NOLINT(concurrency-mt-unsafe): read once
    if (setting != nullptr) {
      const std::string text = setting;
      const std::size_t colon = text.rfind(':');
      slow_name = text.substr(0, colon);
      slow_ms = colon == std::string::npos ? 0 : std::strtol(setting + colon + 1, nullptr, 10);
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
  if (now.slow_ms.load(std::memory_order_relaxed) > 0 && now.slow_name == name) {
    pause_for({now.slow_ms * 1'000});
  }
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

void slow_down_at(const std::string& name, int milliseconds) {
  Armed& now = armed();
  if (now.slow_name != name) {
    now.slow_name = name;
  }
  now.slow_ms = milliseconds;
}

}  // namespace assay
