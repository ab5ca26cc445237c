// What keeps the log short and a restart fast, a little in each transaction.

#include <algorithm>
#include <set>
#include <vector>

#include "base/fail_point.h"
#include "base/hash.h"
#include "online/hash_log_writer.h"

namespace assay::online {
namespace {

constexpr uint64_t kFilesMin = 4;         // below that nothing is thrown away
constexpr uint64_t kBytesPerWritten = 3;  // looked through for each that is written
constexpr uint64_t kBytesMin = 64 << 10;  // of each turn
constexpr uint64_t kOverdue = 3;          // checkpoints late: write one at once
constexpr int64_t kLostNamedMax = 100;    // lost rows of one file that are named one by one

}  // namespace

/// What is live of what cleaning comes upon.
struct HashLog::Cleaning {
  std::vector<uint64_t> superseded;  // places, by this very transaction; ascending
  std::size_t next_superseded = 0;
  std::set<uint32_t> epochs;  // of the views that there are, or were before this transaction

  /// Places are asked for in ascending order.
  [[nodiscard]] bool is_superseded(uint64_t place) {
    while (next_superseded < superseded.size() && superseded[next_superseded] < place) {
      ++next_superseded;
    }
    return next_superseded < superseded.size() && superseded[next_superseded] == place;
  }

  [[nodiscard]] Result<bool> has_view(const LogRecord& record) const {
    if (record.kind != RecordKind::kLost || record.epoch != 0) {
      return record.epoch == 0 || epochs.count(record.epoch) != 0;
    }
    ASSAY_ASSIGN_OR_RETURN(const LostRecord lost, decode_lost(record));
    return !epochs.empty() && *epochs.begin() < lost.epoch_end;
  }
};

/// Upkeep must not fail what a user wants written: what was moved so far is whole, the rest can
/// wait. Where damage stops it (a slot of the index), the next turn would come no further.
void HashLog::clean_some(HashLogWriter& writer) {
  if (writer_state_->stuck_at != 0 && files_->file_of(writer_state_->stuck_at) == writer.tail_) {
    return;
  }
  const auto say_stuck = [this](uint64_t at) {
    if (writer_state_->stuck_at != at) {
      world_.metrics
          .gauge(
              "assay_online_log_stuck",
              "1 while the log of the online store is not cleaned, because its index is damaged.")
          .set(at != 0 ? 1 : 0);
      writer_state_->stuck_at = at;
    }
  };
  say_stuck(0);
  const Status cleaned = clean(writer);
  if (cleaned.ok()) {
    return;
  }
  world_.log.warn("online_log_not_cleaned", {{"status", cleaned.to_string()}});
  if (cleaned.code() == Code::kCorrupt) {
    say_stuck(writer.cleaned_);
  }
}

/// Look through the first file of the log, and write again what is still live in it. How far that
/// came is remembered when the transaction stands.
Status HashLog::clean(HashLogWriter& writer) {
  const uint64_t committed = writer.snapshot_.committed_;
  const uint64_t last = files_->file_of(committed);
  ASSAY_ASSIGN_OR_RETURN(const uint64_t live, head_->load(HeadWord::kLive));
  const uint64_t bytes = (committed - files_->first_place(writer.tail_)) * kPlaceBytes;
  if (bytes <= std::max(kFilesMin * files_->file_size(), 2 * live * kPlaceBytes)) {
    return {};
  }
  if (files_->file_of(writer.cleaned_) != writer.tail_) {
    writer.cleaned_ = files_->first_place(writer.tail_);
  }
  Cleaning cleaning;
  for (const HashLogWriter::Change& change : writer.changes_) {
    if (change.previous != 0 && files_->file_of(change.previous) <= writer.tail_ + 1) {
      cleaning.superseded.push_back(change.previous);
    }
  }
  std::sort(cleaning.superseded.begin(), cleaning.superseded.end());
  // Whoever reads now reads the views of before, until the transaction is shown.
  for (const LogDirectory* const views : {&writer.snapshot_.directory(), &writer.directory()}) {
    for (const auto& [name, view] : views->views) {
      cleaning.epochs.insert(view.epoch);
    }
  }
  uint64_t left = std::max(kBytesMin, kBytesPerWritten * writer.bytes());
  const uint64_t first = writer.tail_;
  while (writer.tail_ < last && writer.tail_ <= first + 1) {
    const Result<LogRecord> record = files_->record(writer.cleaned_);
    if (!record.ok()) {
      if (record.code() != Code::kCorrupt) {
        return record.status();  // the file cannot be opened now
      }
      return clean_damaged(writer, cleaning, record.status());
    }
    if (record->kind == RecordKind::kEnd) {
      writer.cleaned_ = files_->first_place(++writer.tail_);
      continue;
    }
    const uint64_t size = record_bytes(*record);
    if (record->kind != RecordKind::kCommit) {
      ASSAY_RETURN_IF_ERROR(clean_record(writer, cleaning, writer.cleaned_, *record));
    }
    writer.cleaned_ += size / kPlaceBytes;
    if (left <= size) {
      break;
    }
    left -= size;
  }
  return {};
}

Status HashLog::clean_record(HashLogWriter& writer,
                             Cleaning& cleaning,
                             uint64_t place,
                             const LogRecord& record) {
  if (cleaning.is_superseded(place)) {
    return {};
  }
  const uint64_t hash = slot_hash(record);
  HashIndex::Probe probe(*index_, hash);
  for (;;) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<HashIndex::Slot> slot, probe.next());
    if (!slot.has_value()) {
      return {};  // there is a newer one
    }
    if (slot->place != place) {
      continue;
    }
    ASSAY_ASSIGN_OR_RETURN(const bool has_view, cleaning.has_view(record));
    if (record.erased || !has_view) {
      writer.vacated_.push_back({hash, 0, place});
      return {};
    }
    LogRecord moved = record;
    moved.previous = place;
    return writer.append(moved);
  }
}

