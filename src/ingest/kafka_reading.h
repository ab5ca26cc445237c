#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "ingest/kafka_client.h"
#include "ingest/kafka_marks.h"
#include "ingest/kafka_parts.h"
#include "ingest/kafka_source.h"

namespace assay::ingest {

/// A partition that is being read.
struct KafkaReading {
  KafkaPart part;                 // records get its numbers
  int64_t offset = 0;             // of the next record to hand out
  OffsetRange was{};              // what the partition held when reading began
  bool at_end = false;            // the end was seen, and nothing since
  bool is_mine = true;            // false: a group has given it to another
  bool was_read = false;          // before reading began
  std::optional<EventTime> sent;  // of the last record handed out, or found again
  std::optional<KafkaMark> last;  // the last record that was taken, here or before
  bool looks_for_last = false;    // it is fetched once more, to see that it still stands there

  [[nodiscard]] int64_t fetched_from() const { return looks_for_last ? last->offset : offset; }
  [[nodiscard]] bool has_read_backlog() const { return at_end || offset >= was.end || !is_mine; }
};

/// Where a partition of `parts` is read on: behind the newest part of it that was read, unless a
/// newer one begins it anew.
KafkaReading begin_reading(const std::vector<KafkaPart>& parts,
                           const TopicPartition& partition,
                           const PartsDone& done);

/// What a table keeps of the last records that were taken, where it stands at `positions`.
PartMarks marks_of(const std::vector<KafkaReading>& readings, const PartPositions& positions);

/// Leave out of a block the last records that were taken before. Gives the readings (by index) that
/// have another one in its place: their topics were made again. Where it is gone nothing is told.
std::vector<std::size_t> take_last_records(KafkaBlock& block, std::vector<KafkaReading>& readings);

/// Messages that are handed out: position and index of each, by position; and how far each part is
/// then.
struct NumberedMessages {
  std::vector<std::pair<int64_t, std::size_t>> order;
  PartPositions ends;
};
/// Number messages, those of a partition by its part, or by a new one when the records that a
/// number can count are used up, and move the readings behind them.
Result<NumberedMessages> number_messages(const std::vector<KafkaMessage>& messages,
                                         KafkaParts& parts,
                                         std::vector<KafkaReading>& readings);

/// What became of records that were not read.
enum class KafkaLoss {
  kGone,          // the oldest ones are no longer kept
  kEndsEarlier,   // a topic made again, or a broker that lost records
  kOtherRecords,  // the same, as told by the last record
  kOtherTopic,    // the same, as told by its id
  kNotThere,      // a broker had not what it was asked for
};
/// What a reading has lost, as told by where its partition begins and ends; nothing: nothing.
std::optional<KafkaLoss> loss_of(const KafkaReading& reading);
/// kFailedPrecondition, and what to do about it.
Status kafka_loss(const std::string& source, const KafkaReading& reading, KafkaLoss loss);

}  // namespace assay::ingest
