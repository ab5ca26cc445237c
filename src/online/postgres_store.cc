// An online store in PostgreSQL, in two tables of the schema that the connection's search path
// begins with:
//
//   assay_view  project text, name text, epoch bigint, meta bytea
//                                                        meta value, as of the embedded store
//   assay_row   epoch bigint, key bytea, value bytea     row value, as of the embedded store; the
//                                                        checksum covers "epoch:key"
//
// A view's rows and its position change in one transaction, which holds the view's line meanwhile.
// Reads take line and rows in one statement, so they see one state. A view that is dropped and made
// again gets another epoch. Several projects may share the tables: epochs are of all of them, views
// of one.

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/fail_point.h"
#include "base/hash.h"
#include "online/entity_rows.h"
#include "online/online_store.h"
#include "online/postgres_client.h"
#include "online/row_codec.h"
#include "online/view_replacer.h"

namespace assay::online {
namespace {

constexpr std::size_t kRowsPerStatement = 1000;

using Value = PostgresValue;
using Use = PostgresUse;

/// A view's line: which epoch its rows belong to, and where it stands.
struct Line {
  int64_t epoch = 0;
  ViewMeta meta;
};

std::string sealed_key(int64_t epoch, std::string_view entity) {
  return std::to_string(epoch) + ":" + std::string(entity);
}

Result<ViewMeta> read_meta(const std::string& name, const std::optional<std::string>& bytes) {
  Result<ViewMeta> meta = decode_meta(name, bytes.value_or(""));
  return meta.ok() ? meta : meta.status().with_context("online store, view " + name);
}

class PostgresStore : public OnlineStore, public ViewReplacer {
 public:
  PostgresStore(PostgresAddress address, std::string project, World& world)
      : pool_(std::move(address), world.clock),
        project_(std::move(project)),
        metrics_(world.metrics) {}

  Status apply(const gold::FeatureView& view,
               const data::Batch& rows,
               std::optional<int64_t> expected,
               int64_t position,
               EventTime applied_until,
               std::span<const data::EntityKey> anew) override;
  Result<std::optional<AppliedTo>> applied_to(const gold::FeatureView& view) override {
    return applied_for(Use::kWork, view);
  }
  Result<std::optional<AppliedTo>> known_applied_to(const gold::FeatureView& view) override {
    return applied_for(Use::kServing, view);
  }
  Result<std::vector<gold::FeatureValues>> read(const gold::FeatureView& view,
                                                std::span<const data::EntityKey> keys,
                                                EventTime now) override;
  Result<std::optional<AppliedTo>> read_flat(const gold::FeatureView& view,
                                             std::span<const data::EntityKey> keys,
                                             EventTime now,
                                             data::FlatValues* values) override;
  Result<EventTime> data_now() override { return data_now_for(Use::kWork); }
  Result<EventTime> known_data_now() override { return data_now_for(Use::kServing); }
  Result<std::vector<std::string>> views() override;
  Status drop(const std::string& storage_name) override;
  Status remove_leftovers() override;
  Status replace(const gold::FeatureView& view, const std::string& filled) override;
  Result<uint64_t> content_hash_at(const gold::FeatureView& view,
                                   std::optional<EventTime> now) override;

  /// Make the tables, or find out that they are not there.
  Status open(bool read_only);

 private:
  template <typename Take>
  Result<std::optional<AppliedTo>> each_row(const gold::FeatureView& view,
                                            std::span<const data::EntityKey> keys,
                                            const Take& take);
  static constexpr std::size_t kColumnsAll = 3;
  static constexpr std::size_t kColumnsOld = 2;
  static Result<std::size_t> known_columns(PostgresConnection& server);
  Status make_tables(PostgresConnection& server);
  Status try_apply(PostgresConnection& server, const ViewChange& change, int64_t* written);
  /// The line of the change's view, locked; made when there is none.
  Result<Line> take_line(PostgresConnection& server, const ViewChange& change);
  Status write_rows(PostgresConnection& server,
                    const ViewChange& change,
                    int64_t epoch,
                    int64_t* written);
  Status replace_line(PostgresConnection& server,
                      const gold::FeatureView& view,
                      const std::string& filled);
  static Status remove_dead_rows(PostgresConnection& server);
  static Status put(PostgresConnection& server,
                    int64_t epoch,
                    const std::vector<std::string>& keys,
                    const std::vector<std::string>& values);
  Result<std::map<std::string, std::string>> held_rows(PostgresConnection& server,
                                                       int64_t epoch,
                                                       const std::vector<std::string>& keys);
  Result<std::optional<AppliedTo>> applied_for(Use use, const gold::FeatureView& view);
  Result<EventTime> data_now_for(Use use);
  Result<std::map<std::string, ViewMeta>> all_views(Use use);
  Status corrupt(const gold::FeatureView& view, std::string_view key, const Status& why);

