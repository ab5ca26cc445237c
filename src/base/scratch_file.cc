#include "base/scratch_file.h"

#include <cerrno>
#include <cstdlib>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "base/system_error.h"

namespace assay {
namespace {

Status failure(const char* what, const std::string& folder, int error) {
  return system_failure(std::string("cannot ") + what + " a scratch file in", folder, error);
}

}  // namespace

Result<ScratchFile> ScratchFile::open(const std::string& folder) {
  int descriptor = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor < 0) {  // a file system that cannot do without a name
    std::string path = folder + "/.tmp.scratch_XXXXXX";
    descriptor = ::mkstemp(path.data());
    if (descriptor < 0) {
      return failure("make", folder, errno);
    }
    static_cast<void>(::unlink(path.c_str()));
  }
  return ScratchFile(folder, descriptor);
}

ScratchFile::~ScratchFile() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

ScratchFile::ScratchFile(ScratchFile&& other) noexcept
    : folder_(std::move(other.folder_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_) {}

ScratchFile& ScratchFile::operator=(ScratchFile&& other) noexcept {
  std::swap(folder_, other.folder_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_, other.size_);
  return *this;
}

Result<int64_t> ScratchFile::append(std::string_view bytes) {
  const int64_t begin = size_;
  while (!bytes.empty()) {
    const ssize_t done = ::pwrite(descriptor_, bytes.data(), bytes.size(), size_);
    if (done < 0 && errno == EINTR) {
      continue;
    }
    if (done <= 0) {
      return failure("write", folder_, done < 0 ? errno : ENOSPC);
    }
    size_ += done;
    bytes.remove_prefix(static_cast<std::size_t>(done));
  }
  return begin;
}

Result<std::string> ScratchFile::read(int64_t offset, int64_t size) const {
  std::string bytes(static_cast<std::size_t>(size), '\0');
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t done = ::pread(descriptor_,
                                 bytes.data() + filled,
                                 bytes.size() - filled,
                                 offset + static_cast<int64_t>(filled));
    if (done < 0 && errno == EINTR) {
      continue;
    }
    if (done <= 0) {
      return failure("read", folder_, done < 0 ? errno : EIO);
    }
    filled += static_cast<std::size_t>(done);
  }
  return bytes;
}

}  // namespace assay
