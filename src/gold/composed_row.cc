// The online row of a composed view: the rows of its parts, one after the other.

#include <utility>

#include "gold/composed_view.h"
#include "gold/online_row.h"

namespace assay::gold {

Result<std::vector<std::string>> ComposedView::split_row(std::string_view row) const {
  std::vector<std::string> rows(parts_.size());
  if (row.empty()) {
    return rows;
  }
  RowReader reader = open_online_row(row, OnlineRowKind::kComposed);
  for (std::string& one : rows) {
    one = reader.text();
  }
  if (reader.failed() || !reader.at_end()) {
    return corrupt_online_row(layout().name);
  }
  return rows;
}

/// Updates of each part's rows, put together.
class ComposedView::Updates final : public RowUpdates {
 public:
  Updates(const ComposedView& view, std::vector<std::unique_ptr<RowUpdates>> parts)
      : view_(view), parts_(std::move(parts)) {}

  Status update(std::size_t begin,
                std::size_t end,
                std::string_view row,
                RowPageWriter* pages,
                std::string* updated) override {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> part_rows, view_.split_row(row));
    std::string out;
    append_online_row_header(&out, OnlineRowKind::kComposed);
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      ASSAY_RETURN_IF_ERROR(parts_[i]->update(begin, end, part_rows[i], pages, &part_));
      append_text(&out, part_);
    }
    *updated = std::move(out);
    return {};
  }

 private:
  const ComposedView& view_;
  std::vector<std::unique_ptr<RowUpdates>> parts_;
  std::string part_;
};

Result<std::unique_ptr<RowUpdates>> ComposedView::begin_updates(const data::Batch& rows,
                                                                std::span<const int64_t> order,
                                                                EventTime applied_until) const {
  std::vector<std::unique_ptr<RowUpdates>> parts;
  for (const Part& part : parts_) {
    ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<RowUpdates> updates,
                           part.view->begin_updates(rows, order, applied_until));
    parts.push_back(std::move(updates));
  }
  return std::unique_ptr<RowUpdates>(std::make_unique<Updates>(*this, std::move(parts)));
}

Status ComposedView::update_row(const data::Batch& rows,
                                std::span<const int64_t> selected,
                                EventTime applied_until,
                                RowPageWriter* pages,
                                std::string* row) const {
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<RowUpdates> updates,
                         begin_updates(rows, selected, applied_until));
  std::string updated;
  ASSAY_RETURN_IF_ERROR(updates->update(0, selected.size(), *row, pages, &updated));
  *row = std::move(updated);
  return {};
}

Result<FeatureValues> ComposedView::read_row(std::string_view row,
                                             EventTime now,
                                             const RowPages* pages) const {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> part_rows, split_row(row));
  std::optional<EventTime> newest;
  std::vector<data::Scalar> raw(static_cast<std::size_t>(layout().raw->size()));
  std::vector<std::string> overflowed;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    ASSAY_ASSIGN_OR_RETURN(FeatureValues read,
                           pages == nullptr ? part.view->read_online_row(part_rows[i], now)
                                            : part.view->read_paged_row(part_rows[i], now, *pages));
    for (std::size_t k = 0; k < part.raw.size(); ++k) {
      raw[part.raw[k]] = read.event_time ? std::move(read.values[k])
                                         : part.over_nothing.column(static_cast<int>(k)).scalar(0);
      if (read.statuses[k] == data::FeatureStatus::kOverflow) {
        overflowed.push_back(part.view->features()[k].name);
      }
    }
    if (read.event_time && (!newest || *newest < *read.event_time)) {
      newest = read.event_time;
    }
  }
  return make_answer(layout(), newest, std::move(raw), overflowed, now);
}

}  // namespace assay::gold
