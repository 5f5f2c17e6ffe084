#include "modules/file/run.h"

#include <errno.h>
#include <stdlib.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/file/examine.h"
#include "modules/file/open.h"
#include "modules/file/pool.h"
#include "modules/file/report.h"

namespace dragnet::file {
namespace {

constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

// Files from this size on are long pieces of work.
constexpr uint64_t kLongFile = 1024 * 1024;
constexpr size_t kMaxDefaultThreads = 4;

// A path that searches name, resolved.
struct Root {
  // Those for whom it is a path.
  std::vector<uint32_t> searches;
  // Those for whom it is where a path's wildcards begin.
  struct Start {
    uint32_t search;
    const Glob* glob;
  };
  std::vector<Start> globs;
  // Was looked at itself, and was gone into, during the walk of a root above it.
  std::atomic<bool> visited = false;
  std::atomic<bool> entered = false;
};
// Sorted: a root comes before those beneath it.
using Roots = std::map<std::string, Root>;

bool IsBeneath(std::string_view path, std::string_view root) {
  if (root == "/") return path != "/";
  return path.size() > root.size() && path.starts_with(root) && path[root.size()] == '/';
}

bool IsBeneathAny(std::string_view path, const Roots& roots) {
  if (path.size() > 1 && roots.contains("/")) return true;
  for (size_t slash = path.rfind('/'); slash != 0 && slash != std::string_view::npos;
       slash = path.rfind('/', slash - 1)) {
    if (roots.contains(std::string(path.substr(0, slash)))) return true;
  }
  return false;
}

// The searches that hold beneath a directory, each with the depth (counted in
// the walk) that it goes down to.
struct Scope {
  struct Active {
    uint32_t search;
    int64_t until;
  };
  // On the way to where a wildcard path leads.
  struct OnTheWay {
    uint32_t search;
    const Glob* glob;
    Glob::Progress progress;
  };
  // Of the directory where the scope begins.
  uint32_t depth = 0;
  std::vector<Active> active;
  std::vector<OnTheWay> globs;
};

// What all walks of one root have in common: it, and the roots beneath it, which
// they take over, so that each file is visited once for all searches. Immutable
// but for what the roots themselves note.
struct RootWalk {
  RootWalk(const std::string& path, Roots& roots) : path(path), root(roots.at(path)) {
    // The roots beneath it follow it, but for names that sort before the slash.
    for (auto it = roots.upper_bound(path); it != roots.end() && it->first.starts_with(path);
         ++it) {
      if (!IsBeneath(it->first, path)) continue;
      nested.emplace(it->first, &it->second);
      nested_names.insert(it->first.substr(it->first.rfind('/') + 1));
    }
  }

  const std::string path;
  Root& root;
  absl::flat_hash_map<std::string, Root*> nested;
  // Their own names, to pass over most entries without making their path.
  absl::flat_hash_set<std::string> nested_names;
};

class SearchRun;

// What a thread has for itself.
struct Hand : public ReadQueue {
  Hand(SearchRun& run, size_t thread);
  bool WouldTake(uint64_t size) override;
  bool Take(OpenFile& file) override;

  SearchRun& run;
  Examiner examiner;
};

class SearchRun {
 public:
  SearchRun(const CompiledSearches& searches, absl::Time now, RunContext& context, size_t threads,
            const WalkOptions& options)
      : run_facts{now, {}},
        searches(searches),
        options(options),
        prefilter(searches.line_patterns),
        reporter(searches, context),
        pool(threads) {
    for (size_t i = 0; i < pool.threads(); ++i) hands_.push_back(std::make_unique<Hand>(*this, i));
  }

  void Run(Roots& roots);
  Hand& hand(size_t thread) { return *hands_[thread]; }

  RunFacts run_facts;
  const CompiledSearches& searches;
  const WalkOptions& options;
  const Prefilter prefilter;
  Reporter reporter;
  WorkPool pool;

