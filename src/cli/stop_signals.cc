#include <csignal>

#include <unistd.h>

#include "cli/command.h"

namespace assay::cli {
namespace {

std::atomic<bool> stop_flag{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void on_stop_signal(int signal_number) {
  if (stop_flag.exchange(true)) {
    ::_exit(128 + signal_number);  // asked twice: at once
  }
}

}  // namespace

const std::atomic<bool>& stop_requested() {
  return stop_flag;
}

void catch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace assay::cli
