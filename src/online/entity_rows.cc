#include "online/entity_rows.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>

#include "base/hash.h"
#include "data/key_codes.h"

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

/// Rows by entity: a number per row, -1 for a null key, and the first row of each number.
struct Numbered {
  std::vector<int32_t> ids;
  std::vector<int64_t> first_rows;
};

/// Numbers in order of first appearance. `any_column` says how many rows there are.
Numbered number_entities(const std::vector<const data::Column*>& keys,
                         const data::Column& any_column) {
  std::vector<data::Type> types;
  for (const data::Column* key : keys) {
    types.push_back(key->type());
  }
  data::KeyCodes coded = data::make_key_codes(keys, {keys.empty() ? &any_column : keys.front()});
  if (keys.empty()) {
    coded.skip.clear();
  }
  data::KeyDictionary(types).put(keys, coded, 1);  // from here on a code is one key's alone

  struct Slot {
    data::Code64 code = 0;
    int32_t id = -1;
  };
  constexpr std::size_t kAhead = 16;      // rows whose slots are fetched ahead
  constexpr std::size_t kRowsOfSlot = 4;  // keys come again: few slots stay in the cache
  Numbered numbered;
  numbered.ids.assign(coded.codes.size(), -1);
  std::vector<Slot> slots(std::bit_ceil(coded.codes.size() / kRowsOfSlot + 2));
  const auto slot_of = [&](std::size_t row) {
    return data::scramble(coded.codes[row]) & (slots.size() - 1);
  };
  for (std::size_t row = 0; row < coded.codes.size(); ++row) {
    if (row + kAhead < coded.codes.size()) {
      __builtin_prefetch(&slots[slot_of(row + kAhead)]);
    }
    if (coded.skips(row)) {
      continue;
    }
    std::size_t at = slot_of(row);
    while (slots[at].id >= 0 && slots[at].code != coded.codes[row]) {
      at = (at + 1) & (slots.size() - 1);
    }
    if (slots[at].id < 0) {
      slots[at] = {coded.codes[row], static_cast<int32_t>(numbered.first_rows.size())};
      numbered.first_rows.push_back(static_cast<int64_t>(row));
    }
    numbered.ids[row] = slots[at].id;
    if (numbered.first_rows.size() * 2 > slots.size()) {
      std::vector<Slot> more(slots.size() * 2);
      slots.swap(more);
      for (const Slot& slot : more) {
        std::size_t to = data::scramble(slot.code) & (slots.size() - 1);
        while (slot.id >= 0 && slots[to].id >= 0) {
          to = (to + 1) & (slots.size() - 1);
        }
        slots[to] = slot.id >= 0 ? slot : slots[to];
      }
    }
  }
  return numbered;
}

/// By the `bits` above the lower half, in passes of about ten bits each, the lowest first.
void sort_by_upper_half(int bits, data::Records<uint64_t>* numbers) {
  const int passes = (bits + 9) / 10;
  data::Records<uint64_t> other(passes == 0 ? 0 : numbers->size());
  for (int pass = 0; pass < passes; ++pass) {
    const int shift = 32 + bits * pass / passes;
    const int digit_bits = 32 + bits * (pass + 1) / passes - shift;
    const uint64_t mask = (uint64_t{1} << digit_bits) - 1;
    std::vector<uint32_t> begins((std::size_t{1} << digit_bits) + 1);
    for (std::size_t i = 0; i < numbers->size(); ++i) {
      ++begins[(((*numbers)[i] >> shift) & mask) + 1];
    }
    std::partial_sum(begins.begin(), begins.end(), begins.begin());
    for (std::size_t i = 0; i < numbers->size(); ++i) {
      const uint64_t number = (*numbers)[i];
      other[begins[(number >> shift) & mask]++] = number;
    }
    std::swap(*numbers, other);
  }
}

