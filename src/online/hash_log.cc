// Reading. The idea, and why nobody has to wait, stand in docs/formats/hash_log.md.

#include "online/hash_log.h"

#include "online/hash_log_writer.h"
#include "online/word_bytes.h"

namespace assay::online {
namespace {

/// What is said of a key whose record was damaged and has been given up.
Status lost(const LogFiles& files, const LogRecord& record) {
  ASSAY_ASSIGN_OR_RETURN(const LostRecord held, decode_lost(record));
  const char* const what = held.epoch == 0
                               ? "a record, perhaps of another view, was damaged and is lost"
                               : "a record was damaged and is lost";
  return files.at(held.place, Status(Code::kCorrupt, what));
}

/// Why the record at a place, which walk() called damaged, cannot be believed.
Status damage_at(LogFiles& files, uint64_t place) {
  const Result<LogRecord> record = files.record(place);
  return record.ok() ? lost(files, *record) : record.status();
}

/// Whether a damaged record is known to be of another view than that of `epoch`.
bool is_of_another(LogFiles& files, uint64_t hash, uint64_t place, uint32_t epoch) {
  const Result<std::string_view> bytes = files.rest(place);
  const uint32_t of = bytes.ok() ? epoch_of_damaged(*bytes, hash) : 0;
  return of != 0 && of != epoch;
}

}  // namespace

std::string encode_directory(const LogDirectory& directory) {
  std::string value;
  append_value(&value, directory.next_epoch);
  for (const auto& [name, view] : directory.views) {
    append_value(&value, view.epoch);
    append_value(&value, view.fingerprint);
    append_value(&value, static_cast<uint16_t>(name.size()));
    value.append(name);
  }
  return value;
}

Result<LogDirectory> decode_directory(std::string_view value) {
  LogDirectory directory;
  bool whole = take_value(&value, &directory.next_epoch);
  while (whole && !value.empty()) {
    LogDirectory::View view;
    uint16_t length = 0;
    whole = take_value(&value, &view.epoch) && take_value(&value, &view.fingerprint) &&
            take_value(&value, &length) && value.size() >= length;
    if (whole) {
      directory.views.emplace(value.substr(0, length), view);
      value.remove_prefix(length);
    }
  }
  return whole ? Result<LogDirectory>(std::move(directory))
               : Status(Code::kCorrupt, "the list of views of the online store is damaged");
}

HashLog::HashLog(World& world, std::string folder, const HashLogOptions& options)
    : world_(world), folder_(std::move(folder)), options_(options) {}
HashLog::~HashLog() = default;

std::string HashLog::path(const std::string& name) const {
  return join_path(folder_, name);
}

std::string HashLog::index_path(uint64_t generation) const {
  return path("index." + std::to_string(generation));
}

Result<std::unique_ptr<HashLog>> HashLog::open(World& world,
                                               const std::string& folder,
                                               const HashLogOptions& options) {
  std::unique_ptr<HashLog> log(new HashLog(world, folder, options));
  ASSAY_RETURN_IF_ERROR(log->open().with_context("open the online store"));
  return log;
}

Status HashLog::open() {
  const auto open_head = [&]() -> Result<bool> {
    Result<std::unique_ptr<LogHead>> head = LogHead::open(path("head"), !options_.read_only);
    if (head.code() == Code::kNotFound) {
      return false;
    }
    if (!head.ok()) {
      return head.status();
    }
    head_ = std::move(head).value();
    return head_->current();
  };
  if (!options_.read_only) {
    ASSAY_ASSIGN_OR_RETURN(lock_, ProcessLock::open(path("lock")));
    writer_state_ = std::make_unique<WriterState>();
    writer_state_->unfinished = path("checkpoint.new." + own_name());
  }
  ASSAY_ASSIGN_OR_RETURN(bool current, open_head());
  if (!current) {
    ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<ProcessLock> lock,
                           ProcessLock::open(path("lock")));
    const ProcessLock::Hold hold(*lock);
    ASSAY_RETURN_IF_ERROR(hold.status());
    ASSAY_ASSIGN_OR_RETURN(current, open_head());  // somebody else may have done it meanwhile
    if (!current) {
      ASSAY_RETURN_IF_ERROR(recover());
      ASSAY_ASSIGN_OR_RETURN(current, open_head());
    }
  }
  files_ = std::make_unique<LogFiles>(folder_, head_->file_bits(), world_.log);
  if (!options_.read_only) {
    const ProcessLock::Hold hold(*lock_);
    ASSAY_RETURN_IF_ERROR(hold.status());
    ASSAY_RETURN_IF_ERROR(catch_up());
    ASSAY_RETURN_IF_ERROR(remove_unfinished());
  }
  return refresh();
}

