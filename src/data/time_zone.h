#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/status.h"

namespace assay::data {

/// The rules of one time zone, from the machine's tz database (Debian package tzdata).
///
/// Threads immutable.
class TimeZone {
 public:
  virtual ~TimeZone() = default;
  /// Find a zone by its name in the tz database, such as Europe/Berlin. Reads the database once.
  ///
  /// Errors  kInvalidArgument: no zone of this name. Names that depend on the machine, such as
  ///         localtime and paths, are none.
  static Result<std::shared_ptr<const TimeZone>> find(const std::string& name);

  /// Microseconds that the wall clock of the zone is ahead of UTC at an instant.
  [[nodiscard]] virtual int64_t offset_micros(int64_t micros) const = 0;
};

}  // namespace assay::data
