#include "modules/check/verdict.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "core/safe_json.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/check/validate.h"

namespace dragnet {
namespace {

using check::v1::Check;
using check::v1::Expectation;
using check::v1::Verdict;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr size_t kMaxReasons = 8;
constexpr size_t kMaxWordsBytes = 256;
constexpr size_t kMaxShownWhereBytes = 200;
// Of an object's bytes, for the names of what was left out.
constexpr size_t kLeftOutBytes = 96;

std::string Bounded(std::string_view text) {
  return Shorten(ToValidUtf8(text.substr(0, 4 * kMaxWordsBytes)), kMaxWordsBytes);
}

std::string Rows(uint64_t count) { return StrCat(count, count == 1 ? " row" : " rows"); }

}  // namespace

std::string BoundedRowJson(const Message& row, size_t max_bytes) {
  std::string json = "{";
  std::string left_out;
  bool is_whole = true;
  std::vector<const FieldDescriptor*> fields;
  row.GetReflection()->ListFields(row, &fields);
  for (const FieldDescriptor* field : fields) {
    std::string member = StrCat("\"", field->json_name(), "\":");
    AppendFieldJson(row, field, &member);
    if (json.size() + member.size() + 17 + kLeftOutBytes <= max_bytes) {
      StrAppend(&json, json.size() == 1 ? "" : ",", member);
      continue;
    }
    is_whole = false;
    if (left_out.size() + field->json_name().size() + 20 <= kLeftOutBytes) {
      StrAppend(&left_out, left_out.empty() ? "" : ",", "\"", field->json_name(), "\"");
    }
  }
  if (is_whole) return StrCat(json, "}");
  return StrCat(json, json.size() == 1 ? "" : ",", "\"left_out\":[", left_out, "]}");
}

VerdictRun::VerdictRun(const Check& check, std::unique_ptr<RowFilter> filter, RunContext& outer)
    : check_(check), filter_(std::move(filter)), outer_(outer), started_(absl::Now()) {}

absl::StatusOr<std::unique_ptr<VerdictRun>> VerdictRun::Create(
    const Check& check, const google::protobuf::Descriptor* row_type, RunContext& outer) {
  DRAGNET_RETURN_IF_ERROR(ValidateCheckTexts(check));
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<RowFilter> filter,
                           CompileExpectation(check.expectation(), row_type));
  return std::unique_ptr<VerdictRun>(new VerdictRun(check, std::move(filter), outer));
}

void VerdictRun::Keep(const Message& row, Kept* kept) {
  ++kept->count;
  if (kept->first.size() < kMaxEvidence) {
    kept->first.push_back(BoundedRowJson(row, kMaxEvidenceBytes));
  }
}

bool VerdictRun::EmitRow(const Message& row) {
  if (stopping()) return false;
  const std::lock_guard lock(mutex_);
  // Another thread's row may have decided it meanwhile.
  if (decided_) return false;
  using Answer = RowFilter::Answer;
  absl::StatusOr<Answer> answer =
      filter_ == nullptr ? absl::StatusOr<Answer>(Answer::kTrue) : filter_->Ask(row);
  // To find one, "can't be said" of another row is as good as no; to find none, it isn't.
  if (answer.ok() && *answer == Answer::kUnknown && !OnlyFinds()) {
    answer = absl::InvalidArgumentError(
        "it is NULL: something that it needs isn't there; say what then (… is null or …)");
  }
  if (!answer.ok()) {
    if (unasked_rows_++ == 0) why_unasked_ = Bounded(ToStd(answer.status().message()));
    return true;
  }
  Keep(row, *answer == Answer::kTrue ? &selected_ : &others_);
  decided_ = FailedForGood() && Evidence().first.size() == kMaxEvidence;
  return !decided_;
}

void VerdictRun::NoteUnexamined(std::string_view reason, std::string_view example) {
  {
    const std::lock_guard lock(mutex_);
    std::string key = Bounded(reason);
    auto found = unseen_.find(key);
    if (found == unseen_.end() && unseen_.size() < kMaxReasons) {
      found = unseen_.emplace(std::move(key), Unseen{0, Bounded(example)}).first;
    }
    ++(found == unseen_.end() ? unseen_besides_ : found->second.count);
  }
  outer_.NoteUnexamined(reason, example);
}

void VerdictRun::NoteLimitHit(std::string_view what) {
  {
    const std::lock_guard lock(mutex_);
    if (limit_hit_.empty()) limit_hit_ = what.empty() ? "a limit" : Bounded(what);
  }
  outer_.NoteLimitHit(what);
}

// Those that show why: what must not be there; what is not as all should be; where
// nothing was selected that should have been, what there was in its place.
const VerdictRun::Kept& VerdictRun::Evidence() const {
  switch (check_.expectation().kind()) {
    case Expectation::KIND_ALL:
      return others_;
    case Expectation::KIND_FOUND:
      return selected_.count > 0 ? selected_ : others_;
    default:
      return selected_;
  }
}

bool VerdictRun::OnlyFinds() const {
  const Expectation& expectation = check_.expectation();
  return expectation.kind() == Expectation::KIND_FOUND ||
         (expectation.kind() == Expectation::KIND_COUNT && !expectation.has_max());
}

