#include "modules/memory/examine.h"

#include <errno.h>

#include <algorithm>

#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/memory/memory_walk.h"
#include "modules/memory/reader.h"

namespace dragnet::memory {
namespace {

bool Matches(const RE2& regex, const std::string& text) {
  const std::string valid = IsValidUtf8(text) ? text : ToValidUtf8(text);
  return regex.Match(valid, 0, valid.size(), RE2::UNANCHORED, nullptr, 0);
}

Holds Yes(bool holds) { return holds ? Holds::kYes : Holds::kNo; }

std::string FileNameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool ReadsMemory(FilterKind kind) { return kind >= FilterKind::kContent; }
bool NeedsMaps(FilterKind kind) {
  return kind == FilterKind::kLibrary || kind == FilterKind::kWritableExecutable;
}

}  // namespace

template <typename Fact>
void Facts::NoteFailure(const std::optional<Fact>& fact, const char* what) {
  const int error = errno;
  if (fact) return;
  if (IsGone(error) || !process_.IsAlive()) {
    gone_ = true;
  } else {
    problems_.insert(StrCat(what, ": ", ErrorWords(error)));
  }
}

const ExePath* Facts::exe() {
  if (!std::exchange(exe_read_, true)) {
    const std::optional<std::string> link = process_.ReadExe();
    NoteFailure(link, "its program");
    if (link) exe_ = SplitExe(*link);
  }
  return exe_ ? &*exe_ : nullptr;
}

const std::string* Facts::command_line() {
  if (!std::exchange(command_line_read_, true)) {
    command_line_ = process_.ReadCommandLine();
    NoteFailure(command_line_, "its command line");
  }
  return command_line_ ? &*command_line_ : nullptr;
}

const Maps* Facts::maps() {
  if (!std::exchange(maps_read_, true)) {
    maps_ = process_.ReadMaps();
    NoteFailure(maps_, "its list of memory regions");
    if (maps_ && !maps_->incomplete().empty()) problems_.insert(std::string(maps_->incomplete()));
  }
  return maps_ ? &*maps_ : nullptr;
}

absl::StatusOr<std::unique_ptr<Examiner>> Examiner::Create(const CompiledSearches& searches,
                                                           const Users& users,
                                                           RunContext& context) {
  std::unique_ptr<Examiner> examiner(new Examiner(searches, users, context));
  DRAGNET_ASSIGN_OR_RETURN(examiner->scanner_, MemoryScanner::Create(searches.patterns));
  for (const Search& search : searches.searches) {
    if (search.yara == nullptr) {
      examiner->yara_.push_back(nullptr);
      continue;
    }
    scan::YaraLimits limits;
    if (search.yara_no_bytes) limits.max_match_bytes = 0;
    examiner->yara_.push_back(std::make_unique<scan::YaraScanner>(search.yara, limits));
  }
  return examiner;
}

Holds Examiner::HoldsByFacts(const Filter& filter, Facts& facts) const {
  const Process& process = facts.process();
  switch (filter.kind) {
    case FilterKind::kPids:
      return Yes(std::binary_search(filter.pids.begin(), filter.pids.end(),
                                    static_cast<uint32_t>(process.pid())));
    case FilterKind::kUsers:
    case FilterKind::kNotUser: {
      const bool is_one = std::ranges::any_of(filter.users, [&](const std::string& user) {
        return users_.Find(user) == process.uid();
      });
      return Yes(is_one == (filter.kind == FilterKind::kUsers));
    }
    case FilterKind::kName: {
      bool matches = Matches(*filter.regex, process.name());
      if (!matches) {
        const ExePath* exe = facts.exe();
        if (exe == nullptr) return Holds::kUnknown;
        matches = !exe->path.empty() && Matches(*filter.regex, FileNameOf(exe->path));
      }
      return Yes(matches != filter.inverted);
    }
    case FilterKind::kExe: {
      const ExePath* exe = facts.exe();
      if (exe == nullptr) return Holds::kUnknown;
      return Yes(Matches(*filter.regex, exe->path) != filter.inverted);
    }
    case FilterKind::kDeletedExe: {
      const ExePath* exe = facts.exe();
      return exe == nullptr ? Holds::kUnknown : Yes(exe->deleted);
    }
    case FilterKind::kCommandLine: {
      const std::string* command_line = facts.command_line();
      if (command_line == nullptr) return Holds::kUnknown;
      return Yes(Matches(*filter.regex, *command_line) != filter.inverted);
    }
    default:
      return Holds::kUnknown;
  }
}

Holds Examiner::HoldsByMaps(const Filter& filter, uint32_t max_findings, Facts& facts,
                            std::vector<Finding>* findings) const {
  const Maps* maps = facts.maps();
  if (maps == nullptr) return Holds::kUnknown;
  bool holds = false;
  // Parts of one file are next to each other: matched once, named once.
  uint32_t last_name = 0;
  for (const Region& region : maps->regions()) {
    if (filter.kind == FilterKind::kLibrary) {
      if (region.name == last_name) continue;
      last_name = region.name;
      const std::string& name = maps->name(region);
      if (!name.starts_with('/') || !Matches(*filter.regex, name)) continue;
    } else if (!region.writable() || !region.executable()) {
      continue;
    }
    holds = true;
    if (findings->size() >= max_findings) break;
    findings->push_back({.address = region.start});
  }
  if (!holds && !maps->incomplete().empty()) return Holds::kUnknown;
  return Yes(holds != filter.inverted);
}

void Examiner::Decide(Answer* answer) const {
  const auto count = [&](Holds holds) {
    return std::ranges::count(answer->filters, holds);
  };
  if (searches_.searches[answer->search].match_any) {
    answer->holds = count(Holds::kYes) > 0       ? Holds::kYes
                    : count(Holds::kUnknown) > 0 ? Holds::kUnknown
                                                 : Holds::kNo;
  } else {
    answer->holds = count(Holds::kNo) > 0        ? Holds::kNo
                    : count(Holds::kUnknown) > 0 ? Holds::kUnknown
                                                 : Holds::kYes;
  }
}

std::vector<Answer> Examiner::Examine(Facts& facts, const std::vector<uint32_t>& wanted) {
  std::vector<Answer> answers;
  bool read_memory = false;
  for (const uint32_t index : wanted) {
    const Search& search = searches_.searches[index];
    Answer& answer = answers.emplace_back();
    answer.search = index;
    answer.filters.assign(search.filters.size(), Holds::kUnknown);
    answer.findings.resize(search.filters.size());
    bool failed = false;
    for (size_t i = 0; i < search.filters.size() && !failed; ++i) {
      const Filter& filter = search.filters[i];
      if (ReadsMemory(filter.kind)) {
        read_memory = true;
        continue;
      }
      answer.filters[i] =
          NeedsMaps(filter.kind)
              ? HoldsByMaps(filter, search.max_matches, facts, &answer.findings[i])
              : HoldsByFacts(filter, facts);
      failed = !search.match_any && answer.filters[i] == Holds::kNo;
    }
    Decide(&answer);
  }
  if (read_memory) SearchMemory(facts, &answers);
  return answers;
}

void Examiner::SearchMemory(Facts& facts, std::vector<Answer>* answers) {
  // What is still worth reading for, and where.
  std::vector<uint32_t> patterns;
  std::vector<std::pair<Answer*, size_t>> places(searches_.patterns.size());
  MemoryRange range{.from = kNoBound, .to = 0};
  bool skip_files = true, yara = false;
  for (Answer& answer : *answers) {
    const Search& search = searches_.searches[answer.search];
    if (!search.match_any && answer.holds == Holds::kNo) continue;
    yara = yara || search.yara != nullptr;
    for (size_t i = 0; i < search.filters.size(); ++i) {
      const Filter& filter = search.filters[i];
      if (filter.kind != FilterKind::kContent && filter.kind != FilterKind::kBytes) continue;
      patterns.push_back(filter.pattern);
      places[filter.pattern] = {&answer, i};
      range.from = std::min(range.from, search.range.from);
      range.to = std::max(range.to, search.range.to);
      skip_files = skip_files && search.skip_files;
    }
  }
  if (patterns.empty() && !yara) return;
  const Maps* maps = facts.maps();
  if (maps == nullptr) return;
  // Kernel threads, zombies.
  bool complete = maps->incomplete().empty();
  const auto decide_patterns = [&] {
    for (const uint32_t pattern : patterns) {
      auto [answer, filter] = places[pattern];
      const bool found = scanner_->matches(pattern) > 0;
      const bool inverted = searches_.searches[answer->search].filters[filter].inverted;
      if (scanner_->cut(pattern)) context_.NoteLimitHit("max_read");
      const bool known = found || (complete && !scanner_->cut(pattern));
      answer->filters[filter] = known ? Yes(found != inverted) : Holds::kUnknown;
    }
  };
  if (maps->regions().empty()) {
    scanner_->Start(patterns, [](const MemoryMatch&) { return true; });
    decide_patterns();
    for (Answer& answer : *answers) {
      const Search& search = searches_.searches[answer.search];
      for (size_t i = 0; i < search.filters.size(); ++i)
        if (search.filters[i].kind == FilterKind::kYara) answer.filters[i] = Holds::kNo;
      Decide(&answer);
    }
    return;
  }
  absl::StatusOr<MemoryReader> reader = MemoryReader::Open(facts.process());
  if (!reader.ok()) {
    if (facts.process().IsAlive()) facts.problems().insert(std::string(reader.status().message()));
    return;
  }
  MemoryWalk walk(facts.process(), *maps, *reader, context_);
  scanner_->Start(patterns, [&](const MemoryMatch& match) {
    const MemoryPattern& pattern = searches_.patterns[match.pattern];
    if (pattern.skip_files) {
      const Region* region = FindRegion(*maps, match.address);
      if (region == nullptr || (!region->writable() &&
                                KindOf(*region, maps->name(*region)) == RegionKind::kFile)) {
        return false;
      }
    }
    auto [answer, filter] = places[match.pattern];
    answer->findings[filter].push_back({.address = match.address,
                                        .length = match.length,
                                        .content_address = match.content_address,
                                        .content = std::string(match.content)});
    return true;
  });
  if (!patterns.empty()) {
    walk.Feed(range, skip_files, *scanner_);
    complete = complete && !walk.gone() && walk.problems().empty() && !context_.stopping();
    decide_patterns();
  }
  for (Answer& answer : *answers) {
    Decide(&answer);
    const Search& search = searches_.searches[answer.search];
    const auto filter = std::ranges::find(search.filters, FilterKind::kYara, &Filter::kind);
    if (filter == search.filters.end() || context_.stopping()) continue;
    if (!search.match_any && answer.holds == Holds::kNo) continue;
    absl::StatusOr<std::vector<scan::YaraMatch>> matches =
        walk.ScanYara(search.range, search.skip_files, *yara_[answer.search]);
    if (!matches.ok()) {
      facts.problems().insert(StrCat("YARA: ", matches.status().message()));
    } else {
      answer.yara = *std::move(matches);
      const bool found = !answer.yara.empty();
      complete = complete && !walk.gone() && walk.problems().empty();
      answer.filters[static_cast<size_t>(filter - search.filters.begin())] =
          found || complete ? Yes(found) : Holds::kUnknown;
    }
    Decide(&answer);
  }
  facts.problems().insert(walk.problems().begin(), walk.problems().end());
}

}  // namespace dragnet::memory
