#include "ingest/kafka_discovery.h"

#include <algorithm>
#include <set>
#include <utility>

namespace assay::ingest {
namespace {

/// So often another process may number partitions at the same time.
constexpr int kTriesMax = 100;
/// A topic that was there is gone when brokers say so for this long.
constexpr Duration kGoneAfter{5 * kMicrosPerSecond};

}  // namespace

Result<KafkaLook> look_at_topics(KafkaConsumer& consumer,
                                 const std::vector<std::string>& topics,
                                 Duration patience,
                                 Duration wait,
                                 const std::stop_token& stop) {
  const Status stopped(Code::kCancelled, "stopped while topics were asked for");
  KafkaLook look;
  std::vector<TopicPartition> all;
  for (const std::string& topic : topics) {
    if (stop.stop_requested()) {
      return stopped;
    }
    ASSAY_ASSIGN_OR_RETURN(look.partitions[topic], consumer.partitions(topic, patience));
    for (int32_t partition = 0; partition < look.partitions[topic]; ++partition) {
      all.push_back({topic, partition});
    }
  }
  // Without an answer the next look compares.
  const Result<std::vector<uint64_t>> ids = consumer.topic_ids(topics);
  for (std::size_t i = 0; ids.ok() && i < topics.size(); ++i) {
    look.ids[topics[i]] = (*ids)[i];
  }
  if (stop.stop_requested()) {
    return stopped;
  }
  if (!all.empty()) {
    const Result<std::vector<int64_t>> ends = consumer.ends(all, wait);
    if (ends.code() == Code::kNotFound) {  // a leader that has just come back may not know it yet
      return Status(Code::kUnavailable, ends.status().message());
    }
    ASSAY_RETURN_IF_ERROR(ends.status());
    for (std::size_t i = 0; i < all.size(); ++i) {
      look.ends[all[i]] = (*ends)[i];
    }
  }
  return look;
}

Result<std::optional<EventTime>> first_sent_from(KafkaConsumer& consumer,
                                                 const TopicPartition& partition,
                                                 int64_t offset,
                                                 Duration wait) {
  constexpr int64_t kPolls = 10;
  ASSAY_RETURN_IF_ERROR(consumer.assign({{partition, offset}}));
  std::optional<EventTime> sent;
  Status failed;
  for (int64_t i = 0; i < kPolls && failed.ok(); ++i) {
    const Result<std::unique_ptr<KafkaBlock>> block = consumer.poll(1, {wait.micros / kPolls});
    failed = block.status();
    if (failed.ok() && !(*block)->messages.empty()) {
      const int64_t sent_ms = (*block)->messages.front().timestamp_ms;
      sent = sent_ms < 0 ? std::nullopt : std::optional(EventTime{sent_ms * 1'000});
      break;
    }
    if (failed.ok() && !((*block)->ends.empty() && (*block)->lost.empty())) {
      break;  // there is none, or none any more
    }
  }
  ASSAY_RETURN_IF_ERROR(consumer.assign({}));
  ASSAY_RETURN_IF_ERROR(failed);
  return sent;
}

KafkaDiscovery::KafkaDiscovery(World& world,
                               const catalog::SourceDef& definition,
                               const Options& options,
                               KafkaConsumer& consumer,
                               KafkaParts& parts)
    : world_(world),
      definition_(definition),
      kafka_(*definition.kafka),
      options_(options),
      consumer_(consumer),
      parts_(parts) {}

Result<int64_t> KafkaDiscovery::look() {
  for (int tries = 1;; ++tries) {
    ASSAY_RETURN_IF_ERROR(parts_.load());
    ASSAY_ASSIGN_OR_RETURN(const std::vector<KafkaParts::Begin> found, unnumbered());
    const Status added = parts_.add(found);
    if (added.ok()) {
      ASSAY_RETURN_IF_ERROR(compare_ids());
      return static_cast<int64_t>(found.size());
    }
    if (added.code() != Code::kAlreadyExists || tries == kTriesMax) {
      return added;
    }
  }
}

void KafkaDiscovery::note(const KafkaLook& look) {
  ids_ = look.ids;
  partitions_ = look.partitions;
}

bool KafkaDiscovery::is_of_another(const KafkaPart& part) const {
  const uint64_t now = id_of(part.partition.topic);
  return now != 0 && part.topic_id != 0 && part.topic_id != now;
}

Result<KafkaPart> KafkaDiscovery::begin_anew(const TopicPartition& partition, int64_t base) {
  ASSAY_ASSIGN_OR_RETURN(const KafkaPart part, parts_.add_behind({partition, base}, true));
  ASSAY_RETURN_IF_ERROR(parts_.note_topic(part.ordinal, id_of(partition.topic)));
  return *parts_.newest(partition);
}

/// Partitions of the topics that have no number yet.
Result<std::vector<KafkaParts::Begin>> KafkaDiscovery::unnumbered() {
  const bool is_first = parts_.all().empty();
  const std::string context = "source `" + definition_.name + "`";
  std::vector<TopicPartition> found;
  for (const std::string& topic : kafka_.topics) {
    const bool was_found = parts_.newest({topic, 0}) != nullptr;
    const Duration patience = was_found ? std::min(kGoneAfter, options_.timeout) : Duration{0};
    const Result<int32_t> count = consumer_.partitions(topic, patience);
    if (!count.ok()) {
      return Status(count.status()).with_context(context);
    }
    if (kafka_.on_lost == catalog::OnLost::kFail) {
      ASSAY_RETURN_IF_ERROR(parts_.check_count(topic, *count));
    }
    partitions_[topic] = *count;
    for (int32_t partition = 0; partition < *count; ++partition) {
      if (parts_.newest({topic, partition}) == nullptr) {
        found.push_back({topic, partition});
      }
    }
  }
  // Before any offset is asked for: what is numbered must not be of an older topic than its id.
  ask_for_ids();
  std::vector<KafkaParts::Begin> begins;
  for (const TopicPartition& partition : found) {
    ASSAY_ASSIGN_OR_RETURN(const OffsetRange range, consumer_.offsets(partition));
    const bool from_end = is_first && kafka_.start == catalog::KafkaStart::kLatest;
    begins.push_back({partition, from_end ? range.end : range.begin});
  }
  return begins;
}

/// Where there is no answer the next look compares.
void KafkaDiscovery::ask_for_ids() {
  ids_.clear();
  const Result<std::vector<uint64_t>> ids = consumer_.topic_ids(kafka_.topics);
  for (std::size_t i = 0; ids.ok() && i < ids->size(); ++i) {
    ids_[kafka_.topics[i]] = (*ids)[i];
  }
}

/// Parts of which no id is known, as those of older tables, have the one that is seen.
Status KafkaDiscovery::compare_ids() {
  std::set<TopicPartition> looked_at;
  const std::vector<KafkaPart> parts = parts_.all();  // begin_anew() adds some
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (id_of(part->partition.topic) == 0 || !looked_at.insert(part->partition).second) {
      continue;
    }
    if (part->topic_id == 0) {
      ASSAY_RETURN_IF_ERROR(parts_.note_topic(part->ordinal, id_of(part->partition.topic)));
    }
    if (!is_of_another(*parts_.newest(part->partition))) {
      continue;
    }
    if (kafka_.on_lost == catalog::OnLost::kFail) {
      return {Code::kFailedPrecondition,
              "source `" + definition_.name +
                  "`: the topic was made anew: " + part->partition.topic +
                  " has another id than the one that was read. To read it from its beginning, "
                  "beside what the tables have of the old one, say `on_lost: skip`"};
    }
    if (options_.is_member || part->partition.partition >= partitions_[part->partition.topic]) {
      continue;
    }
    const Result<OffsetRange> range = consumer_.offsets(part->partition);
    if (!range.ok()) {
      return range.status();
    }
    world_.log.error("kafka_topic_made_anew",
                     {{"source", definition_.name},
                      {"partition", part->partition.name()},
                      {"begin", range->begin},
                      {"end", range->end}});
    ASSAY_RETURN_IF_ERROR(begin_anew(part->partition, range->begin).status());
  }
  return {};
}

uint64_t KafkaDiscovery::id_of(const std::string& topic) const {
  const auto found = ids_.find(topic);
  return found == ids_.end() ? 0 : found->second;
}

}  // namespace assay::ingest
