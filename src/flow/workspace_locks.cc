// Who may do what with a project at once.
//
//   .assay/share.lock   shared by every `assay up --share`; exclusive for whoever runs stages alone
//   .assay/run.lock     whoever runs stages: alone, or as the one that leads those who share
//   .assay/commit_<bronze table>.lock   whoever of those who share commits to it just now
//
// The kernel gives a lock back when its holder ends, also by a kill.

#include "base/hash.h"
#include "base/pause.h"
#include "flow/workspace.h"

namespace assay::flow {
namespace {

constexpr char kShareId[] = "share_id";
constexpr char kShareDefinitions[] = "share_definitions";
/// What processes that share must agree on beside the definitions: how they take parts.
constexpr uint64_t kShareProtocol = 2;  // in both tables: decision 116
constexpr Duration kBlink{10'000};
/// Who works alone is looked for so often, since another may have been refused just now.
constexpr int kLooksForOneAlone = 20;
/// Definitions are said as soon as the disk has taken them.
constexpr int kLooksMax = 3000;

/// Held together.
class TwoLocks : public FileLock {
 public:
  TwoLocks(std::unique_ptr<FileLock> first, std::unique_ptr<FileLock> second)
      : first_(std::move(first)), second_(std::move(second)) {}

 private:
  std::unique_ptr<FileLock> first_;
  std::unique_ptr<FileLock> second_;
};

}  // namespace

Result<std::unique_ptr<FileLock>> Workspace::lock_for_writing() {
  const std::string state = join_path(project_.folder, kStateFolder);
  Result<std::unique_ptr<FileLock>> lock = lock_for_leading();
  if (lock.code() == Code::kFailedPrecondition) {
    return Status(Code::kFailedPrecondition,
                  "another assay process is running the stages of this project (it holds " +
                      join_path(state, "run.lock") +
                      "); wait for it or stop it, or start all of them as `assay up --share`");
  }
  ASSAY_RETURN_IF_ERROR(lock.status());
  const std::string path = join_path(state, "share.lock");
  Result<std::unique_ptr<FileLock>> share = world_.files.lock(path);
  if (share.code() == Code::kFailedPrecondition) {
    return Status(Code::kFailedPrecondition,
                  "`assay up --share` runs for this project (it holds " + path +
                      "); stop all of these first");
  }
  ASSAY_RETURN_IF_ERROR(share.status());
  return std::unique_ptr<FileLock>(std::make_unique<TwoLocks>(*std::move(lock), *std::move(share)));
}

Result<std::unique_ptr<FileLock>> Workspace::lock_for_sharing() {
  const std::string state = join_path(project_.folder, kStateFolder);
  const std::string path = join_path(state, "share.lock");
  ASSAY_RETURN_IF_ERROR(say_definitions(path));
  Result<std::unique_ptr<FileLock>> lock = world_.files.lock_shared(path);
  // Who works alone has both locks; who has this one only is saying its definitions.
  int seen_alone = 0;
  for (int looks = 1; lock.code() == Code::kFailedPrecondition && looks < kLooksMax &&
                      seen_alone < kLooksForOneAlone;
       ++looks) {
    seen_alone += lock_for_leading().code() == Code::kFailedPrecondition ? 1 : 0;
    pause_for(kBlink);
    lock = world_.files.lock_shared(path);
  }
  if (lock.code() == Code::kFailedPrecondition) {
    return Status(Code::kFailedPrecondition,
                  "another assay process is running the stages of this project alone (it holds " +
                      path + "); wait for it, or stop it and start it with --share");
  }
  ASSAY_RETURN_IF_ERROR(lock.status());
  ASSAY_ASSIGN_OR_RETURN(const std::string said,
                         world_.files.read(join_path(state, kShareDefinitions)));
  if (said != definitions_word()) {
    return Status(Code::kFailedPrecondition,
                  "`assay up --share` runs for this project with other definitions (or another "
                  "profile), as they were when it was started; stop all of these processes, then "
                  "start them anew");
  }
  return lock;
}

/// Whoever is the first one to share says by which definitions all of them work.
Status Workspace::say_definitions(const std::string& lock_path) {
  const Result<std::unique_ptr<FileLock>> alone = world_.files.lock(lock_path);
  if (alone.code() == Code::kFailedPrecondition) {
    return {};  // there are others, or another works alone
  }
  ASSAY_RETURN_IF_ERROR(alone.status());
  return world_.files.write(join_path(parent_path(lock_path), kShareDefinitions),
                            definitions_word());
}

std::string Workspace::definitions_word() const {
  uint64_t hash = hash_mix(hash_bytes(options_.profile), kShareProtocol);
  for (const auto& [path, text] : texts_) {
    hash = hash_mix(hash_mix(hash, hash_bytes(path)), hash_bytes(text));
  }
  return hash_text(hash);
}

Result<std::unique_ptr<FileLock>> Workspace::lock_for_leading() {
  return world_.files.lock(join_path(join_path(project_.folder, kStateFolder), "run.lock"));
}

Result<std::unique_ptr<FileLock>> Workspace::lock_for_commits(const std::string& bronze) {
  const std::string state = join_path(project_.folder, kStateFolder);
  return world_.files.lock(join_path(state, "commit_" + bronze + ".lock"));
}

Result<std::string> Workspace::share_id() {
  const std::string path = join_path(join_path(project_.folder, kStateFolder), kShareId);
  const Status made = world_.files.put_if_absent(path, world_.random.uuid());
  if (!made.ok() && made.code() != Code::kAlreadyExists) {
    return made;
  }
  return world_.files.read(path);
}

Result<int64_t> Workspace::share_number() {
  ASSAY_ASSIGN_OR_RETURN(const std::string id, share_id());
  return static_cast<int64_t>(hash_bytes(id) >> 1) | 1;
}

Result<std::string> Workspace::sharing_group(const std::string& bronze) {
  ASSAY_ASSIGN_OR_RETURN(const std::string id, share_id());
  ASSAY_ASSIGN_OR_RETURN(const std::string key, bronze_table_key(bronze));
  // A copy of the project has its own lake, and must not divide topics with the first one.
  const uint64_t place = hash_mix(hash_bytes(id), hash_bytes(join_path(project_.lake, key)));
  return "assay." + project_.name + "." + bronze + "." + hash_text(place);
}

}  // namespace assay::flow
