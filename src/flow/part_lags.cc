#include "flow/part_lags.h"

#include <algorithm>

namespace assay::flow {

void PartLags::note_read(const std::vector<ingest::KafkaSource::PartLag>& parts) {
  const std::lock_guard lock(mutex_);
  for (const ingest::KafkaSource::PartLag& lag : parts) {
    Part& part = parts_[lag.name];
    int64_t records = lag.records;
    const bool has_moved = part.next != lag.next;
    if (part.next.has_value() && lag.next.has_value()) {
      if (*lag.next < *part.next) {  // opened anew where the table stands
        part.had_no_more.reset();
      } else {  // a look may have seen more than who reads
        records = std::max(records, part.records - (*lag.next - *part.next));
      }
    }
    part.next = lag.next;
    part.is_sent_known = lag.sent.has_value() || (part.is_sent_known && !has_moved);
    part.sent = lag.sent.has_value() ? lag.sent : part.sent;
    note_records(part, records);
  }
  tell_all();
}

void PartLags::leave(const std::vector<ingest::KafkaSource::PartLag>& parts) {
  const std::lock_guard lock(mutex_);
  parts_.clear();
  for (const ingest::KafkaSource::PartLag& lag : parts) {
    tell(lag.name, 0, 0);
  }
  tell_source(0);
}

void PartLags::note_look(const ingest::KafkaLook& look) {
  const std::lock_guard lock(mutex_);
  seen_.clear();
  for (const auto& [partition, end] : look.ends) {
    seen_.push_back(partition);
    const auto part = parts_.find(partition.name());
    if (part != parts_.end() && part->second.next.has_value()) {
      // Behind a transaction that is not over a look sees less than the line was told.
      note_records(part->second, std::max(part->second.records, end - *part->second.next));
    }
  }
}

void PartLags::note_records(Part& part, int64_t records) const {
  const EventTime now = world_.clock.now();
  part.records = std::max<int64_t>(0, records);
  if (part.records == 0) {
    part.had_no_more = now;
    part.behind_since.reset();
  } else if (!part.behind_since.has_value()) {
    part.behind_since = now;
  }
}

std::vector<std::pair<ingest::TopicPartition, int64_t>> PartLags::unknown() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<ingest::TopicPartition, int64_t>> found;
  for (const ingest::TopicPartition& partition : seen_) {
    const auto at = parts_.find(partition.name());
    if (at == parts_.end()) {
      continue;
    }
    const Part& part = at->second;
    if (part.next.has_value() && part.records > 0 && !part.is_sent_known) {
      found.emplace_back(partition, *part.next);
    }
  }
  return found;
}

void PartLags::note_next(const ingest::TopicPartition& partition, int64_t offset, EventTime sent) {
  const std::lock_guard lock(mutex_);
  const auto part = parts_.find(partition.name());
  if (part != parts_.end() && part->second.next == offset) {
    part->second.sent = sent;
    part->second.is_sent_known = true;
  }
}

void PartLags::tell() {
  const std::lock_guard lock(mutex_);
  if (!parts_.empty()) {  // else nobody has read yet
    tell_all();
  }
}

void PartLags::tell(const std::string& name, int64_t records, double seconds) const {
  const MetricLabels labels = {{"name", table_}, {"partition", name}};
  world_.metrics
      .gauge("assay_flow_partition_lag_records",
             "Records of the partition that were not taken yet",
             labels)
      .set(static_cast<double>(records));
  world_.metrics
      .gauge("assay_flow_partition_lag_seconds",
             "How long ago the last record taken of a partition that has more was sent, or the next "
             "one where none was taken; 0 when it has no more",
             labels)
      .set(seconds);
}

void PartLags::tell_all() const {
  const EventTime now = world_.clock.now();
  int64_t all = 0;
  for (const auto& [name, part] : parts_) {
    double seconds = 0;
    if (part.records > 0) {
      const EventTime since = std::max(part.sent.value_or(part.behind_since.value_or(now)),
                                       part.had_no_more.value_or(EventTime::min()));
      // A producer's clock may be ahead, and this machine's put back.
      seconds = static_cast<double>(std::max<int64_t>(0, now.micros - since.micros)) / 1e6;
    }
    tell(name, part.records, seconds);
    all += part.records;
  }
  tell_source(all);
}

void PartLags::tell_source(int64_t records) const {
  world_.metrics
      .gauge("assay_flow_source_lag_records",
             "Records of the source that were not taken yet",
             {{"name", table_}})
      .set(static_cast<double>(records));
}

}  // namespace assay::flow
