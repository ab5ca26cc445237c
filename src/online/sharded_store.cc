#include "online/sharded_store.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "base/fail_point.h"
#include "base/hash.h"
#include "online/entity_rows.h"
#include "online/rendezvous.h"
#include "online/view_replacer.h"

namespace assay::online {
namespace {

class ShardedStore : public OnlineStore, public ViewReplacer {
 public:
  ShardedStore(Clock& clock, std::vector<StoreShard> shards)
      : clock_(clock), shards_(std::move(shards)) {
    std::sort(shards_.begin(), shards_.end(), [](const StoreShard& a, const StoreShard& b) {
      return a.name < b.name;
    });
    std::vector<std::string> names;
    for (const StoreShard& shard : shards_) {
      names.push_back(shard.name);
    }
    owners_.emplace(names);
  }

  Status apply(const gold::FeatureView& view,
               const data::Batch& rows,
               std::optional<int64_t> expected,
               int64_t position,
               EventTime applied_until,
               std::span<const data::EntityKey> anew) override;
  Result<std::optional<AppliedTo>> applied_to(const gold::FeatureView& view) override;
  Result<std::optional<AppliedTo>> known_applied_to(const gold::FeatureView& view) override;
  Result<std::optional<int64_t>> ahead_of(const gold::FeatureView& view) override;
  Result<std::vector<gold::FeatureValues>> read(const gold::FeatureView& view,
                                                std::span<const data::EntityKey> keys,
                                                EventTime now) override;
  Status read_flat_views(std::span<const ViewKeys> asked,
                         EventTime now,
                         data::FlatValues* values,
                         std::vector<std::optional<AppliedTo>>* applied) override;
  Result<EventTime> data_now() override;
  Result<EventTime> known_data_now() override;
  Result<std::vector<std::string>> views() override;
  Status drop(const std::string& storage_name) override;
  Status remove_leftovers() override;
  Status replace(const gold::FeatureView& view, const std::string& filled) override;
  Result<uint64_t> content_hash_at(const gold::FeatureView& view,
                                   std::optional<EventTime> now) override;

 private:
  using Places = std::vector<std::optional<AppliedTo>>;

  [[nodiscard]] std::size_t shard_of(const data::EntityKey& key) const {
    return owners_->owner(key.bytes());
  }
  /// A read of one view, shared out.
  struct Part {
    std::vector<data::EntityKey> keys;
    std::vector<std::size_t> places;  // of them among all keys
    std::unique_ptr<PendingRead> begun;
  };
  struct Parts {
    const gold::FeatureView* view = nullptr;
    std::vector<Part> of_shards;
    std::size_t count = 0;  // of keys
  };
  Parts begin_parts(const ViewKeys& asked, EventTime now);
  Result<std::vector<gold::FeatureValues>> finish_parts(Parts* parts, EventTime now);
  /// The one that has all of these keys, if one has.
  [[nodiscard]] std::optional<std::size_t> shard_of_all(std::span<const ViewKeys> asked) const;
  /// Where each shard stands: those that an apply came to before it was cut off at one place, the
  /// others at another.
  Result<Places> places(const gold::FeatureView& view);
  Result<std::optional<AppliedTo>> least_applied(const gold::FeatureView& view);

  struct Known {
    uint64_t fingerprint = 0;
    std::optional<AppliedTo> applied;
    bool is_known = false;
    bool is_asked = false;  // by some thread, at this moment
    int64_t again = 0;      // when it is to be asked, monotonic microseconds
  };

  Clock& clock_;
  std::vector<StoreShard> shards_;    // by name: every process applies to them in one order
  std::optional<Rendezvous> owners_;  // over their names
  std::mutex mutex_;
  std::map<std::string, Known> known_;  // by storage name
  std::optional<EventTime> now_;        // of known_data_now()
  bool now_is_asked_ = false;
  int64_t now_again_ = 0;
};

std::optional<int64_t> position_of(const std::optional<AppliedTo>& place) {
  return place.has_value() ? std::optional(place->position) : std::nullopt;
}

Result<ShardedStore::Places> ShardedStore::places(const gold::FeatureView& view) {
  Places places;
  for (const StoreShard& shard : shards_) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<AppliedTo> place, shard.store->applied_to(view));
    places.push_back(place);
  }
  const auto first = position_of(places.front());
  const auto last = position_of(places.back());
  std::size_t i = 0;
  while (i < places.size() && position_of(places[i]) == first) {
    ++i;
  }
  while (i < places.size() && position_of(places[i]) == last) {
    ++i;
  }
  if (i < places.size() || (!first.has_value() && last.has_value())) {
    i = std::min(i, places.size() - 1);
    return Status(Code::kFailedPrecondition,
                  "the shards of the online store stand at different places, as when one lost what "
                  "it had; its rows are made anew: view " +
                      view.name() + ", shard " + shards_[i].name);
  }
  return places;
}

