#include "scheduler/migrate/local_files.h"

#include <filesystem>
#include <memory>
#include <system_error>
#include <vector>

#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/store/act_as_owner.h"

namespace dragnet::scheduler {
namespace {

namespace fs = std::filesystem;

// The name of a blob: its SHA-256 in hex. Uploads under way are left: they begin anew.
bool IsBlob(const std::string& name) {
  return name.size() == 64 && name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

bool IsCursor(const std::string& name, const std::string& store) {
  return name.starts_with(StrCat(store, ".export.")) && name.ends_with(".cursor");
}

std::string DirectoryOf(const std::string& path) {
  const std::string directory = fs::path(path).parent_path().string();
  return directory.empty() ? "." : directory;
}

struct LocalFile {
  std::string from;
  std::string to;
};

// Regular files only.
std::vector<LocalFile> Find(const std::string& from, const std::string& to) {
  std::vector<LocalFile> files;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(from + ".blobs", error)) {
    const std::string name = entry.path().filename().string();
    if (IsBlob(name) && entry.symlink_status(error).type() == fs::file_type::regular)
      files.push_back({entry.path().string(), StrCat(to, ".blobs/", name)});
  }
  const std::string store = fs::path(from).filename().string();
  for (const fs::directory_entry& entry : fs::directory_iterator(DirectoryOf(from), error)) {
    const std::string name = entry.path().filename().string();
    if (IsCursor(name, store) && entry.symlink_status(error).type() == fs::file_type::regular)
      files.push_back({entry.path().string(), StrCat(to, name.substr(store.size()))});
  }
  return files;
}

}  // namespace

bool HasLocalFiles(const std::string& store) { return !Find(store, store).empty(); }

absl::StatusOr<uint64_t> CopyLocalFiles(const std::string& from, const std::string& to) {
  // They belong to the scheduler's user, who could have put links where root would write.
  DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<ActAsOwner> owner,
                           ActAsOwner::Of(DirectoryOf(from)));
  uint64_t copied = 0;
  for (const LocalFile& file : Find(from, to)) {
    std::error_code error;
    if (fs::exists(fs::symlink_status(file.to, error))) continue;
    DRAGNET_RETURN_IF_ERROR(MakeDirectories(DirectoryOf(file.to), 0700));
    // A blob never changes; a cursor is replaced as a whole. So a second name does.
    fs::create_hard_link(file.from, file.to, error);
    if (error) fs::copy_file(file.from, file.to, error);
    if (error)
      return absl::UnknownError(
          StrCat("copy ", file.from, " to ", file.to, owner->words(), ": ", error.message()));
    ++copied;
  }
  return copied;
}

}  // namespace dragnet::scheduler
