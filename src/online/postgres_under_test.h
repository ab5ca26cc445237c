#pragma once

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/temp_folder.h"
#include "online/postgres_client.h"
#include "online/store_fixture.h"

namespace assay::online {

/// A PostgreSQL server of the tests' own, on a socket in a temporary folder. It can be killed and
/// started again.
class PostgresUnderTest {
 public:
  /// One for all tests of a process.
  static PostgresUnderTest& shared() {
    static PostgresUnderTest server;
    return server;
  }

  PostgresUnderTest() {
    std::signal(SIGPIPE, SIG_IGN);  // as the program does
    if (::geteuid() == 0) {         // it does not run as root
      const passwd* const user = ::getpwnam("postgres");
      ASSAY_CHECK(user != nullptr &&
                  ::chown(folder_.path().c_str(), user->pw_uid, user->pw_gid) == 0);
    }
    run({"initdb", "-D", data(), "-U", "assay", "-A", "trust", "--no-sync", "-E", "UTF8"}, true);
    start();
  }
  ~PostgresUnderTest() { kill(); }
  PostgresUnderTest(const PostgresUnderTest&) = delete;
  PostgresUnderTest& operator=(const PostgresUnderTest&) = delete;

  [[nodiscard]] std::string url() const {
    return "postgresql://assay@/postgres?host=" + folder_.path();
  }
  /// URL of a schema that no other test has, and time for a machine that has much to do.
  std::string fresh_url() {
    const std::string schema = "t" + std::to_string(++schemas_);
    const auto server = PostgresConnection::connect(url());
    ASSAY_CHECK(server.ok() &&
                (*server)->run(strings_.emplace_back("CREATE SCHEMA " + schema).c_str()).ok());
    return url() + "&read_timeout=10s&options=-csearch_path%3D" + schema;
  }

  /// Start it, and wait until it takes connections.
  void start() {
    process_ = run({"postgres",
                    "-D",
                    data(),
                    "-k",
                    folder_.path(),
                    "-c",
                    "listen_addresses=",
                    "-c",
                    "shared_buffers=16MB",
                    "-c",
                    "max_connections=30",
                    "-c",
                    "autovacuum=off",
                    "-c",
                    "fsync=off"},
                   false);
    while (!PostgresConnection::connect(url()).ok()) {
      ASSAY_CHECK(::waitpid(process_, nullptr, WNOHANG) == 0);
      ::usleep(20'000);
    }
  }
  /// It says nothing, and takes connections, until it goes on.
  void freeze() const { signal_all(SIGSTOP); }
  void thaw() const { signal_all(SIGCONT); }
  /// As when the machine ends: at once, without a word to clients.
  void kill() {
    ::kill(process_, SIGQUIT);
    ::waitpid(process_, nullptr, 0);
  }

 private:
  /// To the server, and then to its processes, each of which leads a group of its own.
  void signal_all(int signal) const {
    ::kill(process_, signal);
    const std::string main = std::to_string(process_);
    const int file = ::open(("/proc/" + main + "/task/" + main + "/children").c_str(), O_RDONLY);
    std::array<char, 4096> bytes{};
    ASSAY_CHECK(file >= 0 && ::read(file, bytes.data(), bytes.size() - 1) > 0);
    ::close(file);
    std::istringstream children(bytes.data());
    for (pid_t child = 0; children >> child;) {
      ::kill(child, signal);
    }
  }
  [[nodiscard]] std::string data() const { return folder_.path() + "/data"; }

  static pid_t run(const std::vector<std::string>& words, bool wait) {
    const pid_t process = ::fork();
    ASSAY_CHECK(process >= 0);
    if (process == 0) {
      const passwd* const user = ::geteuid() == 0 ? ::getpwnam("postgres") : nullptr;
      if (user != nullptr && (::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0)) {
        ::_exit(127);
      }
      ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
      const int nothing = ::open("/dev/null", O_RDWR);
      ::dup2(nothing, STDOUT_FILENO);
      ::dup2(nothing, STDERR_FILENO);
      const std::string program = newest_programs() + "/" + words[0];
      std::vector<char*> arguments;
      for (const std::string& word : words) {
        arguments.push_back(const_cast<char*>(word.c_str()));
      }
      arguments.push_back(nullptr);
      ::execv(program.c_str(), arguments.data());
      ::_exit(127);
    }
    int ended = 0;
    ASSAY_CHECK(!wait || (::waitpid(process, &ended, 0) == process && ended == 0));
    return process;
  }
  /// Debian keeps the server's programs off the path, by version.
  static std::string newest_programs() {
    std::string newest;
    std::error_code ignored;
    for (const auto& version :
         std::filesystem::directory_iterator("/usr/lib/postgresql", ignored)) {
      newest = std::max(newest, (version.path() / "bin").string());
    }
    return newest;
  }

  TempFolder folder_;
  pid_t process_ = -1;
  int schemas_ = 0;
  std::vector<std::string> strings_;
};

}  // namespace assay::online
