#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace assay {

using MetricLabels = std::map<std::string, std::string>;

/// A number that only grows. Threads thread-safe.
class Counter {
 public:
  void add(int64_t count = 1) { value_.fetch_add(count, std::memory_order_relaxed); }
  [[nodiscard]] int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

/// A number that goes up and down. Threads thread-safe.
class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  [[nodiscard]] double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

/// Counts of observations under fixed upper bounds, in seconds. Threads thread-safe.
class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds);
  void observe(double value);
  [[nodiscard]] const std::vector<double>& bounds() const { return bounds_; }
  [[nodiscard]] int64_t bucket(std::size_t index) const { return buckets_[index].load(); }
  [[nodiscard]] int64_t count() const { return count_.load(); }
  [[nodiscard]] double sum() const { return sum_.load(); }

 private:
  std::vector<double> bounds_;
  std::vector<std::atomic<int64_t>> buckets_;  // one more than bounds: the rest
  std::atomic<int64_t> count_{0};
  std::atomic<double> sum_{0};
};

/// Named metrics, printed as Prometheus text. Names are `assay_<room>_<noun>_<unit>`.
///
/// Threads thread-safe. References stay good as long as the registry lives: look up once, keep it.
class Metrics {
 public:
  Counter& counter(const std::string& name,
                   const std::string& help,
                   const MetricLabels& labels = {});
  Gauge& gauge(const std::string& name, const std::string& help, const MetricLabels& labels = {});
  /// Latency histogram with bounds from 50 us to 10 s.
  Histogram& histogram(const std::string& name,
                       const std::string& help,
                       const MetricLabels& labels = {});
  /// Prometheus text format 0.0.4, sorted by name and labels.
  [[nodiscard]] std::string to_text() const;

 private:
  struct Family {
    std::string help;
    std::string type;
    std::map<MetricLabels, std::unique_ptr<Counter>> counters;
    std::map<MetricLabels, std::unique_ptr<Gauge>> gauges;
    std::map<MetricLabels, std::unique_ptr<Histogram>> histograms;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Family> families_;
};

}  // namespace assay
