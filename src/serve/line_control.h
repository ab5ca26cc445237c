#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"

namespace assay::serve {

/// What clients may ask of the line behind a server. Whoever starts the server knows the line.
///
/// Threads thread-safe.
class LineControl {
 public:
  virtual ~LineControl() = default;
  /// Take rows, one JSON object a line, into a source. When this returns they are durable; the line
  /// reads them as it reads all else.
  ///
  /// Errors  kNotFound: there is no such source. kUnimplemented: rows cannot be pushed there, and
  ///         why.
  virtual Status push(const std::string& source, const std::string& json_lines) = 0;
  /// Those of the views whose online rows do not hold all that the tables hold.
  virtual Result<std::vector<std::string>> behind(const std::vector<std::string>& views) = 0;
};

}  // namespace assay::serve