/// Rows in order of a key of one integer column, those of a key in batch order: the key's distance
/// from the lowest in the upper half, the row in the lower.
struct RowsByInteger {
  int64_t lowest = 0;
  std::size_t count = 0;
  data::Records<uint64_t> numbers;
};

/// Nothing when the key is of another kind, or its values lie too far apart. Rows with a null key
/// are left out.
std::optional<RowsByInteger> rows_by_integer(const std::vector<const data::Column*>& keys) {
  if (keys.size() != 1 || data::meaning_of_codes({keys[0]->type()}) != data::CodeMeaning::kKey) {
    return std::nullopt;
  }
  const data::KeyCodes coded = data::make_key_codes(keys, {keys[0]});
  RowsByInteger rows;
  rows.lowest = std::numeric_limits<int64_t>::max();
  int64_t highest = std::numeric_limits<int64_t>::min();
  for (std::size_t row = 0; row < coded.codes.size(); ++row) {
    if (!coded.skips(row)) {
      rows.lowest = std::min(rows.lowest, static_cast<int64_t>(coded.codes[row]));
      highest = std::max(highest, static_cast<int64_t>(coded.codes[row]));
      ++rows.count;
    }
  }
  if (rows.count == 0) {
    return rows;
  }
  const uint64_t span = static_cast<uint64_t>(highest) - static_cast<uint64_t>(rows.lowest);
  constexpr uint64_t kMax = std::numeric_limits<uint32_t>::max();
  if (span > kMax || coded.codes.size() > kMax) {
    return std::nullopt;
  }
  rows.numbers = data::Records<uint64_t>(rows.count);
  std::size_t next = 0;
  for (std::size_t row = 0; row < coded.codes.size(); ++row) {
    if (!coded.skips(row)) {
      rows.numbers[next++] = (coded.codes[row] - static_cast<uint64_t>(rows.lowest)) << 32 | row;
    }
  }
  sort_by_upper_half(static_cast<int>(std::bit_width(span)), &rows.numbers);
  return rows;
}

/// Eight bytes behind the first `skip`, as a number in their order; zero where there are none.
uint64_t bytes_in_order(std::string_view bytes, std::size_t skip) {
  uint64_t number = 0;
  const std::string_view some = bytes.substr(std::min(skip, bytes.size()), sizeof(number));
  for (std::size_t i = 0; i < sizeof(number); ++i) {
    number = number << 8 | (i < some.size() ? static_cast<unsigned char>(some[i]) : 0);
  }
  return number;
}

struct Ranked {
  uint64_t bytes = 0;
  uint32_t id = 0;
};

/// By `bytes`: a pass per byte in which they differ, the lowest first.
void sort_by_number(std::vector<Ranked>* ranked) {
  uint64_t differing = 0;
  for (const Ranked& one : *ranked) {
    differing |= one.bytes ^ ranked->front().bytes;
  }
  std::vector<Ranked> other(ranked->size());
  for (int shift = 0; shift < 64; shift += 8) {
    if (((differing >> shift) & 0xff) == 0) {
      continue;
    }
    std::array<uint32_t, 257> begins{};
    for (const Ranked& one : *ranked) {
      ++begins[((one.bytes >> shift) & 0xff) + 1];
    }
    std::partial_sum(begins.begin(), begins.end(), begins.begin());
    for (const Ranked& one : *ranked) {
      other[begins[(one.bytes >> shift) & 0xff]++] = one;
    }
    ranked->swap(other);
  }
}

