#include "ingest/kafka_source.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "base/check.h"
#include "ingest/kafka_client.h"
#include "ingest/kafka_discovery.h"
#include "ingest/kafka_parts.h"
#include "ingest/kafka_reading.h"
#include "ingest/kafka_records.h"
#include "ingest/schema_registry.h"

namespace assay::ingest {
namespace {

/// Whether what stands beside values is kept.
bool needs_meta(const catalog::SourceDef& definition, const KafkaSource::Options& options) {
  return options.keep_meta || definition.format == catalog::Format::kDebezium ||
         !definition.kafka->dead_letter.empty();
}

class KafkaTopics : public KafkaSource {
 public:
  KafkaTopics(World& world,
              const catalog::SourceDef& definition,
              FileLedger& ledger,
              const Options& options,
              std::unique_ptr<KafkaConsumer> consumer,
              std::unique_ptr<SchemaResolver> resolver)
      : world_(world),
        definition_(definition),
        kafka_(*definition_.kafka),
        options_(options),
        consumer_(std::move(consumer)),
        resolver_(std::move(resolver)),
        parts_(ledger, definition_.name),
        discovery_(
            world, definition_, {options_.timeout, !options_.group.empty()}, *consumer_, parts_) {}

  Result<int64_t> discover() override {
    const Result<int64_t> grown = discovery_.look();
    const bool is_member = !options_.group.empty();
    if (is_member && grown.code() == Code::kFailedPrecondition) {
      made_again_ = grown.status();
    } else if (is_member && std::any_of(reading_.begin(), reading_.end(), [&](const auto& one) {
                 return one.is_mine && discovery_.is_of_another(one.part);
               })) {
      made_again_ = {Code::kAborted, "source `" + definition_.name + "`: a topic was made anew"};
    }
    return grown;
  }

  Status seek(const PartsDone& done) override {
    positions_ = done.positions;
    reading_.clear();
    std::set<TopicPartition> placed;
    const std::vector<KafkaPart> parts = parts_.all();  // place() may add one
    for (const KafkaPart& part : parts) {
      if (is_read(part) && placed.insert(part.partition).second) {
        ASSAY_ASSIGN_OR_RETURN(reading_.emplace_back(), place(part.partition, done));
      }
    }
    return assign();
  }

  Status join() override {
    positions_.clear();
    reading_.clear();
    return consumer_->join(kafka_.topics).with_context("source `" + definition_.name + "`");
  }

  [[nodiscard]] const std::optional<Rebalance>& rebalance() const override { return rebalance_; }

  Status take(const PartsDone& done) override {
    ASSAY_CHECK(rebalance_.has_value() && rebalance_->gives);
    std::vector<std::pair<TopicPartition, int64_t>> from;
    for (const TopicPartition& partition : moving_) {
      if (parts_.newest(partition) == nullptr) {
        return {Code::kUnavailable,
                "source `" + definition_.name + "`: the brokers do not agree that there is " +
                    partition.name()};
      }
      ASSAY_ASSIGN_OR_RETURN(KafkaReading taken, place(partition, done));
      from.emplace_back(partition, taken.fetched_from());
      const auto at = reading_of(partition);
      if (at == reading_.end()) {
        reading_.push_back(std::move(taken));
      } else {
        *at = std::move(taken);
      }
    }
    rebalance_.reset();
    return consumer_->take(from).with_context("source `" + definition_.name + "`");
  }

  Status give_up() override {
    ASSAY_CHECK(rebalance_.has_value() && !rebalance_->gives);
    for (const TopicPartition& partition : moving_) {
      const auto at = reading_of(partition);
      if (at == reading_.end()) {
        continue;
      }
      at->is_mine = false;
      forget(static_cast<std::size_t>(at - reading_.begin()));
    }
    rebalance_.reset();
    return consumer_->give_up(moving_).with_context("source `" + definition_.name + "`");
  }

  Result<PartsSeen> see(const KafkaLook& look) override {
    ASSAY_RETURN_IF_ERROR(parts_.load());
    discovery_.note(look);  // with which parts are compared that others have numbered by then
    return parts_seen(look, kafka_.topics, parts_.all());
  }

  [[nodiscard]] std::string part_name(int64_t ordinal) const override {
    for (const KafkaPart& part : parts_.all()) {
      if (part.ordinal == ordinal) {
        return part.partition.name();
      }
    }
    return "";
  }

  [[nodiscard]] const std::string& group_trouble() const override { return group_trouble_; }

  [[nodiscard]] const PartPositions& positions() const override { return positions_; }

  [[nodiscard]] PartMarks marks() const override { return marks_of(reading_, positions_); }