 private:
  std::vector<std::unique_ptr<Hand>> hands_;
};

class FileTask : public Task {
 public:
  FileTask(SearchRun& run, OpenFile file) : run_(run), file_(std::move(file)) {}
  void Run(size_t thread) override {
    if (!run_.reporter.AllDone()) run_.hand(thread).examiner.Read(file_);
  }
  OpenFile& file() { return file_; }

 private:
  SearchRun& run_;
  OpenFile file_;
};

Hand::Hand(SearchRun& run, size_t)
    : run(run), examiner(run.searches, run.run_facts, run.prefilter, run.reporter, *this) {}

bool Hand::WouldTake(uint64_t size) {
  return (size >= kLongFile || run.pool.IsHungry()) && run.pool.HasRoom(WorkPool::Length::kLong);
}

bool Hand::Take(OpenFile& file) {
  auto task = std::make_unique<FileTask>(run, std::move(file));
  FileTask& kept = *task;
  std::unique_ptr<Task> offered = std::move(task);
  if (run.pool.Offer(offered, WorkPool::Length::kLong)) return true;
  file = std::move(kept.file());
  return false;
}

// One walk: of the root, or of a directory that was handed over.
class SearchWalk : public WalkVisitor {
 public:
  SearchWalk(SearchRun& run, Examiner& examiner, std::shared_ptr<const RootWalk> root, Scope scope,
             uint32_t handed_over_depth)
      : run_(run),
        searches_(run.searches),
        reporter_(run.reporter),
        examiner_(examiner),
        walk_(std::move(root)),
        handed_over_depth_(handed_over_depth) {
    scopes_.push_back(std::move(scope));
  }

  // The scope of a root itself.
  static Scope RootScope(const CompiledSearches& searches, const std::string& path,
                         const Root& root) {
    return Extend(searches, {}, path, root, 0);
  }

  WalkStep Visit(const WalkEntry& entry) override {
    if (reporter_.AllDone()) return WalkStep::kStop;
    Root* nested = FindNested(entry);
    std::optional<Scope> extended;
    if (entry.depth != 0 && (nested != nullptr || ChangesBeneath(scopes_.back())))
      extended = ScopeOf(entry.Path(), entry.name, entry.depth, nested);
    const Scope& scope = extended ? *extended : scopes_.back();
    Root* root = entry.depth == 0 ? &walk_->root : nested;
    if (root == nullptr || !root->visited.exchange(true)) Examine(entry, scope);
    // It was not its turn; should it turn up again, it is to be examined.
    if (root != nullptr && entry.sighting->lost()) root->visited = false;
    return entry.type == FileType::kDirectory && GoesBeneath(scope, entry.depth)
               ? WalkStep::kDescend
               : WalkStep::kNext;
  }

  bool Cross(FileSystemKind kind, std::string_view path) override {
    const Scope& scope = scopes_.back();
    crossed_ = {kind, std::string(path)};
    bool any = false, passed_over = false;
    for (const Scope::Active& active : scope.active) {
      const bool crosses = Crosses(active.search, kind);
      any |= crosses;
      passed_over |= !crosses && !searches_.searches[active.search].one_filesystem;
    }
    for (const Scope::OnTheWay& glob : scope.globs) {
      const bool crosses = Crosses(glob.search, kind);
      any |= crosses;
      passed_over |= !crosses && !searches_.searches[glob.search].one_filesystem;
    }
    // To stay on one file system is what was asked for; a network file system
    // may hold what is searched for.
    if (passed_over && kind == FileSystemKind::kNetwork) {
      reporter_.NotLookedAt("network file system, searched only if a path names it or asked to",
                            path);
    }
    // A root that is mounted here is entered on its own, if nobody else goes here.
    return any;
  }

