// One run of a module in MIG's form: gathers the rows, and at the end writes
// MIG's one JSON document.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agent/worker/row_stream.h"
#include "modules/mig.h"

namespace dragnet {

// Thread-safe as RunContext asks. The rows stay in memory until the end, as
// MIG's form wants it: the worker's memory limit bounds them.
class MigRun : public RunContext {
 public:
  // MIG names so many errors unless a search says otherwise (maxerrors).
  static constexpr size_t kMaxErrors = 1000;

  MigRun(std::unique_ptr<MigElements> elements, RowStream& stream);

  bool EmitRow(const google::protobuf::Message& row) override;
  void AddExamined(uint64_t items, uint64_t bytes) override;
  void NoteUnexamined(std::string_view reason, std::string_view example) override;
  void NoteLimitHit(std::string_view what) override { stream_.NoteLimitHit(what); }
  bool stopping() const override { return stream_.stopping(); }

  // Once, after the module returned `status`: hands the document to the stream.
  void WriteDocument(const absl::Status& status);

 private:
  const std::unique_ptr<MigElements> elements_;
  RowStream& stream_;
  const absl::Time started_;
  std::mutex mutex_;
  MigStatistics statistics_;
  uint64_t rows_ = 0;
  std::vector<std::string> errors_;
  uint64_t more_errors_ = 0;
};

}  // namespace dragnet
