#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"

namespace assay::ingest {

struct UsersOptions {
  int64_t count = 1'000;
  uint64_t seed = 1;
  EventTime start;  // first signup
};

struct EventsOptions {
  int64_t count = 50'000;
  int64_t users = 1'000;  // user ids u1 ... uN, as generate_users makes them
  int64_t items = 500;
  uint64_t seed = 1;
  EventTime start;
  /// Event ids are this and a number, so that one table can take several series.
  std::string id_prefix = "e";
  double rate = 10;                // events a second of event time, about
  double duplicate_share = 0.01;   // repeated with the same event_id, some seconds later
  double late_share = 0.02;        // delivered up to 30 min after they happened
  double malformed_share = 0.001;  // lines that are no event
};

/// One generated event. Views are good until the sink returns.
struct GeneratedEvent {
  std::string_view line;  // with its line end
  std::string_view key;   // its user; empty for a line that is no event
  EventTime at;           // when it is delivered
};
using EventSink = std::function<Status(const GeneratedEvent& event)>;

/// Takes generated lines, each with its line end.
using LineSink = std::function<Status(const std::string& line)>;

/// What the ids of a series begin with: "e" alone where both are as when nothing is said, which
/// examples and tests have; else something that no other seed and first instant has.
std::string event_id_prefix(uint64_t seed, EventTime start);

/// Users as JSON lines: user_id, email, country, tier, age (weighted), signup_time, activity.
///
/// The same options give the same bytes, on every machine.
Status generate_users(const UsersOptions& options, const LineSink& sink);

/// Click events of those users as JSON lines in the order of delivery: event_id, user_id, item_id,
/// event_type (view, cart, purchase, search), price, session_id, ip, ts (milliseconds),
/// received_ms.
///
/// Users act in sessions, items are Zipf distributed. The same options give the same bytes.
/// Cost    memory grows with the sessions open at once, not with count.
Status generate_events(const EventsOptions& options, const EventSink& sink);

}  // namespace assay::ingest
