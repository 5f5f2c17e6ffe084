#include "agent/worker/mig_run.h"

#include "absl/time/clock.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet {
namespace {

constexpr size_t kMaxErrorBytes = 1024;
constexpr int kIndent = 4;

}  // namespace

MigRun::MigRun(std::unique_ptr<MigElements> elements, RowStream& stream)
    : elements_(std::move(elements)), stream_(stream), started_(absl::Now()) {}

bool MigRun::EmitRow(const google::protobuf::Message& row) {
  const std::lock_guard lock(mutex_);
  ++rows_;
  elements_->Add(row);
  return !stream_.stopping();
}

void MigRun::AddExamined(uint64_t items, uint64_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    statistics_.items_examined += items;
    statistics_.bytes_examined += bytes;
  }
  stream_.AddExamined(items, bytes);
}

void MigRun::NoteUnexamined(std::string_view reason, std::string_view example) {
  {
    const std::lock_guard lock(mutex_);
    ++statistics_.items_unexamined;
    if (errors_.size() < kMaxErrors) {
      errors_.push_back(Shorten(ToValidUtf8(StrCat(example, example.empty() ? "" : ": ", reason)),
                                kMaxErrorBytes));
    } else {
      ++more_errors_;
    }
  }
  stream_.NoteUnexamined(reason, example);
}

void MigRun::WriteDocument(const absl::Status& status) {
  std::string text;
  {
    const std::lock_guard lock(mutex_);
    statistics_.seconds = absl::ToDoubleSeconds(absl::Now() - started_);
    if (!status.ok()) errors_.push_back(ToValidUtf8(ToStd(status.message())));
    if (more_errors_ > 0) errors_.push_back(StrCat("and ", more_errors_, " more"));
    MigJson document;
    document["foundanything"] = elements_->FoundAnything().value_or(rows_ > 0);
    document["success"] = status.ok();
    document["elements"] = elements_->Elements();
    document["statistics"] = elements_->Statistics(statistics_);
    document["errors"] = errors_.empty() ? MigJson(nullptr) : MigJson(errors_);
    text = document.dump(kIndent, ' ', /*ensure_ascii=*/false, MigJson::error_handler_t::replace);
  }
  for (size_t begin = 0; begin < text.size(); begin += kMaxRowBytes) {
    if (!stream_.EmitPiece(std::string_view(text).substr(begin, kMaxRowBytes))) return;
  }
}

}  // namespace dragnet
