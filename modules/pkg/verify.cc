#include "modules/pkg/verify.h"

#include <errno.h>
#include <sys/stat.h>

#include <string>

#include "absl/strings/str_format.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/pkg/checksum.h"
#include "modules/pkg/errno_words.h"

namespace dragnet::pkg {
namespace {

std::string_view TypeName(uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "file";
    case S_IFDIR:
      return "directory";
    case S_IFLNK:
      return "symlink";
    case S_IFIFO:
      return "fifo";
    case S_IFSOCK:
      return "socket";
    case S_IFBLK:
      return "block";
    case S_IFCHR:
      return "char";
    default:
      return "unknown";
  }
}

class FileComparison {
 public:
  FileComparison(const Root& root, const PackageFile& file, RunContext& context, v1::PkgRow* row)
      : root_(root), file_(file), context_(context), row_(row) {}

  bool Altered() {
    row_->clear_altered();
    row_->clear_expected();
    row_->clear_actual();
    struct stat status;
    context_.AddExamined(1, 0);
    if (!root_.Status(file_.path, &status)) {
      if (errno == ENOENT || errno == ENOTDIR) {
        if (!file_.may_be_missing) row_->add_altered("missing");
      } else {
        Note(ErrnoWords(errno));
      }
    } else {
      Compare(status);
    }
    if (row_->altered().empty()) return false;
    row_->set_path(Text(file_.path));
    row_->set_config(file_.config);
    return true;
  }

 private:
  void Note(std::string_view reason) { context_.NoteUnexamined(reason, Shown(root_, file_.path)); }

  void Add(std::string_view what, const std::string& expected, const std::string& actual) {
    row_->add_altered(std::string(what));
    row_->add_expected(StrCat(what, "=", expected));
    row_->add_actual(StrCat(what, "=", actual));
  }

  void Compare(const struct stat& status) {
    if (file_.type && *file_.type != (status.st_mode & S_IFMT)) {
      Add("type", std::string(TypeName(*file_.type)), std::string(TypeName(status.st_mode)));
      return;
    }
    CompareMode(status);
    if (S_ISLNK(status.st_mode)) {
      CompareLink();
      return;
    }
    if (file_.size && S_ISREG(status.st_mode) &&
        *file_.size != static_cast<uint64_t>(status.st_size))
      Add("size", StrCat(*file_.size), StrCat(status.st_size));
    if (file_.algorithm == Algorithm::kNone) return;
    if (!S_ISREG(status.st_mode)) {
      Add("type", "file", std::string(TypeName(status.st_mode)));
      return;
    }
    CompareContent(root_.OpenFile(file_.path, /*follow_last=*/false));
  }

  void CompareMode(const struct stat& status) {
    // A link's own permissions mean nothing.
    if (!file_.mode || S_ISLNK(status.st_mode)) return;
    if (*file_.mode != (status.st_mode & 07777u))
      Add("mode", absl::StrFormat("%04o", *file_.mode),
          absl::StrFormat("%04o", status.st_mode & 07777u));
  }

  void CompareLink() {
    std::string target;
    if (!root_.ReadLink(file_.path, &target)) {
      Note(ErrnoWords(errno));
      return;
    }
    if (file_.link_target) {
      if (*file_.link_target != target) Add("link", Text(*file_.link_target), Text(target));
    } else if (file_.algorithm != Algorithm::kNone && !file_.type) {
      // apk's digest of a link is that of its target's name. dpkg's is of the
      // file that is at the link's end: packages are installed through links.
      const absl::StatusOr<std::string> digest = DigestOf(file_.algorithm, target);
      if (digest.ok() && *digest == file_.digest) return;
      CompareContent(root_.OpenFile(file_.path));
    }
  }

  void CompareContent(const UniqueFd& fd) {
    if (!fd.valid()) {
      if (errno == ENOENT) {
        row_->add_altered("missing");
      } else if (errno == EINVAL) {
        Add("type", "file", "something else");
      } else {
        Note(ErrnoWords(errno));
      }
      return;
    }
    uint64_t bytes = 0;
    const absl::StatusOr<std::string> digest = DigestOfFile(file_.algorithm, fd.get(), &bytes);
    context_.AddExamined(0, bytes);
    if (!digest.ok()) {
      Note(ToStd(digest.status().message()));
      return;
    }
    if (*digest == file_.digest) return;
    const std::string_view name = AlgorithmName(file_.algorithm);
    row_->add_altered("digest");
    row_->add_expected(StrCat(name, "=", HexEncode(file_.digest)));
    row_->add_actual(StrCat(name, "=", HexEncode(*digest)));
  }

  const Root& root_;
  const PackageFile& file_;
  RunContext& context_;
  v1::PkgRow* row_;
};

}  // namespace

bool IsAltered(const Root& root, const PackageFile& file, RunContext& context, v1::PkgRow* row) {
  return FileComparison(root, file, context, row).Altered();
}

}  // namespace dragnet::pkg
