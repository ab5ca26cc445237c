#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "data/asof_join.h"

// As-of joins whose sides come piece by piece: labels are put in order once, then any number of
// tables of rows are swept past them, each in pieces of any size and order. Memory is bounded by
// the labels and one piece of rows. asof_join() is this, with one piece of each.

namespace assay::data {

/// The labels of a join, ordered by key and time.
///
/// Threads add and seal: one at a time. Sealed it is immutable and may serve several sweeps at
/// once. Cost    about 40 bytes a label while it is built, 13 to 30 sealed, and the bytes of text
/// keys.
class AsofIndex {
 public:
  class Impl;
  AsofIndex(std::vector<Type> key_types, int threads);
  ~AsofIndex();
  AsofIndex(AsofIndex&&) noexcept;
  AsofIndex& operator=(AsofIndex&&) noexcept;

  /// Take in the next labels: they are numbered in the order in which they come.
  ///
  /// Errors  kInvalidArgument: other key types, a floating-point key, or more than 4294967295
  /// labels.
  Status add(const AsofLabels& labels);
  /// Put the labels in order. Nothing is added afterwards.
  void seal();

  [[nodiscard]] int64_t labels() const;
  /// Labels with a null key or time: they never match.
  [[nodiscard]] int64_t labels_with_nulls() const;
  /// Sealed: labels whose key and time an earlier one has already.
  [[nodiscard]] int64_t duplicate_labels() const;
  /// Sealed: different keys among the labels.
  [[nodiscard]] int64_t entities() const;
  /// Bytes held.
  [[nodiscard]] std::size_t bytes() const;

 private:
  friend class AsofSweep;
  std::unique_ptr<Impl> impl_;
};

/// One table of rows on its way past the labels of a sealed index, which must outlive this.
///
/// Threads one thread at a time; the answer depends neither on threads nor on how rows are cut.
/// Cost    32 bytes a label held; 32 bytes a row while its piece is added.
class AsofSweep {
 public:
  AsofSweep(const AsofIndex& index, int threads);
  ~AsofSweep();
  AsofSweep(AsofSweep&&) noexcept;
  AsofSweep& operator=(AsofSweep&&) noexcept;

  /// Let some rows pass; their numbers begin at `first_row`.
  ///
  /// Errors  kInvalidArgument: key types differ from the labels', or more than 4294967295 rows at
  /// once.
  Status add(const AsofRows& rows, int64_t first_row);
  /// The answers, as asof_join() gives them. The sweep is over.
  AsofMatch finish(std::optional<Duration> ttl);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace assay::data
