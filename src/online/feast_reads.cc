// A row of Feast's is a hash for all views of an entity: the time of each view's values is a field
// of its own, whose absence says that the view has none there.

#include "online/feast_reads.h"

#include <algorithm>
#include <utility>

#include "data/feast_value.h"
#include "data/protobuf.h"
#include "online/feast_layout.h"
#include "online/view_replacer.h"

namespace assay::online {
namespace {

constexpr std::size_t kCommandsAtOnce = 1000;

using data::FeatureStatus;

/// What the fields of an entity's hash say: those of the view's features, then its time.
Result<gold::FeatureValues> values_of(const gold::FeatureView& view,
                                      const std::vector<RedisReply>& fields,
                                      EventTime now) {
  const std::vector<data::Field>& features = view.features();
  gold::FeatureValues found;
  found.values.reserve(features.size());
  for (const data::Field& feature : features) {
    found.values.push_back(data::Scalar::null(feature.type));
  }
  found.statuses.assign(features.size(), FeatureStatus::kNotFound);
  if (fields.size() != features.size() + 1) {
    return Status(Code::kInternal, "Redis answers for another number of fields");
  }
  if (fields.back().kind != RedisReply::Kind::kText) {
    return found;
  }
  const Result<int64_t> time = data::read_proto_seconds(fields.back().text);
  if (!time.ok()) {
    return Status(Code::kCorrupt, "Feast's row has no time that can be read");
  }
  found.event_time = EventTime{*time};
  if (view.ttl().has_value() && now.micros - *time > view.ttl()->micros) {
    found.statuses.assign(features.size(), FeatureStatus::kOutsideMaxAge);
    return found;
  }
  for (std::size_t i = 0; i < features.size(); ++i) {
    Result<data::Scalar> value = data::from_feast_value(fields[i].text, features[i].type);
    if (!value.ok()) {
      return Status(Code::kFailedPrecondition,
                    "Feast's value is not of the type that the definition says, " +
                        type_name(features[i].type) + ": " + view.name() + ":" + features[i].name);
    }
    found.statuses[i] = value->is_null() ? FeatureStatus::kNullValue : FeatureStatus::kPresent;
    found.values[i] = *std::move(value);
  }
  return found;
}

class FeastReads : public OnlineStore, public ViewReplacer {
 public:
  FeastReads(std::unique_ptr<OnlineStore> own, std::unique_ptr<RedisRoute> route, FromFeast from)
      : own_(std::move(own)), route_(std::move(route)), from_(std::move(from)) {}

  Status apply(const gold::FeatureView& view,
               const data::Batch& rows,
               std::optional<int64_t> expected,
               int64_t position,
               EventTime applied_until,
               std::span<const data::EntityKey> anew) override {
    return own_->apply(view, rows, expected, position, applied_until, anew);
  }
  Result<std::optional<AppliedTo>> applied_to(const gold::FeatureView& view) override {
    return own_->applied_to(view);
  }
  Result<std::optional<AppliedTo>> known_applied_to(const gold::FeatureView& view) override {
    if (!is_feasts(view)) {
      return own_->known_applied_to(view);
    }
    ASSAY_RETURN_IF_ERROR(ask({{"PING"}}).status());
    return std::optional<AppliedTo>(kPlaceOfFeast);
  }
  Result<std::optional<int64_t>> ahead_of(const gold::FeatureView& view) override {
    return own_->ahead_of(view);
  }
  Result<std::vector<gold::FeatureValues>> read(const gold::FeatureView& view,
                                                std::span<const data::EntityKey> keys,
                                                EventTime now) override {
    if (!is_feasts(view)) {
      return own_->read(view, keys, now);
    }
    const ViewKeys asked{&view, keys};
    ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> replies, fetch({&asked, 1}));
    std::vector<gold::FeatureValues> answers;
    answers.reserve(keys.size());
    for (const RedisReply& reply : replies) {
      ASSAY_ASSIGN_OR_RETURN(answers.emplace_back(), values_of(view, reply.list, now));
    }
    return answers;
  }
  Result<std::optional<AppliedTo>> read_flat(const gold::FeatureView& view,
                                             std::span<const data::EntityKey> keys,
                                             EventTime now,
                                             data::FlatValues* values) override {
    const ViewKeys asked{&view, keys};
    std::vector<std::optional<AppliedTo>> applied;
    ASSAY_RETURN_IF_ERROR(read_flat_views({&asked, 1}, now, values, &applied));
    return applied.front();
  }
  Status read_flat_views(std::span<const ViewKeys> asked,
                         EventTime now,
                         data::FlatValues* values,
                         std::vector<std::optional<AppliedTo>>* applied) override {
    if (std::none_of(asked.begin(), asked.end(), [this](const ViewKeys& one) {
          return is_feasts(*one.view);
        })) {
      return own_->read_flat_views(asked, now, values, applied);
    }
    const data::FlatValues::Size before = values->size();
    Status done = read_mixed(asked, now, values, applied);
    if (!done.ok()) {
      values->shrink(before);
    }
    return done;
  }
  std::unique_ptr<PendingRead> begin_read(const gold::FeatureView& view,
                                          std::span<const data::EntityKey> keys,
                                          EventTime now) override {
    return is_feasts(view) ? nullptr : own_->begin_read(view, keys, now);
  }
  Result<EventTime> data_now() override { return own_->data_now(); }
  Result<EventTime> known_data_now() override { return own_->known_data_now(); }
  Result<std::vector<std::string>> views() override { return own_->views(); }
  Status drop(const std::string& storage_name) override { return own_->drop(storage_name); }
  Status remove_leftovers() override { return own_->remove_leftovers(); }
  Status replace(const gold::FeatureView& view, const std::string& filled) override {
    return replace_view(*own_, view, filled);
  }
  Result<uint64_t> content_hash_at(const gold::FeatureView& view,
                                   std::optional<EventTime> now) override {
    return own_->content_hash_at(view, now);
  }