  void Enter(std::string_view path, uint32_t depth) override {
    if (depth == 0) {
      walk_->root.entered = true;
      return;
    }
    // Handed over: the scope is the directory's already.
    if (depth == handed_over_depth_) return;
    if (std::optional<Scope> scope = ScopeOnEntering(path, depth))
      scopes_.push_back(*std::move(scope));
  }

  void Leave(uint32_t depth) override {
    if (scopes_.back().depth == depth) scopes_.pop_back();
  }

  bool WouldHandOver() override { return run_.pool.HasRoom(WorkPool::Length::kShort); }
  bool HandOver(OpenDirectory& directory) override;

  void NotLookedAt(std::string_view reason, std::string_view path) override {
    reporter_.NotLookedAt(reason, path);
  }

 private:
  // `scope` and what begins at `root`, whose path is `path`.
  static Scope Extend(const CompiledSearches& searches, Scope scope, const std::string& path,
                      const Root& root, uint32_t depth) {
    scope.depth = depth;
    for (uint32_t search : root.searches)
      if (!IsExcludedWithAncestors(searches.searches[search], path))
        Activate(searches, search, depth, &scope);
    for (const Root::Start& start : root.globs) {
      if (!IsExcludedWithAncestors(searches.searches[start.search], path))
        Advance(searches, {start.search, start.glob, start.glob->Start()}, depth, &scope);
    }
    return scope;
  }

  static void Activate(const CompiledSearches& searches, uint32_t search, uint32_t depth,
                       Scope* scope) {
    const uint32_t levels = searches.searches[search].max_depth;
    const int64_t until = levels == 0 ? kUnlimited : int64_t{depth} + levels;
    const auto known =
        std::find_if(scope->active.begin(), scope->active.end(),
                     [&](const Scope::Active& active) { return active.search == search; });
    if (known == scope->active.end()) {
      scope->active.push_back({search, until});
    } else {
      known->until = std::max(known->until, until);
    }
  }

  // Adds what has come so far as to a scope at `depth`.
  static void Advance(const CompiledSearches& searches, const Scope::OnTheWay& glob, uint32_t depth,
                      Scope* scope) {
    if (glob.glob->IsMatch(glob.progress)) Activate(searches, glob.search, depth, scope);
    if (glob.glob->GoesOn(glob.progress)) scope->globs.push_back(glob);
  }

  static bool IsExcluded(const Search& search, std::string_view path, std::string_view name) {
    for (const Exclude& exclude : search.excludes) {
      if (exclude.glob) {
        if (exclude.glob->Matches(path)) return true;
      } else if (exclude.pattern) {
        if (exclude.pattern->Matches(ToValidUtf8(path))) return true;
      } else if (!name.empty() && GlobNameMatches(exclude.name, name)) {
        return true;
      }
    }
    return false;
  }

  // A root is passed over where it lies beneath a path that is excluded. Names
  // are for what is found beneath it: it was asked for by its own.
  static bool IsExcludedWithAncestors(const Search& search, std::string_view path) {
    if (search.excludes.empty()) return false;
    for (size_t slash = 0; slash != std::string_view::npos;) {
      const size_t next = path.find('/', slash + 1);
      if (IsExcluded(search, path.substr(0, next), {})) return true;
      slash = next;
    }
    return false;
  }

  bool Crosses(uint32_t search, FileSystemKind kind) const {
    const Search& settings = searches_.searches[search];
    return !settings.one_filesystem &&
           (kind != FileSystemKind::kNetwork || settings.network_filesystems);
  }

  // What holds in a directory may not be what holds for what is in it.
  bool ChangesBeneath(const Scope& scope) const {
    if (!scope.globs.empty()) return true;
    return std::any_of(scope.active.begin(), scope.active.end(), [&](const Scope::Active& active) {
      return !searches_.searches[active.search].excludes.empty();
    });
  }

