#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "online/fake_view.h"

namespace assay::online {

/// Keeps the bytes of a FakeView's row in a page, the number of which is its row. Rows of "boom"
/// fail once their page is changed.
class PagedFakeView : public FakeView {
 public:
  using FakeView::FakeView;
  [[nodiscard]] Status update_paged_row(const data::Batch& rows,
                                        std::span<const int64_t> selected,
                                        EventTime applied_until,
                                        gold::RowPageWriter& pages,
                                        std::string* row) const override {
    std::string held;
    if (selected.empty() && applied_until == EventTime::max()) {
      erased_ += row->empty() ? 0 : 1;
      return row->empty() ? Status() : pages.erase(std::stoull(*row));
    }
    if (!row->empty()) {
      ASSAY_ASSIGN_OR_RETURN(const std::string_view page, pages.get(std::stoull(*row)));
      held.assign(page);
    }
    ASSAY_RETURN_IF_ERROR(FakeView::update_online_row(rows, selected, applied_until, &held));
    EXPECT_LT(held.size(), pages.bytes_max());
    if (row->empty()) {
      ASSAY_ASSIGN_OR_RETURN(const uint64_t number, pages.add(held));
      *row = std::to_string(number);
    } else {
      ASSAY_RETURN_IF_ERROR(pages.put(std::stoull(*row), held));
    }
    ASSAY_ASSIGN_OR_RETURN(const std::string_view again, pages.get(std::stoull(*row)));
    EXPECT_EQ(again, held);
    return rows.column(0).text(selected.front()) == "boom" ? Status(Code::kInvalidArgument, "boom")
                                                           : Status();
  }
  [[nodiscard]] Result<gold::FeatureValues> read_paged_row(
      std::string_view row, EventTime now, const gold::RowPages& pages) const override {
    if (row.empty()) {
      return FakeView::read_online_row(row, now);
    }
    ASSAY_ASSIGN_OR_RETURN(const std::string_view page, pages.get(std::stoull(std::string(row))));
    return FakeView::read_online_row(page, now);
  }
  [[nodiscard]] int erased() const { return erased_; }

 private:
  mutable int erased_ = 0;
};

}  // namespace assay::online
