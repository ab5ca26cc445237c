#pragma once

#include <string_view>

#include "catalog/definitions.h"

// Choices as users write them. Stored in the catalog and hashed into fingerprints: never rename.

namespace assay::catalog {

/// Key that a sequence feature is written with, and what reads its expression: "of" for sessions.
std::string_view sequence_key(SequenceValue value);
/// The word of `session:` that stands for a value.
std::string_view session_word(SequenceValue value);

/// "count", "sum", ...
std::string_view aggregate_name(Aggregate aggregate);
/// "not_null", "range", ...
std::string_view check_kind_name(CheckKind kind);
/// "quarantine", "drop", "warn", "fail".
std::string_view on_fail_name(OnFail on_fail);

}  // namespace assay::catalog
