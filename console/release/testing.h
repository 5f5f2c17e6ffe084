// For tests: programs that are none, but have an ELF header, and packages of them.
// Header-only, tests only.
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>

#include <string>
#include <string_view>
#include <vector>

#include "core/release.h"

namespace dragnet::console::testing {

// `text` behind the header of a program for this processor (EM_…).
inline std::string FakeProgram(std::string_view text, uint16_t machine = EM_X86_64) {
  std::string bytes(sizeof(Elf64_Ehdr), '\0');
  bytes.replace(0, SELFMAG, ELFMAG, SELFMAG);
  bytes[EI_CLASS] = ELFCLASS64;
  bytes[EI_DATA] = ELFDATA2LSB;
  bytes[16] = ET_DYN;
  bytes[18] = static_cast<char>(machine & 0xff);
  bytes[19] = static_cast<char>(machine >> 8);
  return bytes + std::string(text) + '\0';
}

struct PackedFile {
  std::string path;
  std::string content;
};

// The three of one version where packages have them, and what is called so besides.
inline std::vector<PackedFile> FilesOfPackage(std::string_view version,
                                              uint16_t machine = EM_X86_64) {
  std::vector<PackedFile> files;
  for (const std::string_view program : kAgentPrograms) {
    const std::string name(program);
    files.push_back({"./usr/share/bash-completion/completions/" + name, "complete -F x"});
    files.push_back({"./usr/bin/" + name, FakeProgram(version, machine)});
    files.push_back({"./usr/share/man/man8/" + name + ".8.gz", "page"});
  }
  return files;
}

// `format` and `filter` as ARCHIVE_FORMAT_… and ARCHIVE_FILTER_….
inline std::string Pack(const std::vector<PackedFile>& files, int format, int filter) {
  std::string bytes;
  archive* writer = archive_write_new();
  if (format == ARCHIVE_FORMAT_AR_GNU) {
    archive_write_set_format_ar_svr4(writer);  // which has no code of its own
  } else {
    archive_write_set_format(writer, format);
  }
  archive_write_add_filter(writer, filter);
  archive_write_set_bytes_in_last_block(writer, 1);
  archive_write_open(
      writer, &bytes, nullptr,
      [](archive*, void* to, const void* block, size_t size) -> la_ssize_t {
        static_cast<std::string*>(to)->append(static_cast<const char*>(block), size);
        return static_cast<la_ssize_t>(size);
      },
      nullptr);
  for (const PackedFile& file : files) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, file.path.c_str());
    archive_entry_set_size(entry, static_cast<la_int64_t>(file.content.size()));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0755);
    archive_write_header(writer, entry);
    archive_write_data(writer, file.content.data(), file.content.size());
    archive_entry_free(entry);
  }
  archive_write_close(writer);
  archive_write_free(writer);
  return bytes;
}

// As of `./dev package`: everything in one directory, which says what it is.
inline std::string Tar(std::vector<PackedFile> files, int format, int filter) {
  for (PackedFile& file : files) file.path = "dragnet-agent-0.2.0-linux-x86_64/" + file.path;
  return Pack(files, format, filter);
}
inline std::string TarGz(const std::vector<PackedFile>& files) {
  return Tar(files, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_GZIP);
}

inline std::string Deb(const std::vector<PackedFile>& files, int filter = ARCHIVE_FILTER_XZ) {
  return Pack({{"debian-binary", "2.0\n"},
               {"control.tar.xz", Pack({{"./control", "Package: dragnet-agent\nVersion: 0.2.0\n"}},
                                       ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_XZ)},
               {"data.tar.xz", Pack(files, ARCHIVE_FORMAT_TAR_USTAR, filter)}},
              ARCHIVE_FORMAT_AR_GNU, ARCHIVE_FILTER_NONE);
}

// The header that lists a package's files, as rpm's file format has it.
class RpmHeaderWriter {
 public:
  enum Type { kInt16 = 3, kInt32 = 4, kText = 6, kTexts = 8 };
  void Text(uint32_t tag, const std::string& text) { Add(tag, kText, 1, text + '\0'); }
  void Texts(uint32_t tag, const std::vector<std::string>& texts) {
    std::string all;
    for (const std::string& text : texts) all += text + '\0';
    Add(tag, kTexts, texts.size(), all);
  }
  void Numbers(uint32_t tag, Type type, const std::vector<uint32_t>& numbers) {
    std::string all;
    for (const uint32_t number : numbers) all += BigEndian(number).substr(type == kInt16 ? 2 : 0);
    Add(tag, type, numbers.size(), all);
  }
  std::string bytes() const {
    return std::string("\x8e\xad\xe8\x01\0\0\0\0", 8) + BigEndian(entries_) +
           BigEndian(static_cast<uint32_t>(store_.size())) + index_ + store_;
  }

 private:
  static std::string BigEndian(uint32_t number) {
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift);
    return bytes;
  }
  void Add(uint32_t tag, Type type, size_t count, const std::string& bytes) {
    index_ += BigEndian(tag) + BigEndian(type) + BigEndian(static_cast<uint32_t>(store_.size())) +
              BigEndian(static_cast<uint32_t>(count));
    store_ += bytes;
    ++entries_;
  }
  uint32_t entries_ = 0;
  std::string index_;
  std::string store_;
};

inline std::string Rpm(const std::vector<PackedFile>& files) {
  std::vector<std::string> names, directories;
  std::vector<uint32_t> indexes;
  for (const PackedFile& file : files) {
    const size_t slash = file.path.rfind('/') + 1;
    names.push_back(file.path.substr(slash));
    directories.push_back(file.path.substr(1, slash - 1));  // without the "."
    indexes.push_back(static_cast<uint32_t>(indexes.size()));
  }
  const std::vector<std::string> root(files.size(), "root");
  RpmHeaderWriter signature, header;
  signature.Numbers(1000, RpmHeaderWriter::kInt32, {1});
  header.Text(1000, "dragnet-agent");
  header.Text(1001, "0.2.0");
  header.Numbers(1030, RpmHeaderWriter::kInt16, std::vector<uint32_t>(files.size(), 0100755));
  header.Numbers(1037, RpmHeaderWriter::kInt32, std::vector<uint32_t>(files.size(), 0));
  header.Texts(1039, root);
  header.Texts(1040, root);
  header.Numbers(1116, RpmHeaderWriter::kInt32, indexes);
  header.Texts(1117, names);
  header.Texts(1118, directories);
  std::string package(96, '\0');
  package.replace(0, 5, "\xed\xab\xee\xdb\x03");  // and the version of the format
  package += signature.bytes();
  package.resize((package.size() + 7) / 8 * 8);
  return package + header.bytes() +
         Pack(files, ARCHIVE_FORMAT_CPIO_SVR4_NOCRC, ARCHIVE_FILTER_ZSTD);
}

}  // namespace dragnet::console::testing
