#include "base/pause.h"

#include <chrono>
#include <thread>

namespace assay {

void pause_for(Duration length) {
  std::this_thread::sleep_for(std::chrono::microseconds(length.micros));
}

}  // namespace assay
