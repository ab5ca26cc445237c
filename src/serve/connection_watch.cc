#include "serve/connection_watch.h"

#include <array>
#include <cstddef>

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

namespace assay::serve {

ConnectionWatch::ConnectionWatch() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

ConnectionWatch::~ConnectionWatch() {
  for (const int handle : handles_) {
    ::close(handle);
  }
  if (epoll_ >= 0) {
    ::close(epoll_);
  }
}

bool ConnectionWatch::add(int socket) {
  const std::lock_guard lock(mutex_);
  const int handle = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
  if (handle < 0) {
    return false;
  }
  epoll_event event{};  // it tells of the end of both directions without being asked
  event.data.fd = handle;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, handle, &event) != 0) {
    ::close(handle);
    return false;
  }
  handles_.insert(handle);
  return true;
}

std::size_t ConnectionWatch::count() {
  const std::lock_guard lock(mutex_);
  forget_ended();
  return handles_.size();
}

void ConnectionWatch::forget_ended() {
  std::array<epoll_event, 64> ended{};
  int count = 0;
  do {
    count = ::epoll_wait(epoll_, ended.data(), static_cast<int>(ended.size()), 0);
    for (int i = 0; i < count; ++i) {
      const int handle = ended[static_cast<std::size_t>(i)].data.fd;
      // The library may not have closed its own yet, which would keep the entry.
      ::epoll_ctl(epoll_, EPOLL_CTL_DEL, handle, nullptr);
      ::close(handle);
      handles_.erase(handle);
    }
  } while (count == static_cast<int>(ended.size()));
}

}  // namespace assay::serve
