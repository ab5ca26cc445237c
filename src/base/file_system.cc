#include "base/file_system.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <thread>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/append_file.h"
#include "base/fail_point.h"
#include "base/system_error.h"
#include "base/unsynced_files.h"
#include "base/whole_file.h"

// A new file is durable when its bytes and its name are. write() and the general way of
// put_if_absent wait for the bytes before the name is made, and then for the name: two waits for
// the disk. Where the file system's journal keeps the order, put_if_absent makes one wait of them.

namespace assay {
namespace {

/// Between any two calls that change the disk.
void step() {
  fail_point("files.step");
}

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool good() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Result<std::string> read_up_to(int fd, const std::string& path, std::size_t size) {
  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = ::read(fd, bytes.data() + done, size - done);
    if (got < 0) {
      if (errno == EINTR) {
        continue;
      }
      return system_failure("cannot read", path);
    }
    if (got == 0) {
      break;
    }
    done += static_cast<std::size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

Status write_all(int fd, const std::string& path, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0) {
      if (errno == EINTR) {
        continue;
      }
      return system_failure("cannot write", path);
    }
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

class SystemFileReader : public FileReader {
 public:
  SystemFileReader(int fd, std::string path) : file_(fd), path_(std::move(path)) {}
  Result<std::string> read(std::size_t bytes_max) override {
    return read_up_to(file_.fd(), path_, bytes_max);
  }

 private:
  Descriptor file_;
  std::string path_;
};

class SystemFileLock : public FileLock {
 public:
  explicit SystemFileLock(int fd) : file_(fd) {}

 private:
  Descriptor file_;  // closing it gives the lock back
};

FileInfo info_of(const std::string& path, const struct stat& status) {
  FileInfo info;
  info.path = path;
  info.size_bytes = status.st_size;
  info.modified = {status.st_mtim.tv_sec * kMicrosPerSecond + status.st_mtim.tv_nsec / 1'000};
  info.is_directory = S_ISDIR(status.st_mode);
  return info;
}

/// Drawn, not counted from the process id: that comes again after a crash and in every container.
std::string temporary_name(const std::string& path) {
  uint64_t drawn = 0;
  ASSAY_CHECK(::getentropy(&drawn, sizeof drawn) == 0);
  return join_path(parent_path(path), ".tmp." + std::to_string(drawn) + "." + file_name(path));
}

constexpr mode_t kSharedMode = 0666;  // less the process's umask
constexpr mode_t kSecretMode = 0600;

class SystemFiles : public FileSystem {
 public:
  explicit SystemFiles(bool waits) : waits_(waits) {}

  Result<std::string> read(const std::string& path) override {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status {};
    if (!file.good() || ::fstat(file.fd(), &status) != 0) {
      return system_failure("cannot read", path);
    }
    return read_up_to(file.fd(), path, static_cast<std::size_t>(status.st_size));
  }

  Result<std::string> read_range(const std::string& path, int64_t offset, int64_t size) override {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.good() || ::lseek(file.fd(), offset, SEEK_SET) < 0) {
      return system_failure("cannot read", path);
    }
    return read_up_to(file.fd(), path, static_cast<std::size_t>(size));
  }

  Result<std::unique_ptr<FileReader>> open(const std::string& path) override {
    Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.good()) {
      return system_failure("cannot open", path);
    }
    std::unique_ptr<FileReader> reader = std::make_unique<SystemFileReader>(file.release(), path);
    return reader;
  }

  Status write(const std::string& path, std::string_view bytes) override {
    const std::string temporary = temporary_name(path);
    Status status = write_new(temporary, bytes, kSharedMode);
    step();
    if (status.ok() && ::rename(temporary.c_str(), path.c_str()) != 0) {
      status = system_failure("cannot write", path);
    }
    if (!status.ok()) {
      ::unlink(temporary.c_str());
      return status;
    }
    step();
    return sync(parent_path(path));
  }

  Status put_if_absent(const std::string& path, std::string_view bytes) override {
    return put_new(path, bytes, kSharedMode);
  }

  Status put_secret_if_absent(const std::string& path, std::string_view bytes) override {
    return put_new(path, bytes, kSecretMode);
  }

  Result<std::vector<FileInfo>> list(const std::string& directory) override {
    DIR* stream = ::opendir(directory.c_str());
    if (stream == nullptr) {
      return system_failure("cannot list", directory);
    }
    std::vector<FileInfo> entries;
    while (const dirent* entry = ::readdir(stream)) {  // NOLINT(concurrency-mt-unsafe): own stream
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") {
        continue;
      }
      const std::string path = join_path(directory, name);
      struct stat status {};
      if (::stat(path.c_str(), &status) == 0) {  // else it vanished in between
        entries.push_back(info_of(path, status));
      }
    }
    ::closedir(stream);
    std::sort(entries.begin(), entries.end(), [](const FileInfo& a, const FileInfo& b) {
      return a.path < b.path;
    });
    return entries;
  }

