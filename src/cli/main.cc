// The program: understand the command line, make the world, run the command, say what went wrong.

#include <csignal>
#include <cstdio>

#include <unistd.h>

#include "cli/command_line.h"
#include "lake/doctor.h"
#include "serve/grpc_server.h"

namespace assay::cli {
namespace {

int run(const std::vector<std::string>& words) {
  Result<ParsedLine> line = parse_command_line(words, all_commands());
  if (!line.ok()) {
    std::fprintf(stderr, "assay: %s\n", line.status().message().c_str());
    return exit_code(line.code());
  }
  if (line->command == nullptr) {
    std::fputs(line->text.c_str(), stdout);
    return 0;
  }
  serve::refuse_old_tls();
  SystemWorld world(line->verbose ? LogLevel::kDebug : LogLevel::kWarn);
  Output output(line->format, !line->quiet && ::isatty(STDERR_FILENO) == 1);
  Invocation invocation{line->arguments, world.world(), output, ""};
  Status status = line->command->run(invocation);
  status = lake::send_to_doctor(std::move(status), invocation.lake_path);
  output.progress_done();
  if (!status.ok()) {
    std::fprintf(stderr,
                 "assay: %s: %s\n",
                 std::string(code_name(status.code())).c_str(),
                 status.message().c_str());
  }
  return exit_code(status.code());
}

}  // namespace

}  // namespace assay::cli

int main(int count, char** words) {
  std::signal(SIGPIPE, SIG_IGN);
  return assay::cli::run(std::vector<std::string>(words + 1, words + count));
}
