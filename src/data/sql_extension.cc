#include "data/sql_extension.h"

#include <dlfcn.h>
#include <duckdb.h>
#include <unistd.h>

namespace assay::data {

Result<std::string> sql_extension_path(std::string_view name) {
  Dl_info library{};
  const auto address = reinterpret_cast<const void*>(&duckdb_library_version);
  if (dladdr(address, &library) == 0 || library.dli_fname == nullptr) {
    return Status(Code::kInternal, "the folder of libduckdb.so cannot be found out");
  }
  const std::string file = library.dli_fname;
  const std::size_t slash = file.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : file.substr(0, slash);
  const std::string path = folder + "/" + std::string(name) + ".duckdb_extension";
  if (::access(path.c_str(), R_OK) != 0) {
    return Status(Code::kFailedPrecondition,
                  "the SQL engine's extension " + std::string(name) + " is missing: " + path +
                      "; `make deps` brings it, and it must lie beside libduckdb.so");
  }
  return path;
}

}  // namespace assay::data