Status ShardedStore::apply(const gold::FeatureView& view,
                           const data::Batch& rows,
                           std::optional<int64_t> expected,
                           int64_t position,
                           EventTime applied_until,
                           std::span<const data::EntityKey> anew) {
  ASSAY_ASSIGN_OR_RETURN(const EntityRows gathered, EntityRows::gather(view, rows));
  std::vector<std::vector<int64_t>> rows_of(shards_.size());
  std::vector<std::vector<data::EntityKey>> anew_of(shards_.size());
  std::vector<bool> is_taken(static_cast<std::size_t>(rows.rows()), false);
  for (const EntityRows::Entity& entity : gathered.entities()) {
    std::vector<int64_t>& taken = rows_of[shard_of(entity.key)];
    for (const int64_t row : gathered.rows_of(entity)) {
      taken.push_back(row);
      is_taken[static_cast<std::size_t>(row)] = true;
    }
  }
  for (int64_t row = 0; row < rows.rows(); ++row) {  // those of no entity are counted, too
    if (!is_taken[static_cast<std::size_t>(row)]) {
      rows_of.front().push_back(row);
    }
  }
  for (const data::EntityKey& key : anew) {
    anew_of[shard_of(key)].push_back(key);
  }
  ASSAY_ASSIGN_OR_RETURN(const Places places, this->places(view));
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    if (position_of(places[i]) == position && expected != position) {
      continue;  // it has them already
    }
    std::sort(rows_of[i].begin(), rows_of[i].end());
    fail_point("online.apply.next_shard");
    ASSAY_RETURN_IF_ERROR(
        shards_[i]
            .store
            ->apply(view, rows.take(rows_of[i]), expected, position, applied_until, anew_of[i])
            .with_context("shard " + shards_[i].name));
  }
  return {};
}

Result<std::optional<AppliedTo>> ShardedStore::applied_to(const gold::FeatureView& view) {
  ASSAY_ASSIGN_OR_RETURN(const Places places, this->places(view));
  std::optional<AppliedTo> applied = places.back();  // the last one to get there
  for (const std::optional<AppliedTo>& place : places) {
    if (applied.has_value() && position_of(place) == applied->position) {
      applied->known_until = std::max(applied->known_until, place->known_until);
    }
  }
  return applied;
}

/// The least that all shards have: of those that stand alike the one with the newest rows says it
/// for all of them.
Result<std::optional<AppliedTo>> ShardedStore::least_applied(const gold::FeatureView& view) {
  std::map<int64_t, AppliedTo> by_position;
  for (const StoreShard& shard : shards_) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<AppliedTo> place,
                           shard.store->known_applied_to(view));
    if (!place.has_value()) {
      return place;
    }
    const auto [at, added] = by_position.emplace(place->position, *place);
    at->second.known_until = std::max(at->second.known_until, place->known_until);
  }
  const auto least =
      std::min_element(by_position.begin(), by_position.end(), [](const auto& a, const auto& b) {
        return a.second.known_until < b.second.known_until;
      });
  return std::optional<AppliedTo>(least->second);
}

/// A question asks only the shards that its entities are in; where all of them stand is looked at
/// once a second, by one thread. A shard that cannot be asked takes nothing away from what the
/// others answer, and is not asked again for a while. A writer that is at work is no damage here.
Result<std::optional<AppliedTo>> ShardedStore::known_applied_to(const gold::FeatureView& view) {
  constexpr int64_t kPause = 10 * kMicrosPerSecond;
  {
    const std::lock_guard lock(mutex_);
    Known& known = known_[view.storage_name()];
    if (known.fingerprint != view.fingerprint()) {
      known = {};
      known.fingerprint = view.fingerprint();
    }
    if (known.is_known && (known.is_asked || clock_.monotonic().micros < known.again)) {
      return known.applied;
    }
    known.is_asked = true;
  }
  const Result<std::optional<AppliedTo>> applied = least_applied(view);
  const std::lock_guard lock(mutex_);
  Known& known = known_[view.storage_name()];
  known.is_asked = false;
  known.again = clock_.monotonic().micros + (applied.ok() ? int64_t{kMicrosPerSecond} : kPause);
  if (applied.ok()) {
    known.applied = *applied;
    known.is_known = true;
    return applied;
  }
  return applied.code() == Code::kUnavailable && known.is_known
             ? Result<std::optional<AppliedTo>>(known.applied)
             : applied;
}

