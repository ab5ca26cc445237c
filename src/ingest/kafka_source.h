#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "base/wakeup.h"
#include "base/world.h"
#include "catalog/definitions.h"
#include "ingest/file_ledger.h"
#include "ingest/record.h"
#include "store/http_client.h"

namespace assay::ingest {

/// How far each part of a source was read: by its ordinal, the Position after the last record.
using PartPositions = std::map<int64_t, int64_t>;

/// Of each part the last record that was taken: by its ordinal, a mark that tells it from what
/// stands there when the topic is made again (kafka_marks.h). Parts without one are absent.
using PartMarks = std::map<int64_t, int64_t>;

/// How far a table has the parts of a source.
struct PartsDone {
  PartPositions positions;
  PartMarks marks{};
};

struct KafkaLook;
class LeftAskers;

/// What a look at the topics says of their numbered parts.
struct PartsSeen {
  PartPositions ends;       // of the newest part of each partition
  bool are_others = false;  // there are other partitions, or topics, than those that have numbers
};

/// The records of Kafka topics. Positions are the tables' own: the ledger gives each partition a
/// number and says at which offset its counting begins, so a record's position never changes.
///
/// Order   of each partition by offset; partitions are read side by side.
/// Bounds  fetched records: queue_bytes_max of the definition; taken ones: those of one next().
/// Threads one thread at a time.
/// Source  docs/decisions/0070-positions-of-partitions.md
class KafkaSource {
 public:
  struct Options {
    bool keep_meta = false;  // fill RecordBatch::meta
    Duration timeout{10 * kMicrosPerSecond};
    std::shared_ptr<store::HttpClient> registry = nullptr;  // of tests; else the machine's own
    const std::atomic<bool>* stop = nullptr;  // set: read_until() ends with kCancelled
    Wakeup* wakeup = nullptr;                 // notified when records come; must outlive the source
    std::string group{};                      // that is to be joined
    bool waits_for_registry = false;          // next() does, for as long as that takes
    LeftAskers* left_askers = nullptr;        // see SchemaResolver
  };
  /// Asks no broker. The world and the ledger must outlive the source.
  ///
  /// Errors  kInvalidArgument: a setting that the client library refuses.
  static Result<std::unique_ptr<KafkaSource>> open(World& world,
                                                   const catalog::SourceDef& definition,
                                                   FileLedger& ledger,
                                                   const Options& options);
  virtual ~KafkaSource() = default;

  /// Look for the topics' partitions and number new ones; gives how many were new.
  ///
  /// Errors  kNotFound: no such topic. kFailedPrecondition: a topic has fewer partitions than it
  ///         had, or was made again. kUnavailable: no broker answers. kPermissionDenied,
  ///         kUnauthenticated.
  virtual Result<int64_t> discover() = 0;

  /// What a look tells that another client had; asks no broker. Where there are others, discover()
  /// numbers them.
  virtual Result<PartsSeen> see(const KafkaLook& look) = 0;

  /// Read on after what `done` says; parts that it does not name from their beginning. A part that
  /// it does not name and whose oldest records are gone begins with what is there.
  ///
  /// Errors  kFailedPrecondition: records that were not read are gone, or the topic holds less than
  ///         was read (it was made anew); with `on_lost: skip` a warning instead. That another
  ///         record stands where the last one was taken is seen, and treated alike, before the next
  ///         one is handed out.
  virtual Status seek(const PartsDone& done) = 0;
  /// What was handed out so far.
  [[nodiscard]] virtual const PartPositions& positions() const = 0;
  [[nodiscard]] virtual PartMarks marks() const = 0;

  // Instead of seek(): as a member of options.group, which divides the partitions among processes.

  /// Join it. Nothing is read before it gives partitions.
  virtual Status join() = 0;
  /// What the group has decided, known behind next(). Its records before that are handed out by
  /// then; it is to be answered, by take() when it gives partitions, else by give_up(), before
  /// next() is called again.
  struct Rebalance {
    bool gives = false;
    bool is_lost = false;  // of partitions to give up: others may have them by now
    std::set<int64_t> ordinals;
  };
  [[nodiscard]] virtual const std::optional<Rebalance>& rebalance() const = 0;
  /// Read the partitions that are given, on after `done`.
  ///
  /// Errors  those of discover() and seek().
  virtual Status take(const PartsDone& done) = 0;
  /// Read them no longer. What was fetched of them and not handed out is forgotten.
  virtual Status give_up() = 0;
  /// "topic/3" of a part.
  [[nodiscard]] virtual std::string part_name(int64_t ordinal) const = 0;
  /// What keeps the group from giving partitions, as it was last told; "" when nothing was told
  /// since it gave some.
  [[nodiscard]] virtual const std::string& group_trouble() const = 0;

  /// The next records of any partitions, by position: as many as there are, at most `records_max`;
  /// nothing when none came within `wait`.
  ///
  /// Errors  kFailedPrecondition, kNotFound, kPermissionDenied as above; kAborted: as a member, a
  ///         topic was made again that is to be read from its beginning: join anew. A broker that
  ///         does not answer is waited for; a schema registry too, unless waits_for_registry for its
  ///         `timeout`, after which it is kUnavailable.
  virtual Result<std::optional<RecordBatch>> next(int64_t records_max, Duration wait) = 0;
  /// Exactly the records behind `positions()` and before `end`, all in one batch; parts that `end`
  /// does not name are left out. Reading goes on behind them.
  ///
  /// Errors  as next(); kUnavailable: they did not come within `wait`; kCancelled: options.stop.
  virtual Result<RecordBatch> read_until(const PartPositions& end, Duration wait) = 0;

  /// Whether records are held back because the schema registry does not answer.
  [[nodiscard]] virtual bool waits_for_schemas() const = 0;

  /// True when every partition was read up to its end as it was last seen.
  [[nodiscard]] virtual bool at_end() const = 0;
  /// True when all was read that was there at seek().
  [[nodiscard]] virtual bool has_read_backlog() const = 0;
  [[nodiscard]] virtual bool part_at_end(int64_t ordinal) const = 0;
  /// Where the partitions that are read end, as the last fetches saw it.
  [[nodiscard]] virtual PartPositions known_ends() const = 0;
  /// Records not handed out yet, as the last fetches saw them.
  [[nodiscard]] virtual int64_t lag() const = 0;
  /// The same of each partition that is read.
  struct PartLag {
    std::string name;     // "topic/3"
    int64_t records = 0;  // not handed out yet
    /// When the last record handed out, or found again where it was taken before, was sent, by the
    /// topic; nothing when it does not say.
    std::optional<EventTime> sent;
    std::optional<int64_t> next = std::nullopt;  // offset of the next record to hand out
  };
  [[nodiscard]] virtual std::vector<PartLag> part_lags() const = 0;
};

/// The name under which the ledger keeps the parts of a Kafka source.
std::string kafka_ledger_name(const std::string& source);

/// "clicks/3 offset 1200": a position as its user knows it.
std::string describe_part_position(const SourceFile& part, int64_t position);

}  // namespace assay::ingest
