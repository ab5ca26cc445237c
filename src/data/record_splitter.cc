#include "data/record_splitter.h"

#include <algorithm>
#include <cstring>

// How a record's end is found.
//
//   outside   the next line end ends the record, unless a quote comes first: at the start of a cell
//   it
//             opens a quoted cell, elsewhere it is an ordinary character
//   inside    only a quote matters; line ends belong to the cell
//   after     the byte after such a quote decides: quote (an escaped one), delimiter, line end, or
//             something that RFC 4180 does not allow
//   bad line  the line is malformed whatever follows: it ends at its line end
//
// Why damage stays in its line and costs nothing. A record may go beyond one line only while its
// quotes follow RFC 4180 strictly. Then a line that leaves quotes open has, read from its start, an
// odd number of them, and a line that is passed over inside quotes an even number. So after falling
// back to the first line end, the passed lines, read for themselves, leave nothing open: no byte is
// scanned again and again.

namespace assay::data {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

RecordSplitter::RecordSplitter(SplitterOptions options)
    : options_(options), line_(options.first_line), begun_(options.first_line != 1) {}

const std::vector<SplitRecord>& RecordSplitter::feed(std::string_view block, bool last) {
  records_.clear();
  rebase(block.size());
  buffer_->append(block);
  if (begun_ || drop_byte_order_mark(last)) {
    while (take_lines() || step(last)) {
    }
  }
  return records_;
}

/// Drop the bytes before the current record; the rest goes elsewhere if somebody holds the memory.
void RecordSplitter::rebase(std::size_t more) {
  if (buffer_.use_count() > 1) {
    auto rest = std::make_shared<std::string>();
    rest->reserve(buffer_->size() - begin_ + more);
    rest->append(*buffer_, begin_);
    buffer_ = std::move(rest);
  } else {
    buffer_->erase(0, begin_);
  }
  if (begin_ == 0) {
    return;
  }
  cursor_ -= begin_;
  if (first_line_end_ != kNone) {
    first_line_end_ -= begin_;
  }
  for (Search* search : {&newline_, &quote_}) {
    *search = search->at >= begin_ ? Search{search->at - begin_, search->found} : Search{};
  }
  begin_ = 0;
}

/// Without quotes and while nothing is dropped, what step() does of whole lines within the limit,
/// many at once. False: there was none.
bool RecordSplitter::take_lines() {
  if (options_.quotes || skipping_) {
    return false;
  }
  const char* const data = buffer_->data();
  const char* const end = data + buffer_->size();
  const char* const first = data + begin_;
  const char* at = first;
  const char* from = newline_.found ? at : std::max(at, data + newline_.at);
  newline_ = {buffer_->size(), false};
  while (from != end) {
    const auto* const newline =
        static_cast<const char*>(std::memchr(from, '\n', static_cast<std::size_t>(end - from)));
    if (newline == nullptr) {
      break;
    }
    const bool carriage_return = newline != at && newline[-1] == '\r';
    const auto length = static_cast<std::size_t>(newline - at) - (carriage_return ? 1 : 0);
    if (length > options_.record_bytes_max) {
      newline_ = {static_cast<std::size_t>(newline - data), true};
      break;
    }
    if (length > 0) {
      records_.push_back({{at, length}, line_, false});
    }
    ++line_;
    at = from = newline + 1;
  }
  begin_ = cursor_ = static_cast<std::size_t>(at - data);
  return at != first;
}

/// False while there are too few bytes to know.
bool RecordSplitter::drop_byte_order_mark(bool last) {
  if (buffer_->size() < kByteOrderMark.size() && !last &&
      kByteOrderMark.substr(0, buffer_->size()) == *buffer_) {
    return false;
  }
  begun_ = true;
  if (std::string_view(*buffer_).substr(0, kByteOrderMark.size()) == kByteOrderMark) {
    begin_ = cursor_ = kByteOrderMark.size();
  }
  return true;
}

/// Cut one record or skip; false when more input is needed.
bool RecordSplitter::step(bool last) {
  if (skipping_ && !skip_line()) {
    return false;
  }
  if (begin_ == buffer_->size()) {
    return false;
  }
  const std::size_t end = find_end(last);
  // A record of two bytes more than the limit is beyond it, even if a CR is one of them.
  if (end == kNone && buffer_->size() - begin_ < options_.record_bytes_max + 2) {
    return false;
  }
  take(end == kNone ? buffer_->size() : end);
  return true;
}

/// Drop bytes up to and with the next line end; false when there is none yet.
bool RecordSplitter::skip_line() {
  cursor_ = begin_;
  const std::size_t end = find('\n', &newline_);
  if (end == buffer_->size()) {
    begin_ = cursor_ = end;
    return false;
  }
  skipping_ = false;
  begin_record(end + 1, true);
  return true;
}

std::size_t RecordSplitter::find(char wanted, Search* search) const {
  if (search->found && search->at >= cursor_) {
    return search->at;
  }
  const std::size_t from = search->found ? cursor_ : std::max(cursor_, search->at);
  const void* place = from < buffer_->size()
                          ? std::memchr(buffer_->data() + from, wanted, buffer_->size() - from)
                          : nullptr;
  search->found = place != nullptr;
  search->at = search->found
                   ? static_cast<std::size_t>(static_cast<const char*>(place) - buffer_->data())
                   : buffer_->size();
  return search->at;
}

/// Place of the line end that ends the record (the buffer's end at the end of input), or kNone.
std::size_t RecordSplitter::find_end(bool last) {
  std::size_t end = kNone;
  for (;;) {
    bool go_on = false;
    switch (state_) {
      case State::kOutside:
        go_on = scan_outside(&end, last);
        break;
      case State::kInside:
        go_on = scan_inside(&end, last);
        break;
      case State::kAfterQuote:
        go_on = scan_after_quote(&end, last);
        break;
      case State::kBadLine:
        end = find('\n', &newline_);
        if (end == buffer_->size() && !last) {
          end = kNone;
        }
        break;
    }
    if (!go_on) {
      return end;
    }
  }
}

bool RecordSplitter::scan_outside(std::size_t* end, bool last) {
  const std::size_t newline = find('\n', &newline_);
  const std::size_t quote = options_.quotes ? find('"', &quote_) : buffer_->size();
  if (newline <= quote) {
    *end = newline < buffer_->size() || last ? newline : kNone;
    return false;
  }
  cursor_ = quote + 1;
  if (quote == begin_ || (*buffer_)[quote - 1] == options_.delimiter) {
    state_ = State::kInside;
    return true;
  }
  if (first_line_end_ != kNone) {
    *end = first_line_end_;
    return false;
  }
  literal_quote_ = true;
  return true;
}

bool RecordSplitter::scan_inside(std::size_t* end, bool last) {
  const std::size_t quote = find('"', &quote_);
  if (first_line_end_ == kNone) {
    const std::size_t newline = find('\n', &newline_);
    if (newline < quote) {
      first_line_end_ = newline;
      if (literal_quote_) {
        *end = newline;
        return false;
      }
    }
  }
  if (quote == buffer_->size()) {
    if (last) {
      *end = first_line_end_ != kNone ? first_line_end_ : quote;
    }
    return false;
  }
  cursor_ = quote + 1;
  state_ = State::kAfterQuote;
  return true;
}

bool RecordSplitter::scan_after_quote(std::size_t* end, bool last) {
  const std::size_t left = buffer_->size() - cursor_;
  const char next = left > 0 ? (*buffer_)[cursor_] : '\n';
  if (left == 0 || (left == 1 && next == '\r')) {
    *end = last ? buffer_->size() : kNone;
    return false;
  }
  if (next == '"' || next == options_.delimiter) {
    state_ = next == '"' ? State::kInside : State::kOutside;
    ++cursor_;
    return true;
  }
  if (next == '\n' || (next == '\r' && (*buffer_)[cursor_ + 1] == '\n')) {
    *end = next == '\n' ? cursor_ : cursor_ + 1;
    return false;
  }
  if (first_line_end_ != kNone) {
    *end = first_line_end_;
    return false;
  }
  state_ = State::kBadLine;
  return true;
}

/// Put the record that ends at `end` into the result, or its first line when it is beyond the
/// limit.
void RecordSplitter::take(std::size_t end) {
  const std::size_t limit = options_.record_bytes_max;
  const std::string_view buffer = *buffer_;
  if (length_to(end) > limit && first_line_end_ != kNone) {
    end = first_line_end_;
  }
  const std::size_t length = length_to(end);
  if (length > limit) {
    records_.push_back({buffer.substr(begin_, limit), line_, true});
    if (end == buffer.size()) {
      skipping_ = true;
      newline_ = {};
      begin_ = cursor_ = end;
      return;
    }
  } else if (length > 0) {
    records_.push_back({buffer.substr(begin_, length), line_, false});
  }
  const bool whole = first_line_end_ == kNone || end != first_line_end_;
  begin_record(std::min(end + 1, buffer.size()), !whole);
}

/// Start the next record; `cut` says that bytes already looked at are looked at again.
void RecordSplitter::begin_record(std::size_t at, bool cut) {
  if (first_line_end_ != kNone && !cut) {
    line_ += std::count(buffer_->begin() + static_cast<std::ptrdiff_t>(begin_),
                        buffer_->begin() + static_cast<std::ptrdiff_t>(at),
                        '\n');
  } else {
    ++line_;
  }
  if (cut) {
    newline_ = {};
    quote_ = {};
  }
  begin_ = cursor_ = at;
  first_line_end_ = kNone;
  literal_quote_ = false;
  state_ = State::kOutside;
}

/// Bytes of the current record up to `end`, without the CR of a CRLF.
std::size_t RecordSplitter::length_to(std::size_t end) const {
  const bool carriage_return = end > begin_ && (*buffer_)[end - 1] == '\r';
  return end - begin_ - (carriage_return ? 1 : 0);
}

}  // namespace assay::data
