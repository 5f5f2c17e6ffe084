#include "modules/file/report.h"

#include <algorithm>
#include <map>

#include "core/strings.h"
#include "core/text.h"
#include "modules/scan/yara_proto.h"

namespace dragnet::file {
namespace {

// Keeps a row far below the 64 KiB that one may have.
constexpr size_t kMaxPathShown = 8 * 1024;
constexpr int kMaxXattrsShown = 64;
constexpr size_t kMaxElfNameShown = 512;
constexpr size_t kMaxNeededShown = 8 * 1024;
constexpr size_t kMaxLinesShown = 16 * 1024;
constexpr size_t kMaxRulesShown = 4 * 1024;
constexpr size_t kMaxYaraShown = 20 * 1024;

std::string Abbreviate(std::string_view path) {
  if (path.size() <= kMaxPathShown) return std::string(path);
  return StrCat(path.substr(0, kMaxPathShown / 2), "…",
                path.substr(path.size() - kMaxPathShown / 2));
}

void SetTimestamp(absl::Time time, google::protobuf::Timestamp* timestamp) {
  // What a Timestamp can say: 0001-01-01 to 9999-12-31.
  const absl::Time first = absl::FromUnixSeconds(-62'135'596'800);
  const absl::Time last = absl::FromUnixSeconds(253'402'300'799) + absl::Nanoseconds(999'999'999);
  time = std::clamp(time, first, last);
  const int64_t seconds = absl::ToUnixSeconds(time);
  timestamp->set_seconds(seconds);
  timestamp->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

void AddInode(const InodeFacts& inode, const OwnerNames& names, v1::FileRow* row) {
  row->set_uid(inode.uid);
  row->set_gid(inode.gid);
  row->set_owner(ToValidUtf8(names.users.NameOf(inode.uid)));
  row->set_group(ToValidUtf8(names.groups.NameOf(inode.gid)));
  SetTimestamp(inode.ctime, row->mutable_ctime());
  SetTimestamp(inode.atime, row->mutable_atime());
  if (inode.btime) SetTimestamp(*inode.btime, row->mutable_btime());
}

void AddAttributes(const Attributes& attributes, v1::FileRow* row) {
  row->set_capabilities(attributes.capabilities);
  for (const auto& [name, value] : attributes.xattrs) {
    if (row->xattrs_size() >= kMaxXattrsShown) break;
    row->add_xattrs(ToValidUtf8(name));
  }
}

std::string ShownLine(std::string_view text, bool cut_before, bool cut_after) {
  return StrCat(cut_before ? "…" : "", ToValidUtf8(text), cut_after ? "…" : "");
}

// The search's own of what was collected for all, each line once.
void AddLines(const ContentScanner& content, const Search& search, v1::FileRow* row) {
  struct Shown {
    std::string text;
    bool context;
  };
  std::map<uint64_t, Shown> lines;
  for (const ContentFilter& filter : search.contents) {
    uint32_t count = 0;
    for (const MatchedLine& line : content.lines()) {
      if (line.pattern != filter.pattern) continue;
      if (++count > search.lines) break;
      lines.insert_or_assign(line.line_number,
                             Shown{ShownLine(line.text, line.cut_before, line.cut_after), false});
      const size_t before = std::min<size_t>(search.context, line.before.size());
      for (size_t i = 0; i < before; ++i) {
        lines.try_emplace(line.line_number - before + i,
                          Shown{ToValidUtf8(line.before[line.before.size() - before + i]), true});
      }
      const size_t after = std::min<size_t>(search.context, line.after.size());
      for (size_t i = 0; i < after; ++i)
        lines.try_emplace(line.line_number + 1 + i, Shown{ToValidUtf8(line.after[i]), true});
    }
  }
  size_t bytes = 0;
  for (auto& [number, shown] : lines) {
    if ((bytes += shown.text.size()) > kMaxLinesShown) break;
    v1::MatchedLine* line = row->add_lines();
    line->set_number(number);
    line->set_text(std::move(shown.text));
    line->set_context(shown.context);
  }
}

// Rule sets can match with a thousand rules at once: in full as many as fit.
void AddYara(const std::vector<scan::YaraMatch>& matches, bool with_bytes, v1::FileRow* row) {
  size_t bytes = 0, name_bytes = 0;
  for (const scan::YaraMatch& match : matches) {
    if ((name_bytes += match.rule.size()) > kMaxRulesShown) break;
    row->add_rules(match.rule);
    dragnet::v1::YaraRuleMatch full;
    scan::ToProto(match, &full);
    if (!with_bytes)
      for (dragnet::v1::YaraStringMatch& string : *full.mutable_strings()) string.clear_bytes();
    if ((bytes += full.ByteSizeLong()) <= kMaxYaraShown) *row->add_yara() = std::move(full);
  }
}

void AddElf(const ElfInfo& elf, v1::ElfFacts* facts) {
  facts->set_type(elf.type);
  facts->set_machine(elf.machine);
  facts->set_interpreter(ToValidUtf8(Shorten(elf.interpreter, kMaxElfNameShown)));
  // Names of any length may be many: a row has an end.
  size_t bytes = 0;
  for (const std::string& library : elf.needed) {
    const std::string shown = ToValidUtf8(Shorten(library, kMaxElfNameShown));
    if ((bytes += shown.size()) > kMaxNeededShown) break;
    facts->add_needed(shown);
  }
  facts->set_build_id(HexEncode(elf.build_id));
}

}  // namespace

Reporter::Reporter(const CompiledSearches& searches, RunContext& context)
    : searches_(searches),
      context_(context),
      found_(new std::atomic<uint32_t>[searches.searches.size()]()),
      done_(new std::atomic<bool>[searches.searches.size()]()),
      remaining_(searches.searches.size()) {}

void Reporter::Found(uint32_t index, const std::string& path, const FileFacts& facts,
                     const RunFacts& run) {
  const Search& search = searches_.searches[index];
  const uint32_t count = found_[index].fetch_add(1) + 1;
  if (search.match_limit != 0 && count > search.match_limit) return;

  v1::FileRow row;
  const std::string shown = Abbreviate(path);
  row.set_path(ToValidUtf8(shown));
  if (row.path() != shown) row.set_path_raw(shown);
  row.set_size(facts.inode->size);
  row.set_mode(facts.inode->mode_text);
  SetTimestamp(facts.inode->mtime, row.mutable_mtime());
  if (search.return_sha256 && facts.digests != nullptr)
    row.set_sha256(HexEncode(facts.digests->Value(DigestKind::kSha256)));
  if (search.lines != 0 && facts.content != nullptr) AddLines(*facts.content, search, &row);
  if (search.yara && facts.yara != nullptr && (*facts.yara)[*search.yara])
    AddYara(*(*facts.yara)[*search.yara], !search.yara_no_bytes, &row);
  row.set_search(search.label);
  row.set_type(std::string(TypeName(facts.type)));
  if (!facts.is_member) AddInode(*facts.inode, run.names, &row);
  if (facts.attributes != nullptr && search.HasAttributeFilters())
    AddAttributes(*facts.attributes, &row);
  if (facts.elf != nullptr && *facts.elf && search.WantsElf())
    AddElf(**facts.elf, row.mutable_elf());
  for (std::string& filter : MatchedFilters(search, facts, run)) row.add_matched(std::move(filter));
  context_.EmitRow(row);

  if (count == search.match_limit) {
    done_[index].store(true);
    remaining_.fetch_sub(1);
    context_.NoteLimitHit(
        StrCat("match_limit ", search.match_limit, " of search '", search.label, "'"));
  }
}

void Reporter::NotLookedAt(std::string_view reason, std::string_view path) {
  // Without a name it still counts.
  if (searches_.max_errors != 0 && errors_.fetch_add(1) >= searches_.max_errors)
    return context_.NoteUnexamined(reason, {});
  context_.NoteUnexamined(reason, ToValidUtf8(Abbreviate(path)));
}

}  // namespace dragnet::file
