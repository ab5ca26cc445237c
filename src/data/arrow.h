#pragma once

#include <cstdint>

#include "base/status.h"
#include "data/batch.h"

// The two structs of the Arrow C data interface, as its specification writes them.
// Source: Apache Arrow, "The Arrow C data interface".
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

struct ArrowSchema {
  const char* format;
  const char* name;
  const char* metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema** children;
  struct ArrowSchema* dictionary;
  void (*release)(struct ArrowSchema*);
  void* private_data;
};

struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void** buffers;
  struct ArrowArray** children;
  struct ArrowArray* dictionary;
  void (*release)(struct ArrowArray*);
  void* private_data;
};

#endif  // ARROW_C_DATA_INTERFACE

namespace assay::data {

/// Hand a batch to another library as a struct array. Columns are shared, not copied, save kBool,
/// which is packed. The receiver calls both release functions, on any thread.
void export_batch(const Batch& batch, ArrowSchema* schema, ArrowArray* array);

/// Copy a struct array into a batch and release it.
///
/// Errors  kUnimplemented: a type that has no counterpart here; kInvalidArgument: not a struct
/// array.
Result<Batch> import_batch(ArrowSchema* schema, ArrowArray* array);

}  // namespace assay::data