  // What holds for what is at `path`, within the directory of the last scope,
  // and beneath it.
  Scope ScopeOf(const std::string& path, std::string_view name, uint32_t depth,
                const Root* nested) const {
    const Scope& above = scopes_.back();
    Scope scope;
    scope.depth = depth;
    for (const Scope::Active& active : above.active) {
      if (!IsExcluded(searches_.searches[active.search], path, name))
        scope.active.push_back(active);
    }
    for (const Scope::OnTheWay& glob : above.globs) {
      const Glob::Progress progress = glob.glob->Step(glob.progress, name);
      if (progress != 0 && !IsExcluded(searches_.searches[glob.search], path, name))
        Advance(searches_, {glob.search, glob.glob, progress}, depth, &scope);
    }
    return nested == nullptr ? scope : Extend(searches_, std::move(scope), path, *nested, depth);
  }

  // The scope of a directory that is entered; none if it is the last one's.
  std::optional<Scope> ScopeOnEntering(std::string_view path, uint32_t depth) {
    // After a crossing that then failed, another directory is entered.
    std::optional<FileSystemKind> crossed;
    if (crossed_ && crossed_->path == path) crossed = crossed_->kind;
    Root* nested = FindNested(path);
    if (nested == nullptr && !crossed && !ChangesBeneath(scopes_.back())) return std::nullopt;
    const std::string_view name = path.substr(path.rfind('/') + 1);
    Scope scope = ScopeOf(std::string(path), name, depth, nullptr);
    if (crossed) {
      std::erase_if(scope.active,
                    [&](const Scope::Active& active) { return !Crosses(active.search, *crossed); });
      std::erase_if(scope.globs,
                    [&](const Scope::OnTheWay& glob) { return !Crosses(glob.search, *crossed); });
    }
    if (nested != nullptr) {
      nested->entered = true;
      scope = Extend(searches_, std::move(scope), std::string(path), *nested, depth);
    }
    return scope;
  }

  Root* FindNested(const WalkEntry& entry) const {
    if (walk_->nested.empty() || entry.depth == 0 ||
        !walk_->nested_names.contains(ToAbsl(entry.name))) {
      return nullptr;
    }
    return FindNested(entry.Path());
  }

  Root* FindNested(std::string_view path) const {
    if (walk_->nested.empty()) return nullptr;
    const auto nested = walk_->nested.find(ToAbsl(path));
    return nested == walk_->nested.end() ? nullptr : nested->second;
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
    for (const Scope::OnTheWay& glob : scope.globs)
      if (!reporter_.Done(glob.search)) return true;
    return false;
  }

  SearchRun& run_;
  const CompiledSearches& searches_;
  Reporter& reporter_;
  Examiner& examiner_;
  const std::shared_ptr<const RootWalk> walk_;
  // Of the directory that was handed over to this walk; 0 if it walks a root.
  const uint32_t handed_over_depth_;
  std::vector<Scope> scopes_;
  // Where another file system was last entered, or was to be.
  struct Crossing {
    FileSystemKind kind;
    std::string path;
  };
  std::optional<Crossing> crossed_;
  std::vector<uint32_t> candidates_;
};

class RootTask : public Task {
 public:
  RootTask(SearchRun& run, std::shared_ptr<const RootWalk> walk)
      : run_(run), walk_(std::move(walk)) {}
  void Run(size_t thread) override {
    SearchWalk visitor(run_, run_.hand(thread).examiner, walk_,
                       SearchWalk::RootScope(run_.searches, walk_->path, walk_->root), 0);
    WalkTree(walk_->path, visitor, run_.options);
  }

 private:
  SearchRun& run_;
  const std::shared_ptr<const RootWalk> walk_;
};

class DirectoryTask : public Task {
 public:
  DirectoryTask(SearchRun& run, std::shared_ptr<const RootWalk> walk, Scope scope,
                OpenDirectory directory)
      : run_(run),
        walk_(std::move(walk)),
        scope_(std::move(scope)),
        directory_(std::move(directory)) {}
  void Run(size_t thread) override {
    SearchWalk visitor(run_, run_.hand(thread).examiner, walk_, std::move(scope_),
                       directory_.depth);
    WalkDirectory(std::move(directory_), visitor, run_.options);
  }
  OpenDirectory& directory() { return directory_; }

