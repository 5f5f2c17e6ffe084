#include "agent/monitor/upgrade/release_state.h"

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "core/action.h"
#include "core/keys.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet {
namespace {

constexpr char kStateForm[] = "dragnet-releases 1";
constexpr size_t kMaxReasonBytes = 1024;
constexpr char kNotKnown[] = "-";

// One line, without an end of line of its own.
std::string OneLine(std::string_view text) {
  std::string line = Shorten(ToValidUtf8(text), kMaxReasonBytes);
  for (char& c : line) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return line;
}

std::string TimeText(absl::Time time) {
  return time == absl::InfinitePast() ? "never" : StrCat(absl::ToUnixMicros(time));
}

void AppendRelease(const char* word, const InstalledRelease& release, std::string* text) {
  StrAppend(text, word, " ", release.version, " ", TimeText(release.issued), " ",
            TimeText(release.expires), "\n");
  for (size_t i = 0; i < release.files.size(); ++i) {
    StrAppend(text, "file ", kAgentPrograms[i], " ", HexEncode(release.files[i].sha256), " ",
              release.files[i].size, "\n");
  }
}

// The words of one line after the other. Lenient: what it takes for something that isn't
// so, is written otherwise than it was read.
class Lines {
 public:
  explicit Lines(std::string_view text) : lines_(absl::StrSplit(ToAbsl(text), '\n')) {}

  // The next line's words, if it begins with `word`; the last of `count` is the rest of
  // the line.
  std::optional<std::vector<std::string>> Take(std::string_view word, int count) {
    if (next_ == lines_.size()) return std::nullopt;
    std::vector<std::string> words = absl::StrSplit(lines_[next_], absl::MaxSplits(' ', count));
    if (words[0] != word || words.size() != static_cast<size_t>(count) + 1) return std::nullopt;
    ++next_;
    words.erase(words.begin());
    return words;
  }

 private:
  std::vector<std::string> lines_;
  size_t next_ = 0;
};

absl::Time ToStateTime(std::string_view text) {
  int64_t micros = 0;
  if (!absl::SimpleAtoi(ToAbsl(text), &micros)) return absl::InfinitePast();
  return absl::FromUnixMicros(micros);
}

template <typename Number>
Number ToNumber(std::string_view text) {
  Number number = 0;
  return absl::SimpleAtoi(ToAbsl(text), &number) ? number : 0;
}

std::optional<InstalledRelease> TakeRelease(const char* word, Lines* lines) {
  const auto head = lines->Take(word, 3);
  if (!head.has_value()) return std::nullopt;
  InstalledRelease release;
  release.version = (*head)[0];
  release.issued = ToStateTime((*head)[1]);
  release.expires = ToStateTime((*head)[2]);
  for (InstalledFile& file : release.files) {
    const auto words = lines->Take("file", 3);
    if (!words.has_value()) break;
    if (!HexDecode((*words)[1], &file.sha256)) file.sha256.clear();
    file.size = ToNumber<uint64_t>((*words)[2]);
  }
  return release;
}

std::string Sum(std::string_view text) { return StrCat("sum ", HexEncode(Sha256(text)), "\n"); }

// Names of directories, and words of a line.
bool IsVersion(std::string_view text) { return Version::Parse(text).ok(); }

}  // namespace

absl::StatusOr<InstalledRelease> InstalledReleaseOf(const AuthorizedRelease& authorized) {
  InstalledRelease installed;
  installed.version = authorized.release.version();
  DRAGNET_ASSIGN_OR_RETURN(installed.issued, ToTime(authorized.release.issued()));
  DRAGNET_ASSIGN_OR_RETURN(installed.expires, ToTime(authorized.release.expires()));
  for (size_t i = 0; i < installed.files.size(); ++i) {
    for (const v1::ReleaseFile& file : authorized.platform.files()) {
      if (file.name() == kAgentPrograms[i]) installed.files[i] = {file.sha256(), file.size()};
    }
    if (installed.files[i].size == 0) {
      return absl::InvalidArgumentError(StrCat("release: no file ", kAgentPrograms[i]));
    }
  }
  return installed;
}