/// Places of the keys in order of their bytes.
std::vector<uint32_t> sorted_by_bytes(const std::vector<data::EntityKey>& keys) {
  std::size_t common = keys.empty() ? 0 : keys.front().bytes().size();  // bytes that all begin with
  for (const data::EntityKey& key : keys) {
    const std::string& first = keys.front().bytes();
    common = std::min(common, key.bytes().size());
    common = static_cast<std::size_t>(
        std::mismatch(
            first.begin(), first.begin() + static_cast<std::ptrdiff_t>(common), key.bytes().begin())
            .first -
        first.begin());
  }
  std::vector<Ranked> ranked;
  ranked.reserve(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    ranked.push_back({bytes_in_order(keys[i].bytes(), common), static_cast<uint32_t>(i)});
  }
  constexpr std::size_t kFew = 64;
  if (ranked.size() > kFew) {
    sort_by_number(&ranked);
  } else {
    std::sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) {
      return a.bytes < b.bytes;
    });
  }
  for (std::size_t begin = 0; begin < ranked.size();) {  // those that eight bytes do not tell apart
    std::size_t end = begin + 1;
    while (end < ranked.size() && ranked[end].bytes == ranked[begin].bytes) {
      ++end;
    }
    std::sort(ranked.begin() + static_cast<std::ptrdiff_t>(begin),
              ranked.begin() + static_cast<std::ptrdiff_t>(end),
              [&](const Ranked& a, const Ranked& b) { return keys[a.id] < keys[b.id]; });
    begin = end;
  }
  std::vector<uint32_t> places;
  places.reserve(ranked.size());
  for (const Ranked& one : ranked) {
    places.push_back(one.id);
  }
  return places;
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

  EntityRows gathered;
  const bool all_have_times = event_time->null_count() == 0 && known_time->null_count() == 0;
  if (all_have_times && rows.rows() > 0) {
    gathered.known_until_ = EventTime{
        std::max(*std::ranges::max_element(event_micros), *std::ranges::max_element(known_micros))};
  }
  for (int64_t row = 0; (!all_have_times || replaced_time != nullptr) && row < rows.rows(); ++row) {
    const auto at = static_cast<std::size_t>(row);
    if (event_time->is_valid(row) && known_time->is_valid(row)) {
      gathered.known_until_ =
          std::max(gathered.known_until_, EventTime{std::max(event_micros[at], known_micros[at])});
    }
    if (replaced_time != nullptr && replaced_time->is_valid(row)) {  // what replaced it is known
      gathered.known_until_ =
          std::max(gathered.known_until_, EventTime{replaced_time->values<int64_t>()[at]});
    }
  }
  gathered.order_by_key(keys, *event_time);
  gathered.null_key_rows_ = rows.rows() - static_cast<int64_t>(gathered.rows_.size());
  return gathered;
}

/// Fill entities and their rows.
void EntityRows::order_by_key(const std::vector<const data::Column*>& keys,
                              const data::Column& any_column) {
  if (const std::optional<RowsByInteger> rows = rows_by_integer(keys)) {
    take_sorted(keys[0]->type(), rows->lowest, {rows->numbers.data(), rows->count});
    return;
  }
  const Numbered numbered = number_entities(keys, any_column);
  std::vector<data::EntityKey> found;
  found.reserve(numbered.first_rows.size());
  for (const int64_t row : numbered.first_rows) {
    found.push_back(*data::encode_key(keys, row));
  }
  std::vector<int64_t> counts(found.size(), 0);
  for (const int32_t id : numbered.ids) {
    if (id >= 0) {
      ++counts[static_cast<std::size_t>(id)];
    }
  }
  std::vector<int64_t> next(found.size());
  int64_t begin = 0;
  entities_.reserve(found.size());
  for (const uint32_t id : sorted_by_bytes(found)) {
    next[id] = begin;
    entities_.push_back({std::move(found[id]), begin, begin + counts[id]});
    begin += counts[id];
  }
  rows_ = data::Records<int64_t>(static_cast<std::size_t>(begin));
  for (std::size_t row = 0; row < numbered.ids.size(); ++row) {
    const int32_t id = numbered.ids[row];
    if (id >= 0) {
      rows_[static_cast<std::size_t>(next[static_cast<std::size_t>(id)]++)] =
          static_cast<int64_t>(row);
    }
  }
}

