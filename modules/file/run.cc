#include "modules/file/run.h"

#include <errno.h>
#include <stdlib.h>

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "core/strings.h"
#include "modules/file/examine.h"
#include "modules/file/open.h"
#include "modules/file/report.h"

namespace dragnet::file {
namespace {

constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

// A path that searches name, resolved.
struct Root {
  std::vector<uint32_t> searches;
  // Was looked at itself, and was gone into, during the walk of a root above it.
  bool visited = false;
  bool entered = false;
};
// Sorted: a root comes before those beneath it.
using Roots = std::map<std::string, Root>;

bool IsBeneath(std::string_view path, std::string_view root) {
  if (root == "/") return path != "/";
  return path.size() > root.size() && path.starts_with(root) && path[root.size()] == '/';
}

// The searches that hold beneath a directory, each with the depth (counted in
// the walk) that it goes down to.
struct Scope {
  struct Active {
    uint32_t search;
    int64_t until;
  };
  // Of the directory where the scope begins.
  uint32_t depth = 0;
  std::vector<Active> active;
};

// Walks one root, and takes over the roots beneath it that it comes by, so that
// each file is visited once for all searches.
class SearchWalk : public WalkVisitor {
 public:
  SearchWalk(const std::string& path, Roots& roots, const CompiledSearches& searches,
             Reporter& reporter, Examiner& examiner)
      : root_(roots.at(path)), searches_(searches), reporter_(reporter), examiner_(examiner) {
    for (auto& [other_path, other] : roots) {
      if (!IsBeneath(other_path, path)) continue;
      nested_.emplace(other_path, &other);
      nested_names_.insert(other_path.substr(other_path.rfind('/') + 1));
    }
    scopes_.push_back(Extend({}, root_, 0));
  }

  WalkStep Visit(const WalkEntry& entry) override {
    if (reporter_.AllDone()) return WalkStep::kStop;
    Root* nested = FindNested(entry);
    std::optional<Scope> extended;
    if (nested != nullptr) extended = Extend(scopes_.back(), *nested, entry.depth);
    const Scope& scope = extended ? *extended : scopes_.back();
    Root* root = entry.depth == 0 ? &root_ : nested;
    if (root == nullptr || !std::exchange(root->visited, true)) Examine(entry, scope);
    // It was not its turn; should it turn up again, it is to be examined.
    if (root != nullptr && entry.sighting->lost()) root->visited = false;
    return entry.type == FileType::kDirectory && GoesBeneath(scope, entry.depth)
               ? WalkStep::kDescend
               : WalkStep::kNext;
  }

  void Enter(std::string_view path, uint32_t depth) override {
    if (depth == 0) {
      root_.entered = true;
      return;
    }
    const auto nested = nested_.empty() ? nested_.end() : nested_.find(ToAbsl(path));
    if (nested == nested_.end()) return;
    nested->second->entered = true;
    scopes_.push_back(Extend(scopes_.back(), *nested->second, depth));
  }

  void Leave(uint32_t depth) override {
    if (scopes_.back().depth == depth) scopes_.pop_back();
  }

  void NotLookedAt(std::string_view reason, std::string_view path) override {
    reporter_.NotLookedAt(reason, path);
  }

 private:
  Scope Extend(Scope scope, const Root& root, uint32_t depth) const {
    scope.depth = depth;
    for (uint32_t search : root.searches) {
      const uint32_t levels = searches_.searches[search].max_depth;
      const int64_t until = levels == 0 ? kUnlimited : int64_t{depth} + levels;
      const auto known =
          std::find_if(scope.active.begin(), scope.active.end(),
                       [&](const Scope::Active& active) { return active.search == search; });
      if (known == scope.active.end()) {
        scope.active.push_back({search, until});
      } else {
        known->until = std::max(known->until, until);
      }
    }
    return scope;
  }

  Root* FindNested(const WalkEntry& entry) {
    if (nested_.empty() || entry.depth == 0 || !nested_names_.contains(ToAbsl(entry.name)))
      return nullptr;
    const auto nested = nested_.find(entry.Path());
    return nested == nested_.end() ? nullptr : nested->second;
  }

  void Examine(const WalkEntry& entry, const Scope& scope) {
    candidates_.clear();
    for (const Scope::Active& active : scope.active) {
      if (entry.depth <= active.until && searches_.searches[active.search].WantsType(entry.type) &&
          !reporter_.Done(active.search)) {
        candidates_.push_back(active.search);
      }
    }
    if (!candidates_.empty()) examiner_.Examine(entry, &candidates_);
  }

  bool GoesBeneath(const Scope& scope, uint32_t depth) const {
    for (const Scope::Active& active : scope.active)
      if (depth < active.until && !reporter_.Done(active.search)) return true;
    return false;
  }

  Root& root_;
  const CompiledSearches& searches_;
  Reporter& reporter_;
  Examiner& examiner_;
  absl::flat_hash_map<std::string, Root*> nested_;
  // Their own names, to pass over most entries without making their path.
  absl::flat_hash_set<std::string> nested_names_;
  std::vector<Scope> scopes_;
  std::vector<uint32_t> candidates_;
};

struct FreeDeleter {
  void operator()(char* memory) const { free(memory); }
};

// Where the paths lead to. One that isn't there is nothing to search.
Roots ResolveRoots(const CompiledSearches& searches, Reporter& reporter) {
  Roots roots;
  for (uint32_t i = 0; i < searches.searches.size(); ++i) {
    for (const std::string& path : searches.searches[i].paths) {
      const std::unique_ptr<char, FreeDeleter> real(realpath(path.c_str(), nullptr));
      if (!real) {
        if (errno != ENOENT && errno != ENOTDIR) reporter.NotLookedAt(ErrorWords(errno), path);
        continue;
      }
      std::vector<uint32_t>& users = roots[real.get()].searches;
      if (users.empty() || users.back() != i) users.push_back(i);
    }
  }
  return roots;
}

}  // namespace

void RunSearches(const CompiledSearches& searches, absl::Time now, RunContext& context,
                 const WalkOptions& options) {
  Reporter reporter(searches, context);
  Examiner examiner(searches, reporter, now);
  Roots roots = ResolveRoots(searches, reporter);
  for (auto& [path, root] : roots) {
    if (reporter.AllDone()) return;
    // What could not be entered from above (another kind of file system, too
    // deep for the searches up there) is walked by itself.
    if (root.entered) continue;
    SearchWalk walk(path, roots, searches, reporter, examiner);
    WalkTree(path, walk, options);
  }
}

}  // namespace dragnet::file
