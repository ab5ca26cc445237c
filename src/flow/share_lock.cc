#include "flow/share_lock.h"

#include <optional>
#include <string>

#include "catalog/share_definition.h"
#include "online/share_store.h"

namespace assay::flow {

Result<std::unique_ptr<FileLock>> lock_for_materializing(Workspace& workspace) {
  const std::optional<catalog::SharePlace> store =
      catalog::share_in_place(workspace.project().online);
  if (!store.has_value()) {
    return workspace.lock_for_writing();
  }
  const std::string path = join_path(workspace.project().folder,
                                     ".assay/online_" + online::share_id(store->share) + ".lock");
  Result<std::unique_ptr<FileLock>> lock = workspace.world().files.lock(path);
  if (lock.code() == Code::kFailedPrecondition) {
    return Status(Code::kFailedPrecondition,
                  "another assay process is filling the online store of share " +
                      store->share.name + " (it holds " + path + "); wait for it or stop it");
  }
  return lock;
}

}  // namespace assay::flow
