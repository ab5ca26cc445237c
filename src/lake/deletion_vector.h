#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "lake/delta_table.h"
#include "store/object_store.h"

namespace assay::lake {

/// Deleted rows of one file beyond which we do not hold them in memory.
inline constexpr int64_t kDeletedRowsMax = int64_t{1} << 26;

/// What tells one deletion vector from another: Delta's uniqueId, "" for none.
std::string deletion_vector_id(const std::optional<DeletionVector>& vector);

/// Row numbers, from 0 and ascending, of a serialised RoaringBitmapArray.
///
/// Errors  kCorrupt: not such bytes, or not `cardinality` row numbers in them.
///         kUnimplemented: the format of Delta's first preview (magic 1681511376).
/// Cost    O(bytes + cardinality).
/// Source  Delta Lake, PROTOCOL.md, "Deletion Vector Format"; the Roaring bitmap specification.
Result<std::vector<int64_t>> decode_deletion_vector(std::string_view bytes, int64_t cardinality);

/// Row numbers that `vector` deletes from a file of table `key`. CRC and cardinality are checked.
///
/// Errors  kCorrupt, kNotFound: the file of the vector is named. kUnimplemented: a vector outside
///         the table's folder, or of more than kDeletedRowsMax rows.
Result<std::vector<int64_t>> read_deletion_vector(store::ObjectStore& store,
                                                  const std::string& key,
                                                  const DeletionVector& vector);

/// Bytes of z85 text (ZeroMQ RFC 32). kCorrupt: a length that is no multiple of 5, or other
/// characters.
Result<std::string> decode_z85(std::string_view text);

}  // namespace assay::lake