  Result<std::optional<RecordBatch>> next(int64_t records_max, Duration wait) override {
    ASSAY_RETURN_IF_ERROR(made_again_);
    if (held_ == nullptr) {
      Result<std::unique_ptr<KafkaBlock>> block =
          in_source(consumer_->poll(std::max<int64_t>(1, records_max), wait));
      if (block.code() == Code::kNotFound) {  // as one that has just come back says it, too
        ASSAY_RETURN_IF_ERROR(discover().status());
        return Status(Code::kUnavailable, block.status().message());
      }
      ASSAY_ASSIGN_OR_RETURN(held_, std::move(block));
      ASSAY_RETURN_IF_ERROR(look_at_last_records());
      ASSAY_RETURN_IF_ERROR(note_rebalance());
    }
    // Not handed out, and no position moved, before the schemas are known.
    const auto patience = options_.waits_for_registry ? SchemaResolver::Patience::kEndless
                                                      : SchemaResolver::Patience::kTimeout;
    ASSAY_ASSIGN_OR_RETURN(const bool is_ready, find_schemas(held_->messages, wait, patience));
    if (!is_ready) {
      return std::optional<RecordBatch>();
    }
    const std::unique_ptr<KafkaBlock> block = std::move(held_);
    std::optional<RecordBatch> batch;
    if (!block->messages.empty()) {
      ASSAY_ASSIGN_OR_RETURN(batch, batch_of(block->messages));
    }
    for (const auto& [index, offset] : block->ends) {
      KafkaReading& reading = reading_[index];
      reading.offset = std::max(reading.offset, offset);
      reading.at_end = reading.offset == offset;
      positions_[reading.part.ordinal] = reading.part.position_of(reading.offset);
    }
    for (const std::size_t index : block->lost) {
      ASSAY_RETURN_IF_ERROR(go_on_where_lost(reading_[index]));
    }
    return batch;
  }

  Result<RecordBatch> read_until(const PartPositions& end, Duration wait) override {
    const Duration started = world_.clock.monotonic();
    std::vector<KafkaReading> all = reading_;
    // Only the parts that are asked for, so that nothing else is fetched and dropped.
    reading_.erase(std::remove_if(reading_.begin(),
                                  reading_.end(),
                                  [&](const KafkaReading& reading) {
                                    const auto found = end.find(reading.part.ordinal);
                                    return found == end.end() ||
                                           reading.part.offset_of(found->second) <= reading.offset;
                                  }),
                   reading_.end());
    ASSAY_RETURN_IF_ERROR(assign());
    std::vector<std::unique_ptr<KafkaBlock>> blocks;
    std::vector<KafkaMessage> messages;
    const auto is_done = [&](const KafkaReading& reading) {
      return reading.offset >= reading.part.offset_of(end.at(reading.part.ordinal));
    };
    std::vector<KafkaReading> progress = reading_;
    while (!std::all_of(progress.begin(), progress.end(), is_done)) {
      if (options_.stop != nullptr && options_.stop->load()) {
        return Status(Code::kCancelled, "stopped while records were read again");
      }
      if (world_.clock.monotonic().micros - started.micros > wait.micros) {
        return Status(Code::kUnavailable,
                      "source `" + definition_.name +
                          "`: records that the online store already has did not come again");
      }
      ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<KafkaBlock> block, consumer_->poll(10'000, {100'000}));
      const std::vector<std::size_t> anew = take_last_records(*block, progress);
      if (!anew.empty() && kafka_.on_lost == catalog::OnLost::kFail) {
        return kafka_loss(definition_.name, progress[anew.front()], KafkaLoss::kOtherRecords);
      }
      if (!anew.empty()) {  // what is asked for is not there; who reads on looks for himself
        reading_ = std::move(all);
        ASSAY_RETURN_IF_ERROR(assign());
        return RecordBatch();
      }
      for (const std::size_t index : block->lost) {
        if (!std::exchange(progress[index].looks_for_last, false)) {
          return kafka_loss(definition_.name, progress[index], KafkaLoss::kNotThere);
        }
        ASSAY_RETURN_IF_ERROR(go_to(progress[index]));
      }
      const std::size_t held = messages.size();
      for (const KafkaMessage& message : block->messages) {
        KafkaReading& reading = progress[message.partition];
        if (!is_done(reading) &&
            message.offset < reading.part.offset_of(end.at(reading.part.ordinal))) {
          messages.push_back(message);
        }
        reading.offset = std::max(reading.offset, message.offset + 1);
      }
      for (const auto& [index, offset] : block->ends) {
        progress[index].offset = std::max(progress[index].offset, offset);
      }
      if (messages.size() > held) {
        blocks.push_back(std::move(block));
      }
    }
    for (bool is_ready = false; !is_ready;) {
      if (options_.stop != nullptr && options_.stop->load()) {
        return Status(Code::kCancelled, "stopped while the schema registry was waited for");
      }
      ASSAY_ASSIGN_OR_RETURN(
          is_ready, find_schemas(messages, wait, SchemaResolver::Patience::kTimeout));
    }
    ASSAY_ASSIGN_OR_RETURN(RecordBatch batch, batch_of(messages));
    for (const auto& [ordinal, position] : end) {
      positions_[ordinal] = std::max(positions_[ordinal], position);
      for (KafkaReading& reading : all) {
        if (reading.part.ordinal == ordinal) {
          const auto read = reading_of(reading.part.partition);
          reading.last = read == reading_.end() ? reading.last : read->last;
          reading.looks_for_last = reading.looks_for_last && read == reading_.end();
          reading.offset = std::max(reading.offset, reading.part.offset_of(position));
        }
      }
    }
    reading_ = std::move(all);
    ASSAY_RETURN_IF_ERROR(assign());
    return batch;
  }