bool VerdictRun::FailedForGood() const {
  const Expectation& expectation = check_.expectation();
  switch (expectation.kind()) {
    case Expectation::KIND_NOT_FOUND:
      return selected_.count > 0;
    case Expectation::KIND_COUNT:
      return expectation.has_max() && selected_.count > expectation.max();
    case Expectation::KIND_ALL:
      return others_.count > 0;
    default:
      return false;
  }
}

bool VerdictRun::MeetsExpectation() const {
  const Expectation& expectation = check_.expectation();
  if (FailedForGood()) return false;
  switch (expectation.kind()) {
    case Expectation::KIND_FOUND:
      return selected_.count > 0;
    case Expectation::KIND_NOT_FOUND:
      return true;
    case Expectation::KIND_COUNT:
    case Expectation::KIND_ALL:
      return selected_.count >= expectation.min();
    default:
      return false;
  }
}

std::string VerdictRun::Expected() const {
  const Expectation& expectation = check_.expectation();
  const std::string where =
      expectation.where().empty()
          ? std::string()
          : StrCat(" where ", Shorten(ToValidUtf8(expectation.where()), kMaxShownWhereBytes));
  switch (expectation.kind()) {
    case Expectation::KIND_FOUND:
      return StrCat("a row", where);
    case Expectation::KIND_NOT_FOUND:
      return StrCat("no row", where);
    case Expectation::KIND_ALL:
      return StrCat("only rows", where,
                    expectation.min() > 0 ? StrCat(", at least ", expectation.min()) : "");
    default:
      break;
  }
  if (!expectation.has_max()) return StrCat("at least ", Rows(expectation.min()), where);
  if (expectation.min() == expectation.max()) {
    return StrCat("exactly ", Rows(expectation.max()), where);
  }
  if (expectation.min() == 0) return StrCat("at most ", Rows(expectation.max()), where);
  return StrCat(expectation.min(), " to ", Rows(expectation.max()), where);
}

std::string VerdictRun::Found() const {
  const uint64_t rows = selected_.count + others_.count;
  const std::string at_least = decided_ ? "at least " : "";
  if (check_.expectation().kind() == Expectation::KIND_ALL && others_.count > 0) {
    return StrCat(at_least, others_.count, " of ", Rows(rows),
                  others_.count == 1 ? " is not so" : " are not so");
  }
  if (selected_.count > 0) return StrCat(at_least, selected_.count, " found");
  return rows == 0 ? "no row at all" : StrCat("none among ", Rows(rows));
}

std::string VerdictRun::NotLookedAt(const absl::Status& status) const {
  std::vector<std::string> parts;
  if (!status.ok()) {
    parts.push_back(StrCat("the module failed: ", Bounded(ToStd(status.message()))));
  }
  for (const auto& [reason, unseen] : unseen_) {
    parts.push_back(StrCat(unseen.example.empty()
                               ? StrCat("not everything was looked at: ", reason)
                               : StrCat("could not look at ", unseen.example, ": ", reason),
                           " (", unseen.count, ")"));
  }
  if (unseen_besides_ > 0) parts.push_back(StrCat("for other reasons ", unseen_besides_, " more"));
  if (!limit_hit_.empty()) parts.push_back(StrCat("ended early by ", limit_hit_));
  if (unasked_rows_ > 0) {
    parts.push_back(
        StrCat("the condition could not be asked of ", Rows(unasked_rows_), ": ", why_unasked_));
  }
  // The reader wants no more, and so the module was told to end.
  if (outer_.stopping()) parts.push_back("the run was ended from outside");
  return absl::StrJoin(parts, "; ");
}

Verdict VerdictRun::Decide(const absl::Status& status) {
  const std::lock_guard lock(mutex_);
  Verdict verdict;
  verdict.set_check(check_.id());
  verdict.set_severity(check_.severity());
  verdict.set_title(check_.title());
  const std::string not_looked_at = NotLookedAt(status);
  const std::string result = StrCat("expected ", Expected(), ": ", Found());
  std::string reason;
  if (FailedForGood()) {
    verdict.set_status("fail");
    reason = StrCat(result, not_looked_at.empty() ? "" : "; besides: ", not_looked_at);
  } else if (!not_looked_at.empty()) {
    verdict.set_status("unknown");
    reason = not_looked_at;
  } else {
    verdict.set_status(MeetsExpectation() ? "pass" : "fail");
    reason = result;
  }
  verdict.set_reason(Shorten(reason, kMaxReasonBytes));
  const Kept& evidence = Evidence();
  for (const std::string& row : evidence.first) verdict.add_evidence(row);
  verdict.set_evidence_left_out(evidence.count - evidence.first.size());
  verdict.set_rows(selected_.count + others_.count + unasked_rows_);
  verdict.set_selected(selected_.count);
  const absl::Duration wall_time = absl::Now() - started_;
  verdict.set_wall_time_ms(
      static_cast<uint64_t>(std::max<int64_t>(absl::ToInt64Milliseconds(wall_time), 0)));
  return verdict;
}

}  // namespace dragnet
