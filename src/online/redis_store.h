#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "online/entity_rows.h"
#include "online/feast_layout.h"
#include "online/online_store.h"
#include "online/redis_pool.h"
#include "online/view_replacer.h"

namespace assay::online {

/// The store behind open_redis_store: in a server, or in one slot of a cluster. What its keys are
/// is drawn in redis_store.cc; what is thrown away, and how, is in redis_store_upkeep.cc.
class RedisStore : public OnlineStore, public ViewReplacer {
 public:
  struct Keys {
    std::string prefix;         // of every key of ours
    std::string feast_project;  // "": none of Feast's
    std::string project;        // whose they are
  };

  RedisStore(std::unique_ptr<RedisRoute> route, Keys keys, Metrics& metrics)
      : route_(std::move(route)), keys_(std::move(keys)), metrics_(metrics) {}

  Status apply(const gold::FeatureView& view,
               const data::Batch& rows,
               std::optional<int64_t> expected,
               int64_t position,
               EventTime applied_until,
               std::span<const data::EntityKey> anew) override;
  Result<std::optional<AppliedTo>> applied_to(const gold::FeatureView& view) override {
    return applied_to(RedisUse::kWork, view);
  }
  /// The same, for who does not wait as long.
  Result<std::optional<AppliedTo>> known_applied_to(const gold::FeatureView& view) override {
    return applied_to(RedisUse::kServing, view);
  }
  Result<std::vector<gold::FeatureValues>> read(const gold::FeatureView& view,
                                                std::span<const data::EntityKey> keys,
                                                EventTime now) override;
  Result<std::optional<AppliedTo>> read_flat(const gold::FeatureView& view,
                                             std::span<const data::EntityKey> keys,
                                             EventTime now,
                                             data::FlatValues* values) override;
  /// In one round trip, and of one state.
  Status read_flat_views(std::span<const ViewKeys> asked,
                         EventTime now,
                         data::FlatValues* values,
                         std::vector<std::optional<AppliedTo>>* applied) override;
  std::unique_ptr<PendingRead> begin_read(const gold::FeatureView& view,
                                          std::span<const data::EntityKey> keys,
                                          EventTime now) override;
  Result<EventTime> data_now() override { return data_now(RedisUse::kWork); }
  Result<EventTime> known_data_now() override { return data_now(RedisUse::kServing); }
  Result<std::vector<std::string>> views() override;
  Status drop(const std::string& storage_name) override;
  Status remove_leftovers() override;
  Status replace(const gold::FeatureView& view, const std::string& filled) override;
  Result<uint64_t> content_hash_at(const gold::FeatureView& view,
                                   std::optional<EventTime> now) override;

  /// Fail now rather than at the first request, and when the keys are another project's.
  Status open(bool read_only);

 private:
  class Pending;
  /// A view's record: which epoch its rows belong to, and where it stands.
  struct Record {
    uint64_t epoch = 0;
    ViewMeta meta;
  };
  using Records = std::map<std::string, Record>;
  /// What an apply changes.
  struct Changed {
    std::vector<RedisCommand> commands;  // of our keys
    std::vector<RedisCommand> feast;     // of Feast's
    int64_t written = 0;                 // entities
  };

  using Answers = std::vector<gold::FeatureValues>;
  /// Keys that answer for entities, if the view's epoch is the one that is known.
  struct Wanted {
    uint64_t epoch = 0;
    std::vector<std::string> keys;
  };