  [[nodiscard]] bool waits_for_schemas() const override {
    return held_ != nullptr && resolver_ != nullptr && resolver_->is_silent();
  }

  [[nodiscard]] bool at_end() const override {
    return std::all_of(reading_.begin(), reading_.end(), [](const KafkaReading& reading) {
      return reading.at_end || !reading.is_mine;
    });
  }

  [[nodiscard]] bool has_read_backlog() const override {
    return std::all_of(reading_.begin(), reading_.end(), [](const KafkaReading& reading) {
      return reading.has_read_backlog();
    });
  }

  [[nodiscard]] bool part_at_end(int64_t ordinal) const override {
    for (const KafkaReading& reading : reading_) {
      if (reading.part.ordinal == ordinal) {
        return reading.at_end;
      }
    }
    return true;  // a number that is not counted on any more
  }

  [[nodiscard]] PartPositions known_ends() const override {
    PartPositions ends;
    for (const KafkaReading& reading : reading_) {
      if (reading.is_mine) {
        const int64_t end =
            std::max(reading.was.end, consumer_->last_seen_end(reading.part.partition));
        ends[reading.part.ordinal] = reading.part.position_of(std::max(end, reading.offset));
      }
    }
    return ends;
  }

  [[nodiscard]] int64_t lag() const override {
    int64_t lag = 0;
    for (const KafkaReading& reading : reading_) {
      lag += reading.is_mine ? lag_of(reading) : 0;
    }
    return lag;
  }

  [[nodiscard]] std::vector<PartLag> part_lags() const override {
    std::vector<PartLag> lags;
    for (const KafkaReading& reading : reading_) {
      if (reading.is_mine) {
        lags.push_back(
            {reading.part.partition.name(), lag_of(reading), reading.sent, reading.offset});
      }
    }
    return lags;
  }

 private:
  /// An answer of the client's, whose failure says of which source it is.
  template <typename Answer>
  [[nodiscard]] Result<Answer> in_source(Result<Answer> answer) const {
    if (answer.ok()) {
      return answer;
    }
    return std::move(answer).status().with_context("source `" + definition_.name + "`");
  }

  [[nodiscard]] int64_t lag_of(const KafkaReading& reading) const {
    const int64_t was = reading.has_read_backlog() ? 0 : reading.was.end;
    const int64_t end = std::max(was, consumer_->last_seen_end(reading.part.partition));
    return std::max<int64_t>(0, end - reading.offset);
  }

  [[nodiscard]] bool is_read(const KafkaPart& part) const {
    return std::count(kafka_.topics.begin(), kafka_.topics.end(), part.partition.topic) != 0;
  }

  [[nodiscard]] std::vector<KafkaReading>::iterator reading_of(const TopicPartition& partition) {
    return std::find_if(reading_.begin(), reading_.end(), [&](const KafkaReading& reading) {
      return reading.part.partition == partition;
    });
  }

  Status note_rebalance() {
    if (!held_->group_trouble.empty()) {
      group_trouble_ = held_->group_trouble;
    }
    if (!held_->rebalance.has_value()) {
      return {};
    }
    group_trouble_.clear();
    moving_ = held_->rebalance->partitions;
    rebalance_ = {held_->rebalance->gives, held_->rebalance->is_lost, {}};
    if (rebalance_->gives) {
      ASSAY_RETURN_IF_ERROR(parts_.load());  // others may have numbered some anew
    }
    const bool has_numbers = std::all_of(moving_.begin(), moving_.end(), [&](const auto& moving) {
      return parts_.newest(moving) != nullptr;
    });
    if (rebalance_->gives && !has_numbers) {
      ASSAY_RETURN_IF_ERROR(discover().status());  // the topics have grown
    }
    for (const TopicPartition& partition : moving_) {
      for (const KafkaPart& part : parts_.all()) {
        if (part.partition == partition) {
          rebalance_->ordinals.insert(part.ordinal);
        }
      }
    }
    return {};
  }