 private:
  [[nodiscard]] bool is_feasts(const gold::FeatureView& view) const {
    return from_.views.empty() ||
           std::find(from_.views.begin(), from_.views.end(), view.name()) != from_.views.end();
  }

  Result<std::vector<RedisReply>> ask(const std::vector<RedisCommand>& commands) {
    std::vector<RedisReply> answers;
    ASSAY_RETURN_IF_ERROR(route_->read(RedisUse::kServing, [&](RedisConnection& redis) -> Status {
      ASSAY_ASSIGN_OR_RETURN(answers, redis.run(commands));
      return {};
    }));
    return answers;
  }

  /// The hashes of all keys of those of the views that are Feast's.
  Result<std::vector<RedisReply>> fetch(std::span<const ViewKeys> asked) {
    std::vector<RedisReply> found;
    std::vector<RedisCommand> commands;
    const auto take = [&]() -> Status {
      ASSAY_ASSIGN_OR_RETURN(std::vector<RedisReply> replies, ask(commands));
      std::move(replies.begin(), replies.end(), std::back_inserter(found));
      commands.clear();
      return {};
    };
    for (const ViewKeys& one : asked) {
      if (!is_feasts(*one.view)) {
        continue;
      }
      const FeastLayout layout(*one.view, from_.project);
      for (const data::EntityKey& key : one.keys) {
        ASSAY_ASSIGN_OR_RETURN(const std::string hash_key, layout.hash_key(key));
        commands.push_back(layout.get(hash_key));
        ASSAY_RETURN_IF_ERROR(commands.size() < kCommandsAtOnce ? Status() : take());
      }
    }
    ASSAY_RETURN_IF_ERROR(commands.empty() ? Status() : take());
    return found;
  }

  Status read_mixed(std::span<const ViewKeys> asked,
                    EventTime now,
                    data::FlatValues* values,
                    std::vector<std::optional<AppliedTo>>* applied) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> replies, fetch(asked));
    std::span<const RedisReply> rest(replies);
    for (const ViewKeys& one : asked) {
      if (!is_feasts(*one.view)) {
        ASSAY_ASSIGN_OR_RETURN(applied->emplace_back(),
                               own_->read_flat(*one.view, one.keys, now, values));
        continue;
      }
      for (const RedisReply& reply : rest.first(one.keys.size())) {
        ASSAY_ASSIGN_OR_RETURN(const gold::FeatureValues found,
                               values_of(*one.view, reply.list, now));
        values->add_row(found.values, found.statuses, found.event_time.value_or(EventTime{}));
      }
      applied->emplace_back(kPlaceOfFeast);
      rest = rest.subspan(one.keys.size());
    }
    return {};
  }

  const std::unique_ptr<OnlineStore> own_;
  const std::unique_ptr<RedisRoute> route_;
  const FromFeast from_;
};

}  // namespace

std::unique_ptr<OnlineStore> make_feast_reads(std::unique_ptr<OnlineStore> own,
                                              std::unique_ptr<RedisRoute> route,
                                              FromFeast from) {
  return std::make_unique<FeastReads>(std::move(own), std::move(route), std::move(from));
}

std::vector<std::string> views_from_feast(const std::string& place) {
  const Result<RedisAddress> address = parse_redis_url(place);
  return address.ok() ? address->from_feast_views : std::vector<std::string>();
}

}  // namespace assay::online
