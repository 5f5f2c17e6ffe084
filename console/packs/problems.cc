#include "console/packs/problems.h"

#include "absl/strings/str_join.h"
#include "console/form/nearest.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

// Of what an error quotes.
constexpr size_t kMaxLineBytes = 2000;

std::string Line(const Place& place, std::string_view path, std::string_view message) {
  const std::string where = place.ToString();
  return ForTerminal(Shorten(StrCat(where, where.empty() ? "" : ": ", path,
                                    path.empty() ? "" : ": ", message),
                             kMaxLineBytes));
}

std::vector<std::string> WithRest(std::vector<std::string> lines, size_t all) {
  if (all > lines.size()) lines.push_back(StrCat("and ", all - lines.size(), " more"));
  return lines;
}

}  // namespace

void Problems::Error(const Place& place, std::string_view path, std::string_view message) {
  if (++errors_ <= kMaxProblems) error_lines_.push_back(Line(place, path, message));
}

void Problems::Warning(const Place& place, std::string_view path, std::string_view message) {
  if (++warnings_ <= kMaxProblems) {
    warning_lines_.push_back(Line(place, path, StrCat("warning: ", message)));
  }
}

std::vector<std::string> Problems::ErrorLines() const { return WithRest(error_lines_, errors_); }

std::vector<std::string> Problems::WarningLines() const {
  return WithRest(warning_lines_, warnings_);
}

absl::Status Problems::ToStatus() const {
  if (ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(ErrorLines(), "\n"));
}

std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates) {
  // A long word is no slip of the finger, and comparing it would take long.
  const std::string nearest = word.size() > 80 ? "" : Nearest(word, candidates);
  return nearest.empty() ? "" : StrCat("; did you mean ", nearest, "?");
}

}  // namespace dragnet::console
