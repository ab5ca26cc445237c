#pragma once

#include "catalog/definitions.h"

namespace assay::catalog {

/// Complete the bronze tables that are read from Debezium's change events with what the format
/// says, wherever they do not say otherwise: `on_same_key: replace`, a `delete_when` that is true
/// for deletes, and the time of the event (`__ts_ms`) as known time. The columns `__op` and
/// `__ts_ms` that this needs are added when they are not declared.
///
/// A table that says `on_same_key: drop` is a log of events and stays as it is.
void complete_debezium_tables(Project* project);

}  // namespace assay::catalog