  void leave_out(std::size_t index) {
    std::erase_if(held_->messages,
                  [&](const KafkaMessage& message) { return message.partition == index; });
    std::erase_if(held_->ends, [&](const auto& end) { return end.first == index; });
    std::erase(held_->lost, index);
  }

  /// What was fetched of a partition that is given up, and how far it was read.
  void forget(std::size_t index) {
    if (held_ != nullptr) {
      leave_out(index);
    }
    for (const int64_t ordinal : rebalance_->ordinals) {
      positions_.erase(ordinal);
    }
  }

  /// Where a partition is read on, and whether it has what is to be read.
  Result<KafkaReading> place(const TopicPartition& partition, const PartsDone& done) {
    KafkaReading reading = begin_reading(parts_.all(), partition, done);
    ASSAY_ASSIGN_OR_RETURN(reading.was, in_source(consumer_->offsets(partition)));
    reading.looks_for_last = reading.last && reading.last->offset >= reading.was.begin;
    const std::optional<KafkaLoss> loss =
        discovery_.is_of_another(reading.part) ? KafkaLoss::kOtherTopic : loss_of(reading);
    if (loss == KafkaLoss::kGone && !reading.was_read) {
      world_.log.warn("kafka_records_gone_before_first_read",
                      {{"source", definition_.name},
                       {"partition", partition.name()},
                       {"first", reading.offset},
                       {"end", reading.was.begin}});
      reading.offset = reading.was.begin;
    } else if (loss.has_value()) {
      ASSAY_RETURN_IF_ERROR(take_loss(*loss, &reading));
    }
    positions_[reading.part.ordinal] = reading.part.position_of(reading.offset);
    return reading;
  }

  /// Go on without records that were lost, where the user said so: with what the partition has.
  Status take_loss(KafkaLoss loss, KafkaReading* reading) {
    if (kafka_.on_lost == catalog::OnLost::kFail) {
      return kafka_loss(definition_.name, *reading, loss);
    }
    world_.log.error("kafka_records_lost",
                     {{"source", definition_.name},
                      {"partition", reading->part.partition.name()},
                      {"read_to", reading->offset},
                      {"begin", reading->was.begin},
                      {"end", reading->was.end}});
    if (loss != KafkaLoss::kGone) {
      ASSAY_ASSIGN_OR_RETURN(reading->part,
                             discovery_.begin_anew(reading->part.partition, reading->was.begin));
    }
    reading->offset = reading->was.begin;
    reading->last.reset();
    reading->looks_for_last = false;
    return {};
  }

  /// Partitions that have another record where the last one was taken are of a topic that was made
  /// again: they are read from their beginning.
  Status look_at_last_records() {
    for (const std::size_t index : take_last_records(*held_, reading_)) {
      KafkaReading& reading = reading_[index];
      ASSAY_RETURN_IF_ERROR(take_loss(KafkaLoss::kOtherRecords, &reading));
      reading.at_end = false;
      positions_[reading.part.ordinal] = reading.part.position_of(reading.offset);
      leave_out(index);
      ASSAY_RETURN_IF_ERROR(go_to(reading));
    }
    return {};
  }

  Status go_to(const KafkaReading& reading) {
    return consumer_->seek(reading.part.partition, reading.fetched_from())
        .with_context("source `" + definition_.name + "`");
  }

  /// A partition has not what was asked for. A last record that went after it was looked for tells
  /// nothing: what comes behind it is there.
  Status go_on_where_lost(KafkaReading& reading) {
    if (std::exchange(reading.looks_for_last, false)) {
      return go_to(reading);
    }
    ASSAY_ASSIGN_OR_RETURN(reading.was, in_source(consumer_->offsets(reading.part.partition)));
    if (const std::optional<KafkaLoss> loss = loss_of(reading)) {
      ASSAY_RETURN_IF_ERROR(take_loss(*loss, &reading));
    } else if (kafka_.on_lost == catalog::OnLost::kFail) {  // what is there now may be another's
      return kafka_loss(definition_.name, reading, KafkaLoss::kNotThere);
    } else {
      reading.looks_for_last = reading.last && reading.last->offset >= reading.was.begin;
    }
    reading.at_end = false;
    positions_[reading.part.ordinal] = reading.part.position_of(reading.offset);
    return go_to(reading);
  }

