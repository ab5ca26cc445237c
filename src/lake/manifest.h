#pragma once

#include <string>

#include "lake/delta_table.h"
#include "store/object_store.h"

namespace assay::lake {

/// Property that asks for manifests: `true` or `false`.
constexpr const char* kManifestProperty = "assay.manifest";

/// Write the manifest of a snapshot: the list of its files for users without a Delta reader, who
/// read them as plain Parquet in Hive folders. `_manifest/<version>.json` first, then
/// `_manifest/latest.json` with the same bytes; manifests of more than ten versions before are
/// removed.
///
/// Errors  those of the store. The table is as good without.
/// Source  docs/formats/delta.md, "Manifests"
Status write_manifest(store::ObjectStore& store, const std::string& key, const Snapshot& snapshot);

/// The version that `_manifest/latest.json` lists; -1 when there is none that can be read.
Version manifest_version(store::ObjectStore& store, const std::string& key);

/// True when the table asks for manifests.
bool wants_manifest(const Snapshot& snapshot);

}  // namespace assay::lake
