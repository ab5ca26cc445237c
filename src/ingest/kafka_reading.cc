#include "ingest/kafka_reading.h"

#include <algorithm>

namespace assay::ingest {
namespace {

constexpr int64_t kPartEnd = int64_t{1} << 32;  // records that one number can count

/// The messages of one reading, which are those at `indices`.
Status number_of_one(const std::vector<KafkaMessage>& messages,
                     const std::vector<std::size_t>& indices,
                     KafkaParts& parts,
                     KafkaReading& reading,
                     NumberedMessages* numbered) {
  for (const std::size_t index : indices) {
    const int64_t offset = messages[index].offset;
    if (offset - reading.part.base >= kPartEnd) {
      if (index != indices.front()) {
        numbered->ends[reading.part.ordinal] = reading.part.position_of(reading.offset);
      }
      ASSAY_ASSIGN_OR_RETURN(reading.part,
                             parts.add_behind({reading.part.partition, offset}, false));
    }
    numbered->order.emplace_back(reading.part.position_of(offset), index);
    reading.offset = offset + 1;
    if (messages[index].timestamp_ms >= 0) {
      reading.sent = EventTime{messages[index].timestamp_ms * 1'000};
    }
  }
  numbered->ends[reading.part.ordinal] = reading.part.position_of(reading.offset);
  reading.last = KafkaMark::of(messages[indices.back()]);
  reading.at_end = false;
  return {};
}

}  // namespace

KafkaReading begin_reading(const std::vector<KafkaPart>& parts,
                           const TopicPartition& partition,
                           const PartsDone& done) {
  KafkaReading reading;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (part->partition != partition) {
      continue;
    }
    const auto position = done.positions.find(part->ordinal);
    reading.part = *part;
    reading.was_read = position != done.positions.end();
    reading.offset = reading.was_read ? part->offset_of(position->second) : part->base;
    if (reading.was_read || part->begun_anew) {
      break;
    }
  }
  const auto mark = done.marks.find(reading.part.ordinal);
  if (reading.was_read && mark != done.marks.end()) {
    reading.last = KafkaMark::decode(mark->second, reading.offset);
  }
  return reading;
}

PartMarks marks_of(const std::vector<KafkaReading>& readings, const PartPositions& positions) {
  PartMarks marks;
  for (const KafkaReading& reading : readings) {
    const auto at = positions.find(reading.part.ordinal);
    if (at == positions.end()) {
      continue;
    }
    if (!reading.last) {
      marks[reading.part.ordinal] = KafkaMark::kNone;
      continue;
    }
    const auto mark = reading.last->encode(reading.part.offset_of(at->second));
    marks[reading.part.ordinal] = mark.value_or(KafkaMark::kNone);
  }
  return marks;
}

std::vector<std::size_t> take_last_records(KafkaBlock& block, std::vector<KafkaReading>& readings) {
  std::vector<std::size_t> anew;
  const bool is_any = std::any_of(
      readings.begin(), readings.end(), [](const KafkaReading& one) { return one.looks_for_last; });
  if (!is_any) {
    return anew;
  }
  std::erase_if(block.messages, [&](const KafkaMessage& message) {
    KafkaReading& reading = readings[message.partition];
    if (reading.looks_for_last) {  // the first of its partition
      reading.looks_for_last = false;
      const std::optional<KafkaMark> found = KafkaMark::of(message);
      const bool is_at_it = message.offset == reading.last->offset;
      const bool is_another = is_at_it && found && found != reading.last;
      // Between the last record and the next one there was none.
      const bool is_between =
          message.offset > reading.last->offset && message.offset < reading.offset;
      if (is_another || is_between) {
        anew.push_back(message.partition);
      } else if (is_at_it && message.timestamp_ms >= 0) {
        reading.sent = EventTime{message.timestamp_ms * 1'000};
      }
    }
    return message.offset < reading.offset;
  });
  for (const auto& [index, offset] : block.ends) {
    readings[index].looks_for_last = false;
  }
  return anew;
}

Result<NumberedMessages> number_messages(const std::vector<KafkaMessage>& messages,
                                         KafkaParts& parts,
                                         std::vector<KafkaReading>& readings) {
  std::vector<std::vector<std::size_t>> of_reading(readings.size());
  for (std::size_t i = 0; i < messages.size(); ++i) {
    of_reading[messages[i].partition].push_back(i);
  }
  NumberedMessages numbered;
  numbered.order.reserve(messages.size());
  for (std::size_t i = 0; i < readings.size(); ++i) {
    if (!of_reading[i].empty()) {
      ASSAY_RETURN_IF_ERROR(number_of_one(messages, of_reading[i], parts, readings[i], &numbered));
    }
  }
  if (!std::is_sorted(numbered.order.begin(), numbered.order.end())) {
    std::sort(numbered.order.begin(), numbered.order.end());
  }
  return numbered;
}

std::optional<KafkaLoss> loss_of(const KafkaReading& reading) {
  if (reading.offset < reading.was.begin) {
    return KafkaLoss::kGone;
  }
  return reading.offset > reading.was.end ? std::optional(KafkaLoss::kEndsEarlier) : std::nullopt;
}

Status kafka_loss(const std::string& source, const KafkaReading& reading, KafkaLoss loss) {
  const std::string name = reading.part.partition.name();
  const std::string read_to = name + " was read up to offset " + std::to_string(reading.offset);
  std::string what;
  switch (loss) {
    case KafkaLoss::kGone:
      what = "records " + std::to_string(reading.offset) + " to " +
             std::to_string(reading.was.begin - 1) + " of " + name +
             " are gone from the broker and were not read";
      break;
    case KafkaLoss::kEndsEarlier:
      what = read_to + " and now ends at " + std::to_string(reading.was.end) +
             ": the topic was made anew, or the broker lost records";
      break;
    case KafkaLoss::kOtherRecords:
      what = read_to + " and has another record at offset " + std::to_string(reading.last->offset) +
             " than was read there: the topic was made anew, or the broker lost records";
      break;
    case KafkaLoss::kOtherTopic:
      what = read_to + ", and its topic has another id since: the topic was made anew";
      break;
    case KafkaLoss::kNotThere:
      what = read_to + ", and the broker said that there is nothing more at that offset: the " +
             "records behind it are gone, or the topic was made anew";
      break;
  }
  return {Code::kFailedPrecondition,
          "source `" + source + "`: " + what + ". To go on without them, say `on_lost: skip`"};
}

}  // namespace assay::ingest
