#include "base/world.h"

namespace assay {

SystemWorld::SystemWorld(LogLevel level)
    : clock_(system_clock()),
      files_(system_files()),
      random_(system_random()),
      log_(stderr_log(*clock_, level)),
      world_{*clock_, *files_, *random_, *log_, metrics_} {}

}  // namespace assay
