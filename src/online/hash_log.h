#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/world.h"
#include "online/hash_index.h"
#include "online/log_files.h"
#include "online/log_head.h"
#include "online/log_record.h"
#include "online/online_store.h"
#include "online/reader_gate.h"

// The hash log, drawn in docs/formats/hash_log.md: records found by a key, changed by transactions
// of one process at a time, read by any number.

namespace assay::online {

/// The views that a log holds.
struct LogDirectory {
  struct View {
    uint32_t epoch = 0;
    uint64_t fingerprint = 0;
  };
  uint32_t next_epoch = 1;
  std::map<std::string, View, std::less<>> views;
  uint64_t place = 0;       // of the record that it was read from
  bool is_damaged = false;  // that record is by now: to be written again

  [[nodiscard]] const View* find(std::string_view name) const {
    const auto found = views.find(name);
    return found == views.end() ? nullptr : &found->second;
  }
};
std::string encode_directory(const LogDirectory& directory);
Result<LogDirectory> decode_directory(std::string_view value);

/// Where the newest record of a key stands.
struct Found {
  uint64_t place = 0;  // 0: the key was never there
  uint64_t bytes = 0;  // of its record; 0 when that says that there is none
  std::optional<std::string_view> value;
};

/// What a transaction finds under a key: it may be written over even where it is damaged.
struct Standing {
  Found found;           // of a damaged record: its place alone
  Status damage;         // kCorrupt: there is one, and nobody knows what it says
  bool is_lost = false;  // and that is written down already
};

class HashLogWriter;

/// Errors  kCorrupt: a byte is damaged, with file and offset; kResourceExhausted: disk full,
/// nothing
///         is changed then; kCommitUnknown: the disk failed inside a commit, open the store again.
/// Threads thread-safe; one update at a time, in this process and among processes.
class HashLog {
 public:
  /// A consistent state, for the time of one read.
  class Snapshot {
   public:
    [[nodiscard]] Result<Found> find(RecordKind kind,
                                     uint32_t epoch,
                                     std::string_view key,
                                     uint64_t hash) const;
    [[nodiscard]] Result<Found> find(RecordKind kind, uint32_t epoch, std::string_view key) const {
      return find(kind, epoch, key, record_hash(kind, epoch, key));
    }
    /// The bytes of the record that prefetch_record() found at a place. "" when it did not, or when
    /// that is not the one to be read in this state, or is damaged: find() says.
    [[nodiscard]] std::string_view sound_bytes(uint64_t place) const {
      return place != 0 && place < committed_ ? log_.files_->sound_bytes(place)
                                              : std::string_view();
    }
    /// The same for who writes over it: a damaged record is no failure.
    [[nodiscard]] Result<Standing> find_to_change(RecordKind kind,
                                                  uint32_t epoch,
                                                  std::string_view key,
                                                  uint64_t hash) const;
    [[nodiscard]] Result<Standing> find_to_change(RecordKind kind,
                                                  uint32_t epoch,
                                                  std::string_view key) const {
      return find_to_change(kind, epoch, key, record_hash(kind, epoch, key));
    }
    /// Bring near what find() will need: first the slot, later the record that it leads to, as many
    /// bytes of it. Its place is returned; 0 when there is none, or find() has to look for it.
    void prefetch_slot(uint64_t hash) const { log_.index_->prefetch(hash); }
    uint64_t prefetch_record(uint64_t hash, std::size_t bytes) const {
      const uint64_t place = log_.index_->first_place(hash);
      if (place != 0) {
        log_.files_->prefetch(place, bytes);
      }
      return place;
    }
    /// The views as they are now; those that came after this state have nothing in it.
    [[nodiscard]] const LogDirectory& directory() const { return *log_.directory_; }
    /// Visit all rows of a view, in no order, until `visit` fails.
    [[nodiscard]] Status scan(
        uint32_t epoch,
        const std::function<Status(std::string_view key, std::string_view value)>& visit) const;

   private:
    /// Where the first slot of the hash leads to a sound record of the key in this state, as nearly
    /// always; else no place, and the slots have to be walked.
    [[nodiscard]] Found find_at_once(RecordKind kind,
                                     uint32_t epoch,
                                     std::string_view key,
                                     uint64_t hash) const;

    friend class HashLog;
    friend class HashLogWriter;
    Snapshot(const HashLog& log, uint64_t committed) : log_(log), committed_(committed) {}
    const HashLog& log_;
    uint64_t committed_;
  };

