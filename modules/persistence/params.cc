#include "modules/persistence/params.h"

#include <algorithm>
#include <utility>

#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/persistence/finding.h"
#include "modules/pkg/query.h"

namespace dragnet::persistence {
namespace {

constexpr int kMaxFilters = 64;
constexpr size_t kMaxFilterBytes = 4096;
constexpr int64_t kPatternMemory = 2 * 1024 * 1024;

std::string Quoted(std::string_view text) {
  return StrCat("'", ForTerminal(Shorten(text, 200)), "'");
}

absl::Status CompileKinds(const v1::PersistenceParameters& parameters, Search* search) {
  if (parameters.kinds_size() > kMaxFilters)
    return absl::InvalidArgumentError(
        StrCat("kinds: there are ", parameters.kinds_size(), ", at most ", kMaxFilters));
  for (int i = 0; i < parameters.kinds_size(); ++i) {
    const std::string& kind = parameters.kinds(i);
    if (std::find(std::begin(kKinds), std::end(kKinds), kind) == std::end(kKinds)) {
      std::string choices;
      for (std::string_view each : kKinds) StrAppend(&choices, choices.empty() ? "" : ", ", each);
      return absl::InvalidArgumentError(
          StrCat("kinds[", i, "] ", Quoted(kind), " is unknown; there are ", choices));
    }
    search->kinds.insert(kind);
  }
  if (search->kinds.empty()) search->kinds.insert(std::begin(kKinds), std::end(kKinds));
  return absl::OkStatus();
}

absl::Status CompileCommands(const v1::PersistenceParameters& parameters, Search* search) {
  if (parameters.commands_size() > kMaxFilters)
    return absl::InvalidArgumentError(
        StrCat("commands: there are ", parameters.commands_size(), ", at most ", kMaxFilters));
  RE2::Options options;
  options.set_log_errors(false);
  options.set_dot_nl(true);
  options.set_max_mem(kPatternMemory);
  for (int i = 0; i < parameters.commands_size(); ++i) {
    const std::string& text = parameters.commands(i);
    if (text.empty() || text.size() > kMaxFilterBytes)
      return absl::InvalidArgumentError(
          StrCat("commands[", i, "] ", text.empty() ? "is empty" : "is over 4 KiB"));
    auto regex = std::make_unique<const RE2>(text, options);
    if (!regex->ok())
      return absl::InvalidArgumentError(
          StrCat("commands[", i, "] ", Quoted(text), ": ", regex->error()));
    search->commands.push_back(std::move(regex));
  }
  return absl::OkStatus();
}

}  // namespace

bool Search::HoldsCommand(std::string_view command) const {
  if (commands.empty()) return true;
  return std::any_of(commands.begin(), commands.end(), [&](const auto& regex) {
    return RE2::PartialMatch(re2::StringPiece(command.data(), command.size()), *regex);
  });
}

absl::StatusOr<Search> CompileSearch(const v1::PersistenceParameters& parameters) {
  Search search;
  DRAGNET_RETURN_IF_ERROR(CompileKinds(parameters, &search));
  DRAGNET_RETURN_IF_ERROR(CompileCommands(parameters, &search));
  if (const std::string& since = parameters.changed_since(); !since.empty()) {
    // The forms of module file's times that look back.
    const bool is_date = since.find('-') != std::string::npos;
    auto filter = file::ParseTime(StrCat(is_date ? "after " : "<", since));
    if (!filter.ok())
      return absl::InvalidArgumentError(
          StrCat("changed_since ", Quoted(since),
                 " is neither an age (36h, 7d) nor a date (2024-02-03, 2024-02-03T04:05:06Z)"));
    search.changed_since = *filter;
  }
  if (!parameters.root().empty()) {
    auto root = pkg::CleanPath(parameters.root());
    if (!root.ok())
      return absl::InvalidArgumentError(
          StrCat("root ", Quoted(parameters.root()), " ", root.status().message()));
    search.root = *std::move(root);
  }
  search.unowned = parameters.unowned();
  search.verify = parameters.verify();
  search.enabled = parameters.enabled();
  search.world_writable = parameters.world_writable();
  search.no_text = parameters.no_text();
  return search;
}

}  // namespace dragnet::persistence