Result<std::optional<int64_t>> ShardedStore::ahead_of(const gold::FeatureView& view) {
  ASSAY_ASSIGN_OR_RETURN(const Places places, this->places(view));
  const std::optional<int64_t> first = position_of(places.front());
  return first == position_of(places.back()) ? std::nullopt : first;
}

Result<std::vector<gold::FeatureValues>> ShardedStore::read(const gold::FeatureView& view,
                                                            std::span<const data::EntityKey> keys,
                                                            EventTime now) {
  if (keys.size() == 1) {
    return shards_[shard_of(keys.front())].store->read(view, keys, now);
  }
  Parts parts = begin_parts({&view, keys}, now);
  return finish_parts(&parts, now);
}

/// Ask each shard for its keys, as far as that can be done without waiting.
ShardedStore::Parts ShardedStore::begin_parts(const ViewKeys& asked, EventTime now) {
  Parts parts{asked.view, {}, asked.keys.size()};
  parts.of_shards.resize(shards_.size());
  for (std::size_t i = 0; i < asked.keys.size(); ++i) {
    Part& part = parts.of_shards[shard_of(asked.keys[i])];
    part.keys.push_back(asked.keys[i]);
    part.places.push_back(i);
  }
  for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
    Part& part = parts.of_shards[shard];
    if (!part.keys.empty()) {
      part.begun = shards_[shard].store->begin_read(*asked.view, part.keys, now);
    }
  }
  return parts;
}

/// The answers in the order of the keys.
Result<std::vector<gold::FeatureValues>> ShardedStore::finish_parts(Parts* parts, EventTime now) {
  std::vector<gold::FeatureValues> answers(parts->count);
  Status failure;  // the first; all that was begun is finished
  for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
    const Part& part = parts->of_shards[shard];
    if (part.keys.empty()) {
      continue;
    }
    Result<std::vector<gold::FeatureValues>> found =
        part.begun != nullptr ? part.begun->finish()
        : failure.ok()        ? shards_[shard].store->read(*parts->view, part.keys, now)
                              : failure;
    if (!found.ok()) {
      failure =
          failure.ok() ? found.status().with_context("shard " + shards_[shard].name) : failure;
      continue;
    }
    for (std::size_t i = 0; i < found->size(); ++i) {
      answers[part.places[i]] = std::move((*found)[i]);
    }
  }
  return failure.ok() ? Result<std::vector<gold::FeatureValues>>(std::move(answers)) : failure;
}

std::optional<std::size_t> ShardedStore::shard_of_all(std::span<const ViewKeys> asked) const {
  std::optional<std::size_t> shard;
  for (const ViewKeys& one : asked) {
    for (const data::EntityKey& key : one.keys) {
      const std::size_t of_key = shard_of(key);
      if (shard.value_or(of_key) != of_key) {
        return std::nullopt;
      }
      shard = of_key;
    }
  }
  return shard;
}

/// What is all in one shard, as the questions for one entity are, is asked for at once; else all
/// shards are asked for all views before any is waited for.
Status ShardedStore::read_flat_views(std::span<const ViewKeys> asked,
                                     EventTime now,
                                     data::FlatValues* values,
                                     std::vector<std::optional<AppliedTo>>* applied) {
  for (const ViewKeys& one : asked) {  // of all shards, before reading: a promise
    ASSAY_ASSIGN_OR_RETURN(applied->emplace_back(), known_applied_to(*one.view));
  }
  if (const std::optional<std::size_t> shard = shard_of_all(asked)) {
    std::vector<std::optional<AppliedTo>> of_shard;
    return shards_[*shard].store->read_flat_views(asked, now, values, &of_shard);
  }
  const data::FlatValues::Size before = values->size();
  std::vector<Parts> begun;
  for (const ViewKeys& one : asked) {
    begun.push_back(begin_parts(one, now));
  }
  Status failure;  // the first
  for (Parts& parts : begun) {
    const Result<std::vector<gold::FeatureValues>> answers = finish_parts(&parts, now);
    failure = failure.ok() ? answers.status() : failure;
    for (std::size_t i = 0; failure.ok() && i < answers->size(); ++i) {
      const gold::FeatureValues& answer = (*answers)[i];
      values->add_row(answer.values, answer.statuses, answer.event_time.value_or(EventTime{}));
    }
  }
  if (!failure.ok()) {
    values->shrink(before);
  }
  return failure;
}

