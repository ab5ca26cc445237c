#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "load_client.h"
#include "served_process.h"

// What a machine does to a thread that wants nothing but its core, as a client that asks at fixed
// instants would see it. Printed beside latencies of open loops, which count every stop.

namespace assay::bench {

/// Stops of one thread.
struct MachineStops {
  int64_t count = 0;  // longer than kShortest
  double stopped_ms = 0;
  double waited_ms = 0;  // for others who had the core, as the system says
  double p99 = 0;        // microseconds that questions at fixed instants would have waited
  double p999 = 0;
  double longest = 0;

  static constexpr double kShortest = 20;  // microseconds: less is an interrupt
};

/// How long this thread waited for its core while it could run, in milliseconds.
inline double waited_ms_of_thread() {
  std::array<char, 128> text{};
  std::FILE* const file = std::fopen("/proc/thread-self/schedstat", "r");
  if (file == nullptr) {
    return 0;
  }
  const std::size_t size = std::fread(text.data(), 1, text.size() - 1, file);
  std::fclose(file);
  unsigned long long ran = 0;
  unsigned long long waited = 0;
  return size > 0 && std::sscanf(text.data(), "%llu %llu", &ran, &waited) == 2
             ? static_cast<double>(waited) * 1e-6
             : 0;
}

/// Spin on a core for so long; a question is due each 1 / `per_micro` microseconds.
inline MachineStops stops_of(int cpu, double seconds, double per_micro) {
  pin_to(cpu);
  MachineStops stops;
  const double waited = waited_ms_of_thread();
  const double begin = now_micros();
  const double end = begin + seconds * 1e6;
  std::vector<double> waits;
  double last = begin;
  while (last < end) {
    const double now = now_micros();
    const double stop = now - last;
    if (stop > MachineStops::kShortest) {
      ++stops.count;
      stops.stopped_ms += stop * 1e-3;
      stops.longest = std::max(stops.longest, stop);
      for (double wait = stop; wait > 0; wait -= 1 / per_micro) {
        waits.push_back(wait);
      }
    }
    last = now;
  }
  stops.waited_ms = waited_ms_of_thread() - waited;
  // All other questions wait for nothing.
  const auto due = static_cast<std::size_t>(seconds * 1e6 * per_micro);
  std::sort(waits.begin(), waits.end(), std::greater<>());
  const auto at = [&](double share) {
    const auto behind = static_cast<std::size_t>((1 - share) * static_cast<double>(due));
    return behind < waits.size() ? waits[behind] : 0;
  };
  stops.p99 = at(0.99);
  stops.p999 = at(0.999);
  return stops;
}

/// Both cores of a measurement at once, one line each.
inline void print_machine_stops(const char* first,
                                int first_cpu,
                                const char* second,
                                int second_cpu) {
  constexpr double kSeconds = 2;
  constexpr double kPerMicro = 0.1;
  std::array<MachineStops, 2> both;
  {
    std::jthread one([&] { both[0] = stops_of(first_cpu, kSeconds, kPerMicro); });
    std::jthread other([&] { both[1] = stops_of(second_cpu, kSeconds, kPerMicro); });
  }
  for (const auto& [who, stops] : {std::pair{first, both[0]}, {second, both[1]}}) {
    std::printf(
        "machine: spinning on the %s's core for %.0f s a thread is stopped %lld times for %.0f ms, "
        "of "
        "which others have it for %.0f; asked 100,000 times a second it would seem to take p99 "
        "%.0f "
        "p99.9 %.0f longest %.0f us\n",
        who,
        kSeconds,
        static_cast<long long>(stops.count),
        stops.stopped_ms,
        stops.waited_ms,
        stops.p99,
        stops.p999,
        stops.longest);
  }
  std::fflush(stdout);
}

}  // namespace assay::bench
