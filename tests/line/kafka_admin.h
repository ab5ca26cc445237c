#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace assay::ingest {

/// What befalls topics of a real broker; each ends once the broker has answered.
///
/// Errors  kUnavailable: no broker answers; kFailedPrecondition: it refuses.
Status grow_topic(const std::string& brokers, const std::string& topic, int32_t partitions);
Status delete_topic(const std::string& brokers, const std::string& topic);

}  // namespace assay::ingest
