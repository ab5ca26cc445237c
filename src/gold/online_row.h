#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"
#include "gold/row_bytes.h"
#include "gold/view_layout.h"

// Bytes of the online row, drawn in docs/formats/online_row.md. The first two bytes are version and
// kind; what follows is read and written by window_row.cc, latest_row.cc,
// sequence_row.cc, first_event_view.cc and composed_row.cc.

namespace assay::gold {

inline constexpr uint8_t kOnlineRowVersion = 3;
enum class OnlineRowKind : uint8_t {
  kWindow = 1,
  kLatest = 2,
  kComposed = 3,
  kSequence = 4,
  kFirstEvent = 7
};

inline void append_online_row_header(std::string* out, OnlineRowKind kind) {
  out->push_back(static_cast<char>(kOnlineRowVersion));
  out->push_back(static_cast<char>(kind));
}

/// A reader behind the header; it has failed when the header is another.
inline RowReader open_online_row(std::string_view row, OnlineRowKind kind) {
  RowReader reader(row);
  const uint8_t version = reader.byte();
  const uint8_t found = reader.byte();
  if (version != kOnlineRowVersion || found != static_cast<uint8_t>(kind)) {
    reader.fail();
  }
  return reader;
}

inline Status corrupt_online_row(const std::string& view) {
  return {Code::kCorrupt, "not an online row of view `" + view + "`"};
}

/// An instant inside the years that tables may hold, so that arithmetic on it cannot overflow.
inline int64_t clamp_instant(EventTime time) {
  return time < kFirstInstant ? kFirstInstant.micros
                              : (time < kEndInstant ? time.micros : kEndInstant.micros);
}

/// False for times that no row has: bytes that claim them are damaged.
inline bool is_instant(int64_t micros) {
  return micros >= kFirstInstant.micros && micros < kEndInstant.micros;
}

/// When a row is replaced, in rows of views over changes: 0 for never, or 1 and the time.
inline void append_replaced_time(std::string* out, int64_t replaced_time) {
  out->push_back(replaced_time == kNeverReplaced ? 0 : 1);
  if (replaced_time != kNeverReplaced) {
    append_signed(out, replaced_time);
  }
}
inline int64_t read_replaced_time(RowReader* reader) {
  if (reader->byte() == 0) {
    return kNeverReplaced;
  }
  const int64_t time = reader->signed_varint();
  if (!is_instant(time)) {
    reader->fail();
  }
  return time;
}

}  // namespace assay::gold