  Result<FileInfo> stat(const std::string& path) override {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
      return system_failure("cannot find", path);
    }
    return info_of(path, status);
  }

  Status make_directories(const std::string& path) override {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0) {
      return S_ISDIR(status.st_mode) ? Status()
                                     : system_failure("cannot make folder", path, EEXIST);
    }
    const std::string parent = parent_path(path);
    if (parent != path) {
      ASSAY_RETURN_IF_ERROR(make_directories(parent));
    }
    step();
    if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) {
      return system_failure("cannot make folder", path);
    }
    return sync(parent);
  }

  Status remove(const std::string& path) override {
    step();
    if (::remove(path.c_str()) != 0) {
      return system_failure("cannot remove", path);
    }
    return {};
  }

  Status sync(const std::string& path) override {
    step();
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.good()) {
      return system_failure("cannot sync", path);
    }
    return sync_open(file.fd(), path);
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    return lock_as(LOCK_EX, path);
  }
  Result<std::unique_ptr<FileLock>> lock_shared(const std::string& path) override {
    return lock_as(LOCK_SH, path);
  }

 private:
  static Result<std::unique_ptr<FileLock>> lock_as(int kind, const std::string& path) {
    Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (!file.good()) {
      return system_failure("cannot open", path);
    }
    if (::flock(file.fd(), kind | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) {
        return Status(Code::kFailedPrecondition, "another process holds the lock " + path);
      }
      return system_failure("cannot lock", path);
    }
    std::unique_ptr<FileLock> lock = std::make_unique<SystemFileLock>(file.release());
    return lock;
  }

  Status put_new(const std::string& path, std::string_view bytes, mode_t mode) {
    if (::access(path.c_str(), F_OK) == 0) {
      return system_failure("cannot create", path, EEXIST);
    }
    // link() is the one call that creates a name with its bytes complete, and fails when it is
    // taken.
    const std::string temporary = temporary_name(path);
    Result<Descriptor> file = create_new(temporary, bytes, mode);
    Status status = file.status();
    const bool in_order = status.ok() && waits_ && keeps_order(file->fd());
    if (status.ok()) {
      step();
      status = in_order ? hand_to_disk(file->fd(), temporary) : sync_open(file->fd(), temporary);
    }
    step();
    if (status.ok() && ::link(temporary.c_str(), path.c_str()) != 0) {
      status = system_failure("cannot create", path);
    }
    step();
    ::unlink(temporary.c_str());
    ASSAY_RETURN_IF_ERROR(status);
    if (!in_order) {
      step();
      return sync(parent_path(path));
    }
    // Both at once: the file system makes one wait of it.
    Status folder;
    std::jthread beside([&] { folder = sync(parent_path(path)); });
    step();
    status = sync_open(file->fd(), path);
    beside.join();
    return status.ok() ? folder : status;
  }

  /// Is a name on the disk only when what was handed to the disk before it is there too? So it is
  /// where one journal takes all in order (docs/decisions/0053-one-wait-for-the-disk.md).
  static bool keeps_order(int fd) {
    struct statfs about {};
    return ::fstatfs(fd, &about) == 0 &&
           (about.f_type == EXT4_SUPER_MAGIC || about.f_type == XFS_SUPER_MAGIC);
  }

  /// Have the bytes written, and places found for them, without waiting until they are safe.
  static Status hand_to_disk(int fd, const std::string& path) {
    constexpr unsigned kWriteAndWait =
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    return ::sync_file_range(fd, 0, 0, kWriteAndWait) == 0 ? Status()
                                                           : system_failure("cannot write", path);
  }

  [[nodiscard]] Status sync_open(int fd, const std::string& path) const {
    return !waits_ || ::fsync(fd) == 0 ? Status() : system_failure("cannot sync", path);
  }

  Status write_new(const std::string& path, std::string_view bytes, mode_t mode) const {
    ASSAY_ASSIGN_OR_RETURN(const Descriptor file, create_new(path, bytes, mode));
    step();
    return sync_open(file.fd(), path);
  }

  /// Created, written, not yet synced.
  static Result<Descriptor> create_new(const std::string& path,
                                       std::string_view bytes,
                                       mode_t mode) {
    Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!file.good()) {
      return system_failure("cannot create", path);
    }
    step();
    ASSAY_RETURN_IF_ERROR(write_all(file.fd(), path, bytes));
    return file;
  }

  const bool waits_;  // for the disk
};