/// Behind a damaged record nobody knows where the next one begins, but the index knows the live
/// ones of the file: cleaning goes on at the first of them that can be read, or with the next file.
/// One that cannot is lost, and its slot leads from now on to one that says so: the key is found
/// damaged, never missing.
Status HashLog::clean_damaged(HashLogWriter& writer, Cleaning& cleaning, const Status& why) {
  const uint64_t end = files_->first_place(writer.tail_ + 1);
  std::vector<HashIndex::Entry> live;
  for (uint64_t number = 0; number < index_->slots(); ++number) {
    ASSAY_ASSIGN_OR_RETURN(const HashIndex::Entry entry, index_->entry(number));
    if (entry.place >= writer.cleaned_ && entry.place < end) {
      live.push_back(entry);
    }
  }
  std::sort(live.begin(), live.end(), [](const HashIndex::Entry& a, const HashIndex::Entry& b) {
    return a.place < b.place;
  });
  std::erase_if(live,
                [&](const HashIndex::Entry& entry) { return cleaning.is_superseded(entry.place); });
  std::size_t next = 0;
  int64_t lost = 0;
  for (; next < live.size(); ++next) {
    const HashIndex::Entry& entry = live[next];
    const Result<LogRecord> record = files_->record(entry.place);
    if (record.ok() || record.code() != Code::kCorrupt) {
      break;
    }
    if (entry.hash == record_hash(RecordKind::kDirectory, 0, "")) {
      ASSAY_RETURN_IF_ERROR(writer.put_directory());
      continue;
    }
    if (++lost <= kLostNamedMax) {
      world_.log.error("online_row_lost",
                       {{"status", record.status().to_string()}, {"slot", hash_text(entry.hash)}});
    }
    ASSAY_RETURN_IF_ERROR(writer.lose(entry.hash, entry.place));
  }
  world_.log.warn("online_log_damaged", {{"status", why.to_string()}, {"lost_rows", lost}});
  writer.cleaned_ = next < live.size() ? live[next].place : files_->first_place(++writer.tail_);
  return {};
}

