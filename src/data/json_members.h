#pragma once

#include <memory>
#include <string_view>

#include "data/decode_row.h"
#include "data/json_lines.h"

namespace assay::data {

/// Whether the values of all columns are read without a tree: none is nested, a decimal, bytes, or a
/// real that may be text.
bool are_plain_columns(const DecodeOptions& options);

/// Reads the members of flat JSON records straight into cells, without a tree between: half of the
/// time. It answers only for plain records; whatever else, be it wrong or only rare, is left to who
/// reads trees, so there is one place that says what is wrong.
///
/// Threads one thread at a time.
class JsonMembers {
 public:
  /// nullptr where the columns ask for more than this reads.
  static std::unique_ptr<JsonMembers> of(const DecodeOptions& options);
  ~JsonMembers();
  JsonMembers(const JsonMembers&) = delete;
  JsonMembers& operator=(const JsonMembers&) = delete;

  /// Find the places in records that stand one after the other, each with a line end behind it.
  /// False: one of them is no JSON, or their text is in places none; try them one by one.
  ///
  /// records  SIMDJSON_PADDING bytes behind them are readable, and stay so while they are read.
  bool find(std::string_view records);
  /// Fill the cells of one row by the next record, which ends at `end` of what was found; absent
  /// members are left as they are, or take their defaults. False: read it as a tree, and the cells
  /// anew. Texts of cells view into the records.
  bool read_next(std::size_t end, RowCollector* rows);

 private:
  struct State;
  explicit JsonMembers(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace assay::data
