// What is done when a writer or the machine has stopped in the middle of something.
//
// A writer that was killed: head and index are as its last store left them. `target` says which
// transaction it was showing to readers; it is shown again, to the same end. What stands behind the
// end of the log was acknowledged to nobody and is cut off.
//
// A machine that was restarted: of head and index any pages may be old. The index is read from the
// checkpoint and the log is replayed from there. Records of one key follow one another by
// `previous`; a slot that the checkpoint took later than the log says leads to a record that is
// still to come, and is left alone. Without a checkpoint the log is replayed from its first file;
// the first transaction in there may have begun in a file that is gone, and is taken from there on.

#include <algorithm>
#include <charconv>
#include <set>

#include "base/fail_point.h"
#include "online/crc32c.h"
#include "online/hash_log_writer.h"

namespace assay::online {
namespace {

constexpr std::string_view kUnfinished = "checkpoint.new";

/// Numbers of the files `prefix`N in a folder.
Result<std::set<uint64_t>> numbered_files(World& world,
                                          const std::string& folder,
                                          std::string_view prefix) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<FileInfo> files, world.files.list(folder));
  std::set<uint64_t> numbers;
  for (const FileInfo& file : files) {
    const std::string name = file_name(file.path);
    uint64_t number = 0;
    const char* const end = name.data() + name.size();
    if (name.compare(0, prefix.size(), prefix) == 0 &&
        std::from_chars(name.data() + prefix.size(), end, number).ptr == end &&
        name.size() > prefix.size()) {
      numbers.insert(number);
    }
  }
  return numbers;
}

/// Whether whoever made a log was killed before its first file had its header.
bool file_is_begun(const std::string& path) {
  const Result<uint64_t> bytes = file_bytes(path);
  return bytes.ok() && *bytes < kLogHeaderBytes;
}

/// Slots that lead before `first_place` lead nowhere from now on. How many are used.
Result<uint64_t> settle_slots(HashIndex& index, uint64_t first_place) {
  uint64_t used = 0;
  for (uint64_t number = 0; number < index.slots(); ++number) {
    const std::optional<HashIndex::Entry> entry = index.sound_entry(number);
    if (!entry.has_value()) {
      return index.entry(number).status();
    }
    used += entry->hash != 0 ? 1 : 0;
    if (entry->place != 0 && entry->place < first_place) {
      index.point(number, entry->hash, 0);
    }
  }
  return used;
}

/// Replays a log into an index.
class Replay {
 public:
  /// From `start` on; the first record that there is stands at `first_place`, and no slot leads
  /// before it. `used` slots are claimed.
  Replay(LogFiles& files,
         std::string index_path,
         std::unique_ptr<HashIndex> index,
         uint64_t used,
         uint64_t first_place,
         uint64_t start)
      : files_(files),
        index_path_(std::move(index_path)),
        index_(std::move(index)),
        first_place_(first_place),
        at_(start),
        committed_(start),
        used_(used) {}

  /// Up to the end of the last whole transaction. `known`: the log was at least that long.
  Status run(uint64_t known, uint64_t last_file);
  /// Slots that lead before the log's first place lead nowhere; counts those in use.
  Status settle(uint64_t first_place);

  [[nodiscard]] uint64_t committed() const { return committed_; }
  [[nodiscard]] uint64_t tail() const { return tail_; }
  [[nodiscard]] uint64_t used() const { return used_; }
  [[nodiscard]] HashIndex& index() { return *index_; }
  std::unique_ptr<HashIndex> take_index() { return std::move(index_); }

 private:
  struct Pending {
    uint64_t hash = 0;
    uint64_t previous = 0;
    uint64_t place = 0;
  };
  Result<bool> step(uint64_t last_file);
  [[nodiscard]] bool ends_what_was_read(const CommitRecord& commit) const;
  Status apply();
  Status set(const Pending& pending);
  Result<bool> same_key(uint64_t place, uint64_t other);
  Status grow();
  [[nodiscard]] Result<bool> whole_transaction_behind(uint64_t place, uint64_t last_file);