  /// The answer to one statement that only reads.
  Result<PostgresRows> ask(Use use, const char* statement, const std::vector<Value>& values = {}) {
    PostgresRows rows;
    const Status done = pool_.read(use, [&](PostgresConnection& server) -> Status {
      ASSAY_ASSIGN_OR_RETURN(rows, server.run(statement, values));
      return {};
    });
    return done.ok() ? Result<PostgresRows>(std::move(rows)) : Result<PostgresRows>(done);
  }

  PostgresPool pool_;
  const std::string project_;
  StoreMetrics metrics_;
};

Status PostgresStore::open(bool read_only) {
  return pool_.write([&](PostgresConnection& server) -> Status {
    ASSAY_ASSIGN_OR_RETURN(const std::size_t columns, known_columns(server));
    if (columns == kColumnsAll) {
      return {};
    }
    if (read_only) {
      return columns == kColumnsOld
                 ? Status(Code::kFailedPrecondition,
                          "the online store is of an earlier version; run `assay run` once")
                 : Status(Code::kNotFound, "there is no online store; run `assay run` first");
    }
    return server.in_transaction([&] { return make_tables(server); });
  });
}

/// How many of three columns are there: of an earlier version all but one.
Result<std::size_t> PostgresStore::known_columns(PostgresConnection& server) {
  ASSAY_ASSIGN_OR_RETURN(
      const PostgresRows known,
      server.run("SELECT 1 FROM information_schema.columns WHERE table_schema = current_schema() "
                 "AND (table_name, column_name) IN (('assay_row', 'key'), ('assay_view', 'name'), "
                 "('assay_view', 'project'))"));
  return known.rows.size();
}

Status PostgresStore::make_tables(PostgresConnection& server) {
  // One process makes them, the others wait and find them.
  ASSAY_RETURN_IF_ERROR(server.run("SELECT pg_advisory_xact_lock(7233190)").status());
  ASSAY_ASSIGN_OR_RETURN(const std::size_t columns, known_columns(server));
  if (columns == kColumnsOld) {  // of one project, which this one is
    ASSAY_RETURN_IF_ERROR(server.run("ALTER TABLE assay_view ADD COLUMN project text").status());
    ASSAY_RETURN_IF_ERROR(
        server.run("UPDATE assay_view SET project = $1", {Value::text(project_)}).status());
    ASSAY_RETURN_IF_ERROR(
        server.run("ALTER TABLE assay_view DROP CONSTRAINT assay_view_pkey").status());
    return server.run("ALTER TABLE assay_view ADD PRIMARY KEY (project, name)").status();
  }
  for (const char* const statement :
       {"CREATE SEQUENCE IF NOT EXISTS assay_epoch",
        "CREATE TABLE IF NOT EXISTS assay_view (project text NOT NULL, name text NOT NULL, epoch "
        "bigint NOT NULL, meta bytea NOT NULL, PRIMARY KEY (project, name))",
        "CREATE TABLE IF NOT EXISTS assay_row (epoch bigint NOT NULL, key bytea NOT NULL, "
        "value bytea NOT NULL, PRIMARY KEY (epoch, key))"}) {
    ASSAY_RETURN_IF_ERROR(server.run(statement).status());
  }
  return {};
}

Status PostgresStore::apply(const gold::FeatureView& view,
                            const data::Batch& rows,
                            std::optional<int64_t> expected,
                            int64_t position,
                            EventTime applied_until,
                            std::span<const data::EntityKey> anew) {
  ASSAY_RETURN_IF_ERROR(check_view_name(view));
  ASSAY_ASSIGN_OR_RETURN(const EntityRows gathered, EntityRows::gather(view, rows));
  const ViewChange change{view, rows, gathered, expected, position, applied_until, anew};
  int64_t written = 0;
  const auto apply_once = [&] {
    return pool_.write(
        [&](PostgresConnection& server) { return try_apply(server, change, &written); });
  };
  Status done = apply_once();
  if (done.code() == Code::kCommitUnknown && expected != position) {
    // The position says whether the transaction landed.
    const Result<std::optional<AppliedTo>> applied = applied_to(view);
    if (applied.ok() && applied->has_value() && (*applied)->position == position) {
      done = {};
    } else if (applied.ok()) {
      done = apply_once();
    }
  } else if (done.code() == Code::kUnavailable) {
    done = apply_once();  // a connection that was kept for too long
  }
  if (!done.ok()) {
    return done.with_context("apply rows to the online store, view " + view.name());
  }
  fail_point("online.apply.after_commit");
  metrics_.count(rows, gathered, written);
  return {};
}

Result<Line> PostgresStore::take_line(PostgresConnection& server, const ViewChange& change) {
  const std::string& name = change.view.storage_name();
  ASSAY_ASSIGN_OR_RETURN(
      PostgresRows found,
      server.run("SELECT epoch, meta FROM assay_view WHERE project = $1 AND name "
                 "= $2 FOR UPDATE",
                 {Value::text(project_), Value::text(name)}));
  std::optional<ViewMeta> meta;
  if (!found.rows.empty()) {
    ASSAY_ASSIGN_OR_RETURN(meta, read_meta(name, found.rows[0][1]));
  }
  ASSAY_RETURN_IF_ERROR(check_apply(change.view, meta, change.expected, change.position));
  if (!meta.has_value()) {
    ASSAY_ASSIGN_OR_RETURN(
        found,
        server.run("INSERT INTO assay_view (project, name, epoch, meta) VALUES ($1, $2, "
                   "nextval('assay_epoch'), $3) ON CONFLICT DO NOTHING RETURNING epoch",
                   {Value::text(project_), Value::text(name), Value::bytes("")}));
    if (found.rows.empty()) {
      return Status(
          Code::kFailedPrecondition,
          "another process moved the view's position meanwhile: view " + change.view.name());
    }
  }
  return Line{found.integer(0, 0), change.after(meta.value_or(ViewMeta{}))};
}

Status PostgresStore::try_apply(PostgresConnection& server,
                                const ViewChange& change,
                                int64_t* written) {
  const std::string& name = change.view.storage_name();
  *written = 0;
  return server.in_transaction([&]() -> Status {
    ASSAY_ASSIGN_OR_RETURN(const Line line, take_line(server, change));
    ASSAY_RETURN_IF_ERROR(write_rows(server, change, line.epoch, written));
    ASSAY_RETURN_IF_ERROR(
        server
            .run("UPDATE assay_view SET meta = $3 WHERE project = $1 AND name = $2",
                 {Value::text(project_),
                  Value::text(name),
                  Value::bytes(encode_meta(name, line.meta))})
            .status());
    fail_point("online.apply.before_commit");
    return {};
  });
}

Status PostgresStore::put(PostgresConnection& server,
                          int64_t epoch,
                          const std::vector<std::string>& keys,
                          const std::vector<std::string>& values) {
  if (keys.empty()) {
    return {};
  }
  return server
      .run(
          "INSERT INTO assay_row (epoch, key, value) SELECT $1, * FROM unnest($2, $3) ON CONFLICT "
          "(epoch, key) DO UPDATE SET value = excluded.value",
          {Value::integer(epoch), Value::list(keys), Value::list(values)})
      .status();
}

Result<std::map<std::string, std::string>> PostgresStore::held_rows(
    PostgresConnection& server, int64_t epoch, const std::vector<std::string>& keys) {
  ASSAY_ASSIGN_OR_RETURN(
      PostgresRows found,
      server.run("SELECT key, value FROM assay_row WHERE epoch = $1 AND key = ANY ($2)",
                 {Value::integer(epoch), Value::list(keys)}));
  std::map<std::string, std::string> held;
  for (auto& cells : found.rows) {
    held.emplace(*std::move(cells[0]), *std::move(cells[1]));
  }
  return held;
}

Status PostgresStore::write_rows(PostgresConnection& server,
                                 const ViewChange& change,
                                 int64_t epoch,
                                 int64_t* written) {
  const std::span<const EntityRows::Entity> entities = change.gathered.entities();
  ASSAY_ASSIGN_OR_RETURN(
      const std::unique_ptr<gold::RowUpdates> updates,
      change.view.begin_updates(change.rows, change.gathered.order(), change.applied_until));
  std::vector<std::string> keys;
  std::vector<std::string> values;
  for (const data::EntityKey& key : change.anew) {
    keys.push_back(key.bytes());
    values.push_back(encode_row(sealed_key(epoch, key.bytes()), "", ""));
  }
  ASSAY_RETURN_IF_ERROR(put(server, epoch, keys, values));
  for (std::size_t begin = 0; begin < entities.size(); begin += kRowsPerStatement) {
    const std::size_t end = std::min(entities.size(), begin + kRowsPerStatement);
    keys.clear();
    for (std::size_t i = begin; i < end; ++i) {
      keys.push_back(entities[i].key.bytes());
    }
    ASSAY_ASSIGN_OR_RETURN(const auto held, held_rows(server, epoch, keys));
    keys.clear();
    values.clear();
    for (std::size_t i = begin; i < end; ++i) {
      const std::string& entity = entities[i].key.bytes();
      const std::string sealed = sealed_key(epoch, entity);
      const auto found = held.find(entity);
      StoredRow before;
      if (found != held.end()) {
        const Result<StoredRow> stored = decode_row(sealed, found->second);
        if (!stored.ok()) {
          return corrupt(change.view, entity, stored.status());
        }
        before = *stored;
      }
      std::string row;
      ASSAY_RETURN_IF_ERROR(update_row(*updates, entities[i], before.row, nullptr, &row));
      if (found == held.end() || row != before.row) {
        keys.push_back(entity);
        values.push_back(encode_row(sealed, "", row));
        ++*written;
      }
    }
    ASSAY_RETURN_IF_ERROR(put(server, epoch, keys, values));
  }
  return {};
}

Result<std::optional<AppliedTo>> PostgresStore::applied_for(Use use,
                                                            const gold::FeatureView& view) {
  ASSAY_RETURN_IF_ERROR(check_view_name(view));
  const std::string& name = view.storage_name();
  ASSAY_ASSIGN_OR_RETURN(const PostgresRows found,
                         ask(use,
                             "SELECT meta FROM assay_view WHERE project = $1 AND name = $2",
                             {Value::text(project_), Value::text(name)}));
  if (found.rows.empty()) {
    return std::optional<AppliedTo>();
  }
  ASSAY_ASSIGN_OR_RETURN(const ViewMeta meta, read_meta(name, found.rows[0][0]));
  ASSAY_RETURN_IF_ERROR(check_definition(view, meta));
  return std::optional<AppliedTo>(meta.applied);
}

/// Hands the row of each key to `take`, "" where there is none. Where the view stands in the same
/// state.
template <typename Take>
Result<std::optional<AppliedTo>> PostgresStore::each_row(const gold::FeatureView& view,
                                                         std::span<const data::EntityKey> keys,
                                                         const Take& take) {
  ASSAY_RETURN_IF_ERROR(check_view_name(view));
  const std::string& name = view.storage_name();
  std::vector<std::string> wanted;
  for (const data::EntityKey& key : keys) {
    wanted.push_back(key.bytes());
  }
  ASSAY_ASSIGN_OR_RETURN(
      PostgresRows found,
      ask(Use::kServing,
          "SELECT v.epoch, v.meta, r.key, r.value FROM assay_view v LEFT JOIN assay_row r ON "
          "r.epoch = v.epoch AND r.key = ANY ($3) WHERE v.project = $1 AND v.name = $2",
          {Value::text(project_), Value::text(name), Value::list(wanted)}));
  std::map<std::string, std::string> held;
  std::optional<AppliedTo> applied;
  if (!found.rows.empty()) {
    ASSAY_ASSIGN_OR_RETURN(const ViewMeta meta, read_meta(name, found.rows[0][1]));
    ASSAY_RETURN_IF_ERROR(check_definition(view, meta));
    applied = meta.applied;
  }
  const int64_t epoch = found.rows.empty() ? 0 : found.integer(0, 0);
  for (auto& cells : found.rows) {
    if (cells[2].has_value()) {
      held.emplace(*std::move(cells[2]), *std::move(cells[3]));
    }
  }
  for (const std::string& key : wanted) {
    const auto row = held.find(key);
    const Result<StoredRow> stored = row == held.end()
                                         ? Result<StoredRow>(StoredRow{})
                                         : decode_row(sealed_key(epoch, key), row->second);
    const Status taken = stored.ok() ? take(stored->row) : stored.status();
    if (!taken.ok()) {
      return taken.code() == Code::kCorrupt ? corrupt(view, key, taken) : taken;
    }
  }
  return applied;
}

Result<std::vector<gold::FeatureValues>> PostgresStore::read(const gold::FeatureView& view,
                                                             std::span<const data::EntityKey> keys,
                                                             EventTime now) {
  std::vector<gold::FeatureValues> answers;
  const auto applied = each_row(view, keys, [&](std::string_view row) -> Status {
    ASSAY_ASSIGN_OR_RETURN(answers.emplace_back(), view.read_online_row(row, now));
    return {};
  });
  return applied.ok() ? Result<std::vector<gold::FeatureValues>>(std::move(answers))
                      : applied.status();
}

/// In one round trip.
Result<std::optional<AppliedTo>> PostgresStore::read_flat(const gold::FeatureView& view,
                                                          std::span<const data::EntityKey> keys,
                                                          EventTime now,
                                                          data::FlatValues* values) {
  const data::FlatValues::Size before = values->size();
  Result<std::optional<AppliedTo>> applied = each_row(view, keys, [&](std::string_view row) {
    return view.read_flat_row(row, now, NoRowPages(), values);
  });
  if (!applied.ok()) {
    values->shrink(before);
  }
  return applied;
}

Result<std::map<std::string, ViewMeta>> PostgresStore::all_views(Use use) {
  ASSAY_ASSIGN_OR_RETURN(
      const PostgresRows found,
      ask(use, "SELECT name, meta FROM assay_view WHERE project = $1", {Value::text(project_)}));
  std::map<std::string, ViewMeta> views;
  for (const auto& cells : found.rows) {
    const std::string name = cells[0].value_or("");
    ASSAY_ASSIGN_OR_RETURN(views[name], read_meta(name, cells[1]));
  }
  return views;
}

Result<EventTime> PostgresStore::data_now_for(Use use) {
  using Views = std::map<std::string, ViewMeta>;
  ASSAY_ASSIGN_OR_RETURN(const Views views, all_views(use));
  LatestOfViews latest;
  for (const auto& [name, meta] : views) {
    latest.add(name, meta.applied);
  }
  return latest.latest();
}

Result<std::vector<std::string>> PostgresStore::views() {
  using Views = std::map<std::string, ViewMeta>;
  ASSAY_ASSIGN_OR_RETURN(const Views views, all_views(Use::kWork));
  std::vector<std::string> names;
  for (const auto& [name, meta] : views) {
    names.push_back(name);
  }
  return names;
}

/// Of epochs that no view has. Rows of a view that is being made are not seen here before its line
/// is.
Status PostgresStore::remove_dead_rows(PostgresConnection& server) {
  // From one epoch that has rows to the next by the primary key, not over all rows.
  return server
      .run(
          "DELETE FROM assay_row WHERE epoch IN (WITH RECURSIVE held (epoch) AS (SELECT min(epoch) "
          "FROM assay_row UNION ALL SELECT (SELECT min(r.epoch) FROM assay_row r WHERE r.epoch > "
          "held.epoch) FROM held WHERE held.epoch IS NOT NULL) SELECT epoch FROM held WHERE epoch "
          "IS NOT NULL AND epoch NOT IN (SELECT epoch FROM assay_view))")
      .status();
}

Status PostgresStore::remove_leftovers() {
  return pool_.write([&](PostgresConnection& server) { return remove_dead_rows(server); })
      .with_context("remove rows of dropped views");
}

Status PostgresStore::drop(const std::string& storage_name) {
  return pool_
      .write([&](PostgresConnection& server) -> Status {
        ASSAY_RETURN_IF_ERROR(server
                                  .run("DELETE FROM assay_view WHERE project = $1 AND name = $2",
                                       {Value::text(project_), Value::text(storage_name)})
                                  .status());
        return remove_dead_rows(server);
      })
      .with_context("drop view " + storage_name + " from the online store");
}

Status PostgresStore::replace(const gold::FeatureView& view, const std::string& filled) {
  ASSAY_RETURN_IF_ERROR(check_view_name(view));
  const Status replaced = pool_.write([&](PostgresConnection& server) {
    return server.in_transaction([&] { return replace_line(server, view, filled); });
  });
  if (!replaced.ok()) {
    return replaced.with_context("replace view " + view.storage_name() + " of the online store");
  }
  fail_point("online.replace.before_sweep");
  // By itself: when it is tried again, what was replaced is not.
  return remove_leftovers().with_context(
      "the rows of view " + view.storage_name() +
      " are replaced, but not all old ones removed; the next run does it");
}

/// Rows are of an epoch, not of a name: only the line changes.
Status PostgresStore::replace_line(PostgresConnection& server,
                                   const gold::FeatureView& view,
                                   const std::string& filled) {
  const std::string& name = view.storage_name();
  ASSAY_ASSIGN_OR_RETURN(
      const PostgresRows found,
      server.run("SELECT meta FROM assay_view WHERE project = $1 AND name = $2 FOR UPDATE",
                 {Value::text(project_), Value::text(filled)}));
  std::optional<ViewMeta> meta;
  if (!found.rows.empty()) {
    ASSAY_ASSIGN_OR_RETURN(meta, read_meta(filled, found.rows[0][0]));
  }
  ASSAY_ASSIGN_OR_RETURN(const ViewMeta next, check_filled(view, filled, meta));
  ASSAY_RETURN_IF_ERROR(server
                            .run("DELETE FROM assay_view WHERE project = $1 AND name = $2",
                                 {Value::text(project_), Value::text(name)})
                            .status());
  ASSAY_RETURN_IF_ERROR(
      server
          .run("UPDATE assay_view SET name = $3, meta = $4 WHERE project = $1 AND name = $2",
               {Value::text(project_),
                Value::text(filled),
                Value::text(name),
                Value::bytes(encode_meta(name, next))})
          .status());
  fail_point("online.replace.before_commit");
  return {};
}

Result<uint64_t> PostgresStore::content_hash_at(const gold::FeatureView& view,
                                                std::optional<EventTime> at) {
  ASSAY_RETURN_IF_ERROR(check_view_name(view));
  ASSAY_ASSIGN_OR_RETURN(const EventTime latest, data_now());
  const EventTime now = at.value_or(latest);
  uint64_t sum = 0;
  std::string last;
  while (true) {
    ASSAY_ASSIGN_OR_RETURN(
        const PostgresRows found,
        ask(Use::kWork,
            "SELECT r.epoch, r.key, r.value FROM assay_row r JOIN assay_view v ON r.epoch = "
            "v.epoch WHERE v.project = $1 AND v.name = $2 AND r.key > $3 ORDER BY r.key LIMIT 1000",
            {Value::text(project_), Value::text(view.storage_name()), Value::bytes(last)}));
    for (std::size_t i = 0; i < found.rows.size(); ++i) {
      last = found.rows[i][1].value_or("");
      const Result<StoredRow> stored =
          decode_row(sealed_key(found.integer(i, 0), last), *found.rows[i][2]);
      if (!stored.ok()) {
        return corrupt(view, last, stored.status());
      }
      ASSAY_ASSIGN_OR_RETURN(const gold::FeatureValues answer,
                             view.read_online_row(stored->row, now));
      sum += hash_answer(data::EntityKey(last), answer);
    }
    if (found.rows.size() < kRowsPerStatement) {
      return sum;
    }
  }
}

Status PostgresStore::corrupt(const gold::FeatureView& view,
                              std::string_view key,
                              const Status& why) {
  metrics_.corrupt_rows.add();
  return {Code::kCorrupt,
          std::string(why.message()) +
              "; `assay materialize VIEW --anew` makes its rows again: view " + view.name() +
              ", key hash " + hash_text(hash_bytes(key))};
}

}  // namespace

Result<std::unique_ptr<OnlineStore>> open_postgres_store(World& world,
                                                         const std::string& url,
                                                         bool read_only,
                                                         const std::string& project) {
  ASSAY_ASSIGN_OR_RETURN(PostgresAddress address, PostgresAddress::parse(url));
  auto store = std::make_unique<PostgresStore>(std::move(address), project, world);
  ASSAY_RETURN_IF_ERROR(store->open(read_only).with_context("open the online store"));
  return std::unique_ptr<OnlineStore>(std::move(store));
}

}  // namespace assay::online
