#include "console/check/verdict_reader.h"

#include "console/form/form.h"
#include "core/strict_json.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

using check::v1::Verdict;

// As check.proto states them, with some room: bytes that JSON escapes.
constexpr int kMaxEvidenceRows = 10;
constexpr size_t kMaxEvidenceBytes = 4096;
constexpr size_t kMaxReasonBytes = 1024;
constexpr size_t kMaxQuotedBytes = 200;

std::optional<CheckStatus> StatusOf(std::string_view word) {
  for (const CheckStatus status : {CheckStatus::kPass, CheckStatus::kFail, CheckStatus::kUnknown,
                                   CheckStatus::kNotApplicable}) {
    if (word == StatusWord(status)) return status;
  }
  return std::nullopt;
}

void Bound(Verdict* verdict) {
  verdict->set_reason(Shorten(verdict->reason(), kMaxReasonBytes));
  if (verdict->evidence_size() > kMaxEvidenceRows) {
    const int extra = verdict->evidence_size() - kMaxEvidenceRows;
    verdict->set_evidence_left_out(verdict->evidence_left_out() + static_cast<uint64_t>(extra));
    verdict->mutable_evidence()->DeleteSubrange(kMaxEvidenceRows, extra);
  }
  for (std::string& row : *verdict->mutable_evidence()) row = Shorten(row, kMaxEvidenceBytes);
}

}  // namespace

VerdictReader::VerdictReader(const Pack& pack)
    : pack_(pack), seen_(static_cast<size_t>(pack.parameters.checks_size())) {}

void VerdictReader::Note(std::string_view problem) {
  if (problem_.empty()) problem_ = problem;
}

std::optional<CheckResult> VerdictReader::Line(std::string_view line) {
  const absl::StatusOr<nlohmann::ordered_json> document = ParseStrictJson(line);
  if (!document.ok() || !document->is_object() || document->size() != 1) {
    Note(StrCat("printed what is no verdict: ", Shorten(line, kMaxQuotedBytes)));
    return std::nullopt;
  }
  if (document->contains("summary")) return std::nullopt;
  const auto found = document->find("verdict");
  CheckResult result{.pack = &pack_};
  const absl::Status read =
      found == document->end()
          ? absl::InvalidArgumentError("neither verdict nor summary")
          : MessageFromJson(
                found->dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace),
                &result.verdict);
  if (!read.ok()) {
    Note(StrCat("printed what is no verdict: ", Shorten(ToStd(read.message()), kMaxQuotedBytes)));
    return std::nullopt;
  }
  const std::string& id = result.verdict.check();
  while (result.index < pack_.parameters.checks_size() && result.check().id() != id) ++result.index;
  if (result.index == pack_.parameters.checks_size()) {
    Note(StrCat("gave a verdict on a check that the pack doesn't have: ",
                Shorten(id, kMaxQuotedBytes)));
    return std::nullopt;
  }
  if (seen_[static_cast<size_t>(result.index)]) {
    Note(StrCat("gave a second verdict on ", id));
    return std::nullopt;
  }
  seen_[static_cast<size_t>(result.index)] = true;
  ++seen_count_;
  // What --fail-on and the reader go by isn't the host's to say.
  result.verdict.set_severity(result.check().severity());
  result.verdict.set_title(result.check().title());
  const std::optional<CheckStatus> status = StatusOf(result.verdict.status());
  result.status = status.value_or(CheckStatus::kUnknown);
  if (!status.has_value()) {
    result.verdict.set_reason(StrCat("the agent gave it the status \"",
                                     Shorten(result.verdict.status(), kMaxQuotedBytes),
                                     "\": ", result.verdict.reason()));
    result.verdict.set_status(std::string(StatusWord(result.status)));
  }
  Bound(&result.verdict);
  return result;
}

std::vector<CheckResult> VerdictReader::Missing(std::string_view reason) const {
  std::vector<CheckResult> missing;
  for (size_t i = 0; i < seen_.size(); ++i) {
    if (seen_[i]) continue;
    CheckResult result{.pack = &pack_, .index = static_cast<int>(i)};
    result.verdict.set_check(result.check().id());
    result.verdict.set_status(std::string(StatusWord(CheckStatus::kUnknown)));
    result.verdict.set_severity(result.check().severity());
    result.verdict.set_title(result.check().title());
    result.verdict.set_reason(Shorten(reason, kMaxReasonBytes));
    missing.push_back(std::move(result));
  }
  return missing;
}

}  // namespace dragnet::console
