#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/world.h"
#include "store/object_store.h"

namespace assay::store {

/// What is put to the test: a store, and its conditional put without this check before it.
struct ConditionalPutProbe {
  World& world;
  ObjectStore& store;
  std::string service;  // what a passed check is good for: the endpoint
  std::function<Status(const std::string&, std::string_view)> put_if_absent;
};

/// Make sure, once for each lake and service, that put_if_absent is what commits need: a second put
/// is refused and leaves the first one's bytes, and of several at once exactly one wins. That it
/// passed is noted as ".assay/conditional_put".
///
/// Errors  kFailedPrecondition: it is not. Those of the store.
/// Cost    one request when it has passed before; else about twenty, by four threads.
Status ensure_conditional_put(const ConditionalPutProbe& probe);

}  // namespace assay::store
