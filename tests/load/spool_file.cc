#include "tests/load/spool_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "core/file_io.h"
#include "core/strings.h"
#include "google/protobuf/io/zero_copy_stream_impl.h"
#include "google/protobuf/util/delimited_message_util.h"

namespace dragnet::load {

absl::StatusOr<SpoolFile> SpoolFile::Open(const std::string& path,
                                          const std::function<void(const SpoolEntry&)>& entry) {
  SpoolFile spool;
  spool.path_ = path;
  spool.file_.Reset(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!spool.file_.valid()) return ErrnoStatus(StrCat("open ", path), errno);
  off_t whole = 0;
  {
    google::protobuf::io::FileInputStream stream(spool.file_.get());
    SpoolEntry read;
    bool clean_end = false;
    while (google::protobuf::util::ParseDelimitedFromZeroCopyStream(&read, &stream, &clean_end)) {
      entry(read);
      read.Clear();
      whole = stream.ByteCount();
    }
  }
  if (::ftruncate(spool.file_.get(), whole) != 0) return ErrnoStatus(StrCat("cut ", path), errno);
  return spool;
}

void SpoolFile::Append(const SpoolEntry& entry) {
  google::protobuf::io::StringOutputStream stream(&buffered_);
  google::protobuf::util::SerializeDelimitedToZeroCopyStream(entry, &stream);
}

void SpoolFile::Flush() {
  if (buffered_.empty()) return;
  if (const absl::Status status = WriteAll(file_.get(), buffered_); !status.ok()) {
    std::fprintf(stderr, "dragnet-swarm: %s: %s\n", path_.c_str(), status.ToString().c_str());
    std::abort();
  }
  buffered_.clear();
}

}  // namespace dragnet::load