  LogFiles& files_;
  std::string index_path_;
  std::unique_ptr<HashIndex> index_;
  uint64_t first_place_;
  uint64_t at_;
  uint64_t committed_;
  uint64_t tail_ = 0;
  uint64_t used_ = 0;
  std::vector<Pending> pending_;
  uint32_t checksum_ = 0;
  Status damage_;  // why there is no whole record
};

Status Replay::run(uint64_t known, uint64_t last_file) {
  for (;;) {
    ASSAY_ASSIGN_OR_RETURN(const bool more, step(last_file));
    if (!more) {
      break;
    }
  }
  ASSAY_ASSIGN_OR_RETURN(const bool goes_on, whole_transaction_behind(at_, last_file));
  return goes_on || committed_ < known ? files_.at(at_, Status(Code::kCorrupt, damage_.message()))
                                       : Status();
}

/// Take one record into account. False at the end, or where there is no whole record.
Result<bool> Replay::step(uint64_t last_file) {
  const Result<std::string_view> found = files_.rest(at_);
  if (!found.ok()) {
    damage_ = found.status();
    return false;
  }
  const std::string_view rest = *found;
  if (rest.empty()) {
    damage_ = Status(Code::kCorrupt, "the log was cut");
    return false;
  }
  const Result<LogRecord> record = decode_record(at_, rest);
  if (!record.ok()) {
    damage_ = record.status();
    return false;
  }
  if (record->kind == RecordKind::kEnd) {
    const uint64_t next = files_.file_of(at_) + 1;
    if (next > last_file) {
      damage_ = Status(Code::kCorrupt, "a file of the log is not there");
      return false;
    }
    at_ = files_.first_place(next);
    return true;
  }
  const uint64_t place = at_;
  at_ += record_bytes(*record) / kPlaceBytes;
  if (record->kind != RecordKind::kCommit) {
    checksum_ = crc32c(rest.substr(0, sizeof(uint32_t)), checksum_);
    pending_.push_back({slot_hash(*record), record->previous, place});
    return true;
  }
  ASSAY_ASSIGN_OR_RETURN(const CommitRecord commit, decode_commit(record->value));
  if (!ends_what_was_read(commit)) {
    at_ = place;
    damage_ = Status(Code::kCorrupt, "a commit is not of the records before it");
    return false;
  }
  ASSAY_RETURN_IF_ERROR(apply());
  committed_ = at_;
  tail_ = commit.tail;
  return true;
}

bool Replay::ends_what_was_read(const CommitRecord& commit) const {
  if (committed_ == first_place_ && commit.begin < first_place_) {
    return commit.records >= pending_.size();  // begun in a file that is gone
  }
  return commit.begin == committed_ && commit.records == pending_.size() &&
         commit.checksum == checksum_;
}

Status Replay::apply() {
  while (used_ + pending_.size() > index_->slots() / 10 * 7) {
    ASSAY_RETURN_IF_ERROR(grow());
  }
  for (const Pending& pending : pending_) {
    ASSAY_RETURN_IF_ERROR(set(pending));
  }
  pending_.clear();
  checksum_ = 0;
  return {};
}

Status Replay::set(const Pending& pending) {
  HashIndex::Probe probe(*index_, pending.hash);
  for (;;) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<HashIndex::Slot> slot, probe.next());
    if (!slot.has_value()) {
      break;
    }
    // A slot of this key is behind this record when the checkpoint took it later, and before it
    // when it led to an erased record and was vacated: such a key begins anew, without a previous.
    if (slot->place < first_place_ || slot->place == pending.place ||
        (slot->place < pending.place && pending.previous != 0)) {
      continue;
    }
    ASSAY_ASSIGN_OR_RETURN(const bool same, same_key(slot->place, pending.place));
    if (same) {
      if (slot->place < pending.place) {
        index_->point(slot->number, pending.hash, pending.place);
      }
      return {};
    }
  }
  ASSAY_ASSIGN_OR_RETURN(const bool claimed,
                         index_->set(pending.hash, pending.previous, pending.place));
  used_ += claimed ? 1 : 0;
  return {};
}

