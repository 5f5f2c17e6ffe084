#include "console/package/archive_writer.h"

#include <archive.h>
#include <archive_entry.h>

#include <map>
#include <memory>

#include "absl/strings/str_format.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

struct WriterCloser {
  void operator()(archive* writer) const { archive_write_free(writer); }
};
struct EntryCloser {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};

la_ssize_t Append(archive*, void* output, const void* bytes, size_t size) {
  static_cast<std::string*>(output)->append(static_cast<const char*>(bytes), size);
  return static_cast<la_ssize_t>(size);
}

std::map<std::string, PackageFile> ByPath(std::vector<PackageFile> files, int64_t modified) {
  std::map<std::string, PackageFile> sorted;
  for (PackageFile& file : files) {
    for (size_t slash = file.path.find('/'); slash != std::string::npos;
         slash = file.path.find('/', slash + 1)) {
      const std::string parent = file.path.substr(0, slash);
      sorted.try_emplace(parent, PackageFile{.path = parent,
                                             .type = PackageFile::Type::kDirectory,
                                             .mode = 0755,
                                             .modified = modified});
    }
    const std::string path = file.path;
    sorted.insert_or_assign(path, std::move(file));
  }
  return sorted;
}

}  // namespace

absl::StatusOr<std::string> WriteTar(std::vector<PackageFile> files, std::string_view prefix,
                                     Compression compression, int64_t modified) {
  std::string bytes;
  const std::unique_ptr<archive, WriterCloser> writer(archive_write_new());
  const auto failed = [&] {
    const char* words = archive_error_string(writer.get());
    return absl::InternalError(StrCat("write an archive: ", words == nullptr ? "failed" : words));
  };
  archive_write_set_format_gnutar(writer.get());
  if (compression == Compression::kXz) {
    archive_write_add_filter_xz(writer.get());
  } else {
    archive_write_add_filter_gzip(writer.get());
    // Null: no time of writing in it.
    archive_write_set_filter_option(writer.get(), "gzip", "timestamp", nullptr);
    archive_write_set_filter_option(writer.get(), "gzip", "compression-level", "9");
  }
  archive_write_set_bytes_in_last_block(writer.get(), 1);
  if (archive_write_open(writer.get(), &bytes, nullptr, Append, nullptr) != ARCHIVE_OK)
    return failed();
  for (const auto& [path, file] : ByPath(std::move(files), modified)) {
    const std::unique_ptr<archive_entry, EntryCloser> entry(archive_entry_new());
    const bool directory = file.type == PackageFile::Type::kDirectory;
    archive_entry_set_pathname(entry.get(), StrCat(prefix, path, directory ? "/" : "").c_str());
    archive_entry_set_perm(entry.get(), file.mode);
    archive_entry_set_uid(entry.get(), 0);
    archive_entry_set_gid(entry.get(), 0);
    archive_entry_set_uname(entry.get(), file.user.c_str());
    archive_entry_set_gname(entry.get(), file.group.c_str());
    archive_entry_set_mtime(entry.get(), file.modified, 0);
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(file.content.size()));
    if (directory) {
      archive_entry_set_filetype(entry.get(), AE_IFDIR);
    } else if (file.type == PackageFile::Type::kLink) {
      archive_entry_set_filetype(entry.get(), AE_IFLNK);
      archive_entry_set_symlink(entry.get(), file.target.c_str());
    } else {
      archive_entry_set_filetype(entry.get(), AE_IFREG);
    }
    if (archive_write_header(writer.get(), entry.get()) != ARCHIVE_OK) return failed();
    if (!file.content.empty() &&
        archive_write_data(writer.get(), file.content.data(), file.content.size()) !=
            static_cast<la_ssize_t>(file.content.size()))
      return failed();
  }
  if (archive_write_close(writer.get()) != ARCHIVE_OK) return failed();
  return bytes;
}

std::string WriteAr(const std::vector<std::pair<std::string, std::string>>& members,
                    int64_t modified) {
  std::string bytes = "!<arch>\n";
  for (const auto& [name, content] : members) {
    bytes += absl::StrFormat("%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, modified, 0, 0, "100644",
                             content.size());
    bytes += content;
    if (content.size() % 2 != 0) bytes += "\n";
  }
  return bytes;
}

std::vector<PackageFile> Merge(std::vector<PackageFile> files,
                               const std::vector<PackageFile>& site) {
  std::map<std::string, PackageFile> merged;
  for (PackageFile& file : files) {
    const std::string path = file.path;
    merged.insert_or_assign(path, std::move(file));
  }
  for (const PackageFile& file : site) merged.insert_or_assign(file.path, file);
  std::vector<PackageFile> result;
  for (auto& [path, file] : merged) result.push_back(std::move(file));
  return result;
}

}  // namespace dragnet::console
