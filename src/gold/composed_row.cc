// The online row of a composed view: the rows of its parts, one after the other.

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

Status ComposedView::update_row(const data::Batch& rows,
                                std::span<const int64_t> selected,
                                EventTime applied_until,
                                RowPageWriter* pages,
                                std::string* row) const {
  ASSAY_ASSIGN_OR_RETURN(std::vector<std::string> part_rows, split_row(*row));
  std::string out;
  append_online_row_header(&out, OnlineRowKind::kComposed);
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const FeatureView& part = *parts_[i].view;
    ASSAY_RETURN_IF_ERROR(
        pages == nullptr
            ? part.update_online_row(rows, selected, applied_until, &part_rows[i])
            : part.update_paged_row(rows, selected, applied_until, *pages, &part_rows[i]));
    append_text(&out, part_rows[i]);
  }
  *row = std::move(out);
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