/// Of two records of one hash. A lost one is of the key: it says of all of that hash that they are
/// damaged.
Result<bool> Replay::same_key(uint64_t place, uint64_t other) {
  const Result<LogRecord> a = files_.record(place);
  if (a.code() == Code::kCorrupt) {
    return false;
  }
  ASSAY_RETURN_IF_ERROR(a.status());
  ASSAY_ASSIGN_OR_RETURN(const LogRecord b, files_.record(other));
  return a->kind == RecordKind::kLost || b.kind == RecordKind::kLost ||
         (a->kind == b.kind && a->epoch == b.epoch && a->key == b.key);
}

Status Replay::grow() {
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<HashIndex> larger,
                         HashIndex::create(index_path_ + ".larger", index_->bits() + 1));
  ASSAY_ASSIGN_OR_RETURN(used_, larger->copy_from(*index_));
  ASSAY_RETURN_IF_ERROR(rename_file(index_path_ + ".larger", index_path_));
  index_ = std::move(larger);
  return {};
}

Status Replay::settle(uint64_t first_place) {
  ASSAY_ASSIGN_OR_RETURN(used_, settle_slots(*index_, first_place));
  return {};
}

/// Whether a transaction that began behind `place` is there as a whole: then the log does not end
/// here, it is damaged.
Result<bool> Replay::whole_transaction_behind(uint64_t place, uint64_t last_file) {
  constexpr uint64_t kCommitBytes = record_bytes(0, 24);
  for (uint64_t file = files_.file_of(place); file <= last_file; ++file) {
    uint64_t at = std::max(place, files_.first_place(file));
    const Result<std::string_view> rest = files_.rest(at);
    if (!rest.ok()) {
      continue;  // its header is torn
    }
    for (std::string_view bytes = *rest; bytes.size() >= kCommitBytes;
         bytes.remove_prefix(kPlaceBytes), ++at) {
      if (bytes[20] != static_cast<char>(RecordKind::kCommit) || bytes[21] != 0) {
        continue;
      }
      const Result<LogRecord> record = decode_record(at, bytes);
      if (record.ok()) {
        const Result<CommitRecord> commit = decode_commit(record->value);
        if (commit.ok() && commit->begin > place) {
          return true;
        }
      }
    }
  }
  return false;
}

}  // namespace

/// End what a writer that died had begun. By who holds the lock.
Status HashLog::catch_up() {
  if (writer_state_->failed) {
    return {Code::kFailedPrecondition,
            "the disk failed under the online store; start the program again"};
  }
  ASSAY_RETURN_IF_ERROR(refresh());
  ASSAY_ASSIGN_OR_RETURN(const uint64_t target, head_->load(HeadWord::kTarget));
  ASSAY_ASSIGN_OR_RETURN(const uint64_t layout, head_->load(HeadWord::kLayout));
  ASSAY_ASSIGN_OR_RETURN(const uint64_t committed, head_->load(HeadWord::kCommitted));
  if (target == 0) {
    return undo(committed);
  }
  head_->store(HeadWord::kLayout, layout + 1);  // the index may be another one already
  ASSAY_RETURN_IF_ERROR(show_again(committed, target));
  head_->store(HeadWord::kCommitted, target);
  head_->store(HeadWord::kLayout, layout + 2);
  ASSAY_ASSIGN_OR_RETURN(const uint64_t tail, head_->load(HeadWord::kTail));
  ASSAY_RETURN_IF_ERROR(enter());
  const Result<uint64_t> used = settle_slots(*index_, files_->first_place(tail));
  const Result<uint64_t> live = live_bytes();
  gate_.leave();
  ASSAY_RETURN_IF_ERROR(used.status());
  ASSAY_RETURN_IF_ERROR(live.status());
  head_->store(HeadWord::kUsed, *used);
  head_->store(HeadWord::kLive, *live / kPlaceBytes);
  head_->store(HeadWord::kTarget, 0);
  ASSAY_RETURN_IF_ERROR(drop_files(tail));
  return undo(target);
}

/// Remove checkpoints that were left half done. Another process that is writing one begins it anew.
Status HashLog::remove_unfinished() {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<FileInfo> files, world_.files.list(folder_));
  for (const FileInfo& file : files) {
    const std::string name = file_name(file.path);
    if (name.compare(0, kUnfinished.size(), kUnfinished) == 0) {
      ASSAY_RETURN_IF_ERROR(world_.files.remove(path(name)));
    }
  }
  return {};
}

