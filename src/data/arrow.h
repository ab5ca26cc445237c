#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "data/batch.h"

// The structs of the Arrow C data and stream interfaces, as their specifications write them.
// Source: Apache Arrow, "The Arrow C data interface", "The Arrow C stream interface".
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

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
  int (*get_schema)(struct ArrowArrayStream*, struct ArrowSchema* out);
  int (*get_next)(struct ArrowArrayStream*, struct ArrowArray* out);
  const char* (*get_last_error)(struct ArrowArrayStream*);
  void (*release)(struct ArrowArrayStream*);
  void* private_data;
};

#endif  // ARROW_C_STREAM_INTERFACE

namespace assay::data {

/// Hand a batch to another library as a struct array. Columns are shared, not copied, save kBool,
/// which is packed. The receiver calls both release functions, on any thread.
void export_batch(const Batch& batch, ArrowSchema* schema, ArrowArray* array);

/// A reader as an Arrow stream for another library. Both must outlive the use of the stream; the
/// first failure of the reader ends the stream and is kept here.
///
/// Threads as the reader.
class ExportedReader {
 public:
  explicit ExportedReader(BatchReader& reader);
  ExportedReader(const ExportedReader&) = delete;
  ExportedReader& operator=(const ExportedReader&) = delete;
  ArrowArrayStream* stream() { return &stream_; }
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  int next(ArrowArray* out);

  BatchReader& reader_;
  Status status_;
  std::string message_;
  ArrowArrayStream stream_{};
};

/// Copy a struct array into a batch and release it.
///
/// Errors  kUnimplemented: a type that has no counterpart here; kInvalidArgument: not a struct
/// array.
Result<Batch> import_batch(ArrowSchema* schema, ArrowArray* array);

}  // namespace assay::data
