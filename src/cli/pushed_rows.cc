#include "cli/pushed_rows.h"

#include <algorithm>

#include "base/hash.h"
#include "serve/signature.h"

namespace assay::cli {
namespace {

std::string new_name(World& world) {
  const std::string micros = std::to_string(world.clock.now().micros);
  return "push_" + std::string(20 - std::min<std::size_t>(20, micros.size()), '0') + micros + "_" +
         hash_text(world.random.next()) + ".jsonl";
}

}  // namespace

Status put_pushed_rows(World& world,
                       const std::string& folder,
                       const std::string& rows,
                       const std::string& once) {
  std::string name = new_name(world);
  if (once.empty()) {
    return world.files.put_if_absent(join_path(folder, name), rows);
  }
  const std::string hash = serve::sha256_hex(rows);
  const std::string claims = join_path(folder, ".push");  // which is not looked into for rows
  ASSAY_RETURN_IF_ERROR(world.files.make_directories(claims));
  const std::string old_claim = join_path(folder, ".push_" + once);  // of a program before
  const std::string claim = world.files.stat(old_claim).ok() ? old_claim : join_path(claims, once);
  const Status claimed = world.files.put_if_absent(claim, name + "\n" + hash + "\n");
  if (claimed.code() == Code::kAlreadyExists) {
    ASSAY_ASSIGN_OR_RETURN(const std::string before, world.files.read(claim));
    name = before.substr(0, before.find('\n'));
    if (before != name + "\n" + hash + "\n") {
      return Status(Code::kAlreadyExists, "other rows were pushed under this key before");
    }
  } else {
    ASSAY_RETURN_IF_ERROR(claimed);
  }
  const Status put = world.files.put_if_absent(join_path(folder, name), rows);
  return put.code() == Code::kAlreadyExists ? Status() : put;  // by the first of them
}

}  // namespace assay::cli