/// Point the slots of a transaction to its records.
Status HashLog::show_again(uint64_t begin, uint64_t end) {
  ASSAY_RETURN_IF_ERROR(enter());
  const ReaderGate::Visit inside(gate_);
  for (uint64_t place = begin; place != end;) {
    ASSAY_ASSIGN_OR_RETURN(const LogRecord record, files_->record(place));
    if (record.kind == RecordKind::kEnd) {
      place = files_->first_place(files_->file_of(place) + 1);
      continue;
    }
    if (record.kind == RecordKind::kCommit) {
      ASSAY_ASSIGN_OR_RETURN(const CommitRecord commit, decode_commit(record.value));
      head_->store(HeadWord::kTail, commit.tail);
    } else {
      ASSAY_RETURN_IF_ERROR(index_->set(slot_hash(record), record.previous, place).status());
    }
    place += record_bytes(record) / kPlaceBytes;
  }
  return {};
}

/// What the views say of themselves; of one that is damaged nobody knows.
Result<uint64_t> HashLog::live_bytes() {
  ASSAY_ASSIGN_OR_RETURN(const uint64_t committed, head_->load(HeadWord::kCommitted));
  int64_t sum = 0;
  for (const auto& [name, view] : directory_->views) {
    const uint64_t hash = record_hash(RecordKind::kMeta, view.epoch, "");
    const Result<Found> meta =
        find_in(*index_, *files_, committed, RecordKind::kMeta, view.epoch, "", hash);
    const Result<int64_t> live =
        meta.ok() ? HashLogWriter::live_bytes_of(*meta) : Result<int64_t>(meta.status());
    if (!live.ok() && live.code() != Code::kCorrupt) {
      return live.status();
    }
    sum += live.ok() ? *live : 0;
  }
  return static_cast<uint64_t>(std::max<int64_t>(sum, 0));
}

/// Make head and index anew from checkpoint and log, or a log when there is none. By who holds the
/// lock.
Status HashLog::recover() {
  ASSAY_ASSIGN_OR_RETURN(std::set<uint64_t> logs, numbered_files(world_, folder_, "log."));
  int file_bits = options_.file_bits;
  if (logs.empty() || (*logs.rbegin() == 1 && file_is_begun(path("log.1")))) {
    ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<LogFile> first, LogFile::open(path("log.1")));
    ASSAY_RETURN_IF_ERROR(first->write(0, encode_log_header(1, file_bits)));
    ASSAY_RETURN_IF_ERROR(first->sync());
    logs.insert(1);
  } else {
    ASSAY_ASSIGN_OR_RETURN(file_bits, file_bits_of(logs));
  }
  LogFiles files(folder_, file_bits, world_.log);
  uint64_t known = 0;  // the log had at least that length
  if (head_ != nullptr && options_.sync) {
    ASSAY_ASSIGN_OR_RETURN(known, head_->load(HeadWord::kCommitted));
  }
  ASSAY_ASSIGN_OR_RETURN(const std::set<uint64_t> indexes,
                         numbered_files(world_, folder_, "index."));
  const uint64_t generation = indexes.empty() ? 1 : *indexes.rbegin() + 1;
  const uint64_t first_place = files.first_place(*logs.begin());
  uint64_t start = first_place;
  uint64_t used = 0;
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<HashIndex> index,
                         load_checkpoint(index_path(generation), &start, &used));
  const uint64_t checkpoint = start == first_place ? 0 : start;
  Replay replay(files, index_path(generation), std::move(index), used, first_place, start);
  ASSAY_RETURN_IF_ERROR(replay.run(known, *logs.rbegin()));
  const uint64_t tail = std::max(replay.tail(), *logs.begin());
  if (logs.count(tail) == 0) {
    return {Code::kCorrupt, "a file of the log is not there: " + files.path(tail)};
  }
  if (tail > *logs.begin()) {  // files at the beginning that are to go
    ASSAY_RETURN_IF_ERROR(replay.settle(files.first_place(tail)));
  }
  index_ = replay.take_index();
  return renew_head(file_bits, generation, replay.committed(), tail, replay.used(), checkpoint);
}

