#pragma once

#include "base/time.h"

namespace assay {

/// Let this thread wait. For retries; whoever calls it takes it as a parameter, so that a test
/// waits for nothing.
void pause_for(Duration length);

}  // namespace assay
