#pragma once

#include <memory>
#include <string_view>

#include "data/decode_row.h"
#include "data/json_lines.h"

namespace assay::data {

/// Reads flat JSON records whose members are written as those of records before them. It answers
/// only where nothing is left open; whatever else is left to JsonMembers and to who reads trees.
///
/// Threads one thread at a time.
class JsonShape {
 public:
  /// nullptr where the columns ask for more than this reads.
  static std::unique_ptr<JsonShape> of(const DecodeOptions& options);
  ~JsonShape();
  JsonShape(const JsonShape&) = delete;
  JsonShape& operator=(const JsonShape&) = delete;

  /// Remember how the members of a record are written. False: there is nothing new in it.
  bool learn(std::string_view record);
  /// Fill the cells of one row; absent members are left as they are, or take their defaults. False:
  /// read it otherwise, and the cells anew. Texts of cells hold until the next call.
  bool read(std::string_view record, RowCollector* rows);
  /// The same of a record behind which a control character stands and kReadBehind bytes may be
  /// read: it is not copied, and texts of cells are its own.
  bool read_in_place(std::string_view record, RowCollector* rows);
  static constexpr std::size_t kReadBehind = 72;

 private:
  struct State;
  explicit JsonShape(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace assay::data
