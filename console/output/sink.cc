#include "console/output/sink.h"

#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {

FdSink::~FdSink() { Flush().IgnoreError(); }

void FdSink::Write(std::string_view text) {
  buffer_.append(text);
  if (buffer_.size() >= 64 * 1024) Flush().IgnoreError();
}

absl::Status FdSink::Flush() {
  if (status_.ok() && !buffer_.empty()) {
    status_ = Annotate(WriteAll(fd_, buffer_), StrCat("write ", name_));
  }
  buffer_.clear();
  return status_;
}

}  // namespace dragnet::console
