#include "flow/taken_parts.h"

#include <optional>
#include <utility>

#include "flow/part_position.h"

namespace assay::flow {
namespace {

/// So often others may be quicker.
constexpr int kTriesMax = 1'000;

}  // namespace

Status TakenParts::take(lake::DeltaTable& table, const std::set<int64_t>& ordinals) {
  if (ordinals.empty()) {
    return {};
  }
  for (int tries = 1;; ++tries) {
    ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table.snapshot());
    lake::CommitRequest request;
    request.operation = "STREAMING UPDATE";
    request.data_change = false;
    std::map<int64_t, int64_t> numbers;
    for (const int64_t ordinal : ordinals) {
      const std::string id = part_taken_app_id(app_id_, ordinal);
      const std::optional<int64_t> held = snapshot->txn(id);
      numbers[ordinal] = held.value_or(0) + 1;
      request.txns.push_back({id, numbers[ordinal], held});
    }
    const Status committed = table.commit(request).status();
    if (committed.ok()) {
      numbers.merge(taken_);
      taken_ = std::move(numbers);
    }
    if (committed.code() != Code::kAborted || tries == kTriesMax) {
      return committed;
    }
  }
}

Result<std::vector<lake::TxnUpdate>> TakenParts::still_taken(
    const lake::Snapshot& snapshot, const std::map<int64_t, int64_t>& parts) const {
  std::vector<lake::TxnUpdate> updates;
  for (const auto& [ordinal, end] : parts) {
    if (taken_.empty()) {
      break;
    }
    const auto taken = taken_.find(ordinal);
    const std::string id = part_taken_app_id(app_id_, ordinal);
    if (taken == taken_.end()) {
      return Status(Code::kAborted, "a partition was counted anew since it was taken");
    }
    if (snapshot.txn(id) != taken->second) {
      return Status(Code::kAborted, "another process has taken a partition over");
    }
    updates.push_back({id, taken->second, taken->second});
  }
  return updates;
}

}  // namespace assay::flow
