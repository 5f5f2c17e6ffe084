#include "modules/file/match.h"

#include <algorithm>

#include "core/strings.h"
#include "core/text.h"

namespace dragnet::file {
namespace {

constexpr size_t kMaxValueBytes = 200;

// Why a filter holds or doesn't. kNever is kNo that mismatch doesn't invert: a
// filter on what such a file can't have.
enum class Outcome { kNo, kYes, kUnknown, kNever };

Outcome FromBool(bool holds) { return holds ? Outcome::kYes : Outcome::kNo; }

Outcome JudgeText(const TextFilter& filter, std::string_view text) {
  return FromBool(filter.pattern.Matches(text) != filter.inverted);
}

Outcome JudgeTime(const NamedTimeFilter& filter, const InodeFacts& inode, absl::Time now) {
  switch (filter.kind) {
    case TimeKind::kModified:
      return FromBool(filter.filter.Holds(inode.mtime, now));
    case TimeKind::kChanged:
      return FromBool(filter.filter.Holds(inode.ctime, now));
    case TimeKind::kAccessed:
      return FromBool(filter.filter.Holds(inode.atime, now));
    case TimeKind::kBorn:
      if (!inode.btime) return Outcome::kUnknown;
      return FromBool(filter.filter.Holds(*inode.btime, now));
  }
  return Outcome::kUnknown;
}

bool IsOwner(const OwnerFilter::Owner& owner, uint32_t id, const NameTable& names) {
  if (owner.id) return *owner.id == id;
  if (owner.name.empty()) return names.NameOf(id).empty();
  // By the number, because a number can have several names.
  return names.IdOf(owner.name) == id;
}

Outcome JudgeOwner(const OwnerFilter& filter, uint32_t id, const NameTable& names) {
  bool wanted = true;
  for (const OwnerFilter::Owner& owner : filter.owners) {
    if (owner.inverted) continue;
    wanted = IsOwner(owner, id, names);
    if (wanted) break;
  }
  if (!wanted) return Outcome::kNo;
  for (const OwnerFilter::Owner& owner : filter.owners)
    if (owner.inverted && IsOwner(owner, id, names)) return Outcome::kNo;
  return Outcome::kYes;
}

// Other files have no attributes that could be read.
bool HasAttributes(FileType type) {
  return type == FileType::kRegular || type == FileType::kDirectory;
}

Outcome JudgeXattr(const XattrFilter& filter, const Attributes& attributes) {
  bool found = false;
  for (const auto& [name, value] : attributes.xattrs) {
    if (filter.name.Matches(ToValidUtf8(name)) &&
        (!filter.value || filter.value->Matches(ToValidUtf8(value)))) {
      found = true;
      break;
    }
  }
  return FromBool(found != filter.inverted);
}

Outcome JudgeNeeded(const TextFilter& filter, const std::optional<ElfInfo>& elf) {
  bool found = false;
  if (elf) {
    for (const std::string& library : elf->needed)
      found = found || filter.pattern.Matches(ToValidUtf8(library));
    // One that was not read could be it.
    if (!found && elf->damaged) return Outcome::kUnknown;
  }
  return FromBool(found != filter.inverted);
}

Outcome JudgeContent(const Search& search, const ContentFilter& filter, const FileFacts& facts) {
  if (facts.type != FileType::kRegular) return Outcome::kNever;
  if (facts.content == nullptr) return Outcome::kUnknown;
  const bool all = search.macroal && !filter.inverted;
  switch (all ? facts.content->all_lines(filter.pattern) : facts.content->result(filter.pattern)) {
    case LineMatch::kUnknown:
      return Outcome::kUnknown;
    case LineMatch::kFound:
      return FromBool(!filter.inverted);
    case LineMatch::kAbsent:
      return FromBool(filter.inverted);
  }
  return Outcome::kUnknown;
}

// The file's hash that is in the filter's set; empty if there is none.
std::string_view HashInSet(const HashFilter& filter, const Digester& digests) {
  for (size_t i = 0; i < kDigestKinds; ++i) {
    const auto kind = static_cast<DigestKind>(i);
    if (!(filter.kinds & Bit(kind))) continue;
    const std::string_view value = digests.Value(kind);
    if (filter.hashes.contains(ToAbsl(value))) return value;
  }
  return {};
}

std::string_view HashInList(const HashList& list, const Digester& digests) {
  for (size_t i = 0; i < kDigestKinds; ++i) {
    const auto kind = static_cast<DigestKind>(i);
    if (!(list.kinds() & Bit(kind))) continue;
    const std::string_view value = digests.Value(kind);
    if (list.Contains(value)) return value;
  }
  return {};
}

Outcome JudgeRead(const FileFacts& facts, const void* known, const auto& judge) {
  if (facts.type != FileType::kRegular) return Outcome::kNever;
  if (known == nullptr) return Outcome::kUnknown;
  return FromBool(judge());
}

// Calls visit(verdict, kind, value) for each filter in the order of FilterKind,
// until it returns false; value() makes the text to show.
template <typename Visit>
class FilterVisitor {
 public:
  FilterVisitor(const Search& search, const FileFacts& facts, const RunFacts& run, Visit visit)
      : search_(search), facts_(facts), run_(run), visit_(visit) {}

