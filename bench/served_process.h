#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

// A server in a process of its own, on a core of its own, so that what it costs can be told from
// what its clients cost.

namespace assay::bench {

/// What a server's process has used so far.
struct Usage {
  double cpu_micros = 0;
  double handler_micros = 0;  // within the handler of requests
  int64_t allocations = 0;    // while they are counted
  int64_t bytes = 0;
};

/// Calls of operator new, while they are counted: bench/serve_http_bench.cc replaces it.
struct Allocations {
  static inline std::atomic<bool> counting = false;
  static inline std::atomic<int64_t> count = 0;
  static inline std::atomic<int64_t> bytes = 0;
};

inline void pin_to(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  ::sched_setaffinity(0, sizeof(set), &set);  // without it the figures are only less steady
}

/// What runs in a server's process.
class Served {
 public:
  virtual ~Served() = default;
  [[nodiscard]] virtual uint16_t port() const = 0;
  /// Adds what the handlers took.
  virtual void add_to(Usage* usage) const = 0;
};

class ServedProcess {
 public:
  /// `start` runs in the child. No thread may run in this process yet.
  explicit ServedProcess(const std::function<std::unique_ptr<Served>()>& start) {
    int orders[2];
    int answers[2];
    ASSAY_CHECK(::pipe(orders) == 0 && ::pipe(answers) == 0);
    process_ = ::fork();
    ASSAY_CHECK(process_ >= 0);
    if (process_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::close(orders[1]);
      pin_to(0);
      obey(*start(), orders[0], answers[1]);
      ::_exit(0);
    }
    ::close(orders[0]);
    ::close(answers[1]);
    orders_ = orders[1];
    answers_ = answers[0];
    receive(&port_);
  }
  ~ServedProcess() {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    ::close(orders_);
    ::close(answers_);
  }
  ServedProcess(const ServedProcess&) = delete;
  ServedProcess& operator=(const ServedProcess&) = delete;

  [[nodiscard]] uint16_t port() const { return port_; }
  /// `counting`: whether allocations are counted from now on.
  Usage usage(bool counting = false) {
    const char order = counting ? 'c' : 'u';
    ASSAY_CHECK(::write(orders_, &order, 1) == 1);
    Usage usage;
    receive(&usage);
    return usage;
  }

 private:
  static void obey(const Served& served, int orders, int answers) {
    const uint16_t port = served.port();
    ASSAY_CHECK(::write(answers, &port, sizeof(port)) == sizeof(port));
    char order = 0;
    while (::read(orders, &order, 1) == 1) {
      Allocations::counting = order == 'c';
      rusage used{};
      ::getrusage(RUSAGE_SELF, &used);
      Usage usage;
      for (const timeval& time : {used.ru_utime, used.ru_stime}) {
        usage.cpu_micros +=
            static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
      }
      usage.allocations = Allocations::count;
      usage.bytes = Allocations::bytes;
      served.add_to(&usage);
      ASSAY_CHECK(::write(answers, &usage, sizeof(usage)) == sizeof(usage));
    }
  }
  template <typename T>
  void receive(T* value) {
    ASSAY_CHECK(::read(answers_, value, sizeof(*value)) == sizeof(*value));
  }

  pid_t process_ = -1;
  int orders_ = -1;
  int answers_ = -1;
  uint16_t port_ = 0;
};

}  // namespace assay::bench