  /// Look up the schemas that messages name; false when the registry does not answer for now.
  Result<bool> find_schemas(const std::vector<KafkaMessage>& messages,
                            Duration wait,
                            SchemaResolver::Patience patience) {
    if (resolver_ == nullptr) {
      return true;
    }
    std::vector<std::string_view> values;
    for (const KafkaMessage& message : messages) {
      values.push_back(message.value);
    }
    for (const KafkaMessage& message : messages) {
      if (keeps_meta() && definition_.registry->keys_have_schemas) {
        values.push_back(message.key);
      }
    }
    ASSAY_ASSIGN_OR_RETURN(const bool found, in_source(resolver_->find(values, wait, patience)));
    for (const KafkaMessage& message : messages) {
      KafkaReading& reading = reading_[message.partition];
      reading.at_end = reading.at_end && found;
    }
    return found;
  }

  [[nodiscard]] bool keeps_meta() const { return needs_meta(definition_, options_); }

  Status assign() {
    held_ = nullptr;
    std::vector<std::pair<TopicPartition, int64_t>> from;
    for (KafkaReading& reading : reading_) {
      reading.at_end = false;
      from.emplace_back(reading.part.partition, reading.fetched_from());
    }
    return consumer_->assign(from).with_context("source `" + definition_.name + "`");
  }

  Result<RecordBatch> batch_of(const std::vector<KafkaMessage>& messages) {
    RecordBatch batch;
    batch.source = definition_.name;
    batch.file = kafka_.topics.front();
    batch.format = definition_.format;
    batch.received = world_.clock.now();
    if (resolver_ != nullptr) {
      batch.schemas = resolver_->schemas();
    }
    ASSAY_ASSIGN_OR_RETURN(NumberedMessages numbered, number_messages(messages, parts_, reading_));
    batch.part_end = std::move(numbered.ends);
    KafkaRecords records{messages, std::move(numbered.order), {}};
    for (const KafkaReading& reading : reading_) {
      records.partitions.push_back(reading.part.partition);
    }
    add_kafka_records(definition_, keeps_meta(), records, &batch);
    for (const auto& [ordinal, end] : batch.part_end) {
      positions_[ordinal] = end;
    }
    return batch;
  }

  World& world_;
  const catalog::SourceDef definition_;
  const catalog::KafkaDef& kafka_;
  const Options options_;
  std::unique_ptr<KafkaConsumer> consumer_;
  std::unique_ptr<SchemaResolver> resolver_;  // of records that name their schemas
  std::unique_ptr<KafkaBlock> held_;          // fetched, and waiting for the registry
  KafkaParts parts_;
  KafkaDiscovery discovery_;
  Status made_again_;                   // a topic of which a group's member has partitions
  std::vector<KafkaReading> reading_;   // as they are assigned, or were first taken
  std::optional<Rebalance> rebalance_;  // not answered yet
  std::vector<TopicPartition> moving_;  // by it
  std::string group_trouble_;
  PartPositions positions_;
};

}  // namespace

Result<std::unique_ptr<KafkaSource>> KafkaSource::open(World& world,
                                                       const catalog::SourceDef& definition,
                                                       FileLedger& ledger,
                                                       const Options& options) {
  ASSAY_CHECK(definition.kafka.has_value());
  KafkaClientOptions client;
  client.brokers = definition.kafka->brokers;
  client.settings = definition.kafka->options;
  client.queue_bytes_max = definition.kafka->queue_bytes_max;
  client.reads_headers = needs_meta(definition, options);
  client.timeout = options.timeout;
  client.wakeup = options.wakeup;
  client.group = options.group;
  Result<std::unique_ptr<KafkaConsumer>> consumer = KafkaConsumer::open(world.log, client);
  if (!consumer.ok()) {
    return std::move(consumer).status().with_context("source `" + definition.name + "`");
  }
  std::unique_ptr<SchemaResolver> resolver;
  if (definition.registry.has_value()) {
    resolver = std::make_unique<SchemaResolver>(world, *definition.registry, options.registry, options.left_askers);
  }
  return std::unique_ptr<KafkaSource>(std::make_unique<KafkaTopics>(
      world, definition, ledger, options, std::move(consumer).value(), std::move(resolver)));
}

std::string describe_part_position(const SourceFile& part, int64_t position) {
  return part.path + " offset " +
         std::to_string(part.begin_bytes + (position - (part.ordinal << 32)));
}

}  // namespace assay::ingest