  static Result<std::unique_ptr<HashLog>> open(World& world,
                                               const std::string& folder,
                                               const HashLogOptions& options);
  ~HashLog();
  HashLog(const HashLog&) = delete;
  HashLog& operator=(const HashLog&) = delete;

  /// Run `body` with a state; again from the beginning when files went away under it.
  template <typename Body>
  Status read(const Body& body) {
    for (int attempt = 0;; ++attempt) {
      ASSAY_RETURN_IF_ERROR(enter());
      const uint64_t layout = layout_;
      const uint64_t committed_word = head_->load_raw(HeadWord::kCommitted);
      const Result<uint64_t> committed = head_->load(HeadWord::kCommitted);
      Status done = committed.ok() ? body(Snapshot(*this, *committed)) : committed.status();
      gate_.leave();  // what follows is not read before this
      const bool same_files = head_->load_raw(HeadWord::kLayout) == layout;
      const bool newest = same_files && head_->load_raw(HeadWord::kCommitted) == committed_word;
      // What is missing in an old state may have been thrown away since.
      if ((done.ok() ? same_files : newest) || attempt == kAttempts) {
        return done;
      }
    }
  }
  /// Run `body` in a transaction, and make that durable and seen when it succeeds; else nothing is
  /// changed.
  Status update(const std::function<Status(HashLogWriter&)>& body);

 private:
  friend class HashLogWriter;
  struct WriterState;
  static constexpr int kAttempts = 1000;

  HashLog(World& world, std::string folder, const HashLogOptions& options);
  [[nodiscard]] std::string path(const std::string& name) const;
  [[nodiscard]] std::string index_path(uint64_t generation) const;
  Status open();

  // Reading (hash_log.cc)
  Status enter();
  Status refresh();
  Result<LogDirectory> load_directory(const HashIndex& index);
  struct Walk;
  static Result<Walk> walk(const HashIndex& index,
                           LogFiles& files,
                           uint64_t committed,
                           RecordKind kind,
                           uint32_t epoch,
                           std::string_view key,
                           uint64_t hash);
  static Result<Found> find_in(const HashIndex& index,
                               LogFiles& files,
                               uint64_t committed,
                               RecordKind kind,
                               uint32_t epoch,
                               std::string_view key,
                               uint64_t hash);

  // Writing (hash_log_writer.cc, hash_log_upkeep.cc)
  Status make_durable(HashLogWriter& writer);
  Status show(HashLogWriter& writer);
  Status write_part(HashLogWriter& writer);
  Status leave_file(HashLogWriter& writer);
  Status sync(const LogFile& file);
  Status write(HashLogWriter& writer);
  Status undo(uint64_t committed);
  Status publish(const HashLogWriter& writer);
  Status grow(uint64_t more);
  struct Cleaning;
  void clean_some(HashLogWriter& writer);
  Status clean(HashLogWriter& writer);
  Status clean_record(HashLogWriter& writer,
                      Cleaning& cleaning,
                      uint64_t place,
                      const LogRecord& record);
  Status clean_damaged(HashLogWriter& writer, Cleaning& cleaning, const Status& why);
  Status checkpoint(uint64_t written);
  Status copy_index(uint64_t step);
  Status drop_files(uint64_t tail);

  // After a writer or the machine stopped (hash_log_recovery.cc)
  Status catch_up();
  Status remove_unfinished();
  Status show_again(uint64_t begin, uint64_t end);
  Status recover();
  Status renew_head(int file_bits,
                    uint64_t generation,
                    uint64_t committed,
                    uint64_t tail,
                    uint64_t used,
                    uint64_t checkpoint);
  Result<uint64_t> live_bytes();
  Result<int> file_bits_of(const std::set<uint64_t>& files);
  Result<std::unique_ptr<HashIndex>> load_checkpoint(const std::string& to,
                                                     uint64_t* start,
                                                     uint64_t* used);

  World& world_;
  const std::string folder_;
  const HashLogOptions options_;

  // Changed while nobody is inside the gate.
  ReaderGate gate_;
  std::unique_ptr<HashIndex> index_;
  std::unique_ptr<const LogDirectory> directory_;
  std::atomic<uint64_t> layout_{0};  // the word that these belong to

  std::unique_ptr<LogHead> head_;
  std::unique_ptr<LogFiles> files_;
  std::mutex refresh_mutex_;
  std::mutex write_mutex_;
  std::unique_ptr<ProcessLock> lock_;
  std::unique_ptr<WriterState> writer_state_;
};

}  // namespace assay::online
