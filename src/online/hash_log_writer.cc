// Writing: a transaction's records go to the end of the log, become durable, and are then shown to
// readers slot by slot.

#include "online/hash_log_writer.h"

#include <algorithm>
#include <cstring>

#include "base/fail_point.h"
#include "online/crc32c.h"
#include "online/sealed_word.h"

namespace assay::online {
namespace {

constexpr uint64_t kEndBytes = record_bytes(0, 0);
constexpr std::size_t kPrefetchAhead = 16;
/// A part is not longer, unless a record is. With what an allocation adds, a block of 8 MiB.
constexpr std::size_t kPartBytes = (std::size_t{8} << 20) - 64;

/// Slots that may be used of so many.
uint64_t used_max(uint64_t slots) {
  return slots / 10 * 7;
}

bool has_slot(RecordKind kind) {
  return kind != RecordKind::kCommit && kind != RecordKind::kEnd;
}

}  // namespace

HashLogWriter::HashLogWriter(HashLog& log, uint64_t committed, uint64_t tail)
    : log_(log),
      snapshot_(log, committed),
      tail_(tail),
      tail_before_(tail),
      cleaned_(log.writer_state_->cleaned) {
  part_.file = log.files_->file_of(committed);
  part_.offset = log.files_->offset_of(committed);
}

uint64_t HashLogWriter::end() const {
  return log_.files_->place_of(part_.file, part_.offset + part_.bytes.size());
}

uint64_t HashLogWriter::bytes() const {
  return written_ + part_.bytes.size();
}

/// Put the part that was filled behind the log, while the next one is filled. A failure stays: what
/// follows would stand behind a gap.
Status HashLogWriter::write_part() {
  if (failure_.ok()) {
    failure_ = log_.write_part(*this);
    fail_point("online.log.between_parts");
  }
  written_ += part_.bytes.size();
  part_.offset += part_.bytes.size();
  part_.bytes.clear();
  return failure_;
}

Status HashLogWriter::append(const LogRecord& record) {
  const uint64_t size = record_bytes(record);
  const uint64_t file_size = log_.files_->file_size();
  if (kLogHeaderBytes + size + kEndBytes > file_size || record.key.size() >= 1 << 24) {
    return {Code::kResourceExhausted,
            "a row is too long for the online store: " + std::to_string(size) + " bytes"};
  }
  if (end() + 2 * file_size / kPlaceBytes > kSealedNumberMax) {
    return {Code::kResourceExhausted,
            "the log of the online store has no places left; materialize into a new folder"};
  }
  LogBytes& bytes = part_.bytes;
  if (part_.offset + bytes.size() + size + kEndBytes > file_size) {
    LogRecord last;
    last.kind = RecordKind::kEnd;
    append_record(end(), last, &bytes);
    ASSAY_RETURN_IF_ERROR(write_part());
    ASSAY_RETURN_IF_ERROR(log_.leave_file(*this));
    part_.offset = 0;
    bytes.append(encode_log_header(++part_.file, log_.head_->file_bits()));
  } else if (bytes.size() + size > kPartBytes && !bytes.empty()) {
    ASSAY_RETURN_IF_ERROR(write_part());
    bytes.reserve(kPartBytes);
  }
  const uint64_t place = end();
  const std::size_t begin = bytes.size();
  append_record(place, record, &bytes);
  if (has_slot(record.kind)) {
    checksum_ = crc32c(std::string_view(bytes).substr(begin, sizeof(uint32_t)), checksum_);
    ++records_;
    changes_.push_back({slot_hash(record), record.previous, place});
  }
  return {};
}

Status HashLogWriter::put(RecordKind kind,
                          uint32_t epoch,
                          std::string_view key,
                          std::string_view value,
                          const Found& before) {
  const LogRecord record{kind, false, epoch, before.place, key, value};
  live_bytes_ += static_cast<int64_t>(record_bytes(record)) - static_cast<int64_t>(before.bytes);
  return append(record);
}

Status HashLogWriter::erase(RecordKind kind,
                            uint32_t epoch,
                            std::string_view key,
                            const Found& before) {
  if (before.place == 0) {
    return {};
  }
  live_bytes_ -= static_cast<int64_t>(before.bytes);
  return append({kind, true, epoch, before.place, key, ""});
}

Status HashLogWriter::lose(uint64_t hash, uint64_t place) {
  LostRecord lost{hash, place, 0, directory().next_epoch};
  const Result<std::string_view> bytes = log_.files_->rest(place);
  if (bytes.ok()) {
    lost.epoch = epoch_of_damaged(*bytes, hash);
  }
  ASSAY_ASSIGN_OR_RETURN(const uint64_t checkpoint, log_.head_->load(HeadWord::kCheckpoint));
  log_.writer_state_->checkpoint_due |= place >= checkpoint;
  return append({RecordKind::kLost, false, lost.epoch, place, lost_key(lost), lost_value(lost)});
}

Status HashLogWriter::put_meta(uint32_t epoch, std::string_view note, const Found& before) {
  ASSAY_ASSIGN_OR_RETURN(int64_t live, live_bytes_of(before));
  live += live_bytes_;
  std::string value(reinterpret_cast<const char*>(&live), sizeof(live));
  value.append(note);
  return append({RecordKind::kMeta, false, epoch, before.place, "", value});
}

Result<std::optional<std::string_view>> HashLogWriter::note_of(const Found& meta) {
  if (!meta.value.has_value()) {
    return std::optional<std::string_view>();
  }
  if (meta.value->size() < sizeof(int64_t)) {
    return Status(Code::kCorrupt, "the record of a view is too short");
  }
  return std::optional<std::string_view>(meta.value->substr(sizeof(int64_t)));
}

Result<int64_t> HashLogWriter::live_bytes_of(const Found& meta) {
  ASSAY_RETURN_IF_ERROR(note_of(meta).status());
  int64_t live = 0;
  if (meta.value.has_value()) {
    std::memcpy(&live, meta.value->data(), sizeof(live));
  }
  return live;
}

const LogDirectory& HashLogWriter::directory() const {
  return directory_.has_value() ? *directory_ : snapshot_.directory();
}

LogDirectory& HashLogWriter::changed_directory() {
  if (!directory_.has_value()) {
    directory_ = snapshot_.directory();
  }
  return *directory_;
}

uint32_t HashLogWriter::add_view(const std::string& name, uint64_t fingerprint) {
  LogDirectory& directory = changed_directory();
  const uint32_t epoch = directory.next_epoch++;
  directory.views[name] = {epoch, fingerprint};
  return epoch;
}

Status HashLogWriter::drop_view(const std::string& name) {
  const LogDirectory::View* const view = directory().find(name);
  if (view == nullptr) {
    return {};
  }
  const Result<Found> meta = snapshot_.find(RecordKind::kMeta, view->epoch, "");
  const Result<int64_t> live = meta.ok() ? live_bytes_of(*meta) : Result<int64_t>(meta.status());
  if (!live.ok() && live.code() != Code::kCorrupt) {
    return live.status();
  }
  dropped_bytes_ += live.ok() ? *live : 0;  // of a damaged view: nobody knows, and it goes anyway
  changed_directory().views.erase(name);
  return {};
}

Status HashLogWriter::rename_view(const std::string& name, const std::string& to) {
  ASSAY_RETURN_IF_ERROR(drop_view(to));
  LogDirectory& directory = changed_directory();
  auto node = directory.views.extract(name);
  node.key() = to;
  directory.views.insert(std::move(node));
  return {};
}

/// The directory, when it changed or has to be written again.
Status HashLogWriter::finish() {
  return directory_.has_value() || directory().is_damaged ? put_directory() : Status();
}

/// As this process knows it, also over a damaged one.
Status HashLogWriter::put_directory() {
  ASSAY_ASSIGN_OR_RETURN(const Standing before,
                         snapshot_.find_to_change(RecordKind::kDirectory, 0, ""));
  return append(
      {RecordKind::kDirectory, false, 0, before.found.place, "", encode_directory(directory())});
}

Status HashLog::update(const std::function<Status(HashLogWriter&)>& body) {
  if (options_.read_only) {
    return {Code::kFailedPrecondition, "the online store was opened to read only"};
  }
  const std::lock_guard one_writer(write_mutex_);
  const ProcessLock::Hold hold(*lock_);
  ASSAY_RETURN_IF_ERROR(hold.status());
  ASSAY_RETURN_IF_ERROR(catch_up());
  ASSAY_ASSIGN_OR_RETURN(const uint64_t committed, head_->load(HeadWord::kCommitted));
  ASSAY_ASSIGN_OR_RETURN(const uint64_t tail, head_->load(HeadWord::kTail));
  ASSAY_RETURN_IF_ERROR(enter());
  HashLogWriter writer(*this, committed, tail);
  Status filled = body(writer);
  if (filled.ok()) {
    filled = writer.finish();
  }
  if (filled.ok() && writer.records_ > 0) {
    clean_some(writer);
    filled = writer.failure_;
  }
  gate_.leave();
  if (filled.ok() && writer.records_ > 0) {
    filled = make_durable(writer);
  }
  if (!filled.ok()) {
    const bool is_to_undo = writer.is_begun_ && !writer_state_->failed;
    ASSAY_RETURN_IF_ERROR(is_to_undo ? undo(committed) : Status());
    return filled;
  }
  return writer.records_ == 0 ? Status() : show(writer);
}

/// All of the transaction, with the record that ends it.
Status HashLog::make_durable(HashLogWriter& writer) {
  const auto claims = static_cast<uint64_t>(
      std::count_if(writer.changes_.begin(), writer.changes_.end(), [](const auto& change) {
        return change.previous == 0;
      }));
  ASSAY_RETURN_IF_ERROR(grow(claims));
  const std::string commit =
      encode_commit({writer.snapshot_.committed_, writer.tail_, writer.checksum_, writer.records_});
  ASSAY_RETURN_IF_ERROR(writer.append({RecordKind::kCommit, false, 0, 0, "", commit}));
  return write(writer);
}

Status HashLog::show(HashLogWriter& writer) {
  Status published = enter();
  if (published.ok()) {
    published = publish(writer);
    gate_.leave();
  }
  if (!published.ok()) {  // it is durable, and the next writer tries to show it again
    return Status(Code::kCommitUnknown, published.message()).with_context("restart and look");
  }
  writer_state_->cleaned = writer.cleaned_;
  for (const Status& after : {drop_files(writer.tail_), checkpoint(writer.bytes())}) {
    if (!after.ok()) {  // the transaction stands
      world_.log.warn("online_log_upkeep_failed", {{"status", after.to_string()}});
    }
  }
  return {};
}

/// What was filled last, in the file that it belongs to.
Status HashLog::write_part(HashLogWriter& writer) {
  WriterState& state = *writer_state_;
  writer.is_begun_ = true;
  const HashLogWriter::Part& part = writer.part_;
  if (state.file == nullptr || state.file->path() != files_->path(part.file)) {
    ASSAY_ASSIGN_OR_RETURN(state.file, LogFile::open(files_->path(part.file)));
  }
  ASSAY_RETURN_IF_ERROR(state.file->write(part.offset, part.bytes));
  if (options_.sync) {
    state.file->start_sync(part.offset, part.bytes.size());
  }
  return {};
}

Status HashLog::sync(const LogFile& file) {
  Status synced = file.sync();
  writer_state_->failed |= !synced.ok();
  return synced.ok() ? synced : synced.with_context("restart and look");
}

/// A full file waits to be synced, so that the disk works while the next one is filled.
Status HashLog::leave_file(HashLogWriter& writer) {
  constexpr std::size_t kWaitingMax = 8;
  std::vector<std::unique_ptr<LogFile>>& left = writer.left_;
  left.push_back(std::move(writer_state_->file));
  if (left.size() > kWaitingMax) {
    writer.failure_ = sync(*left.front());
    left.erase(left.begin());
  }
  return writer.failure_;
}

/// Put the last part behind the others, when these are durable.
Status HashLog::write(HashLogWriter& writer) {
  // A file that is left behind is synced even for a scratch store: what is moved out of the first
  // file has to be on the disk before that is removed.
  for (const std::unique_ptr<LogFile>& file : writer.left_) {
    ASSAY_RETURN_IF_ERROR(sync(*file));
  }
  ASSAY_RETURN_IF_ERROR(write_part(writer));
  if (!writer.left_.empty()) {
    ASSAY_RETURN_IF_ERROR(world_.files.sync(folder_));
  }
  fail_point("online.log.before_sync");
  if (options_.sync) {
    ASSAY_RETURN_IF_ERROR(sync(*writer_state_->file));
  }
  fail_point("online.log.after_sync");
  return {};
}

/// Cut off what stands behind the log.
Status HashLog::undo(uint64_t committed) {
  const uint64_t last = files_->file_of(committed);
  for (uint64_t file = last + 1; world_.files.stat(files_->path(file)).ok(); ++file) {
    writer_state_->file.reset();
    ASSAY_RETURN_IF_ERROR(world_.files.remove(files_->path(file)));
  }
  ASSAY_ASSIGN_OR_RETURN(const uint64_t bytes, file_bytes(files_->path(last)));
  if (bytes == files_->offset_of(committed)) {
    return {};
  }
  if (bytes < files_->offset_of(committed)) {
    return {Code::kCorrupt,
            "the log was cut: file " + files_->path(last) + ", offset " + std::to_string(bytes)};
  }
  ASSAY_ASSIGN_OR_RETURN(writer_state_->file, LogFile::open(files_->path(last)));
  ASSAY_RETURN_IF_ERROR(writer_state_->file->truncate(files_->offset_of(committed)));
  return writer_state_->file->sync();
}

/// Show readers a transaction that is durable.
Status HashLog::publish(const HashLogWriter& writer) {
  ASSAY_ASSIGN_OR_RETURN(uint64_t used, head_->load(HeadWord::kUsed));
  ASSAY_ASSIGN_OR_RETURN(const uint64_t live, head_->load(HeadWord::kLive));
  ASSAY_ASSIGN_OR_RETURN(const uint64_t layout, head_->load(HeadWord::kLayout));
  head_->store(HeadWord::kTarget, writer.end());
  const auto& changes = writer.changes_;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (i + kPrefetchAhead < changes.size()) {
      index_->prefetch(changes[i + kPrefetchAhead].hash);
    }
    ASSAY_ASSIGN_OR_RETURN(const bool claimed,
                           index_->set(changes[i].hash, changes[i].previous, changes[i].place));
    used += claimed ? 1 : 0;
    fail_point("online.log.publishing");
  }
  for (const HashLogWriter::Change& vacated : writer.vacated_) {
    HashIndex::Probe probe(*index_, vacated.hash);
    for (;;) {
      ASSAY_ASSIGN_OR_RETURN(const std::optional<HashIndex::Slot> slot, probe.next());
      if (!slot.has_value()) {
        break;
      }
      if (slot->place == vacated.place) {
        index_->point(slot->number, vacated.hash, 0);
      }
    }
    if (writer.tail_ != writer.tail_before_) {
      fail_point("online.log.vacating");
    }
  }
  const int64_t more = writer.live_bytes_ - writer.dropped_bytes_;
  const int64_t now = static_cast<int64_t>(live) + more / static_cast<int64_t>(kPlaceBytes);
  head_->store(HeadWord::kUsed, used);
  head_->store(HeadWord::kLive, static_cast<uint64_t>(std::max<int64_t>(now, 0)));
  head_->store(HeadWord::kTail, writer.tail_);
  head_->store(HeadWord::kCommitted, writer.end());
  fail_point("online.log.shown");
  if (writer.directory_.has_value() || writer.snapshot_.directory().is_damaged ||
      writer.tail_ != writer.tail_before_) {
    head_->store(HeadWord::kLayout, layout + 1);
  }
  head_->store(HeadWord::kTarget, 0);
  return {};
}

