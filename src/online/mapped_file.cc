#include "online/mapped_file.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/system_error.h"

namespace assay::online {
namespace {

constexpr mode_t kFileMode = 0644;

/// One that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) {
      ::close(number_);
    }
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int number() const { return number_; }

 private:
  int number_;
};

/// Of the machine's present run.
Result<uint64_t> boot_hash() {
  const std::string path = "/proc/sys/kernel/random/boot_id";
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 64> text{};
  const ssize_t got = file.number() < 0 ? 0 : ::read(file.number(), text.data(), text.size());
  if (got <= 0) {  // without it a restart of the machine could not be told from none
    return system_failure("cannot read", path);
  }
  return hash_bytes({text.data(), static_cast<std::size_t>(got)});
}

}  // namespace

Result<std::unique_ptr<MappedFile>> MappedFile::open(const std::string& path,
                                                     uint64_t map_bytes,
                                                     bool writable) {
  const Descriptor file(::open(path.c_str(), (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC));
  struct stat status {};
  if (file.number() < 0 || ::fstat(file.number(), &status) != 0) {
    return system_failure("cannot open", path);
  }
  const uint64_t bytes = map_bytes != 0 ? map_bytes : static_cast<uint64_t>(status.st_size);
  if (bytes == 0) {
    return Status(Code::kCorrupt, "the file is empty: " + path);
  }
  void* const data = ::mmap(
      nullptr, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, file.number(), 0);
  if (data == MAP_FAILED) {
    return system_failure("cannot map", path);
  }
  static const Result<uint64_t> boot = boot_hash();
  if (!boot.ok()) {
    ::munmap(data, bytes);
    return boot.status();
  }
  const uint64_t incarnation = hash_mix(hash_mix(*boot, status.st_dev), status.st_ino);
  return std::unique_ptr<MappedFile>(
      new MappedFile(path, static_cast<char*>(data), bytes, incarnation));
}

Result<std::unique_ptr<MappedFile>> MappedFile::create(const std::string& path, uint64_t bytes) {
  {
    const Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, kFileMode));
    if (file.number() < 0) {
      return system_failure("cannot make", path);
    }
    const int error = ::posix_fallocate(file.number(), 0, static_cast<off_t>(bytes));
    if (error != 0) {
      ::unlink(path.c_str());
      return system_failure("cannot make", path, error);
    }
  }
  return open(path, bytes, true);
}

Result<std::unique_ptr<MappedFile>> MappedFile::create(const std::string& path,
                                                       uint64_t bytes,
                                                       std::string_view first,
                                                       std::string_view rest) {
  constexpr std::size_t kBlockBytes = std::size_t{1} << 20;
  ASSAY_CHECK(first.size() <= bytes && !rest.empty());
  std::string block;
  while (block.size() < std::min<uint64_t>(kBlockBytes, bytes)) {
    block.append(rest);
  }
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> file, create(path, bytes));
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<LogFile> written, LogFile::open(path));
  ASSAY_RETURN_IF_ERROR(written->write(0, first));
  for (uint64_t at = first.size(); at < bytes; at += block.size()) {
    const auto left = static_cast<std::size_t>(std::min<uint64_t>(bytes - at, block.size()));
    ASSAY_RETURN_IF_ERROR(written->write(at, std::string_view(block).substr(0, left)));
  }
  return file;
}

void MappedFile::use_large_pages() const {
  ::madvise(data_, bytes_, MADV_HUGEPAGE);  // where there are none it goes on with small ones
}

Status MappedFile::sync() const {
  return ::msync(data_, bytes_, MS_SYNC) == 0 ? Status() : system_failure("cannot sync", path_);
}

MappedFile::~MappedFile() {
  ::munmap(data_, bytes_);
}

Result<uint64_t> file_bytes(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    return system_failure("cannot look at", path);
  }
  return static_cast<uint64_t>(status.st_size);
}

Result<std::unique_ptr<LogFile>> LogFile::open(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kFileMode);
  if (descriptor < 0) {
    return system_failure("cannot open", path);
  }
  return std::unique_ptr<LogFile>(new LogFile(path, descriptor));
}

LogFile::~LogFile() {
  ::close(descriptor_);
}

Status LogFile::write(uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put =
        ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0) {
      if (errno == EINTR) {
        continue;
      }
      return system_failure("cannot write", path_);
    }
    bytes.remove_prefix(static_cast<std::size_t>(put));
    offset += static_cast<uint64_t>(put);
  }
  return {};
}

void LogFile::start_sync(uint64_t offset, uint64_t bytes) const {
  ::sync_file_range(
      descriptor_, static_cast<off_t>(offset), static_cast<off_t>(bytes), SYNC_FILE_RANGE_WRITE);
}

Status LogFile::sync() const {
  if (::fdatasync(descriptor_) != 0) {
    return {Code::kCommitUnknown, system_failure("cannot sync", path_).message()};
  }
  return {};
}

Status LogFile::truncate(uint64_t bytes) {
  if (::ftruncate(descriptor_, static_cast<off_t>(bytes)) != 0) {
    return system_failure("cannot cut", path_);
  }
  return {};
}

std::string own_name() {
  static std::atomic<uint64_t> names{0};
  return std::to_string(::getpid()) + "." + std::to_string(++names);
}

Status rename_file(const std::string& from, const std::string& to) {
  return std::rename(from.c_str(), to.c_str()) == 0 ? Status()
                                                    : system_failure("cannot rename", from);
}

Result<std::unique_ptr<ProcessLock>> ProcessLock::open(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kFileMode);
  if (descriptor < 0) {
    return system_failure("cannot open", path);
  }
  return std::unique_ptr<ProcessLock>(new ProcessLock(descriptor));
}

ProcessLock::~ProcessLock() {
  ::close(descriptor_);
}

ProcessLock::Hold::Hold(const ProcessLock& lock) : lock_(lock) {
  while (::flock(lock_.descriptor_, LOCK_EX) != 0) {
    if (errno != EINTR) {
      status_ = system_failure("cannot lock", "the online store");
      return;
    }
  }
}

ProcessLock::Hold::~Hold() {
  ::flock(lock_.descriptor_, LOCK_UN);
}

}  // namespace assay::online
