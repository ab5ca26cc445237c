#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"
#include "online/online_store.h"

// Bytes of the embedded store, drawn in docs/formats/online_store.md.
//
//   row key     view name | 00 | entity key bytes                    when that is <= 511 bytes
//               view name | 00 | FF | hash | hash | probe byte       otherwise
//   page key    view name | 00 | FE | number u64                     of a row that has pages
//   counter key view name | 00 | FE                                  the next page's number
//   row value   crc32c u32 | flags u8 | version u8 | 00 00 | [length u32 | entity key] | row bytes
//   meta value  crc32c u32 | version u32 | fingerprint u64 | position i64 | known_until i64
//
// All integers little-endian, save the hashes and page numbers (big-endian). The checksum covers
// the key and then everything after itself, so a row that ends up under another key is found out
// too.

namespace assay::online {

/// Longest key that LMDB takes.
inline constexpr std::size_t kKeyBytesMax = 511;
/// Longest name of a view that a store takes.
inline constexpr std::size_t kViewNameBytesMax = 255;
/// What the storage name of a view begins with that is filled beside another one, to replace it
/// (ViewReplacer::replace): it is no part of the instant that the data has come to.
inline constexpr char kBeside = '~';
/// Slots tried for a hashed key before the store gives up.
inline constexpr int kProbes = 16;

/// True when view name and entity key fit into one row key as they are.
constexpr bool fits_row_key(std::size_t view_name_bytes, std::size_t entity_key_bytes) {
  return view_name_bytes + 1 + entity_key_bytes <= kKeyBytesMax;
}
/// What every row key of a view starts with.
std::string row_key_prefix(std::string_view view_name);
/// Append the entity's part to a prefix; `probe` counts only for keys that do not fit.
void append_row_key(std::string* key, std::string_view entity_key, int probe);

/// Append a page's part to a prefix.
void append_page_key(std::string* key, uint64_t number);
/// Key of the record that holds the number of a view's next page, as 8 bytes.
std::string page_counter_key(std::string_view prefix);
/// Whether what follows a prefix is of a page or of their counter, and so of no entity.
bool is_page_key_part(std::string_view key_part);

/// A row value, taken apart. Views into the value.
struct StoredRow {
  std::string_view entity_key;  // empty when the row key holds it
  std::string_view row;
};

/// The value to store under `row_key`. `entity_key`: only for a hashed row key, else empty.
std::string encode_row(std::string_view row_key, std::string_view entity_key, std::string_view row);
/// Errors  kCorrupt: checksum, flags or lengths are wrong. The message names neither view nor key.
Result<StoredRow> decode_row(std::string_view row_key, std::string_view value);

/// What is kept per view beside its rows.
struct ViewMeta {
  uint64_t fingerprint = 0;
  AppliedTo applied;
};
std::string encode_meta(std::string_view view_name, const ViewMeta& meta);
Result<ViewMeta> decode_meta(std::string_view view_name, std::string_view value);

}  // namespace assay::online
