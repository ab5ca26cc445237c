#include "online/entity_rows.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/hash.h"

namespace assay::online {
namespace {

/// Column `name` of the batch, of type `type`.
Result<const data::Column*> require_column(const data::Batch& rows,
                                           const std::string& name,
                                           const data::Type& type) {
  const data::Column* column = rows.find(name);
  if (column == nullptr) {
    return Status(Code::kInvalidArgument, "rows to apply lack column " + name);
  }
  if (column->type() != type) {
    return Status(Code::kInvalidArgument,
                  "rows to apply hold another type than declared in column " + name + ": " +
                      std::string(type_name(column->type())) + " instead of " +
                      std::string(type_name(type)));
  }
  return column;
}

uint64_t hash_scalar(const data::Scalar& scalar) {
  uint64_t bits = 0;
  if (const auto* flag = std::get_if<bool>(&scalar.value)) {
    bits = *flag ? 1 : 0;
  } else if (const auto* integer = std::get_if<int64_t>(&scalar.value)) {
    bits = static_cast<uint64_t>(*integer);
  } else if (const auto* real = std::get_if<double>(&scalar.value)) {
    bits = std::bit_cast<uint64_t>(std::isnan(*real) ? std::numeric_limits<double>::quiet_NaN()
                                                     : *real);
  } else if (const auto* text = std::get_if<std::string>(&scalar.value)) {
    bits = hash_bytes(*text);
  }
  return hash_mix(scalar.value.index(), bits);
}

}  // namespace

Result<EntityRows> EntityRows::gather(const gold::FeatureView& view, const data::Batch& rows) {
  std::vector<const data::Column*> keys;
  for (const data::Field& field : view.keys()) {
    ASSAY_ASSIGN_OR_RETURN(const data::Column* column,
                           require_column(rows, field.name, field.type));
    keys.push_back(column);
  }
  ASSAY_ASSIGN_OR_RETURN(const data::Column* event_time,
                         require_column(rows, gold::kEventTime, data::Type::kTimestamp));
  ASSAY_ASSIGN_OR_RETURN(const data::Column* known_time,
                         require_column(rows, gold::kKnownTime, data::Type::kTimestamp));
  const data::Column* replaced_time = view.of_changes() ? rows.find(gold::kReplacedTime) : nullptr;
  const std::span<const int64_t> event_micros = event_time->values<int64_t>();
  const std::span<const int64_t> known_micros = known_time->values<int64_t>();

  data::EntityIndex index = data::index_entities(keys, rows.rows());
  EntityRows gathered;
  std::vector<int64_t> counts(index.keys.size() + 1, 0);
  for (int64_t row = 0; row < rows.rows(); ++row) {
    const auto at = static_cast<std::size_t>(row);
    if (event_time->is_valid(row) && known_time->is_valid(row)) {
      gathered.known_until_ =
          std::max(gathered.known_until_, EventTime{std::max(event_micros[at], known_micros[at])});
    }
    if (replaced_time != nullptr && replaced_time->is_valid(row)) {  // what replaced it is known
      gathered.known_until_ =
          std::max(gathered.known_until_, EventTime{replaced_time->values<int64_t>()[at]});
    }
    if (index.ids[at] < 0) {
      ++gathered.null_key_rows_;
    } else {
      ++counts[static_cast<std::size_t>(index.ids[at]) + 1];
    }
  }
  std::partial_sum(counts.begin(), counts.end(), counts.begin());
  for (std::size_t id = 0; id < index.keys.size(); ++id) {
    gathered.entities_.push_back({std::move(index.keys[id]), counts[id], counts[id + 1]});
  }
  gathered.rows_.resize(static_cast<std::size_t>(counts.back()));
  for (int64_t row = 0; row < rows.rows(); ++row) {
    const int32_t id = index.ids[static_cast<std::size_t>(row)];
    if (id >= 0) {
      gathered.rows_[static_cast<std::size_t>(counts[static_cast<std::size_t>(id)]++)] = row;
    }
  }
  std::sort(gathered.entities_.begin(),
            gathered.entities_.end(),
            [](const Entity& a, const Entity& b) { return a.key < b.key; });
  return gathered;
}

bool contains(std::span<const data::EntityKey> entities, const data::EntityKey& key) {
  return std::binary_search(entities.begin(), entities.end(), key);
}

Status check_apply(const gold::FeatureView& view,
                   const std::optional<ViewMeta>& meta,
                   std::optional<int64_t> expected,
                   int64_t position) {
  if (meta.has_value()) {
    ASSAY_RETURN_IF_ERROR(check_definition(view, *meta));
  }
  const std::optional<int64_t> found =
      meta.has_value() ? std::optional<int64_t>(meta->applied.position) : std::nullopt;
  if (found != expected) {
    const auto text = [](std::optional<int64_t> at) {
      return at.has_value() ? std::to_string(*at) : std::string("none");
    };
    return {Code::kFailedPrecondition,
            "online position is not the expected one: view " + view.name() + ", position " +
                text(found) + ", expected " + text(expected)};
  }
  if (found.has_value() && position < *found) {
    return {Code::kFailedPrecondition,
            "online position must not go back: view " + view.name() + ", from " +
                std::to_string(*found) + " to " + std::to_string(position)};
  }
  return {};
}

Status check_definition(const gold::FeatureView& view, const ViewMeta& meta) {
  if (meta.fingerprint == view.fingerprint()) {
    return {};
  }
  return {
      Code::kFailedPrecondition,
      "the definition changed since its online rows were written; `assay run` writes them anew, a "
      "server that was started before must be started again: view " +
          view.name()};
}

Status check_view_name(const gold::FeatureView& view) {
  const std::string& name = view.storage_name();
  if (name.empty() || name.size() > kViewNameBytesMax || name.find('\0') != std::string::npos) {
    return {Code::kInvalidArgument,
            "a view's storage name must have 1 to 255 bytes and no NUL: " + name};
  }
  return {};
}

uint64_t hash_answer(const data::EntityKey& key, const gold::FeatureValues& answer) {
  uint64_t hash = hash_bytes(key.bytes());
  hash = hash_mix(
      hash, answer.event_time.has_value() ? static_cast<uint64_t>(answer.event_time->micros) : 1);
  for (std::size_t i = 0; i < answer.values.size(); ++i) {
    hash = hash_mix(hash, hash_scalar(answer.values[i]));
    hash = hash_mix(hash, static_cast<uint64_t>(answer.statuses[i]));
  }
  return hash;
}

StoreMetrics::StoreMetrics(Metrics& metrics)
    : applied_rows(metrics.counter("assay_online_applied_rows_total",
                                   "Source rows applied to the online store.")),
      null_key_rows(metrics.counter("assay_online_null_key_rows_total",
                                    "Source rows skipped because a key column is null.")),
      written_entities(metrics.counter("assay_online_written_entities_total",
                                       "Entity rows written by applied batches.")),
      corrupt_rows(metrics.counter("assay_online_corrupt_rows_total",
                                   "Online rows that failed their checksum and were not served.")) {
}

}  // namespace assay::online
