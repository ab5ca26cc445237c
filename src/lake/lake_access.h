#pragma once

#include "base/world.h"
#include "data/sql_engine.h"
#include "store/object_store.h"

namespace assay::lake {

/// What work on a table's files needs beside the table.
struct LakeAccess {
  World& world;
  store::ObjectStore& store;
  data::SqlEngine& sql;
};

}  // namespace assay::lake
