// Any bytes at all as an online row: read and updated, they are an answer or corrupt, never a
// crash.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
assay::data::Schema source_of_changes() {
  std::vector<assay::data::Field> fields = source().fields();
  fields.push_back({assay::gold::kReplacedTime, Type::kTimestamp, true});
  return assay::data::Schema(std::move(fields));
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

constexpr assay::Duration kSlide{600 * assay::kMicrosPerSecond};
constexpr assay::Duration kContinuous{1};

assay::gold::FeatureViewPtr make_view(bool windows,
                                      bool latest,
                                      bool sequences = false,
                                      assay::Duration slide = kSlide,
                                      bool of_changes = false) {
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
                     window("spread_of", Aggregate::kHistogram, "amount"),
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
  if (latest && sequences && !of_changes) {
    FeatureDef known;
    known.kind = FeatureDef::Kind::kSince;
    known.name = "known";
    known.column = "first_event";
    view.features.push_back(known);
  }
  return assay::gold::FeatureView::compile(
             view, entity, of_changes ? source_of_changes() : source())
      .value();
}

/// Rows that are taken by every view: of changes, one that stands and one that will be replaced.
assay::data::Batch two_rows() {
  assay::data::BatchBuilder rows(assay::data::make_schema(source_of_changes().fields()));
  for (int64_t i = 0; i < 2; ++i) {
    const int64_t time = (978'307'200 + i * 36'000) * assay::kMicrosPerSecond;
    rows.column(0).append_text("u");
    rows.column(1).append(time);
    rows.column(2).append(time);
    rows.column(3).append(i);
    rows.column(4).append(1.5);
    rows.column(5).append(i);
    rows.column(6).append_text("k");
    rows.column(7).append_null();
    if (i == 0) {
      rows.column(8).append(time + 7200 * assay::kMicrosPerSecond);
    } else {
      rows.column(8).append_null();
    }
  }
  return rows.finish();
}

constexpr int64_t kRowNumbers[] = {0, 1};
constexpr std::span<const int64_t> kBoth(kRowNumbers);

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

/// Pages of its own, as a store has them.
class OwnPages final : public assay::gold::RowPageWriter {
 public:
  [[nodiscard]] std::size_t bytes_max() const override { return 200; }
  [[nodiscard]] assay::Result<std::string_view> get(uint64_t number) const override {
    const auto found = pages_.find(number);
    if (found == pages_.end()) {
      return assay::Status(assay::Code::kCorrupt, "no such page");
    }
    return std::string_view(found->second);
  }
  assay::Result<uint64_t> add(std::string_view bytes) override {
    pages_[next_] = std::string(bytes);
    return next_++;
  }
  assay::Status put(uint64_t number, std::string_view bytes) override {
    pages_[number] = std::string(bytes);
    return {};
  }
  assay::Status erase(uint64_t number) override {
    pages_.erase(number);
    return {};
  }

 private:
  std::map<uint64_t, std::string> pages_;
  uint64_t next_ = 1'000'000;
};

void must_be_read_or_corrupt(const assay::Status& status) {
  if (!status.ok() && status.code() != assay::Code::kCorrupt) {
    std::abort();
  }
}

/// What one value holds goes to pages, comes back from them and can be thrown away with them.
void must_go_to_pages(const assay::gold::FeatureView& view,
                      const assay::data::Batch& rows,
                      EventTime now,
                      std::string row) {
  OwnPages pages;
  const assay::Status paged = view.update_paged_row(rows, kBoth, now, pages, &row);
  must_be_read_or_corrupt(paged);
  if (!paged.ok()) {
    return;
  }
  const auto read = view.read_paged_row(row, now, pages);
  must_be_read_or_corrupt(read.ok() ? assay::Status() : read.status());
  must_be_read_or_corrupt(view.update_paged_row(rows, {}, EventTime::max(), pages, &row));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  static const assay::gold::FeatureViewPtr kViews[] = {
      make_view(false, true),
      make_view(true, false),
      make_view(false, false, true),
      make_view(true, true, true),
      make_view(true, false, false, kContinuous),
      make_view(true, false, false, kSlide, true),
      make_view(true, true, true, kSlide, true),
      make_view(true, false, false, kContinuous, true)};
  static const assay::data::Batch kRows = two_rows();
  if (size < 2) {
    return 0;
  }
  const EventTime now{978'307'200 * assay::kMicrosPerSecond +
                      static_cast<int64_t>(bytes[0]) * 600 * assay::kMicrosPerSecond};
  std::string row(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  for (const assay::gold::FeatureViewPtr& view : kViews) {
    InputPages pages(row);
    const auto read_paged = view->read_paged_row(row, now, pages);
    must_be_read_or_corrupt(read_paged.ok() ? assay::Status() : read_paged.status());
    const auto read = view->read_online_row(row, now);
    must_be_read_or_corrupt(read.ok() ? assay::Status() : read.status());
    for (const std::span<const int64_t> selected : {std::span<const int64_t>(), kBoth}) {
      std::string paged = row;
      must_be_read_or_corrupt(view->update_paged_row(kRows, selected, now, pages, &paged));
      std::string updated = row;
      const assay::Status update = view->update_online_row(kRows, selected, now, &updated);
      must_be_read_or_corrupt(update);
      if (update.ok()) {
        const auto again = view->read_online_row(updated, now);
        must_be_read_or_corrupt(again.ok() ? assay::Status() : again.status());
        must_go_to_pages(*view, kRows, now, updated);
      }
    }
  }
  return 0;
}
