#pragma once

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/temp_folder.h"

namespace assay::online {

/// A process of Redis, which ends with this object at the latest.
class RedisProcess {
 public:
  RedisProcess() = default;
  ~RedisProcess() { kill(); }
  RedisProcess(const RedisProcess&) = delete;
  RedisProcess& operator=(const RedisProcess&) = delete;

  /// Start it as `name` ("redis-server", "redis-sentinel"), and wait until it says `ready`.
  void start(const std::string& name, std::vector<std::string> words, const std::string& ready) {
    std::signal(SIGPIPE, SIG_IGN);  // as the program does
    int says[2];
    ASSAY_CHECK(::pipe2(says, O_CLOEXEC) == 0);
    words.insert(words.begin(), name);
    std::vector<char*> arguments;
    for (std::string& word : words) {
      arguments.push_back(word.data());
    }
    arguments.push_back(nullptr);
    process_ = ::fork();
    ASSAY_CHECK(process_ >= 0);
    if (process_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(says[1], STDOUT_FILENO);
      ::dup2(says[1], STDERR_FILENO);
      // Debian's redis-tools holds the whole program; its name decides what it is.
      ::execvp("redis-check-rdb", arguments.data());
      ::_exit(127);
    }
    ::close(says[1]);
    std::string said;
    char byte = 0;
    while (said.find(ready) == std::string::npos && ::read(says[0], &byte, 1) == 1) {
      said += byte;
    }
    ASSAY_CHECK(said.find(ready) != std::string::npos);
    output_ = says[0];
  }
  /// It says nothing, and takes connections, until it goes on.
  void freeze() const { ::kill(process_, SIGSTOP); }
  void thaw() const { ::kill(process_, SIGCONT); }
  /// As when the machine ends: at once, without a word to clients.
  void kill() {
    if (process_ > 0) {
      ::kill(process_, SIGKILL);
      ::waitpid(process_, nullptr, 0);
      ::close(output_);
      process_ = -1;
    }
  }

 private:
  pid_t process_ = -1;
  int output_ = -1;
};

/// A Redis server of the tests' own, on a socket in a temporary folder. It keeps an append-only
/// file, so that it can be killed and started again.
class RedisUnderTest {
 public:
  /// One for all tests of a process.
  static RedisUnderTest& shared() {
    static RedisUnderTest server;
    return server;
  }

  RedisUnderTest() { start(); }

  /// URL with a prefix that no other test has, and time for a machine that has much to do.
  std::string fresh_url() {
    return url() + "?read_timeout=10s&prefix=t" + std::to_string(++prefixes_);
  }
  [[nodiscard]] std::string url() const { return "redis+unix://" + folder_.file("redis.sock"); }

  /// Start it, and wait until it says that it takes connections.
  void start() {
    process_.start("redis-server",
                   {"--port",
                    "0",
                    "--unixsocket",
                    folder_.file("redis.sock"),
                    "--dir",
                    folder_.path(),
                    "--save",
                    "",
                    "--appendonly",
                    "yes",
                    "--appendfsync",
                    "no"},  // written before it is answered, which is enough for a kill
                   "eady to accept connections");
  }
  void kill() { process_.kill(); }
  /// As when it had no persistence: killed, and started with nothing.
  void start_empty() {
    kill();
    for (const char* const kept : {"appendonlydir", "appendonly.aof"}) {
      std::filesystem::remove_all(folder_.file(kept));
    }
    start();
  }
  void freeze() const { process_.freeze(); }
  void thaw() const { process_.thaw(); }

 private:
  TempFolder folder_;
  RedisProcess process_;
  int prefixes_ = 0;
};

}  // namespace assay::online
