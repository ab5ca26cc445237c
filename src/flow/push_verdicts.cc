#include "flow/push_verdicts.h"

#include <memory>

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
  batch.bytes = std::make_shared<const std::string>(json_lines);
  const std::string_view bytes = *batch.bytes;
  for (std::size_t begin = 0; begin < bytes.size();) {
    const std::size_t end = std::min(bytes.find('\n', begin), bytes.size());
    batch.records.push_back(bytes.substr(begin, end - begin));
    batch.lines.push_back(static_cast<int64_t>(batch.records.size()));
    begin = end + 1;
  }
  batch.end = {batch.size()};
  return batch;
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
    ASSAY_ASSIGN_OR_RETURN(const bronze::BronzeOutput output,
                           operation->process(records, operation->initial_state()));
    for (int64_t row = 0; row < output.quarantine.rows(); ++row) {
      const int64_t position =
          std::get<int64_t>(output.quarantine.find("position")->scalar(row).value);
      PushVerdict& verdict = verdicts[static_cast<std::size_t>(position)];
      if (verdict.table.empty()) {
        verdict = {name,
                   std::string(output.quarantine.find("reason")->text(row)),
                   std::string(output.quarantine.find("column")->text(row))};
      }
    }
  }
  return verdicts;
}

}  // namespace assay::flow