 private:
  SearchRun& run_;
  const std::shared_ptr<const RootWalk> walk_;
  Scope scope_;
  OpenDirectory directory_;
};

bool SearchWalk::HandOver(OpenDirectory& directory) {
  std::optional<Scope> scope = ScopeOnEntering(directory.path, directory.depth);
  auto task = std::make_unique<DirectoryTask>(
      run_, walk_, scope ? *std::move(scope) : scopes_.back(), std::move(directory));
  DirectoryTask& kept = *task;
  std::unique_ptr<Task> offered = std::move(task);
  if (run_.pool.Offer(offered, WorkPool::Length::kShort)) return true;
  directory = std::move(kept.directory());
  return false;
}

void SearchRun::Run(Roots& roots) {
  // Those that no other one holds are independent of each other. What could not
  // be entered from above (another kind of file system, too deep for the
  // searches up there) is walked by itself, after what is above it.
  std::vector<std::string> nested;
  for (auto& [path, root] : roots) {
    if (IsBeneathAny(path, roots)) {
      nested.push_back(path);
      continue;
    }
    pool.Add(std::make_unique<RootTask>(*this, std::make_shared<const RootWalk>(path, roots)));
  }
  pool.Drain();
  for (const std::string& path : nested) {
    if (reporter.AllDone()) return;
    if (roots.at(path).entered) continue;
    pool.Add(std::make_unique<RootTask>(*this, std::make_shared<const RootWalk>(path, roots)));
    pool.Drain();
  }
}

struct FreeDeleter {
  void operator()(char* memory) const { free(memory); }
};

// Where `path` leads to; null if it is not there.
Root* Resolve(const std::string& path, bool required, Roots& roots, Reporter& reporter) {
  const std::unique_ptr<char, FreeDeleter> real(realpath(path.c_str(), nullptr));
  if (real) return &roots[real.get()];
  // One that isn't there is nothing to search.
  const bool is_missing = errno == ENOENT || errno == ENOTDIR;
  if (required || !is_missing) reporter.NotLookedAt(ErrorWords(errno), path);
  return nullptr;
}

void ResolveRoots(const CompiledSearches& searches, Reporter& reporter, Roots& roots) {
  for (uint32_t i = 0; i < searches.searches.size(); ++i) {
    const bool required = searches.searches[i].required;
    for (const std::string& path : searches.searches[i].paths) {
      Root* root = Resolve(path, required, roots, reporter);
      if (root != nullptr && (root->searches.empty() || root->searches.back() != i))
        root->searches.push_back(i);
    }
    for (const Glob& glob : searches.searches[i].globs) {
      if (Root* root = Resolve(glob.prefix(), required, roots, reporter))
        root->globs.push_back({i, &glob});
    }
  }
}

void ReadNames(const char* path, Reporter& reporter, NameTable* names) {
  int error = 0;
  *names = NameTable::ReadFile(path, &error);
  // Rows only lack a name then; a filter by name could miss what it is after.
  if (error != 0) reporter.NotLookedAt(ErrorWords(error), path);
}

}  // namespace

size_t DefaultThreads() {
  return std::clamp<size_t>(std::thread::hardware_concurrency(), 1, kMaxDefaultThreads);
}

void RunSearches(const CompiledSearches& searches, absl::Time now, RunContext& context,
                 size_t threads, const WalkOptions& options) {
  SearchRun run(searches, now, context, threads, options);
  ReadNames("/etc/passwd", run.reporter, &run.run_facts.names.users);
  ReadNames("/etc/group", run.reporter, &run.run_facts.names.groups);
  Roots roots;
  ResolveRoots(searches, run.reporter, roots);
  run.Run(roots);
}

}  // namespace dragnet::file
