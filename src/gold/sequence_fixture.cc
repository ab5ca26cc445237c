#include "gold/sequence_fixture.h"

#include <algorithm>
#include <tuple>

#include "catalog/feature_schema.h"

namespace assay::gold {
namespace {

using catalog::FeatureDef;
using catalog::SequenceValue;
using data::Scalar;
using data::Type;
using Rows = std::vector<const TestRow*>;

FeatureDef sequence_feature(const std::string& name,
                            SequenceValue value,
                            const std::string& of,
                            const std::vector<int64_t>& minutes) {
  FeatureDef feature;
  feature.kind = FeatureDef::Kind::kSequence;
  feature.name = name;
  feature.sequence = value;
  feature.of = of;
  feature.k = 2;
  for (const int64_t length : minutes) {
    feature.over.push_back({length * kMinute});
  }
  return feature;
}

struct Session {
  Rows rows;
  [[nodiscard]] int64_t first() const { return rows.front()->event_time; }
  [[nodiscard]] int64_t last() const { return rows.back()->event_time; }
};

std::vector<Session> sessions_of(const Rows& rows, std::optional<int64_t> session_max) {
  std::vector<Session> sessions;
  for (const TestRow* row : rows) {
    const bool joins = !sessions.empty() && row->event_time - sessions.back().last() < kTestGap &&
                       (!session_max || row->event_time - sessions.back().first() < *session_max);
    if (!joins) {
      sessions.emplace_back();
    }
    sessions.back().rows.push_back(row);
  }
  return sessions;
}

Scalar kind_of(const TestRow& row) {
  return row.kind ? Scalar::string(*row.kind) : Scalar::null(Type::kString);
}

Scalar amount_of(const TestRow& row) {
  return row.amount ? Scalar::float64(*row.amount) : Scalar::null(Type::kFloat64);
}

Scalar whole(std::size_t count) {
  return Scalar::int64(static_cast<int64_t>(count));
}

Scalar seconds(int64_t micros) {
  return Scalar::float64(static_cast<double>(micros) / 1e6);
}

/// The last row whose kind is another than that of the row before it, or nothing.
std::optional<std::size_t> last_change(const Rows& rows) {
  for (std::size_t i = rows.size(); i-- > 1;) {
    if (rows[i]->kind != rows[i - 1]->kind) {
      return i;
    }
  }
  return std::nullopt;
}

Scalar changed_at(const Rows& rows) {
  const std::optional<std::size_t> change = last_change(rows);
  return change ? Scalar::timestamp(rows[*change]->event_time) : Scalar::null(Type::kTimestamp);
}

std::size_t changes_of(const Rows& rows) {
  std::size_t changes = 0;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    changes += rows[i]->kind != rows[i - 1]->kind ? 1 : 0;
  }
  return changes;
}

/// Visible rows of the key from `begin` on, in order.
Rows rows_since(const std::vector<TestRow>& rows,
                const TestKey& key,
                int64_t instant,
                int64_t begin) {
  Rows found;
  for (const TestRow& row : rows) {
    if (row.user == key.user && row.item == key.item && row.event_time <= instant &&
        row.known_time <= instant && row.event_time >= begin) {
      found.push_back(&row);
    }
  }
  std::sort(found.begin(), found.end(), [](const TestRow* a, const TestRow* b) {
    return std::tie(a->event_time, a->known_time, a->sequence) <
           std::tie(b->event_time, b->known_time, b->sequence);
  });
  return found;
}

}  // namespace

catalog::FeatureViewDef sequence_definition(bool with_longest_session) {
  catalog::FeatureViewDef view;
  view.name = "sequences";
  view.entity = "pair";
  view.from = "events";
  view.ttl = Duration{4 * 60 * kMinute};
  view.slide = {kTestSlide};
  view.session = catalog::SessionDef{{kTestGap}, std::nullopt, {180 * kMinute}};
  if (with_longest_session) {
    view.session->max = Duration{kTestSessionMax};
  }
  view.features = {
      sequence_feature("sessions", SequenceValue::kSessionCount, "", {}),
      sequence_feature("kind_changes", SequenceValue::kChanges, "kind", {60, 180}),
      sequence_feature("in_session", SequenceValue::kSessionEvents, "", {}),
      sequence_feature("lasted", SequenceValue::kSessionDuration, "", {}),
      sequence_feature("per_session", SequenceValue::kSessionMeanEvents, "", {}),
      sequence_feature("open", SequenceValue::kSessionOpen, "", {}),
      sequence_feature("began", SequenceValue::kSessionStart, "", {}),
      sequence_feature("entry", SequenceValue::kSessionFirst, "kind", {}),
      sequence_feature("latest_amount", SequenceValue::kSessionLast, "amount", {}),
      sequence_feature("kind_before", SequenceValue::kPrevious, "kind", {180}),
      sequence_feature("kind_since", SequenceValue::kChangedAt, "kind", {180, 60}),
      sequence_feature("earlier", SequenceValue::kLag, "amount", {180}),
  };
  FeatureDef since;
  since.kind = FeatureDef::Kind::kSince;
  since.name = "session_seconds";
  since.column = catalog::kSessionStartTime;
  view.features.push_back(since);
  return view;
}

Answer naive_sequence_answer(const std::vector<TestRow>& rows,
                             const TestKey& key,
                             int64_t instant,
                             std::optional<int64_t> session_max) {
  Answer answer;
  const Rows all = rows_since(rows, key, instant, EventTime::min().micros);
  if (all.empty()) {
    return answer;
  }
  answer.event_time = all.back()->event_time;
  const int64_t slide_begin = floor_to(instant, kTestSlide);
  const Rows far = rows_since(rows, key, instant, slide_begin - 180 * kMinute);
  const Rows near = rows_since(rows, key, instant, slide_begin - 60 * kMinute);
  const std::vector<Session> sessions = sessions_of(far, session_max);
  const bool any = !sessions.empty();
  const Session newest = any ? sessions.back() : Session{};
  const bool open = any && instant < newest.last() + kTestGap &&
                    (!session_max || instant < newest.first() + *session_max);
  const std::optional<std::size_t> change = last_change(far);
  answer.values = {
      whole(sessions.size()),
      whole(changes_of(near)),
      whole(changes_of(far)),
      whole(open ? newest.rows.size() : 0),
      any ? seconds(newest.last() - newest.first()) : Scalar::null(Type::kFloat64),
      any ? Scalar::float64(static_cast<double>(far.size()) / static_cast<double>(sessions.size()))
          : Scalar::null(Type::kFloat64),
      Scalar::boolean(open),
      open ? Scalar::timestamp(newest.first()) : Scalar::null(Type::kTimestamp),
      open ? kind_of(*newest.rows.front()) : Scalar::null(Type::kString),
      open ? amount_of(*newest.rows.back()) : Scalar::null(Type::kFloat64),
      change ? kind_of(*far[*change - 1]) : Scalar::null(Type::kString),
      changed_at(far),
      changed_at(near),
      far.size() > 2 ? amount_of(*far[far.size() - 3]) : Scalar::null(Type::kFloat64),
      open ? seconds(instant - newest.first()) : Scalar::null(Type::kFloat64),
  };
  return answer;
}

}  // namespace assay::gold
