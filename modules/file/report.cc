#include "modules/file/report.h"

#include <algorithm>

#include "core/strings.h"
#include "core/text.h"

namespace dragnet::file {
namespace {

// Keeps a row far below the 64 KiB that one may have.
constexpr size_t kMaxPathShown = 8 * 1024;

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

}  // namespace

Reporter::Reporter(const CompiledSearches& searches, RunContext& context)
    : searches_(searches),
      context_(context),
      found_(new std::atomic<uint32_t>[searches.searches.size()]()),
      done_(new std::atomic<bool>[searches.searches.size()]()),
      remaining_(searches.searches.size()) {}

void Reporter::Found(uint32_t index, const std::string& path, const FileFacts& facts,
                     absl::Time now) {
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
  row.set_search(search.label);
  row.set_type(std::string(TypeName(facts.type)));
  row.set_uid(facts.inode->uid);
  row.set_gid(facts.inode->gid);
  for (std::string& filter : MatchedFilters(search, facts, now)) row.add_matched(std::move(filter));
  context_.EmitRow(row);

  if (count == search.match_limit) {
    done_[index].store(true);
    remaining_.fetch_sub(1);
    context_.NoteLimitHit(
        StrCat("match_limit ", search.match_limit, " of search '", search.label, "'"));
  }
}

void Reporter::NotLookedAt(std::string_view reason, std::string_view path) {
  context_.NoteUnexamined(reason, ToValidUtf8(Abbreviate(path)));
}

}  // namespace dragnet::file
