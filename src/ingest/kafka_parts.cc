#include "ingest/kafka_parts.h"

#include <algorithm>
#include <map>
#include <utility>

namespace assay::ingest {
namespace {

/// Fingerprint of an entry that begins a partition anew after its records were lost.
constexpr uint64_t kBegunAnew = 1;
/// So often another process may be quicker.
constexpr int kTriesMax = 100;

std::optional<TopicPartition> parse_part_name(const std::string& name) {
  const std::size_t slash = name.rfind('/');
  if (slash == std::string::npos) {
    return std::nullopt;
  }
  int32_t number = 0;
  for (const char c : name.substr(slash + 1)) {
    number = number * 10 + (c - '0');
  }
  return TopicPartition{name.substr(0, slash), number};
}

/// The name under which the ledger keeps which topics the parts are of.
std::string topics_ledger_name(const std::string& source) {
  return "kafka_topics:" + source;
}

}  // namespace

Status KafkaParts::load() {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<SourceFile> known,
                         ledger_.known(kafka_ledger_name(source_)));
  parts_.clear();
  for (const SourceFile& entry : known) {
    const std::optional<TopicPartition> partition = parse_part_name(entry.path);
    if (!partition.has_value()) {
      return {Code::kCorrupt, "the ledger names a partition " + entry.path};
    }
    parts_.push_back(
        {*partition, entry.ordinal, entry.begin_bytes, entry.fingerprint == kBegunAnew});
  }
  return load_topics();
}

/// Entries name a part by its ordinal, in `begin_bytes`; `fingerprint` is the topic's id. The first
/// one of a part is true.
Status KafkaParts::load_topics() {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<SourceFile> said,
                         ledger_.known(topics_ledger_name(source_)));
  topics_said_ = static_cast<int64_t>(said.size());
  for (const SourceFile& entry : said) {
    const auto part = std::find_if(parts_.begin(), parts_.end(), [&](const KafkaPart& one) {
      return one.ordinal == entry.begin_bytes;
    });
    if (part != parts_.end() && part->topic_id == 0) {
      part->topic_id = entry.fingerprint;
    }
  }
  return {};
}

const KafkaPart* KafkaParts::newest(const TopicPartition& partition) const {
  const auto found = std::find_if(parts_.rbegin(), parts_.rend(), [&](const KafkaPart& part) {
    return part.partition == partition;
  });
  return found == parts_.rend() ? nullptr : &*found;
}

Status KafkaParts::check_count(const std::string& topic, int32_t count) const {
  for (const KafkaPart& part : parts_) {
    if (part.partition.topic == topic && part.partition.partition >= count) {
      return {Code::kFailedPrecondition,
              "source `" + source_ + "`: topic " + topic + " has " + std::to_string(count) +
                  " partitions and had more: it was made anew. To read it from its beginning, say "
                  "`on_lost: skip`"};
    }
  }
  return {};
}

Status KafkaParts::add_entries(const std::vector<Begin>& begins, bool begun_anew) {
  std::vector<SourceFile> entries;
  for (const Begin& begin : begins) {
    SourceFile entry;
    entry.ordinal = static_cast<int64_t>(parts_.size() + entries.size());
    entry.path = begin.partition.name();
    entry.begin_bytes = begin.base;
    entry.fingerprint = begun_anew ? kBegunAnew : 0;
    entries.push_back(std::move(entry));
  }
  ASSAY_RETURN_IF_ERROR(ledger_.add(kafka_ledger_name(source_), entries));
  for (std::size_t i = 0; i < begins.size(); ++i) {
    parts_.push_back({begins[i].partition, entries[i].ordinal, begins[i].base, begun_anew});
  }
  return {};
}

Status KafkaParts::add(const std::vector<Begin>& begins) {
  return begins.empty() ? Status() : add_entries(begins, false);
}

Result<KafkaPart> KafkaParts::add_behind(const Begin& begin, bool begun_anew) {
  for (int tries = 1;; ++tries) {
    const Status added = add_entries({begin}, begun_anew);
    if (added.ok()) {
      return parts_.back();
    }
    if (added.code() != Code::kAlreadyExists || tries == kTriesMax) {
      return added;
    }
    ASSAY_RETURN_IF_ERROR(load());
    const KafkaPart* part = newest(begin.partition);
    if (part != nullptr && part->base == begin.base && part->begun_anew == begun_anew) {
      return *part;
    }
  }
}

Status KafkaParts::note_topic(int64_t ordinal, uint64_t topic_id) {
  const auto part = std::find_if(
      parts_.begin(), parts_.end(), [&](const KafkaPart& one) { return one.ordinal == ordinal; });
  for (int tries = 1; topic_id != 0 && part != parts_.end() && part->topic_id == 0; ++tries) {
    SourceFile entry;
    entry.ordinal = topics_said_;
    entry.path = part->partition.name();
    entry.begin_bytes = ordinal;
    entry.fingerprint = topic_id;
    const Status added = ledger_.add(topics_ledger_name(source_), {entry});
    if (added.ok()) {
      part->topic_id = topic_id;
      ++topics_said_;
    } else if (added.code() != Code::kAlreadyExists || tries == kTriesMax) {
      return added;
    } else {
      ASSAY_RETURN_IF_ERROR(load_topics());
    }
  }
  return {};
}

PartsSeen parts_seen(const KafkaLook& look,
                     const std::vector<std::string>& topics,
                     const std::vector<KafkaPart>& parts) {
  std::map<TopicPartition, const KafkaPart*> newest;
  for (const KafkaPart& part : parts) {
    newest[part.partition] = &part;
  }
  PartsSeen seen;
  for (const auto& [partition, part] : newest) {  // those that the topic has no longer
    const auto count = look.partitions.find(partition.topic);
    seen.are_others = seen.are_others ||
                      (count != look.partitions.end() && partition.partition >= count->second);
  }
  for (const auto& [partition, end] : look.ends) {
    if (std::count(topics.begin(), topics.end(), partition.topic) == 0) {
      continue;
    }
    const auto part = newest.find(partition);
    if (part == newest.end()) {
      seen.are_others = true;
      continue;
    }
    const auto id = look.ids.find(partition.topic);
    seen.are_others = seen.are_others || (id != look.ids.end() && id->second != 0 &&
                                          id->second != part->second->topic_id);
    seen.ends[part->second->ordinal] = part->second->position_of(end);
  }
  return seen;
}

std::string kafka_ledger_name(const std::string& source) {
  return "kafka:" + source;
}

}  // namespace assay::ingest