ReleaseState ReleaseState::Switched(const InstalledRelease& next, const UpgradeReport& owed) const {
  ReleaseState state = *this;
  state.former = current;
  state.current = next;
  state.confirmed = false;
  state.last_issued = std::max(last_issued, next.issued);
  state.report = owed;
  return state;
}

ReleaseState ReleaseState::Confirmed() const {
  ReleaseState state = *this;
  state.confirmed = true;
  return state;
}

ReleaseState ReleaseState::WentBack(std::string_view why) const {
  ReleaseState state = *this;
  state.current = former;
  state.former.reset();
  state.confirmed = true;
  if (state.report.has_value()) state.report->went_back = OneLine(why);
  return state;
}

ReleaseState ReleaseState::OverBase(std::string_view version, std::string_view program,
                                    std::string_view sha256) const {
  ReleaseState state;
  state.base_version = std::string(version);
  state.base_program = std::string(program);
  state.base_sha256 = std::string(sha256);
  state.last_issued = last_issued;
  return state;
}

bool ReleaseState::IsOver(std::string_view version, std::string_view sha256) const {
  if (base_version != version) return false;
  return base_sha256.empty() || sha256.empty() || base_sha256 == sha256;
}

ReleaseState ReleaseState::WithoutFormer() const {
  ReleaseState state = *this;
  state.former.reset();
  return state;
}

std::string FormatReleaseState(const ReleaseState& state) {
  std::string text = StrCat(kStateForm, "\n");
  StrAppend(&text, "base ", state.base_version, " ",
            state.base_sha256.empty() ? kNotKnown : HexEncode(state.base_sha256), " ",
            state.base_program, "\n");
  StrAppend(&text, "last-issued ", TimeText(state.last_issued), "\n");
  if (state.current.has_value()) {
    AppendRelease(state.confirmed ? "confirmed" : "unconfirmed", *state.current, &text);
  }
  if (state.former.has_value()) AppendRelease("former", *state.former, &text);
  if (state.report.has_value()) {
    const UpgradeReport& report = *state.report;
    StrAppend(&text, "report ", report.action_id, " ", report.occurrence, " ", report.operation,
              " ", report.from, " ", report.to, " ", report.trial_milliseconds, "\n");
    if (!report.went_back.empty()) StrAppend(&text, "went-back ", report.went_back, "\n");
  }
  return text + Sum(text);
}

absl::StatusOr<ReleaseState> ParseReleaseState(std::string_view text) {
  const absl::Status damaged = absl::DataLossError("damaged, or written by another version");
  Lines lines(text);
  ReleaseState state;
  if (!lines.Take("dragnet-releases", 1).has_value()) return damaged;
  const auto base = lines.Take("base", 3);
  const auto last_issued = lines.Take("last-issued", 1);
  if (!base.has_value() || !last_issued.has_value()) return damaged;
  state.base_version = (*base)[0];
  if (!HexDecode((*base)[1], &state.base_sha256)) state.base_sha256.clear();
  state.base_program = (*base)[2];
  state.last_issued = ToStateTime((*last_issued)[0]);
  state.current = TakeRelease("confirmed", &lines);
  if (!state.current.has_value()) {
    state.current = TakeRelease("unconfirmed", &lines);
    state.confirmed = !state.current.has_value();
  }
  state.former = TakeRelease("former", &lines);
  if (const auto words = lines.Take("report", 6); words.has_value()) {
    UpgradeReport& report = state.report.emplace();
    report.action_id = (*words)[0];
    report.occurrence = ToNumber<int64_t>((*words)[1]);
    report.operation = ToNumber<uint32_t>((*words)[2]);
    report.from = (*words)[3];
    report.to = (*words)[4];
    report.trial_milliseconds = ToNumber<uint32_t>((*words)[5]);
    if (const auto why = lines.Take("went-back", 1)) report.went_back = (*why)[0];
  }
  // Whatever it was taken for: this is it, or it was something else.
  if (FormatReleaseState(state) != text) return damaged;
  const bool versions = IsVersion(state.base_version) &&
                        (!state.current.has_value() || IsVersion(state.current->version)) &&
                        (!state.former.has_value() || IsVersion(state.former->version));
  if (!versions || !state.base_program.starts_with('/')) return damaged;
  return state;
}

}  // namespace dragnet
