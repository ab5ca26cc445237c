#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gold/contract.h"
#include "online/lmdb_env.h"

namespace assay::online {

/// The pages of one view's rows, in the table of its rows.
///
/// Threads one thread at a time, as its transaction.
class LmdbPages final : public gold::RowPages {
 public:
  /// `prefix`: of the view's row keys.
  LmdbPages(const LmdbEnv::Reader& reader, std::string_view prefix)
      : reader_(reader), prefix_(prefix) {}
  [[nodiscard]] Result<std::string_view> get(uint64_t number) const override;

 private:
  const LmdbEnv::Reader& reader_;
  const std::string_view prefix_;
  mutable std::string key_;
};

/// The same in a transaction that writes. Call finish() before it commits.
class LmdbPageWriter final : public gold::RowPageWriter {
 public:
  /// Errors  kCorrupt: the record of the next number is damaged.
  static Result<LmdbPageWriter> open(LmdbEnv::Writer& writer, std::string_view prefix);

  [[nodiscard]] std::size_t bytes_max() const override;
  [[nodiscard]] Result<std::string_view> get(uint64_t number) const override;
  Result<uint64_t> add(std::string_view bytes) override;
  Status put(uint64_t number, std::string_view bytes) override;
  Status erase(uint64_t number) override;
  /// Keep the next number.
  Status finish();

 private:
  LmdbPageWriter(LmdbEnv::Writer& writer, std::string_view prefix, uint64_t next)
      : writer_(&writer), prefix_(prefix), next_(next), first_(next) {}

  LmdbEnv::Writer* writer_;
  std::string_view prefix_;
  uint64_t next_;
  uint64_t first_;  // of this transaction
};

}  // namespace assay::online
