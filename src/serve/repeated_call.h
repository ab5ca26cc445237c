#pragma once

#include <functional>
#include <thread>

#include "base/wakeup.h"

namespace assay::serve {

/// Calls a function again and again on a thread of its own, until destroyed.
class RepeatedCall {
 public:
  RepeatedCall(Duration every, std::function<void()> call)
      : thread_([this, every, call = std::move(call)](const std::stop_token& stop) {
          for (wakeup_.wait(every); !stop.stop_requested(); wakeup_.wait(every)) {
            call();
          }
        }) {}
  ~RepeatedCall() {
    thread_.request_stop();
    wakeup_.notify();
  }
  RepeatedCall(const RepeatedCall&) = delete;
  RepeatedCall& operator=(const RepeatedCall&) = delete;

 private:
  Wakeup wakeup_;
  std::jthread thread_;  // last: it ends before what it uses
};

}  // namespace assay::serve