/// Make room for more slots, before anything of the transaction is written: another index, without
/// the slots that lead nowhere, with room for half as many keys more. So it grows with the keys
/// that there are, not with those that ever were.
Status HashLog::grow(uint64_t more) {
  ASSAY_ASSIGN_OR_RETURN(const uint64_t used, head_->load(HeadWord::kUsed));
  ASSAY_ASSIGN_OR_RETURN(const uint64_t committed, head_->load(HeadWord::kCommitted));
  ASSAY_ASSIGN_OR_RETURN(const uint64_t generation, head_->load(HeadWord::kGeneration));
  ASSAY_ASSIGN_OR_RETURN(const uint64_t layout, head_->load(HeadWord::kLayout));
  uint64_t copied = 0;
  {
    ASSAY_RETURN_IF_ERROR(enter());  // threads of this process may be taking another index
    const ReaderGate::Visit inside(gate_);
    if (used + more <= used_max(index_->slots())) {
      return {};
    }
    ASSAY_ASSIGN_OR_RETURN(const uint64_t leading, index_->leading());
    int bits = options_.index_bits;
    while (leading + std::max(more, leading / 2) > used_max(uint64_t{1} << bits)) {
      ++bits;
    }
    ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<HashIndex> fresh,
                           HashIndex::create(index_path(generation + 1), bits));
    ASSAY_ASSIGN_OR_RETURN(copied, fresh->copy_from(*index_));
  }
  head_->store(HeadWord::kTarget, committed);
  head_->store(HeadWord::kGeneration, generation + 1);
  fail_point("online.index.switching");
  head_->store(HeadWord::kUsed, copied);
  head_->store(HeadWord::kLayout, layout + 1);
  head_->store(HeadWord::kTarget, 0);
  ASSAY_RETURN_IF_ERROR(refresh());
  return world_.files.remove(index_path(generation));
}

}  // namespace assay::online
