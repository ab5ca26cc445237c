// What goes through the two pipes, a line each: "PARTITION VALUE" is sent, without an answer;
// "flush", "away", "back" and "where" are answered by a line, "where" by the broker's address.

#include "topic_process.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "ingest/kafka_client.h"
#include "ingest/kafka_mock.h"

namespace assay::sim {
namespace {

std::string read_line(int from) {
  std::string line;
  char byte = 0;
  while (::read(from, &byte, 1) == 1 && byte != '\n') {
    line += byte;
  }
  return line;
}

void write_line(int to, const std::string& line) {
  const std::string text = line + "\n";
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t count = ::write(to, text.data() + done, text.size() - done);
    ASSAY_CHECK(count > 0);
    done += static_cast<std::size_t>(count);
  }
}

/// Until nobody says anything any more.
void work(int32_t partitions, int words, int answers) {
  const std::unique_ptr<ingest::KafkaMock> broker = ingest::KafkaMock::start();
  broker->create_topic("events", partitions);
  const std::unique_ptr<Log> log = null_log();
  ingest::KafkaClientOptions options;
  options.brokers = broker->brokers();
  const auto producer = *ingest::KafkaProducer::open(*log, options);
  for (std::string line = read_line(words); !line.empty(); line = read_line(words)) {
    if (line == "flush") {
      ASSAY_CHECK(producer->flush().ok());
    } else if (line == "away" || line == "back") {
      broker->set_away(line == "away");
    } else if (line != "where") {
      const std::size_t space = line.find(' ');
      ASSAY_CHECK(
          producer
              ->send(
                  "events", std::atoi(line.c_str()), "", std::string_view(line).substr(space + 1))
              .ok());
      continue;
    }
    write_line(answers, broker->brokers());
  }
}

}  // namespace

TopicProcess::TopicProcess(int32_t partitions) {
  int words[2];
  int answers[2];
  ASSAY_CHECK(::pipe(words) == 0 && ::pipe(answers) == 0);
  std::fflush(nullptr);
  process_ = ::fork();
  ASSAY_CHECK(process_ >= 0);
  if (process_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::close(words[1]);
    ::close(answers[0]);
    work(partitions, words[0], answers[1]);
    ::_exit(0);
  }
  ::close(words[0]);
  ::close(answers[1]);
  words_ = words[1];
  answers_ = answers[0];
  brokers_ = ask("where");
}

TopicProcess::~TopicProcess() {
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
  ::close(words_);
  ::close(answers_);
}

void TopicProcess::send(const TopicRecord& record) {
  write_line(words_, std::to_string(record.partition) + " " + record.value);
}

std::string TopicProcess::ask(const std::string& line) {
  write_line(words_, line);
  const std::string answer = read_line(answers_);
  ASSAY_CHECK(!answer.empty());
  return answer;
}

}  // namespace assay::sim