Status HashLog::enter() {
  for (;;) {
    gate_.enter();
    if (head_->load_raw(HeadWord::kLayout) == layout_.load(std::memory_order_relaxed)) {
      return {};
    }
    gate_.leave();
    ASSAY_RETURN_IF_ERROR(refresh());
  }
}

/// Take the files that count now.
Status HashLog::refresh() {
  const std::lock_guard lock(refresh_mutex_);
  for (int attempt = 0;; ++attempt) {
    const uint64_t layout = head_->load_raw(HeadWord::kLayout);
    if (layout == layout_) {
      return {};
    }
    ASSAY_RETURN_IF_ERROR(head_->load(HeadWord::kLayout).status());
    ASSAY_ASSIGN_OR_RETURN(const uint64_t generation, head_->load(HeadWord::kGeneration));
    ASSAY_ASSIGN_OR_RETURN(const uint64_t tail, head_->load(HeadWord::kTail));
    Result<std::unique_ptr<HashIndex>> index =
        HashIndex::open(index_path(generation), !options_.read_only);
    Result<LogDirectory> directory =
        index.ok() ? load_directory(**index) : Result<LogDirectory>(index.status());
    if (head_->load_raw(HeadWord::kLayout) != layout && attempt < kAttempts) {
      continue;
    }
    if (!directory.ok()) {
      return directory.status();
    }
    std::unique_ptr<HashIndex> fresh_index = std::move(index).value();
    auto fresh_directory = std::make_unique<const LogDirectory>(std::move(directory).value());
    std::vector<std::unique_ptr<LogFiles::Segment>> forgotten;
    gate_.alone([&] {
      index_.swap(fresh_index);
      directory_.swap(fresh_directory);
      forgotten = files_->forget_below(tail);
      layout_ = layout;
    });
    return {};
  }
}

namespace {

/// A record of the key that was looked for.
Found found_at(uint64_t place, const LogRecord& record) {
  return record.erased ? Found{place, 0, {}} : Found{place, record_bytes(record), record.value};
}

}  // namespace

/// What the slots of a hash lead to.
struct HashLog::Walk {
  Found found;           // the record of the key
  uint64_t damaged = 0;  // place of one that may be of the key; looked at when there is no other
};

Result<HashLog::Walk> HashLog::walk(const HashIndex& index,
                                    LogFiles& files,
                                    uint64_t committed,
                                    RecordKind kind,
                                    uint32_t epoch,
                                    std::string_view key,
                                    uint64_t hash) {
  HashIndex::Probe probe(index, hash);
  Walk walk;
  for (;;) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<HashIndex::Slot> slot, probe.next());
    if (!slot.has_value()) {
      return walk;
    }
    uint64_t place = slot->place;
    if (place == 0) {
      continue;
    }
    Result<LogRecord> record = files.record(place);
    while (record.ok() && place >= committed && (place = record->previous) != 0) {
      record = files.record(place);
    }
    if (place == 0) {
      continue;
    }
    if (!record.ok() && record.code() != Code::kCorrupt) {
      return record.status();
    }
    if (!record.ok() || record->kind == RecordKind::kLost) {  // its key is not known, its hash is
      walk.damaged = walk.damaged == 0 ? place : walk.damaged;
      continue;
    }
    if (record->kind == kind && record->epoch == epoch && record->key == key) {
      walk.found = found_at(place, *record);
      return walk;
    }
  }
}

