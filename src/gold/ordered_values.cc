// Bytes: varint values; each event time (signed), known time (signed distance to it), sequence
// (signed), value; the first (or last) row in front.

#include "gold/ordered_values.h"

#include <utility>

#include "gold/online_row.h"

namespace assay::gold {

void OrderedValues::insert(Entry entry) {
  const auto goes_before = [&](const Entry& a, const Entry& b) {
    return end_ == End::kFirst ? a < b : b < a;
  };
  const auto limit = static_cast<std::size_t>(limit_);
  if (entries_.size() == limit && !goes_before(entry, entries_.back())) {
    return;
  }
  entries_.insert(std::upper_bound(entries_.begin(), entries_.end(), entry, goes_before),
                  std::move(entry));
  if (entries_.size() > limit) {
    entries_.pop_back();
  }
}

void OrderedValues::add(const InputValue& value, const RowOrder& order) {
  insert({order, value.integer, std::string(value.text)});
}

void OrderedValues::encode(std::string* out) const {
  append_varint(out, entries_.size());
  for (const Entry& entry : entries_) {
    append_signed(out, entry.order.event_time);
    append_signed(out, entry.order.known_time - entry.order.event_time);
    append_signed(out, entry.order.sequence);
    append_input(out, type_, input_of_order(type_, entry.integer, entry.text));
  }
}

void OrderedValues::merge_encoded(RowReader* reader) {
  const uint64_t count = reader->varint();
  if (count > static_cast<uint64_t>(limit_)) {
    reader->fail();
    return;
  }
  for (uint64_t i = 0; i < count && !reader->failed(); ++i) {
    Entry entry;
    entry.order.event_time = reader->signed_varint();
    const int64_t distance = reader->signed_varint();
    entry.order.sequence = reader->signed_varint();
    const InputValue value = read_input(reader, type_);
    const bool known =
        is_instant(entry.order.event_time) &&
        !__builtin_add_overflow(entry.order.event_time, distance, &entry.order.known_time) &&
        is_instant(entry.order.known_time);
    if (!known) {
      reader->fail();
      return;
    }
    entry.integer = value.integer;
    entry.text = value.text;
    if (!reader->failed()) {
      insert(std::move(entry));
    }
  }
}

}  // namespace assay::gold
