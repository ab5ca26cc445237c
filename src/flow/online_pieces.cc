// A new view over a table that was compacted: which rows came with which version is known no more,
// but the order in which they came is, by their sequence. So the store fills up as if it had
// followed the table from the beginning, and what it holds meanwhile is what it held then.

#include "flow/online_pieces.h"

#include <algorithm>

#include "catalog/table_schema.h"
#include "flow/versions.h"

namespace assay::flow {
namespace {

constexpr int kPiecesLog2Max = 10;

std::string in_range(int64_t first, int64_t end) {
  return "(sequence >= " + std::to_string(first) + " AND sequence < " + std::to_string(end) + ")";
}

/// Of each range of `last`, from where the same range of `first` begins.
std::string in_ranges(const OnlinePiece& first, const OnlinePiece& last) {
  std::string text;
  for (std::size_t i = 0; i < first.ranges.size(); ++i) {
    text += (text.empty() ? "(" : " OR ") + in_range(first.ranges[i].first, last.ranges[i].end);
  }
  return text + ")";
}

int64_t ceil_divide(int64_t amount, int64_t by) {
  return (amount + by - 1) / by;
}

}  // namespace

int online_pieces_log2(const lake::Snapshot& snapshot, const RunOptions& options) {
  int64_t bytes = 0;
  int64_t rows = 0;
  for (const auto& [path, file] : snapshot.files) {
    bytes += file.size_bytes;
    rows += std::max<int64_t>(file.rows, 0);
  }
  const int64_t pieces = std::max(ceil_divide(bytes, options.online_piece_bytes),
                                  ceil_divide(rows, options.online_batch_rows));
  int log2 = 0;
  while (log2 < kPiecesLog2Max && (int64_t{1} << log2) < pieces) {
    ++log2;
  }
  return log2;
}

bool pieces_are_in_all_files(Workspace& workspace, const gold::FeatureView& view) {
  const std::string& from = workspace.project().views.at(view.name()).from;
  const auto silver = workspace.project().silver.find(from);
  return workspace.reads_parts(silver == workspace.project().silver.end() ? from
                                                                          : silver->second.from);
}

std::string in_pieces_before(const std::vector<OnlinePiece>& pieces, std::size_t index) {
  return index == 0 ? "false" : in_ranges(pieces.front(), pieces[index - 1]);
}

Result<std::vector<OnlinePiece>> online_pieces(Workspace& workspace,
                                               const gold::FeatureView& view,
                                               lake::DeltaTable& source,
                                               const lake::Snapshot& snapshot,
                                               int log2) {
  ASSAY_ASSIGN_OR_RETURN(const std::string relation, source.relation(snapshot));
  // Files come one after the other; partitions grow side by side, and so do their pieces.
  const std::string part_of = pieces_are_in_all_files(workspace, view) ? "sequence >> 32" : "0";
  const std::string parts =
      "SELECT " + part_of + " AS part, min(sequence) AS low, (max(sequence) - min(sequence)) // " +
      std::to_string(int64_t{1} << log2) + " + 1 AS width FROM " + relation + " GROUP BY ALL";
  ASSAY_ASSIGN_OR_RETURN(const data::Batch ranges, workspace.sql().query(parts + " ORDER BY low"));
  std::vector<OnlinePiece> pieces;
  for (int64_t i = 0; i < int64_t{1} << log2; ++i) {
    OnlinePiece& piece = pieces.emplace_back();
    piece.later_from = EventTime::max();
    for (std::size_t row = 0; row < static_cast<std::size_t>(ranges.rows()); ++row) {
      const int64_t first = ranges.find("low")->values<int64_t>()[row];
      const int64_t width = ranges.find("width")->values<int64_t>()[row];
      piece.ranges.push_back({first + i * width, first + (i + 1) * width});
    }
    if (piece.ranges.empty()) {
      piece.ranges.push_back({0, 0});  // of a table without rows
    }
  }
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch times,
      workspace.sql().query(
          "SELECT piece, min(visible), max(visible) FROM (SELECT (sequence - low) // width AS "
          "piece, greatest(event_time, known_time) AS visible FROM (SELECT *, " +
          part_of + " AS part FROM " + relation + ") JOIN (" + parts +
          ") USING (part)) GROUP BY piece ORDER BY piece"));
  const auto piece = times.column(0).values<int64_t>();
  const auto oldest = times.column(1).values<int64_t>();
  const auto newest = times.column(2).values<int64_t>();
  // From the end: what is still to come begins then.
  int64_t later = EventTime::max().micros;
  std::size_t row = piece.size();
  for (std::size_t i = pieces.size(); i-- > 0;) {
    pieces[i].later_from = EventTime{later};
    if (row > 0 && piece[row - 1] == static_cast<int64_t>(i)) {
      later = std::min(later, oldest[--row]);
    }
  }
  // From the beginning: nobody asks behind what has come, and windows then may reach further back.
  int64_t seen = EventTime::min().micros;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (row < piece.size() && piece[row] == static_cast<int64_t>(i)) {
      seen = std::max(seen, newest[row++]);
    }
    pieces[i].later_from = std::min(pieces[i].later_from, EventTime{seen});
  }
  return pieces;
}

Result<OnlineChanges> read_online_piece(Workspace& workspace,
                                        const gold::FeatureView& view,
                                        lake::DeltaTable& source,
                                        const lake::Snapshot& snapshot,
                                        const OnlinePiece& piece) {
  const std::string where = in_ranges(piece, piece);
  ASSAY_ASSIGN_OR_RETURN(const std::string mine, source.relation(snapshot, where));
  OnlineChanges changes;
  if (!view.of_changes()) {
    ASSAY_ASSIGN_OR_RETURN(changes.rows,
                           workspace.sql().query(select_online_rows(workspace, view, mine, where)));
    changes.account.in = changes.rows.rows();
    changes.account.filtered = rows_without_entity(view, changes.rows);
    changes.account.out = changes.account.in - changes.account.filtered;
    return changes;
  }
  // Versions of a key are told from each other over the whole table.
  ASSAY_ASSIGN_OR_RETURN(const std::string relation, source.relation(snapshot));
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch counts,
      workspace.sql().query("SELECT count(*), count(*) FILTER (WHERE " +
                            std::string(catalog::kIsDeleted) + " OR NOT (" + keys_not_null(view) +
                            ")) FROM " + mine + " WHERE " + where));
  ASSAY_ASSIGN_OR_RETURN(changes.rows,
                         workspace.sql().query("SELECT " + column_list(view.source_columns()) +
                                               " FROM " + visible_rows(relation, true) + " WHERE " +
                                               where + " ORDER BY sequence"));
  changes.account.in = counts.column(0).values<int64_t>()[0];
  changes.account.filtered = counts.column(1).values<int64_t>()[0];
  changes.account.out = changes.account.in - changes.account.filtered;
  return changes;
}

}  // namespace assay::flow
