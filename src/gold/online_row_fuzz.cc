// Any bytes at all as an online row: read and updated, they are an answer or corrupt, never a
// crash.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gold/contract.h"

namespace {

using assay::EventTime;
using assay::catalog::Aggregate;
using assay::catalog::FeatureDef;
using assay::data::Type;

assay::data::Schema source() {
  return assay::data::Schema({{"user", Type::kString, false},
                              {"event_time", Type::kTimestamp, false},
                              {"known_time", Type::kTimestamp, false},
                              {"sequence", Type::kInt64, false},
                              {"amount", Type::kFloat64, true},
                              {"units", Type::kInt64, true},
                              {"kind", Type::kString, true},
                              {"point", Type::array(Type::kFloat32, 3), true}});
}

FeatureDef window(const char* name, Aggregate aggregate, const char* of) {
  FeatureDef feature;
  feature.kind = FeatureDef::Kind::kWindow;
  feature.name = name;
  feature.aggregate = aggregate;
  feature.of = of;
  feature.k = 3;
  feature.over = {{3600 * assay::kMicrosPerSecond}, {3 * 3600 * assay::kMicrosPerSecond}};
  return feature;
}

assay::gold::FeatureViewPtr make_view(bool windows,
                                      bool latest,
                                      bool sequences = false,
                                      assay::Duration slide = {600 * assay::kMicrosPerSecond}) {
  assay::catalog::EntityDef entity;
  entity.name = "user";
  entity.keys = {{"user", Type::kString, false}};
  assay::catalog::FeatureViewDef view;
  view.name = "view";
  view.from = "table";
  view.slide = slide;
  if (windows) {
    view.features = {window("n", Aggregate::kCount, ""),
                     window("total", Aggregate::kSum, "amount"),
                     window("units", Aggregate::kMean, "units"),
                     window("low", Aggregate::kMin, "amount"),
                     window("last", Aggregate::kMax, "kind"),
                     window("spread", Aggregate::kSkewness, "amount"),
                     window("steps", Aggregate::kSkewness, "units"),
                     window("first_kind", Aggregate::kFirst, "kind"),
                     window("last_amount", Aggregate::kLast, "amount"),
                     window("usual", Aggregate::kMode, "kind"),
                     window("prices", Aggregate::kDistinct, "amount"),
                     window("about", Aggregate::kApproxDistinct, "units"),
                     window("median", Aggregate::kQuantile, "amount"),
                     window("kinds", Aggregate::kLastN, "kind"),
                     window("top_kinds", Aggregate::kTopK, "kind"),
                     window("top_counts", Aggregate::kTopKCounts, "units"),
                     window("middle", Aggregate::kMean, "point"),
                     window("last_point", Aggregate::kLast, "point")};
  }
  if (latest) {
    for (const char* name : {"amount", "units", "kind"}) {
      FeatureDef feature;
      feature.name = name;
      view.features.push_back(feature);
    }
  }
  if (sequences) {
    view.session = assay::catalog::SessionDef{
        {1800 * assay::kMicrosPerSecond}, {}, {24 * 3600 * assay::kMicrosPerSecond}};
    for (const auto value : {assay::catalog::SequenceValue::kSessionCount,
                             assay::catalog::SequenceValue::kSessionLast,
                             assay::catalog::SequenceValue::kChanges,
                             assay::catalog::SequenceValue::kLag}) {
      FeatureDef feature = window("", Aggregate::kCount, "kind");
      feature.kind = FeatureDef::Kind::kSequence;
      feature.name = "s" + std::to_string(static_cast<int>(value));
      feature.sequence = value;
      view.features.push_back(feature);
    }
  }
  if (latest && sequences) {
    FeatureDef known;
    known.kind = FeatureDef::Kind::kSince;
    known.name = "known";
    known.column = "first_event";
    view.features.push_back(known);
  }
  return assay::gold::FeatureView::compile(view, entity, source()).value();
}

/// Every page is the last bytes of the input, as many as its number says; what is written is lost.
class InputPages final : public assay::gold::RowPageWriter {
 public:
  explicit InputPages(std::string_view bytes) : bytes_(bytes) {}
  [[nodiscard]] std::size_t bytes_max() const override { return 200; }
  [[nodiscard]] assay::Result<std::string_view> get(uint64_t number) const override {
    if (number > bytes_.size() || ++reads_ > kReadsMax) {
      return assay::Status(assay::Code::kCorrupt, "no such page");
    }
    return bytes_.substr(bytes_.size() - static_cast<std::size_t>(number));
  }
  assay::Result<uint64_t> add(std::string_view) override { return uint64_t{1}; }
  assay::Status put(uint64_t, std::string_view) override { return {}; }
  assay::Status erase(uint64_t) override { return {}; }

 private:
  static constexpr int kReadsMax = 1000;  // pages that refer to each other may be read for ever
  std::string_view bytes_;
  mutable int reads_ = 0;
};

void must_be_read_or_corrupt(const assay::Status& status) {
  if (!status.ok() && status.code() != assay::Code::kCorrupt) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  static const assay::gold::FeatureViewPtr kViews[] = {make_view(false, true),
                                                       make_view(true, false),
                                                       make_view(false, false, true),
                                                       make_view(true, true, true),
                                                       make_view(true, false, false, {1})};
  static const assay::data::Batch kNoRows =
      assay::data::Batch::empty(assay::data::make_schema(source().fields()));
  if (size < 2) {
    return 0;
  }
  const EventTime now{978'307'200 * assay::kMicrosPerSecond +
                      static_cast<int64_t>(bytes[0]) * 600 * assay::kMicrosPerSecond};
  std::string row(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  for (const assay::gold::FeatureViewPtr& view : kViews) {
    std::string updated = row;
    InputPages pages(row);
    std::string paged = row;
    const auto read_paged = view->read_paged_row(row, now, pages);
    must_be_read_or_corrupt(read_paged.ok() ? assay::Status() : read_paged.status());
    must_be_read_or_corrupt(view->update_paged_row(kNoRows, {}, now, pages, &paged));
    const auto read = view->read_online_row(row, now);
    must_be_read_or_corrupt(read.ok() ? assay::Status() : read.status());
    const assay::Status update = view->update_online_row(kNoRows, {}, now, &updated);
    must_be_read_or_corrupt(update);
    if (update.ok()) {
      const auto again = view->read_online_row(updated, now);
      must_be_read_or_corrupt(again.ok() ? assay::Status() : again.status());
    }
  }
  return 0;
}
