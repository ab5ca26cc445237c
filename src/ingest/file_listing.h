#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"

namespace assay::ingest {

/// The files that a source's path names, sorted by path. FileInfo::path is relative to
/// `project_folder` when `path` is.
///
/// A folder means all files in it and in its folders, down to 8 levels. In a glob `*`, `?` and
/// `[a-z]` hold within one part of the path. Names that begin with `.` or `_` or end with `.tmp` or
/// `.part` are left out: they are being written, or are not data.
///
/// Errors  kNotFound: no such file or folder (a glob may match nothing in a folder that exists);
///         kPermissionDenied.
Result<std::vector<FileInfo>> list_source_files(FileSystem& files,
                                                const std::string& project_folder,
                                                const std::string& path);

}  // namespace assay::ingest
