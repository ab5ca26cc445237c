#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ingest/record.h"

// Records for the tests of this room.

namespace assay::bronze {

/// A text batch of these lines, as ingest would make it: record i at position file 3, record
/// `first` + i.
inline ingest::RecordBatch text_records(catalog::Format format,
                                        const std::vector<std::string>& lines,
                                        std::vector<std::string> header,
                                        int64_t first = 0) {
  ingest::RecordBatch batch;
  batch.source = "source";
  batch.file = "file";
  batch.format = format;
  batch.header = std::move(header);
  batch.first = ingest::Position::of(3, first);
  batch.received = {1'000'000'000'000'000};
  auto bytes = std::make_shared<std::string>();
  for (const std::string& line : lines) {
    *bytes += line + "\n";
  }
  std::size_t at = 0;
  for (std::size_t index = 0; index < lines.size(); ++index) {
    batch.records.push_back(std::string_view(*bytes).substr(at, lines[index].size()));
    at += lines[index].size() + 1;
    batch.lines.push_back(first + static_cast<int64_t>(index) + 2);
  }
  batch.end = {batch.first.value + static_cast<int64_t>(lines.size())};
  batch.memory = std::move(bytes);
  return batch;
}

}  // namespace assay::bronze
