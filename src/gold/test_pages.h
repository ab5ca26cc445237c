#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "gold/contract.h"
#include "gold/view_fixture.h"

// For tests of online rows: pages in memory, and answers as text.

namespace assay::gold {

/// Pages in memory.
class TestPages final : public RowPageWriter {
 public:
  explicit TestPages(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  [[nodiscard]] std::size_t bytes_max() const override { return bytes_max_; }
  [[nodiscard]] Result<std::string_view> get(uint64_t number) const override {
    const auto found = pages.find(number);
    if (found == pages.end()) {
      return Status(Code::kCorrupt, "no such page");
    }
    ++reads;
    return std::string_view(found->second);
  }
  Result<uint64_t> add(std::string_view bytes) override {
    pages[next_] = std::string(bytes);
    return next_++;
  }
  Status put(uint64_t number, std::string_view bytes) override {
    EXPECT_EQ(pages.count(number), 1U);
    pages[number] = std::string(bytes);
    return {};
  }
  Status erase(uint64_t number) override {
    EXPECT_EQ(pages.erase(number), 1U);
    return {};
  }

  std::map<uint64_t, std::string> pages;
  mutable int64_t reads = 0;

 private:
  std::size_t bytes_max_;
  uint64_t next_ = 0;
};

inline std::string text_of(const FeatureValues& read) {
  std::string text;
  for (std::size_t i = 0; i < read.values.size(); ++i) {
    text +=
        std::string(data::status_name(read.statuses[i])) + " " + exact_text(read.values[i]) + "\n";
  }
  return text + (read.event_time ? std::to_string(read.event_time->micros) : "never");
}

}  // namespace assay::gold