Status HashLog::renew_head(int file_bits,
                           uint64_t generation,
                           uint64_t committed,
                           uint64_t tail,
                           uint64_t used,
                           uint64_t checkpoint) {
  ASSAY_ASSIGN_OR_RETURN(head_, LogHead::create(path("head"), file_bits));
  files_ = std::make_unique<LogFiles>(folder_, file_bits, world_.log);
  head_->store(HeadWord::kCommitted, committed);
  head_->store(HeadWord::kLayout, 1);
  head_->store(HeadWord::kGeneration, generation);
  head_->store(HeadWord::kTail, tail);
  head_->store(HeadWord::kUsed, used);
  head_->store(HeadWord::kCheckpoint, checkpoint);
  ASSAY_ASSIGN_OR_RETURN(LogDirectory directory, load_directory(*index_));
  directory_ = std::make_unique<const LogDirectory>(std::move(directory));
  ASSAY_ASSIGN_OR_RETURN(const uint64_t live, live_bytes());
  head_->store(HeadWord::kLive, live / kPlaceBytes);
  fail_point("online.recovery.before_head");
  ASSAY_RETURN_IF_ERROR(head_->publish());
  ASSAY_RETURN_IF_ERROR(world_.files.sync(folder_));
  index_.reset();
  ASSAY_ASSIGN_OR_RETURN(const std::set<uint64_t> indexes,
                         numbered_files(world_, folder_, "index."));
  for (const uint64_t other : indexes) {
    if (other != generation) {
      ASSAY_RETURN_IF_ERROR(world_.files.remove(index_path(other)));
    }
  }
  ASSAY_ASSIGN_OR_RETURN(const std::set<uint64_t> logs, numbered_files(world_, folder_, "log."));
  for (const uint64_t file : logs) {
    if (file < tail || file > files_->file_of(committed)) {
      ASSAY_RETURN_IF_ERROR(world_.files.remove(files_->path(file)));
    }
  }
  return {};
}

/// Size of the files of a log, as one of them says whose header is whole, or else the old head.
Result<int> HashLog::file_bits_of(const std::set<uint64_t>& files) {
  for (const uint64_t file : files) {
    const std::string name = path("log." + std::to_string(file));
    const Result<std::string> header = world_.files.read_range(name, 0, kLogHeaderBytes);
    for (int bits = LogHead::kFileBitsMin; header.ok() && bits <= LogHead::kFileBitsMax; ++bits) {
      if (*header == encode_log_header(file, bits)) {
        return bits;
      }
    }
  }
  if (head_ != nullptr) {
    return head_->file_bits();
  }
  return Status(Code::kCorrupt,
                "the header of a log file is damaged: file " +
                    path("log." + std::to_string(*files.begin())) + ", offset 0");
}

/// The index as the checkpoint has it, in a new file; an empty one without a checkpoint, or when
/// that is damaged or older than the log. `start`: where the log begins; then, from where it is to
/// be replayed. `used`: how many slots are.
Result<std::unique_ptr<HashIndex>> HashLog::load_checkpoint(const std::string& to,
                                                            uint64_t* start,
                                                            uint64_t* used) {
  const std::string from = path("checkpoint");
  Result<std::unique_ptr<HashIndex>> held = HashIndex::open(from, false);
  if (held.ok()) {
    ASSAY_ASSIGN_OR_RETURN(const IndexHeader header,
                           decode_index_header({(*held)->file().data(), kIndexHeaderBytes}));
    if (header.start < *start) {
      return HashIndex::create(to, options_.index_bits);
    }
    held = HashIndex::copy(**held, to, *start, used);
    if (held.ok()) {
      *start = header.start;
      return held;
    }
  }
  *used = 0;
  if (held.code() == Code::kCorrupt) {  // the log has all that it was made from
    world_.log.warn("online_checkpoint_damaged", {{"status", held.status().to_string()}});
  } else if (held.code() != Code::kNotFound) {
    return held.status();
  }
  return HashIndex::create(to, options_.index_bits);
}

}  // namespace assay::online