  void VisitAll() { VisitInode() && VisitAttributes() && VisitElf() && VisitContent(); }

 private:
  bool Tell(Outcome outcome, FilterKind kind, const auto& value) {
    Verdict verdict = Verdict::kUnknown;
    const bool inverted = search_.IsInverted(kind);
    if (outcome == Outcome::kYes) verdict = inverted ? Verdict::kNo : Verdict::kYes;
    if (outcome == Outcome::kNo) verdict = inverted ? Verdict::kYes : Verdict::kNo;
    if (outcome == Outcome::kNever) verdict = Verdict::kNo;
    return visit_(verdict, kind, value);
  }

  // What needs the inode, of which a member has but a part.
  Outcome OfInode(bool members_have_it, const auto& judge) const {
    if (facts_.is_member && !members_have_it) return Outcome::kNever;
    return facts_.inode ? judge(*facts_.inode) : Outcome::kUnknown;
  }

  bool VisitInode() {
    for (const TextFilter& filter : search_.names) {
      if (!Tell(JudgeText(filter, facts_.name), FilterKind::kName, [&] { return filter.text; }))
        return false;
    }
    for (size_t i = 0; i < search_.sizes.size(); ++i) {
      const Outcome outcome = OfInode(true, [&](const InodeFacts& inode) {
        return FromBool(search_.sizes[i].Holds(inode.size));
      });
      if (!Tell(outcome, FilterKind::kSize, [&] { return search_.size_texts[i]; })) return false;
    }
    for (const TextFilter& filter : search_.modes) {
      const Outcome outcome = OfInode(
          true, [&](const InodeFacts& inode) { return JudgeText(filter, inode.mode_text); });
      if (!Tell(outcome, FilterKind::kMode, [&] { return filter.text; })) return false;
    }
    for (const NamedTimeFilter& filter : search_.times) {
      const Outcome outcome =
          OfInode(filter.kind == TimeKind::kModified,
                  [&](const InodeFacts& inode) { return JudgeTime(filter, inode, run_.now); });
      if (!Tell(outcome, FilterOf(filter.kind), [&] { return filter.text; })) return false;
    }
    return VisitOwner(search_.owners, FilterKind::kOwner, &InodeFacts::uid, run_.names.users) &&
           VisitOwner(search_.groups, FilterKind::kGroup, &InodeFacts::gid, run_.names.groups);
  }

  bool VisitOwner(const OwnerFilter& filter, FilterKind kind, uint32_t InodeFacts::* id,
                  const NameTable& names) {
    if (filter.owners.empty()) return true;
    const Outcome outcome = OfInode(
        false, [&](const InodeFacts& inode) { return JudgeOwner(filter, inode.*id, names); });
    return Tell(outcome, kind, [&] {
      const uint32_t value = (*facts_.inode).*id;
      const std::string_view name = names.NameOf(value);
      return name.empty() ? StrCat(value) : std::string(name);
    });
  }

  bool VisitAttributes() {
    const auto outcome_of = [&](const auto& judge) {
      if (facts_.is_member || !HasAttributes(facts_.type)) return Outcome::kNever;
      return facts_.attributes == nullptr ? Outcome::kUnknown : judge(*facts_.attributes);
    };
    for (const TextFilter& filter : search_.capabilities) {
      const Outcome outcome = outcome_of(
          [&](const Attributes& attributes) { return JudgeText(filter, attributes.capabilities); });
      if (!Tell(outcome, FilterKind::kCapability, [&] { return filter.text; })) return false;
    }
    for (const XattrFilter& filter : search_.xattrs) {
      const Outcome outcome =
          outcome_of([&](const Attributes& attributes) { return JudgeXattr(filter, attributes); });
      if (!Tell(outcome, FilterKind::kXattr, [&] { return filter.text; })) return false;
    }
    return true;
  }

