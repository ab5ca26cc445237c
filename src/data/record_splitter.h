#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace assay::data {

struct SplitterOptions {
  bool quotes = true;    // CSV; false: every line is a record, as in JSON lines
  char delimiter = ',';  // looked at only with quotes: a quote opens after it
  std::size_t record_bytes_max = std::size_t{8} << 20;
  int64_t first_line = 1;  // number of the first line that will be fed
};

/// One record without its line end.
struct SplitRecord {
  std::string_view text;
  int64_t line = 0;        // where it begins, from 1
  bool oversized = false;  // longer than the limit: `text` is its beginning
};

/// Cuts text into records: lines, or CSV records whose quoted cells may hold line ends (RFC 4180).
/// LF or CRLF, also mixed; the last line end is optional; a byte order mark is dropped; empty lines
/// are no records.
///
/// Damage  stays in its line. A record of several lines whose quotes break RFC 4180, or that does
/// not
///         end within the limit or the input, is cut at its first line end, and the next line is
///         read for itself. A line beyond the limit is cut there and flagged; its rest is dropped.
/// Bounds  the records do not depend on how the input is cut into blocks. At most one block and one
///         record of `record_bytes_max` are held.
/// Cost    every byte is looked at no more than three times, whatever the input.
/// Threads one thread at a time.
class RecordSplitter {
 public:
  explicit RecordSplitter(SplitterOptions options);

  /// Records whose end lies in what has been fed so far. The views live until the next call, or as
  /// long as somebody holds memory(). At the end of input call with `last` true.
  const std::vector<SplitRecord>& feed(std::string_view block, bool last);
  /// What the records of the last feed() look into.
  [[nodiscard]] std::shared_ptr<const std::string> memory() const { return buffer_; }

 private:
  enum class State { kOutside, kInside, kAfterQuote, kBadLine };
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  /// First place of a byte at or after the cursor, remembered so that nothing is searched twice.
  struct Search {
    std::size_t at = 0;
    bool found = false;
  };

  void rebase(std::size_t more);
  bool take_lines();
  bool drop_byte_order_mark(bool last);
  bool step(bool last);
  bool skip_line();
  std::size_t find(char wanted, Search* search) const;
  std::size_t find_end(bool last);
  bool scan_outside(std::size_t* end, bool last);
  bool scan_inside(std::size_t* end, bool last);
  bool scan_after_quote(std::size_t* end, bool last);
  void take(std::size_t end);
  void begin_record(std::size_t at, bool cut);
  [[nodiscard]] std::size_t length_to(std::size_t end) const;

  SplitterOptions options_;
  std::vector<SplitRecord> records_;
  std::shared_ptr<std::string> buffer_ = std::make_shared<std::string>();
  std::size_t begin_ = 0;               // of the record that is being looked at
  std::size_t cursor_ = 0;              // next byte to look at
  std::size_t first_line_end_ = kNone;  // first line end inside quotes
  State state_ = State::kOutside;
  Search newline_;
  Search quote_;
  int64_t line_ = 1;
  bool literal_quote_ = false;  // a quote stood inside an unquoted cell
  bool skipping_ = false;       // dropping the rest of an oversized line
  bool begun_ = false;
};

}  // namespace assay::data
