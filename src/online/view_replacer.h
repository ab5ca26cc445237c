#pragma once

#include <string>

#include "online/online_store.h"

namespace assay::online {

/// A store that can put rows in the place of those that a view has: all that open_online_store
/// opens.
///
/// Threads those of OnlineStore.
class ViewReplacer {
 public:
  virtual ~ViewReplacer() = default;
  /// Put what stands under the storage name `filled`, of the same definition, in the place of a
  /// view's rows and position, which go: whoever reads sees all of the old or all of the new. Of
  /// several parts each does so for itself, one after the other.
  /// Errors  kNotFound: nothing stands there; kFailedPrecondition: it is of another definition.
  virtual Status replace(const gold::FeatureView& view, const std::string& filled) = 0;
};

/// The same; kUnimplemented of a store that cannot.
inline Status replace_view(OnlineStore& store,
                           const gold::FeatureView& view,
                           const std::string& filled) {
  auto* const replacer = dynamic_cast<ViewReplacer*>(&store);
  return replacer != nullptr
             ? replacer->replace(view, filled)
             : Status(Code::kUnimplemented, "this online store cannot replace the rows of a view");
}

}  // namespace assay::online