/// Remove the files before `tail`, if there are any.
Status HashLog::drop_files(uint64_t tail) {
  if (tail > 1 && world_.files.stat(files_->path(tail - 1)).ok()) {
    fail_point("online.log.before_remove");
    uint64_t first = tail - 1;
    while (first > 1 && world_.files.stat(files_->path(first - 1)).ok()) {
      --first;
    }
    for (uint64_t file = first; file < tail; ++file) {  // the log never has a gap
      ASSAY_RETURN_IF_ERROR(world_.files.remove(files_->path(file)));
    }
  }
  return {};
}

/// Copy some of the index, so much that a whole checkpoint is done before the next is due. What
/// changes behind the copy is in the log from `start` on. Failures are logged: the transaction
/// stands.
Status HashLog::checkpoint(uint64_t written) {
  WriterState& state = *writer_state_;
  ASSAY_ASSIGN_OR_RETURN(const uint64_t generation, head_->load(HeadWord::kGeneration));
  ASSAY_ASSIGN_OR_RETURN(const uint64_t committed, head_->load(HeadWord::kCommitted));
  ASSAY_ASSIGN_OR_RETURN(const uint64_t tail, head_->load(HeadWord::kTail));
  ASSAY_ASSIGN_OR_RETURN(const uint64_t before, head_->load(HeadWord::kCheckpoint));
  ASSAY_RETURN_IF_ERROR(enter());  // threads of this process may be taking another index
  const ReaderGate::Visit inside(gate_);
  const uint64_t index_bytes = index_->file().bytes();
  const uint64_t interval = std::max(options_.checkpoint_bytes, index_bytes);
  const uint64_t since = (committed - std::max(before, files_->first_place(tail))) * kPlaceBytes;
  const bool due = state.checkpoint_due;
  if (state.checkpoint.has_value() && (due || state.checkpoint->generation != generation)) {
    state.checkpoint.reset();  // of an index that is no more
  }
  if (!state.checkpoint.has_value()) {
    if (since < interval && !due) {
      return {};
    }
    Result<std::unique_ptr<LogFile>> file = LogFile::open(state.unfinished);
    if (!file.ok()) {
      world_.log.warn("online_checkpoint_failed", {{"status", file.status().to_string()}});
      return {};
    }
    state.checkpoint =
        WriterState::Checkpoint{std::move(file).value(), committed, generation, kIndexHeaderBytes};
  }
  const uint64_t step = due || since >= kOverdue * interval
                            ? index_bytes
                            : std::max(kBytesMin,
                                       index_bytes / interval * written * 2 +
                                           index_bytes % interval * written * 2 / interval);
  if (Status done = copy_index(std::min(step, index_bytes)); !done.ok()) {
    state.checkpoint.reset();
    world_.log.warn("online_checkpoint_failed", {{"status", done.to_string()}});
  } else if (due) {
    state.checkpoint_due = false;  // it stands, all of it
  }
  return {};
}

Status HashLog::copy_index(uint64_t step) {
  WriterState::Checkpoint& state = *writer_state_->checkpoint;
  const std::string_view index(index_->file().data(), index_->file().bytes());
  const std::string_view part = index.substr(state.next, step);
  ASSAY_RETURN_IF_ERROR(state.file->write(state.next, part));
  state.file->start_sync(state.next, part.size());
  state.next += part.size();
  if (state.next < index.size()) {
    return {};
  }
  ASSAY_RETURN_IF_ERROR(state.file->write(0, encode_index_header({index_->bits(), state.start})));
  ASSAY_RETURN_IF_ERROR(state.file->truncate(index.size()));
  if (!options_.sync) {  // the places that it leads to have to be there
    ASSAY_RETURN_IF_ERROR(writer_state_->file->sync());
  }
  ASSAY_RETURN_IF_ERROR(state.file->sync());
  fail_point("online.checkpoint.before_rename");
  ASSAY_RETURN_IF_ERROR(rename_file(writer_state_->unfinished, path("checkpoint")));
  ASSAY_RETURN_IF_ERROR(world_.files.sync(folder_));
  fail_point("online.checkpoint.after_rename");
  head_->store(HeadWord::kCheckpoint, state.start);
  writer_state_->checkpoint.reset();
  return {};
}

}  // namespace assay::online