class SystemAppendFile : public AppendFile {
 public:
  SystemAppendFile(Descriptor file, std::string path)
      : file_(std::move(file)), path_(std::move(path)) {}
  Status append(std::string_view bytes) override {
    step();
    ASSAY_RETURN_IF_ERROR(write_all(file_.fd(), path_, bytes));
    step();
    return ::fdatasync(file_.fd()) == 0 ? Status() : system_failure("cannot sync", path_);
  }

 private:
  Descriptor file_;
  std::string path_;
};

class SystemWholeFile : public WholeFile {
 public:
  SystemWholeFile(Descriptor file, std::string path, std::string temporary)
      : file_(std::move(file)), path_(std::move(path)), temporary_(std::move(temporary)) {}
  ~SystemWholeFile() override {
    if (!is_published_) {
      ::unlink(temporary_.c_str());
    }
  }
  SystemWholeFile(const SystemWholeFile&) = delete;
  SystemWholeFile& operator=(const SystemWholeFile&) = delete;

  Status append(std::string_view bytes) override { return write_all(file_.fd(), path_, bytes); }

  Status publish() override {
    if (::fsync(file_.fd()) != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
      return system_failure("cannot write", path_);
    }
    is_published_ = true;
    step();
    return system_files()->sync(parent_path(path_));
  }

 private:
  Descriptor file_;
  std::string path_;
  std::string temporary_;
  bool is_published_ = false;
};

/// A pipe or a device.
class SystemSpecialFile : public WholeFile {
 public:
  SystemSpecialFile(Descriptor file, std::string path)
      : file_(std::move(file)), path_(std::move(path)) {}
  Status append(std::string_view bytes) override { return write_all(file_.fd(), path_, bytes); }
  Status publish() override { return {}; }

 private:
  Descriptor file_;
  std::string path_;
};

}  // namespace

Result<std::unique_ptr<WholeFile>> WholeFile::create(const std::string& named) {
  const std::string path = follow_links(named);
  if (is_special_file(path)) {
    Descriptor special(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!special.good()) {
      return system_failure("cannot open", path);
    }
    return std::unique_ptr<WholeFile>(
        std::make_unique<SystemSpecialFile>(std::move(special), path));
  }
  std::string temporary = temporary_name(path);
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kSharedMode));
  if (!file.good()) {
    return system_failure("cannot create", path);
  }
  return std::unique_ptr<WholeFile>(
      std::make_unique<SystemWholeFile>(std::move(file), path, std::move(temporary)));
}

Status write_whole_file(const std::string& path, std::string_view bytes) {
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<WholeFile> file, WholeFile::create(path));
  ASSAY_RETURN_IF_ERROR(file->append(bytes));
  return file->publish();
}

std::string follow_links(const std::string& path) {
  constexpr int kLinksMax = 40;  // as the system has it
  std::string at = path;
  for (int links = 0; links < kLinksMax; ++links) {
    std::array<char, PATH_MAX> text{};
    const ssize_t size = ::readlink(at.c_str(), text.data(), text.size());
    if (size < 0) {
      break;
    }
    const std::string target(text.data(), static_cast<std::size_t>(size));
    at = target.starts_with('/') ? target : join_path(parent_path(at), target);
  }
  return at;
}

bool is_special_file(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? !S_ISREG(status.st_mode) : errno == ELOOP;
}

Result<std::unique_ptr<AppendFile>> AppendFile::create(const std::string& path) {
  step();
  Descriptor file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, kSharedMode));
  if (!file.good()) {
    return system_failure("cannot create", path);
  }
  step();
  ASSAY_RETURN_IF_ERROR(system_files()->sync(parent_path(path)));
  return std::unique_ptr<AppendFile>(std::make_unique<SystemAppendFile>(std::move(file), path));
}

Status append_bytes(const std::string& path, std::string_view bytes) {
  step();
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, kSharedMode));
  if (!file.good()) {
    return system_failure("cannot open", path);
  }
  step();
  ASSAY_RETURN_IF_ERROR(write_all(file.fd(), path, bytes));
  // Disks across a network tell only now of what they did not take.
  return ::close(file.release()) == 0 ? Status() : system_failure("cannot write", path);
}

std::unique_ptr<FileSystem> system_files() {
  return std::make_unique<SystemFiles>(true);
}

std::unique_ptr<FileSystem> unsynced_files() {
  return std::make_unique<SystemFiles>(false);
}

std::string join_path(std::string_view directory, std::string_view name) {
  if (directory.empty() || (!name.empty() && name.front() == '/')) {
    return std::string(name);
  }
  std::string path(directory);
  if (path.back() != '/') {
    path += '/';
  }
  return path.append(name);
}

std::string parent_path(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) {
    return ".";
  }
  return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

std::string file_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

}  // namespace assay