/// Fill them from what rows_by_integer gives.
void EntityRows::take_sorted(data::TypeId type, int64_t lowest, std::span<const uint64_t> sorted) {
  const auto is_first = [&](std::size_t i) {
    return i == 0 || sorted[i] >> 32 != sorted[i - 1] >> 32;
  };
  std::size_t entities = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    entities += is_first(i) ? 1 : 0;
  }
  entities_.reserve(entities);
  rows_ = data::Records<int64_t>(sorted.size());
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    rows_[i] = static_cast<int64_t>(sorted[i] & std::numeric_limits<uint32_t>::max());
    const auto at = static_cast<int64_t>(i);
    if (is_first(i)) {
      const uint64_t key = static_cast<uint64_t>(lowest) + (sorted[i] >> 32);
      entities_.push_back({data::encode_integer_key(type, static_cast<int64_t>(key)), at, at});
    }
    entities_.back().end = at + 1;
  }
}

Status update_row(gold::RowUpdates& updates,
                  const EntityRows::Entity& entity,
                  std::string_view row,
                  gold::RowPageWriter* pages,
                  std::string* updated) {
  return updates.update(static_cast<std::size_t>(entity.begin),
                        static_cast<std::size_t>(entity.end),
                        row,
                        pages,
                        updated);
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

Result<ViewMeta> check_filled(const gold::FeatureView& view,
                              const std::string& filled,
                              const std::optional<ViewMeta>& meta) {
  if (!meta.has_value()) {
    return Status(Code::kNotFound, "the online store has no view " + filled);
  }
  ASSAY_RETURN_IF_ERROR(check_definition(view, *meta));
  return *meta;
}

Status check_view_name(const gold::FeatureView& view) {
  const std::string& name = view.storage_name();
  if (name.empty() || name.size() > kViewNameBytesMax || name.find('\0') != std::string::npos) {
    return {Code::kInvalidArgument,
            "a view's storage name must have 1 to 255 bytes and no NUL: " + name};
  }
  return {};
}

Status damaged_view(const Status& why, std::string_view view) {
  if (why.code() != Code::kCorrupt) {
    return why;
  }
  return {
      Code::kCorrupt,
      why.message() +
          "; the lake has all rows: `assay materialize VIEW --anew` makes those of the view anew "
          "(without a lake: remove the store and `assay run`): view " +
          std::string(view)};
}

Status damaged_row(const Status& why, std::string_view view, std::string_view key) {
  const Status damaged = damaged_view(why, view);
  return damaged.code() != Code::kCorrupt
             ? damaged
             : Status(Code::kCorrupt,
                      damaged.message() + ", key hash " + hash_text(hash_bytes(key)));
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

ViewMeta ViewChange::after(ViewMeta before) const {
  before.fingerprint = view.fingerprint();
  before.applied.position = position;
  before.applied.known_until = std::max(before.applied.known_until, gathered.known_until());
  return before;
}

void StoreMetrics::count(const data::Batch& rows, const EntityRows& gathered, int64_t written) {
  applied_rows.add(rows.rows() - gathered.null_key_rows());
  null_key_rows.add(gathered.null_key_rows());
  written_entities.add(written);
}

StoreMetrics::StoreMetrics(Metrics& metrics)
    : applied_rows(metrics.counter("assay_online_applied_rows_total",
                                   "Source rows applied to the online store.")),
      null_key_rows(metrics.counter("assay_online_null_key_rows_total",
                                    "Source rows skipped because a key column is null.")),
      written_entities(metrics.counter("assay_online_written_entities_total",
                                       "Entity rows written by applied batches.")),
      corrupt_rows(metrics.counter("assay_online_corrupt_rows_total",
                                   "Online rows that failed their checksum and were not served.")),
      passed_over(metrics.counter(
          "assay_online_passed_over_entities_total",
          "Entities whose new rows were not applied, because what is held of them is damaged.")) {}

}  // namespace assay::online
