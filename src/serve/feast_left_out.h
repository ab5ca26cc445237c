#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "data/protobuf.h"
#include "serve/feast_repository.h"

namespace assay::serve {

/// What to say of an object of a registry (a field of feast.core.Registry) for which definitions
/// have no place: what it is, its name, and where there is one the way to have the same.
///
/// "" for what Feast keeps for itself, and for the kinds that are read.
/// Errors  kInvalidArgument: no such message.
Result<std::string> note_of_object(const data::ProtoField& object);

/// What a view that is kept says beside its columns and does not do here, a sentence each.
std::vector<std::string> notes_of_view(const FeastView& view);

}  // namespace assay::serve