  Wanted wanted(const gold::FeatureView& view, std::span<const data::EntityKey> keys);
  /// Hands the row of each entity to `take`, "" where there is none, and says where the view
  /// stands. False when the epoch was another, which is known from then on.
  template <typename Take>
  Result<bool> each_row(const ViewKeys& asked,
                        const Wanted& wanted,
                        std::span<const RedisReply> values,
                        std::optional<AppliedTo>* applied,
                        const Take& take);
  /// Nothing when the epoch was another.
  Result<std::optional<Answers>> answers(const ViewKeys& asked,
                                         EventTime now,
                                         const Wanted& wanted,
                                         std::span<const RedisReply> values);
  /// False when the epoch of one of the views was another.
  Result<bool> try_read_flat(std::span<const ViewKeys> asked,
                             EventTime now,
                             data::FlatValues* values,
                             std::vector<std::optional<AppliedTo>>* applied);
  static std::string encode_record(const std::string& name, const Record& record);
  static Result<std::optional<Record>> decode_record(const std::string& name,
                                                     const RedisReply& reply);
  Status apply_once(const ViewChange& change, int64_t* written);
  Status try_apply(RedisConnection& redis, const ViewChange& change, int64_t* written);
  Result<Changed> prepare(RedisConnection& redis,
                          const ViewChange& change,
                          const RedisReply& record);
  Status change_rows(RedisConnection& redis,
                     const ViewChange& change,
                     const std::optional<Record>& record,
                     uint64_t epoch,
                     Changed* changed);
  Status forget(const ViewChange& change,
                uint64_t epoch,
                const FeastLayout* feast,
                Changed* changed);
  /// Epochs of a view's rows before and after they are replaced.
  struct Replaced {
    std::optional<uint64_t> old;
    Record now;
  };
  Status replace_record(RedisConnection& redis,
                        const gold::FeatureView& view,
                        const std::string& filled,
                        Replaced* replaced);
  Status write_feast(const gold::FeatureView& view, const Replaced& replaced);
  Status put_feast(const gold::FeatureView& view,
                   const FeastLayout& feast,
                   const Record& record,
                   const std::vector<std::string>& row_keys);
  Status erase_feast(const FeastLayout& feast,
                     const Replaced& replaced,
                     const std::vector<std::string>& row_keys);
  /// What Feast's values are as of. Its layout has no future: all that was applied is visible in
  /// it, and what came last counts in windows from the end of its slide on.
  static EventTime instant_for_feast(const gold::FeatureView& view, EventTime applied);
  Result<std::optional<AppliedTo>> applied_to(RedisUse use, const gold::FeatureView& view);
  Result<EventTime> data_now(RedisUse use);
  Result<std::optional<Record>> record(RedisUse use, const std::string& name);
  Result<Records> records(RedisUse use);
  Status sweep();
  Status sweep_found(const std::vector<std::string>& keys,
                     const std::set<std::string>& live,
                     const std::map<std::string, FeastLayout>& layouts);
  Result<std::map<std::string, FeastLayout>> dead_layouts(const std::set<std::string>& live,
                                                          std::vector<std::string>* keys);
  Status scan(const std::string& prefix,
              const std::function<Status(const std::vector<std::string>&)>& visit);
  Status corrupt(const gold::FeatureView& view, const data::EntityKey& key, const Status& why);

  /// Answers to commands that only read.
  Result<std::vector<RedisReply>> ask(RedisUse use, const std::vector<RedisCommand>& commands);
  Status write(const std::vector<RedisCommand>& commands);

  [[nodiscard]] std::string key(std::string_view rest) const {
    return keys_.prefix + ":" + std::string(rest);
  }
  /// Stands while rows of epochs that no view has may be there.
  [[nodiscard]] std::string sweep_key() const { return key("sweep"); }
  [[nodiscard]] std::string record_key(const std::string& name) const {
    return key("view:" + name);
  }
  [[nodiscard]] std::string row_prefix(uint64_t epoch) const {
    return key("row:" + std::to_string(epoch) + ":");
  }
  uint64_t known_epoch(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return epochs_[name];
  }
  void know_epoch(const std::string& name, uint64_t epoch) {
    const std::lock_guard lock(mutex_);
    epochs_[name] = epoch;
  }

  const std::unique_ptr<RedisRoute> route_;
  const Keys keys_;
  StoreMetrics metrics_;
  std::mutex mutex_;
  std::map<std::string, uint64_t> epochs_;  // of views read before: which keys to ask for at once
};

}  // namespace assay::online
