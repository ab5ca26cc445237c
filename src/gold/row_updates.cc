// Updates from one batch of a view that has no better way than one entity after the other.

#include "gold/contract.h"

namespace assay::gold {
namespace {

class OneByOne final : public RowUpdates {
 public:
  OneByOne(const FeatureView& view,
           const data::Batch& rows,
           std::span<const int64_t> order,
           EventTime applied_until)
      : view_(view), rows_(rows), order_(order), applied_until_(applied_until) {}

  Status update(std::size_t begin,
                std::size_t end,
                std::string_view row,
                RowPageWriter* pages,
                std::string* updated) override {
    const std::span<const int64_t> selected = order_.subspan(begin, end - begin);
    updated->assign(row);
    return pages == nullptr
               ? view_.update_online_row(rows_, selected, applied_until_, updated)
               : view_.update_paged_row(rows_, selected, applied_until_, *pages, updated);
  }

 private:
  const FeatureView& view_;
  const data::Batch& rows_;
  const std::span<const int64_t> order_;
  const EventTime applied_until_;
};

}  // namespace

Result<std::unique_ptr<RowUpdates>> FeatureView::begin_updates(const data::Batch& rows,
                                                               std::span<const int64_t> order,
                                                               EventTime applied_until) const {
  return std::unique_ptr<RowUpdates>(std::make_unique<OneByOne>(*this, rows, order, applied_until));
}

}  // namespace assay::gold
