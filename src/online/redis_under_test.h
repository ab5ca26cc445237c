#pragma once

#include <csignal>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "online/store_fixture.h"

namespace assay::online {

/// A Redis server of the tests' own, on a socket in a temporary folder. It keeps an append-only
/// file, flushed at each command, so that it can be killed and started again.
class RedisUnderTest {
 public:
  /// One for all tests of a process.
  static RedisUnderTest& shared() {
    static RedisUnderTest server;
    return server;
  }

  RedisUnderTest() {
    std::signal(SIGPIPE, SIG_IGN);  // as the program does
    start();
  }
  ~RedisUnderTest() { kill(); }
  RedisUnderTest(const RedisUnderTest&) = delete;
  RedisUnderTest& operator=(const RedisUnderTest&) = delete;

  /// URL with a prefix that no other test has.
  std::string fresh_url() { return url() + "?prefix=t" + std::to_string(++prefixes_); }
  [[nodiscard]] std::string url() const { return "redis+unix://" + folder_.path() + "/redis.sock"; }

  /// Start it, and wait until it says that it takes connections.
  void start() {
    int says[2];
    ASSAY_CHECK(::pipe2(says, O_CLOEXEC) == 0);
    process_ = ::fork();
    ASSAY_CHECK(process_ >= 0);
    if (process_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(says[1], STDOUT_FILENO);
      ::dup2(says[1], STDERR_FILENO);
      const std::string socket = folder_.path() + "/redis.sock";
      // Debian's redis-tools holds the whole program; its name decides what it is.
      ::execlp("redis-check-rdb",
               "redis-server",
               "--port",
               "0",
               "--unixsocket",
               socket.c_str(),
               "--dir",
               folder_.path().c_str(),
               "--save",
               "",
               "--appendonly",
               "yes",
               "--appendfsync",
               "always",
               nullptr);
      ::_exit(127);
    }
    ::close(says[1]);
    std::string said;
    char byte = 0;
    while (said.find("eady to accept connections") == std::string::npos &&
           ::read(says[0], &byte, 1) == 1) {
      said += byte;
    }
    ASSAY_CHECK(said.find("eady to accept connections") != std::string::npos);
    output_ = says[0];
  }

  void kill() {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    ::close(output_);
  }

 private:
  TestFolder folder_;
  pid_t process_ = -1;
  int output_ = -1;
  int prefixes_ = 0;
};

}  // namespace assay::online
