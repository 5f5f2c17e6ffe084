#include "modules/file/mig_mode.h"

#include <span>
#include <vector>

#include "core/strings.h"
#include "re2/re2.h"

namespace dragnet::file {
namespace {

// What the nine places after the type can hold. The third of each triple also
// says setuid, setgid or sticky. Together: each of the 4096 modes once.
constexpr std::string_view kPlaces[] = {"-r", "-w", "-xSs", "-r", "-w", "-xSs", "-r", "-w", "-xTt"};
constexpr size_t kModes = 4096;
constexpr size_t kMaxRegexBytes = 4096;

// The mode of this number, its first place in the highest digits.
std::string LsMode(size_t number) {
  std::string mode(10, '-');
  for (size_t place = std::size(kPlaces); place-- > 0;) {
    const std::string_view letters = kPlaces[place];
    mode[place + 1] = letters[number % letters.size()];
    number /= letters.size();
  }
  return mode;
}

// Matches, from this place on, the modes that are true in `accepted`: equal
// parts share a branch, and what takes every rest is left open.
std::string Branches(std::span<const char> accepted, size_t place) {
  bool all = true;
  for (const char accept : accepted) all = all && accept != 0;
  if (all) return "";
  const std::string_view letters = kPlaces[place];
  const size_t width = accepted.size() / letters.size();
  struct Branch {
    std::span<const char> part;
    std::string letters;
  };
  std::vector<Branch> branches;
  for (size_t i = 0; i < letters.size(); ++i) {
    const std::span<const char> part = accepted.subspan(i * width, width);
    bool none = true;
    for (const char accept : part) none = none && accept == 0;
    if (none) continue;
    bool known = false;
    for (Branch& branch : branches) {
      if (!std::equal(part.begin(), part.end(), branch.part.begin())) continue;
      branch.letters.push_back(letters[i]);
      known = true;
      break;
    }
    if (!known) branches.push_back({part, std::string(1, letters[i])});
  }
  std::string regex;
  for (const Branch& branch : branches) {
    if (!regex.empty()) regex.push_back('|');
    if (branch.letters.size() == letters.size()) {
      regex.push_back('.');
    } else if (branch.letters.size() == 1) {
      regex.append(branch.letters);
    } else {
      // A dash comes first, where it is no range.
      StrAppend(&regex, "[", branch.letters, "]");
    }
    regex.append(Branches(branch.part, place + 1));
  }
  return branches.size() > 1 ? StrCat("(?:", regex, ")") : regex;
}

}  // namespace

std::string GoMode(std::string_view ls_mode) {
  if (ls_mode.size() != 10) return std::string(ls_mode);
  std::string permissions(ls_mode.substr(1));
  std::string special;
  const auto take = [&](size_t place, char with, char without, char letter) {
    if (permissions[place] != with && permissions[place] != without) return;
    special.push_back(letter);
    permissions[place] = permissions[place] == with ? 'x' : '-';
  };
  take(2, 's', 'S', 'u');
  take(5, 's', 'S', 'g');
  take(8, 't', 'T', 't');
  if (ls_mode[0] != '-') special.insert(special.begin(), ls_mode[0]);
  return (special.empty() ? "-" : special) + permissions;
}

absl::StatusOr<std::string> LsModeRegex(std::string_view regex) {
  RE2::Options options;
  options.set_log_errors(false);
  const RE2 go(re2::StringPiece(regex.data(), regex.size()), options);
  if (!go.ok()) return absl::InvalidArgumentError(StrCat("is no regular expression: ", go.error()));
  std::vector<char> accepted(kModes);
  bool same = true;
  for (size_t i = 0; i < kModes; ++i) {
    const std::string ls = LsMode(i);
    accepted[i] = RE2::PartialMatch(GoMode(ls), go) ? 1 : 0;
    same = same && (accepted[i] != 0) == RE2::PartialMatch(ls, go);
  }
  if (same) return std::string(regex);
  bool none = true;
  for (const char accept : accepted) none = none && accept == 0;
  // No mode is empty.
  if (none) return "^$";
  std::string translated = "^-" + Branches(accepted, 0);
  if (translated.size() > kMaxRegexBytes) {
    return absl::InvalidArgumentError(
        "distinguishes modes too finely for an expression on modes as ls writes them: write "
        "several searches, each with a simpler one");
  }
  return translated;
}

}  // namespace dragnet::file
