#include "console/tui/results/row_export.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

// As `dragnet results --output` has rows.
Layout RowLayout(const google::protobuf::Descriptor* type) {
  Layout layout;
  layout.labels = {{"", "action"},
                   {"agent", "agent"},
                   {"", "agentId"},
                   {"", "operation", /*number=*/true},
                   {"", "module"}};
  layout.columns = ColumnsOf(type);
  layout.json_key = "row";
  return layout;
}

}  // namespace

absl::StatusOr<Format> FormatOfFile(const std::string& path) {
  const size_t dot = path.rfind('.');
  const std::string extension = dot == std::string::npos || path.find('/', dot) != std::string::npos
                                    ? ""
                                    : path.substr(dot + 1);
  if (extension != "table") {
    if (const auto format = ParseFormat(extension); format.has_value()) return *format;
  }
  return absl::InvalidArgumentError("the name must end in .csv, .json or .jsonl");
}

absl::StatusOr<std::unique_ptr<RowExport>> RowExport::Create(
    std::shared_ptr<const ResultSet> results, uint32_t operation, const Module& module,
    const std::string& path) {
  DRAGNET_ASSIGN_OR_RETURN(const Format format, FormatOfFile(path));
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) {
    if (errno == EEXIST)
      return absl::AlreadyExistsError(StrCat(path, " is there already: give another name"));
    return ErrnoStatus(StrCat("open ", path), errno);
  }
  return std::unique_ptr<RowExport>(
      new RowExport(std::move(results), operation, module, path, std::move(fd), format));
}

RowExport::RowExport(std::shared_ptr<const ResultSet> results, uint32_t operation,
                     const Module& module, std::string path, UniqueFd fd, Format format)
    : results_(results),
      operation_(operation),
      module_(module.manifest().name),
      path_(std::move(path)),
      parser_(std::move(results), operation, module),
      fd_(std::move(fd)),
      sink_(fd_.get(), path_),
      writer_(RecordWriter::Create(format, {RowLayout(parser_.type())}, &sink_, {})) {}

RowExport::~RowExport() {
  if (!finished_) ::unlink(path_.c_str());
}

absl::Status RowExport::Write(std::span<const uint32_t> rows) {
  for (const uint32_t row : rows) {
    DRAGNET_RETURN_IF_ERROR(parser_.Read(row));
    if (!parser_.readable()) {
      ++unreadable_;
      continue;
    }
    const std::string labels[] = {results_->action.id(), parser_.agent_name(), parser_.agent_id(),
                                  StrCat(operation_), module_};
    writer_->Write(0, labels, parser_.message());
  }
  writer_->Flush();
  return sink_.Flush();
}

absl::Status RowExport::Finish() {
  writer_->Finish();
  DRAGNET_RETURN_IF_ERROR(sink_.Flush());
  finished_ = true;
  return absl::OkStatus();
}

}  // namespace dragnet::console::tui
