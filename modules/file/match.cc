#include "modules/file/match.h"

#include "core/strings.h"
#include "core/text.h"

namespace dragnet::file {
namespace {

constexpr size_t kMaxValueBytes = 200;

Verdict FromBool(bool holds) { return holds ? Verdict::kYes : Verdict::kNo; }

Verdict JudgeText(const TextFilter& filter, std::string_view text) {
  return FromBool(filter.pattern.Matches(text) != filter.inverted);
}

Verdict JudgeContent(const ContentFilter& filter, const FileFacts& facts) {
  if (facts.type != FileType::kRegular) return Verdict::kNo;
  if (facts.content == nullptr) return Verdict::kUnknown;
  switch (facts.content->result(filter.pattern)) {
    case LineMatch::kUnknown:
      return Verdict::kUnknown;
    case LineMatch::kFound:
      return FromBool(!filter.inverted);
    case LineMatch::kAbsent:
      return FromBool(filter.inverted);
  }
  return Verdict::kUnknown;
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

Verdict JudgeHash(const HashFilter& filter, const FileFacts& facts) {
  if (facts.type != FileType::kRegular) return Verdict::kNo;
  if (facts.digests == nullptr) return Verdict::kUnknown;
  return FromBool(!HashInSet(filter, *facts.digests).empty());
}

// Calls visit(verdict, flag, value) for each filter in the order of Search's
// fields, until it returns false; value() makes the text to show.
template <typename Visit>
void ForEachFilter(const Search& search, const FileFacts& facts, absl::Time now, Visit visit) {
  for (const TextFilter& filter : search.names)
    if (!visit(JudgeText(filter, facts.name), "name", [&] { return filter.text; })) return;

  const bool inode = facts.inode.has_value();
  for (size_t i = 0; i < search.sizes.size(); ++i) {
    const Verdict verdict =
        inode ? FromBool(search.sizes[i].Holds(facts.inode->size)) : Verdict::kUnknown;
    if (!visit(verdict, "size", [&] { return search.size_texts[i]; })) return;
  }
  for (const TextFilter& filter : search.modes) {
    const Verdict verdict = inode ? JudgeText(filter, facts.inode->mode_text) : Verdict::kUnknown;
    if (!visit(verdict, "mode", [&] { return filter.text; })) return;
  }
  for (size_t i = 0; i < search.mtimes.size(); ++i) {
    const Verdict verdict =
        inode ? FromBool(search.mtimes[i].Holds(facts.inode->mtime, now)) : Verdict::kUnknown;
    if (!visit(verdict, "mtime", [&] { return search.mtime_texts[i]; })) return;
  }

  for (const ContentFilter& filter : search.contents)
    if (!visit(JudgeContent(filter, facts), "content", [&] { return filter.text; })) return;
  for (const HashFilter& filter : search.hashes) {
    const auto value = [&] { return HexEncode(HashInSet(filter, *facts.digests)); };
    if (!visit(JudgeHash(filter, facts), filter.flag, value)) return;
  }
}

}  // namespace

Verdict Judge(const Search& search, const FileFacts& facts, absl::Time now) {
  if (!search.HasFilters()) return Verdict::kYes;
  // One filter of this kind decides; the other kind does if there is no unknown one.
  const Verdict deciding = search.match_any ? Verdict::kYes : Verdict::kNo;
  Verdict result = search.match_any ? Verdict::kNo : Verdict::kYes;
  ForEachFilter(search, facts, now, [&](Verdict verdict, std::string_view, const auto&) {
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
                                        absl::Time now) {
  std::vector<std::string> matched;
  ForEachFilter(search, facts, now, [&](Verdict verdict, std::string_view flag, const auto& value) {
    if (verdict == Verdict::kYes)
      matched.push_back(StrCat(flag, "=", Shorten(value(), kMaxValueBytes)));
    return true;
  });
  return matched;
}

}  // namespace dragnet::file
