#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "catalog/definitions.h"
#include "data/batch.h"
#include "ingest/record.h"

namespace assay::flow {

/// Declared columns of a bronze table that no file which was read has: null in every row, and often
/// a name with a slip in it. Of columns that must be there each record that lacks them is refused;
/// here are the others.
///
/// A header of CSV and the schema of a Parquet file say what is there. Records of JSON and Avro may
/// lack what they have nothing for: of those a column counts when no row has a value, and they have
/// a name near it that is no column.
class UnseenColumns {
 public:
  explicit UnseenColumns(const catalog::BronzeDef& bronze);

  /// Records of a file, and the rows that came of them.
  void note(const ingest::RecordBatch& records, const data::Batch& rows);

  struct Unseen {
    std::string column;  // by the name of its field
    std::string near;    // the name that it may have there; "" for none
    bool operator==(const Unseen&) const = default;
  };
  /// Those of all that was noted, as declared; none when nothing was.
  [[nodiscard]] std::vector<Unseen> found() const;
  /// Say each of them.
  void warn(Log& log) const;

 private:
  const catalog::BronzeDef& bronze_;
  std::vector<const catalog::ColumnDef*> unseen_;
  std::set<std::string> names_;  // in files
  bool must_be_near_ = false;    // no file says all of its names
  bool is_noted_ = false;
};

/// Names of the members of a JSON object, without those that are written with escapes.
std::vector<std::string> member_names(std::string_view json);

}  // namespace assay::flow
