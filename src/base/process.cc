#include "base/process.h"

#include <climits>
#include <cstdlib>

#include <sys/resource.h>

#include "base/file_system.h"

namespace assay {

std::optional<std::string> environment_variable(const std::string& name) {
  const char* value =
      std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): they are set before any thread
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

Result<std::string> absolute_path(const std::string& path) {
  char* resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) {
    return Status(Code::kNotFound, "there is no " + path);
  }
  std::string result(resolved);
  std::free(resolved);
  return result;
}

void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);  // what was there is enough to go on
  }
}

void give_way() {
  constexpr int kBehind = 5;  // a third of the time of a thread that does not give way
  // Of this thread, as Linux has it; more than 19 is 19.
  ::setpriority(PRIO_PROCESS, 0, ::getpriority(PRIO_PROCESS, 0) + kBehind);
}

Result<std::string> program_folder() {
  ASSAY_ASSIGN_OR_RETURN(const std::string program, absolute_path("/proc/self/exe"));
  return parent_path(program);
}

}  // namespace assay
