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
/// The same of what read_flat_row gives.
inline std::string flat_text_of(const FeatureView& view,
                                std::string_view row,
                                EventTime now,
                                const RowPages& pages) {
  data::FlatValues flat;
  flat.add_row(1, data::FeatureStatus::kNotFound, {});  // others stand before
  EXPECT_TRUE(view.read_flat_row(row, now, pages, &flat).ok());
  FeatureValues read;
  for (std::size_t i = 0; i < view.features().size(); ++i) {
    read.values.push_back(flat.scalar(1 + i, view.features()[i].type));
    read.statuses.push_back(flat.status(1 + i));
  }
  if (read.statuses.front() != data::FeatureStatus::kNotFound) {
    read.event_time = flat.time(1);
  }
  return text_of(read);
}

}  // namespace assay::gold