/// Looked at once a second, by one thread. Shards that cannot be asked do not hold the others up.
Result<EventTime> ShardedStore::known_data_now() {
  {
    const std::lock_guard lock(mutex_);
    if (now_.has_value() && (now_is_asked_ || clock_.monotonic().micros < now_again_)) {
      return *now_;
    }
    now_is_asked_ = true;
  }
  std::optional<EventTime> latest;
  Status failure;
  for (const StoreShard& shard : shards_) {
    const Result<EventTime> now = shard.store->known_data_now();
    if (now.ok()) {
      latest = std::max(latest.value_or(*now), *now);
    } else if (failure.ok() || failure.code() == Code::kUnavailable) {
      failure = now.status();
    }
  }
  const std::lock_guard lock(mutex_);
  now_is_asked_ = false;
  now_again_ = clock_.monotonic().micros + kMicrosPerSecond;
  if (latest.has_value() && (failure.ok() || failure.code() == Code::kUnavailable)) {
    now_ = std::max(now_.value_or(*latest), *latest);
  } else if (!now_.has_value()) {
    return failure;
  }
  return *now_;
}

Result<EventTime> ShardedStore::data_now() {
  EventTime latest = EventTime::min();
  for (const StoreShard& shard : shards_) {
    ASSAY_ASSIGN_OR_RETURN(const EventTime now, shard.store->data_now());
    latest = std::max(latest, now);
  }
  return latest;
}

Result<std::vector<std::string>> ShardedStore::views() {
  std::set<std::string> all;  // one that was being dropped is still in some of them
  for (const StoreShard& shard : shards_) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> views, shard.store->views());
    all.insert(views.begin(), views.end());
  }
  return std::vector<std::string>(all.begin(), all.end());
}

/// The last one first: when it is cut off, the others look like an apply that was.
Status ShardedStore::drop(const std::string& storage_name) {
  for (auto shard = shards_.rbegin(); shard != shards_.rend(); ++shard) {
    ASSAY_RETURN_IF_ERROR(shard->store->drop(storage_name).with_context("shard " + shard->name));
  }
  return {};
}

Status ShardedStore::remove_leftovers() {
  for (const auto& shard : shards_) {
    ASSAY_RETURN_IF_ERROR(shard.store->remove_leftovers().with_context("shard " + shard.name));
  }
  return {};
}

Status ShardedStore::replace(const gold::FeatureView& view, const std::string& filled) {
  for (const StoreShard& shard : shards_) {
    ASSAY_RETURN_IF_ERROR(
        replace_view(*shard.store, view, filled).with_context("shard " + shard.name));
    fail_point("online.replace.next_shard");
  }
  return {};
}

Result<uint64_t> ShardedStore::content_hash_at(const gold::FeatureView& view,
                                               std::optional<EventTime> at) {
  ASSAY_ASSIGN_OR_RETURN(const EventTime latest, data_now());  // of all, none may know it alone
  const EventTime now = at.value_or(latest);
  uint64_t sum = 0;
  for (const StoreShard& shard : shards_) {
    ASSAY_ASSIGN_OR_RETURN(const uint64_t hash, shard.store->content_hash_at(view, now));
    sum += hash;
  }
  return sum;
}

}  // namespace

std::unique_ptr<OnlineStore> make_sharded_store(Clock& clock, std::vector<StoreShard> shards) {
  return std::make_unique<ShardedStore>(clock, std::move(shards));
}

std::string shard_list_id(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  uint64_t id = names.size();
  for (const std::string& name : names) {
    id = hash_mix(id, hash_bytes(name));
  }
  return hash_text(id);
}

}  // namespace assay::online