  bool VisitElf() {
    if (!search_.elf_types.empty()) {
      const auto is_type = [&] {
        const std::optional<ElfInfo>& elf = *facts_.elf;
        return elf && std::find(search_.elf_types.begin(), search_.elf_types.end(), elf->type) !=
                          search_.elf_types.end();
      };
      if (!Tell(JudgeRead(facts_, facts_.elf, is_type), FilterKind::kElfType,
                [&] { return (*facts_.elf) ? (*facts_.elf)->type : ""; })) {
        return false;
      }
    }
    for (const TextFilter& filter : search_.elf_needed) {
      Outcome outcome = Outcome::kNever;
      if (facts_.type == FileType::kRegular)
        outcome = facts_.elf == nullptr ? Outcome::kUnknown : JudgeNeeded(filter, *facts_.elf);
      if (!Tell(outcome, FilterKind::kElfNeeded, [&] { return filter.text; })) return false;
    }
    if (!search_.elf_build_ids.empty()) {
      const auto is_one = [&] {
        const std::optional<ElfInfo>& elf = *facts_.elf;
        return elf && std::find(search_.elf_build_ids.begin(), search_.elf_build_ids.end(),
                                elf->build_id) != search_.elf_build_ids.end();
      };
      if (!Tell(JudgeRead(facts_, facts_.elf, is_one), FilterKind::kElfBuildId,
                [&] { return (*facts_.elf) ? HexEncode((*facts_.elf)->build_id) : ""; })) {
        return false;
      }
    }
    return true;
  }

  bool VisitContent() {
    for (const ContentFilter& filter : search_.contents) {
      if (!Tell(JudgeContent(search_, filter, facts_), FilterKind::kContent,
                [&] { return filter.text; }))
        return false;
    }
    for (const HashFilter& filter : search_.hashes) {
      const auto in_set = [&] { return !HashInSet(filter, *facts_.digests).empty(); };
      if (!Tell(JudgeRead(facts_, facts_.digests, in_set), filter.kind,
                [&] { return HexEncode(HashInSet(filter, *facts_.digests)); })) {
        return false;
      }
    }
    if (search_.hash_list) {
      const auto in_list = [&] { return !HashInList(*search_.hash_list, *facts_.digests).empty(); };
      if (!Tell(JudgeRead(facts_, facts_.digests, in_list), FilterKind::kHashList,
                [&] { return HexEncode(HashInList(*search_.hash_list, *facts_.digests)); })) {
        return false;
      }
    }
    return VisitYara();
  }

  bool VisitYara() {
    if (!search_.yara) return true;
    const std::vector<scan::YaraMatch>* matches = nullptr;
    if (facts_.yara != nullptr && (*facts_.yara)[*search_.yara])
      matches = &*(*facts_.yara)[*search_.yara];
    return Tell(JudgeRead(facts_, matches, [&] { return !matches->empty(); }), FilterKind::kYara,
                [&] {
                  std::string rules;
                  for (const scan::YaraMatch& match : *matches)
                    rules += StrCat(rules.empty() ? "" : ",", match.rule);
                  return rules;
                });
  }

  const Search& search_;
  const FileFacts& facts_;
  const RunFacts& run_;
  Visit visit_;
};

template <typename Visit>
void ForEachFilter(const Search& search, const FileFacts& facts, const RunFacts& run, Visit visit) {
  FilterVisitor<Visit>(search, facts, run, visit).VisitAll();
}

}  // namespace

Verdict Judge(const Search& search, const FileFacts& facts, const RunFacts& run) {
  if (!search.HasFilters()) return Verdict::kYes;
  // One filter of this kind decides; the other kind does if there is no unknown one.
  const Verdict deciding = search.match_any ? Verdict::kYes : Verdict::kNo;
  Verdict result = search.match_any ? Verdict::kNo : Verdict::kYes;
  ForEachFilter(search, facts, run, [&](Verdict verdict, FilterKind, const auto&) {
    if (verdict == deciding) {
      result = deciding;
      return false;
    }
    if (verdict == Verdict::kUnknown) result = Verdict::kUnknown;
    return true;
  });
  return result;
}

std::vector<std::string> MatchedFilters(const Search& search, const FileFacts& facts,
                                        const RunFacts& run) {
  std::vector<std::string> matched;
  ForEachFilter(search, facts, run, [&](Verdict verdict, FilterKind kind, const auto& value) {
    if (verdict == Verdict::kYes) {
      matched.push_back(StrCat(FilterName(kind), search.IsInverted(kind) ? "!=" : "=",
                               Shorten(value(), kMaxValueBytes)));
    }
    return true;
  });
  return matched;
}

}  // namespace dragnet::file
