// What the file system says about the files of findings, each asked for once.
// Belongs to one thread.
#pragma once

#include <sys/stat.h>

#include <map>
#include <string>

#include "modules/persistence/host.h"

namespace dragnet::persistence {

struct FileFacts {
  bool exists = false;
  // Links followed.
  std::string real;
  struct stat status = {};
  // Lower-case hexadecimal; empty when it can't be read.
  std::string sha256;
};

class Facts {
 public:
  explicit Facts(Host& host) : host_(host) {}

  // With the digest of a regular file. Valid as long as this is.
  const FileFacts& Of(const std::string& path);

  // The file, or the first directory above it, that anybody can write; empty when
  // there is none.
  const std::string& WritableBy(const std::string& path);

 private:
  std::string Digest(const std::string& path);

  Host& host_;
  std::map<std::string, FileFacts> files_;
  std::map<std::string, std::string> writable_;
};

}  // namespace dragnet::persistence
