#include "modules/memory/run.h"

#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_format.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/memory/examine.h"
#include "modules/memory/memory_walk.h"
#include "modules/memory/process.h"
#include "modules/scan/yara_proto.h"

namespace dragnet::memory {
namespace {

constexpr size_t kMaxShownCommandLine = 4096;
constexpr size_t kMaxShownMatch = 200;

std::string Address(uint64_t address) { return absl::StrFormat("0x%x", address); }

// Makes rows of answers.
class Reporter {
 public:
  Reporter(const CompiledSearches& searches, const Users& users, RunContext& context)
      : searches_(searches),
        users_(users),
        context_(context),
        boot_time_(BootTime()),
        ticks_per_second_(std::max<int64_t>(::sysconf(_SC_CLK_TCK), 1)),
        found_(searches.searches.size()) {}

  // Those that have not reached their limit.
  std::vector<uint32_t> Wanted() const {
    std::vector<uint32_t> wanted;
    for (uint32_t i = 0; i < searches_.searches.size(); ++i) {
      const uint32_t limit = searches_.searches[i].match_limit;
      if (limit == 0 || found_[i] < limit) wanted.push_back(i);
    }
    return wanted;
  }

  void Report(const Answer& answer, Facts& facts) {
    const Search& search = searches_.searches[answer.search];
    v1::MemoryRow row = Common(search, answer, facts);
    bool any = false;
    for (size_t i = 0; i < search.filters.size(); ++i) {
      const Filter& filter = search.filters[i];
      if (answer.filters[i] != Holds::kYes || filter.inverted) continue;
      for (const Finding& finding : answer.findings[i]) {
        any = true;
        if (!EmitFinding(row, filter, finding, facts)) return;
      }
    }
    for (const scan::YaraMatch& match : answer.yara) {
      any = true;
      if (!EmitYara(row, match, search, facts)) return;
    }
    if (!any) context_.EmitRow(row);
    if (++found_[answer.search] == search.match_limit) context_.NoteLimitHit("match_limit");
  }

 private:
  v1::MemoryRow Common(const Search& search, const Answer& answer, Facts& facts) const {
    const Process& process = facts.process();
    v1::MemoryRow row;
    row.set_pid(static_cast<uint32_t>(process.pid()));
    row.set_name(ToValidUtf8(process.name()));
    const std::string_view user = users_.NameOf(process.uid());
    row.set_user(user.empty() ? StrCat(process.uid()) : ToValidUtf8(user));
    row.set_search(search.label);
    if (const ExePath* exe = facts.exe()) {
      row.set_exe(ToValidUtf8(exe->path));
      row.set_exe_deleted(exe->deleted);
    }
    if (const std::string* command_line = facts.command_line())
      row.set_command_line(Shorten(ToValidUtf8(*command_line), kMaxShownCommandLine));
    row.set_uid(process.uid());
    row.set_parent(static_cast<uint32_t>(process.parent()));
    if (boot_time_ > 0) {
      const auto ticks = static_cast<int64_t>(process.start_ticks());
      row.mutable_started()->set_seconds(boot_time_ + ticks / ticks_per_second_);
      row.mutable_started()->set_nanos(
          static_cast<int32_t>(ticks % ticks_per_second_ * (1'000'000'000 / ticks_per_second_)));
    }
    for (size_t i = 0; i < search.filters.size(); ++i)
      if (answer.filters[i] == Holds::kYes) row.add_matched(search.filters[i].shown);
    return row;
  }

  static void SetRegion(uint64_t address, Facts& facts, v1::MemoryRow* row) {
    row->set_address(Address(address));
    const Maps* maps = facts.maps();
    const Region* region = maps == nullptr ? nullptr : FindRegion(*maps, address);
    if (region == nullptr) return;
    row->set_permissions(ToValidUtf8(std::string_view(region->permissions, 4)));
    row->set_file(ToValidUtf8(maps->name(*region)));
    row->set_region_start(Address(region->start));
    row->set_region_end(Address(region->end));
  }

  bool EmitFinding(v1::MemoryRow row, const Filter& filter, const Finding& finding, Facts& facts) {
    row.set_match(filter.shown);
    SetRegion(finding.address, facts, &row);
    row.set_length(finding.length);
    if (!finding.content.empty()) {
      row.set_content(finding.content);
      row.set_content_address(Address(finding.content_address));
    }
    return context_.EmitRow(row);
  }

  bool EmitYara(v1::MemoryRow row, const scan::YaraMatch& match, const Search& search,
                Facts& facts) {
    row.set_match(Shorten(StrCat("yara=", ToValidUtf8(match.rule)), kMaxShownMatch));
    scan::ToProto(match, row.mutable_yara());
    if (search.yara_no_bytes)
      for (auto& string : *row.mutable_yara()->mutable_strings()) string.clear_bytes();
    if (!match.strings.empty()) {
      SetRegion(match.strings[0].offset, facts, &row);
      row.set_length(match.strings[0].length);
    }
    return context_.EmitRow(row);
  }

  const CompiledSearches& searches_;
  const Users& users_;
  RunContext& context_;
  const int64_t boot_time_;
  const int64_t ticks_per_second_;
  // Processes by search.
  std::vector<uint32_t> found_;
};

// What could hide a finding is named, unless the process has ended.
void NoteProblems(const std::vector<Answer>& answers, Facts& facts, RunContext& context) {
  if (facts.problems().empty() || context.stopping()) return;
  const bool matters = std::ranges::any_of(
      answers, [](const Answer& answer) { return answer.holds != Holds::kNo; });
  if (!matters || !facts.process().IsAlive()) return;
  const std::string example =
      StrCat(facts.process().pid(), " (", ToValidUtf8(facts.process().name()), ")");
  for (const std::string& problem : facts.problems()) context.NoteUnexamined(problem, example);
}

}  // namespace

absl::Status RunSearches(const CompiledSearches& searches, RunContext& context) {
  const Users users = Users::Read();
  const OwnProcesses own;
  Reporter reporter(searches, users, context);
  DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<Examiner> examiner,
                           Examiner::Create(searches, users, context));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<pid_t> pids, ListProcesses());
  for (const pid_t pid : pids) {
    const std::vector<uint32_t> wanted = reporter.Wanted();
    if (wanted.empty() || context.stopping()) break;
    const std::optional<Process> process = Process::Open(pid);
    if (!process || own.Has(*process)) continue;
    Facts facts(*process);
    const std::vector<Answer> answers = examiner->Examine(facts, wanted);
    context.AddExamined(1, 0);
    for (const Answer& answer : answers)
      if (answer.holds == Holds::kYes && !context.stopping()) reporter.Report(answer, facts);
    NoteProblems(answers, facts, context);
  }
  return absl::OkStatus();
}

}  // namespace dragnet::memory
