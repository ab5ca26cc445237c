#include "base/metrics.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/check.h"

namespace assay {
namespace {

std::string format_number(double value) {
  std::array<char, 40> text{};
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), static_cast<std::size_t>(result.ptr - text.data())};
}

std::string format_labels(const MetricLabels& labels, const std::string& extra = "") {
  std::string text;
  for (const auto& [name, value] : labels) {
    text += (text.empty() ? "" : ",") + name + "=\"";
    for (const char c : value) {
      if (c == '\\' || c == '"') {
        text += '\\';
        text += c;
      } else if (c == '\n') {
        text += "\\n";
      } else {
        text += c;
      }
    }
    text += '"';
  }
  if (!extra.empty()) {
    text += (text.empty() ? "" : ",") + extra;
  }
  return text.empty() ? "" : "{" + text + "}";
}

void append_histogram(std::string& out,
                      const std::string& name,
                      const MetricLabels& labels,
                      const Histogram& histogram) {
  int64_t below = 0;
  for (std::size_t i = 0; i < histogram.bounds().size(); ++i) {
    below += histogram.bucket(i);
    out += name + "_bucket" +
           format_labels(labels, "le=\"" + format_number(histogram.bounds()[i]) + "\"") + " " +
           std::to_string(below) + "\n";
  }
  out += name + "_bucket" + format_labels(labels, "le=\"+Inf\"") + " " +
         std::to_string(histogram.count()) + "\n";
  out += name + "_sum" + format_labels(labels) + " " + format_number(histogram.sum()) + "\n";
  out += name + "_count" + format_labels(labels) + " " + std::to_string(histogram.count()) + "\n";
}

}  // namespace

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)), buckets_(bounds_.size() + 1) {}

void Histogram::observe(double value) {
  const auto bound = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  buckets_[static_cast<std::size_t>(bound - bounds_.begin())].fetch_add(1,
                                                                        std::memory_order_relaxed);
  count_.fetch_add(1, std::memory_order_relaxed);
  double sum = sum_.load(std::memory_order_relaxed);
  while (!sum_.compare_exchange_weak(sum, sum + value, std::memory_order_relaxed)) {
  }
}

Counter& Metrics::counter(const std::string& name,
                          const std::string& help,
                          const MetricLabels& labels) {
  std::lock_guard lock(mutex_);
  Family& family = families_[name];
  family.help = help;
  family.type = "counter";
  auto& slot = family.counters[labels];
  if (slot == nullptr) {
    slot = std::make_unique<Counter>();
  }
  return *slot;
}

Gauge& Metrics::gauge(const std::string& name,
                      const std::string& help,
                      const MetricLabels& labels) {
  std::lock_guard lock(mutex_);
  Family& family = families_[name];
  family.help = help;
  family.type = "gauge";
  auto& slot = family.gauges[labels];
  if (slot == nullptr) {
    slot = std::make_unique<Gauge>();
  }
  return *slot;
}

Histogram& Metrics::histogram(const std::string& name,
                              const std::string& help,
                              const MetricLabels& labels) {
  std::lock_guard lock(mutex_);
  Family& family = families_[name];
  family.help = help;
  family.type = "histogram";
  auto& slot = family.histograms[labels];
  if (slot == nullptr) {
    slot = std::make_unique<Histogram>(std::vector<double>{50e-6,
                                                           100e-6,
                                                           250e-6,
                                                           500e-6,
                                                           1e-3,
                                                           2.5e-3,
                                                           5e-3,
                                                           10e-3,
                                                           25e-3,
                                                           50e-3,
                                                           0.1,
                                                           0.25,
                                                           0.5,
                                                           1,
                                                           2.5,
                                                           5,
                                                           10});
  }
  return *slot;
}

std::string Metrics::to_text() const {
  std::lock_guard lock(mutex_);
  std::string out;
  for (const auto& [name, family] : families_) {
    out += "# HELP " + name + " " + family.help + "\n# TYPE " + name + " " + family.type + "\n";
    for (const auto& [labels, counter] : family.counters) {
      out += name + format_labels(labels) + " " + std::to_string(counter->value()) + "\n";
    }
    for (const auto& [labels, gauge] : family.gauges) {
      out += name + format_labels(labels) + " " + format_number(gauge->value()) + "\n";
    }
    for (const auto& [labels, histogram] : family.histograms) {
      append_histogram(out, name, labels, *histogram);
    }
  }
  return out;
}

}  // namespace assay
