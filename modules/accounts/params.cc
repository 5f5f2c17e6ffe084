#include "modules/accounts/params.h"

#include <algorithm>

#include "core/strings.h"
#include "core/text.h"

namespace dragnet::accounts {
namespace {

constexpr int kMaxKinds = 64;
constexpr int kMaxNames = 1024;
constexpr std::string_view kKinds[] = {"account",      "group", "sudo",
                                       "sudo_default", "key",   "session"};

std::string Quoted(std::string_view text) {
  return StrCat("'", ForTerminal(Shorten(text, 200)), "'");
}

}  // namespace

absl::StatusOr<Search> CompileSearch(const v1::AccountsParameters& parameters) {
  Search search;
  if (parameters.kinds_size() > kMaxKinds) {
    return absl::InvalidArgumentError(
        StrCat("kinds: there are ", parameters.kinds_size(), ", at most ", kMaxKinds));
  }
  for (int i = 0; i < parameters.kinds_size(); ++i) {
    const std::string& kind = parameters.kinds(i);
    if (std::find(std::begin(kKinds), std::end(kKinds), kind) == std::end(kKinds)) {
      return absl::InvalidArgumentError(
          StrCat("kinds[", i, "] ", Quoted(kind),
                 " is unknown; there are account, group, sudo, sudo_default, key, session"));
    }
    search.kinds.insert(kind);
  }
  if (parameters.names_size() > kMaxNames) {
    return absl::InvalidArgumentError(
        StrCat("names: there are ", parameters.names_size(), ", at most ", kMaxNames));
  }
  search.names.insert(parameters.names().begin(), parameters.names().end());
  search.no_text = parameters.no_text();
  if (parameters.departed().empty()) {
    if (search.kinds.empty()) search.kinds = {"account"};
    return search;
  }
  auto departed = DepartedList::Parse(parameters.departed());
  if (!departed.ok()) {
    return absl::InvalidArgumentError(StrCat("departed: ", departed.status().message()));
  }
  search.departed = *std::move(departed);
  if (search.kinds.empty()) search.kinds = {"account", "sudo", "key", "session"};
  for (const std::string_view kind : {"group", "sudo_default"}) {
    if (search.Wants(kind)) {
      return absl::InvalidArgumentError(
          StrCat("kinds: ", kind, " is no way in for somebody of the list departed; leave it out"));
    }
  }
  return search;
}

}  // namespace dragnet::accounts
