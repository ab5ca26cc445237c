#include "flow/push_verdicts.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "bronze/bronze_operator.h"
#include "bronze/contract.h"
#include "flow/bronze_writer.h"
#include "ingest/record.h"

namespace assay::flow {
namespace {

/// The rows as the source would read them from a file of their own.
ingest::RecordBatch records_of(Workspace& workspace,
                               const std::string& source,
                               std::string_view json_lines) {
  ingest::RecordBatch batch;
  batch.source = source;
  batch.format = catalog::Format::kJsonLines;
  batch.received = workspace.world().clock.now();
  auto memory = std::make_shared<const std::string>(json_lines);
  const std::string_view bytes = *memory;
  for (std::size_t begin = 0; begin < bytes.size();) {
    const std::size_t end = std::min(bytes.find('\n', begin), bytes.size());
    batch.records.push_back(bytes.substr(begin, end - begin));
    batch.lines.push_back(static_cast<int64_t>(batch.records.size()));
    begin = end + 1;
  }
  batch.end = {batch.size()};
  batch.memory = std::move(memory);
  return batch;
}

/// What one table makes of the rows, one verdict each.
Result<std::vector<PushVerdict>> judge(const bronze::BronzeOperator& operation,
                                       const ingest::RecordBatch& records) {
  bronze::BronzeState state = operation.initial_state();
  ASSAY_ASSIGN_OR_RETURN(bronze::ReadRecords read, operation.read(records));
  // What the table has of these times is not looked at: duplicates are those within the push.
  const data::Batch none = read.rows.take({});
  for (const bronze::TimeRange& range : state.dedup.missing(operation.needed_ranges(read))) {
    ASSAY_RETURN_IF_ERROR(operation.load_accepted(none, range, &state));
  }
  ASSAY_ASSIGN_OR_RETURN(const bronze::BronzeOutput output,
                         operation.process(records, std::move(read), std::move(state)));
  const std::string& table = operation.definition().name;
  std::vector<PushVerdict> verdicts(static_cast<std::size_t>(records.size()),
                                    {PushFate::kDropped, table, "", ""});
  for (const int64_t position : output.rows.find(bronze::kSequence)->values<int64_t>()) {
    verdicts[static_cast<std::size_t>(position)] = {};
  }
  const data::Batch& kept = output.quarantine;
  for (int64_t row = 0; row < kept.rows(); ++row) {
    const int64_t position = std::get<int64_t>(kept.find("position")->scalar(row).value);
    verdicts[static_cast<std::size_t>(position)] = {PushFate::kQuarantined,
                                                    table,
                                                    std::string(kept.find("reason")->text(row)),
                                                    std::string(kept.find("column")->text(row))};
  }
  return verdicts;
}

}  // namespace

Result<std::vector<PushVerdict>> judge_push(Workspace& workspace,
                                            const std::string& source,
                                            std::string_view json_lines) {
  const ingest::RecordBatch records = records_of(workspace, source, json_lines);
  std::vector<PushVerdict> verdicts(static_cast<std::size_t>(records.size()));
  for (const auto& [name, definition] : workspace.project().bronze) {
    if (definition.source != source) {
      continue;
    }
    ASSAY_ASSIGN_OR_RETURN(const auto operation, make_bronze_operator(workspace, definition, 1));
    ASSAY_ASSIGN_OR_RETURN(std::vector<PushVerdict> found, judge(*operation, records));
    for (std::size_t row = 0; row < found.size(); ++row) {
      if (found[row].fate > verdicts[row].fate) {
        verdicts[row] = std::move(found[row]);
      }
    }
  }
  return verdicts;
}

}  // namespace assay::flow