/// One that was damaged since this process took it is still known.
Result<LogDirectory> HashLog::load_directory(const HashIndex& index) {
  ASSAY_ASSIGN_OR_RETURN(const uint64_t committed, head_->load(HeadWord::kCommitted));
  const uint64_t hash = record_hash(RecordKind::kDirectory, 0, "");
  ASSAY_ASSIGN_OR_RETURN(
      const Walk walk,
      HashLog::walk(index, *files_, committed, RecordKind::kDirectory, 0, "", hash));
  LogDirectory directory;
  if (walk.found.value.has_value()) {
    ASSAY_ASSIGN_OR_RETURN(directory, decode_directory(*walk.found.value));
    directory.place = walk.found.place;
  } else if (walk.damaged != 0) {
    if (directory_ == nullptr || directory_->place != walk.damaged) {
      return damage_at(*files_, walk.damaged);
    }
    directory = *directory_;
    directory.is_damaged = true;
  }
  return directory;
}

Result<Found> HashLog::find_in(const HashIndex& index,
                               LogFiles& files,
                               uint64_t committed,
                               RecordKind kind,
                               uint32_t epoch,
                               std::string_view key,
                               uint64_t hash) {
  ASSAY_ASSIGN_OR_RETURN(const Walk walk,
                         HashLog::walk(index, files, committed, kind, epoch, key, hash));
  if (walk.found.place == 0 && walk.damaged != 0) {
    return damage_at(files, walk.damaged);
  }
  return walk.found;
}

Found HashLog::Snapshot::find_at_once(RecordKind kind,
                                      uint32_t epoch,
                                      std::string_view key,
                                      uint64_t hash) const {
  const uint64_t place = log_.index_->first_place(hash);
  const std::string_view bytes = sound_bytes(place);
  const std::optional<std::string_view> value =
      bytes.empty() ? std::nullopt : value_of_record(bytes, kind, epoch, key);
  // Of one that is erased there may be more to say.
  return value.has_value() && !value->empty() ? Found{place, bytes.size(), value} : Found{};
}

Result<Found> HashLog::Snapshot::find(RecordKind kind,
                                      uint32_t epoch,
                                      std::string_view key,
                                      uint64_t hash) const {
  Found found = find_at_once(kind, epoch, key, hash);
  return found.place != 0 ? Result<Found>(found)
                          : find_in(*log_.index_, *log_.files_, committed_, kind, epoch, key, hash);
}

Result<Standing> HashLog::Snapshot::find_to_change(RecordKind kind,
                                                   uint32_t epoch,
                                                   std::string_view key,
                                                   uint64_t hash) const {
  LogFiles& files = *log_.files_;
  ASSAY_ASSIGN_OR_RETURN(const Walk walk,
                         HashLog::walk(*log_.index_, files, committed_, kind, epoch, key, hash));
  if (walk.found.place != 0 || walk.damaged == 0) {
    return Standing{walk.found, Status(), false};
  }
  Standing standing{{walk.damaged, 0, {}}, damage_at(files, walk.damaged), false};
  standing.is_lost = files.record(walk.damaged).ok();
  return standing;
}

Status HashLog::Snapshot::scan(
    uint32_t epoch, const std::function<Status(std::string_view, std::string_view)>& visit) const {
  const HashIndex& index = *log_.index_;
  for (uint64_t number = 0; number < index.slots(); ++number) {
    ASSAY_ASSIGN_OR_RETURN(const HashIndex::Entry entry, index.entry(number));
    uint64_t place = entry.place;
    if (place == 0) {
      continue;
    }
    Result<LogRecord> record = log_.files_->record(place);
    while (record.ok() && place >= committed_ && (place = record->previous) != 0) {
      record = log_.files_->record(place);
    }
    if (place == 0) {
      continue;
    }
    if (!record.ok()) {
      const bool of_another =
          record.code() == Code::kCorrupt && is_of_another(*log_.files_, entry.hash, place, epoch);
      if (!of_another) {
        return record.status();
      }
      continue;
    }
    if (record->kind == RecordKind::kLost) {
      ASSAY_ASSIGN_OR_RETURN(const LostRecord held, decode_lost(*record));
      if (held.epoch == epoch || (held.epoch == 0 && epoch < held.epoch_end)) {
        return lost(*log_.files_, *record);
      }
    }
    if (record->kind == RecordKind::kRow && record->epoch == epoch && !record->erased) {
      ASSAY_RETURN_IF_ERROR(visit(record->key, record->value));
    }
  }
  return {};
}

}  // namespace assay::online
