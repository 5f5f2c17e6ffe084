#include "modules/file/prefilter.h"

#include <string.h>

#include <map>
#include <optional>
#include <string>

#include "modules/file/atoms.h"

namespace dragnet::file {
namespace {

// What is looked for at once; patterns that require more are left to RE2.
constexpr size_t kMaxLiterals = 512;
// To ask RE2 about more lines than one in so many bytes takes longer than to have
// it search them all.
constexpr size_t kBytesPerStretch = 512;
constexpr size_t kFreeStretches = 16;
// More hits than one in so many bytes take longer than they save.
constexpr size_t kBytesPerHit = 32;
constexpr size_t kFreeHits = 200;

std::unique_ptr<const PrefilterDatabase> MakeDatabase(std::span<const LinePattern> patterns) {
  auto result = std::make_unique<PrefilterDatabase>();
  result->covers.assign(patterns.size(), false);
  std::vector<std::string> literals;
  std::map<std::string, size_t> index;
  for (uint32_t i = 0; i < patterns.size(); ++i) {
    const std::optional<std::vector<std::string>> atoms = RequiredAtoms(patterns[i]);
    if (!atoms || literals.size() + atoms->size() > kMaxLiterals) continue;
    for (const std::string& atom : *atoms) {
      const auto [at, is_new] = index.try_emplace(atom, literals.size());
      if (is_new) {
        literals.push_back(atom);
        result->requiring.emplace_back();
      }
      result->requiring[at->second].push_back(i);
    }
    result->covers[i] = true;
  }
  if (literals.empty()) return nullptr;
  result->literals = std::make_unique<const Literals>(literals);
  return result;
}

}  // namespace

const PrefilterDatabase* Prefilter::Database(uint64_t bytes) const {
  if (const PrefilterDatabase* ready = ready_.load(std::memory_order_acquire)) return ready;
  if (begun_.load(std::memory_order_relaxed)) return nullptr;
  if (bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes < worthwhile_bytes_)
    return nullptr;
  if (begun_.exchange(true)) return nullptr;
  database_ = MakeDatabase(patterns_);
  ready_.store(database_.get(), std::memory_order_release);
  return database_.get();
}

PrefilterThread::PrefilterThread(const Prefilter& prefilter)
    : prefilter_(prefilter),
      everywhere_(prefilter.patterns().size(), true),
      stretches_(prefilter.patterns().size()),
      wanted_(prefilter.patterns().size(), false) {}

bool PrefilterThread::Ready(size_t bytes) {
  if (database_ != nullptr) return true;
  database_ = prefilter_.Database(bytes);
  return database_ != nullptr;
}

void PrefilterThread::Scan(std::string_view text, size_t begin, size_t end,
                           std::span<const uint32_t> first, std::span<const uint32_t> second) {
  all_ = {begin, end};
  told_ = false;
  // What an empty line matches isn't worth asking.
  if (begin == end || !Ready(end - begin)) return;
  // Those for which it is worth it to go on.
  size_t open = 0;
  for (const std::span<const uint32_t> patterns : {first, second}) {
    for (uint32_t pattern : patterns) {
      if (wanted_[pattern]) continue;
      everywhere_[pattern] = !database_->covers[pattern];
      stretches_[pattern].clear();
      wanted_[pattern] = database_->covers[pattern];
      open += wanted_[pattern];
    }
  }
  if (open == 0) return;

  most_stretches_ = kFreeStretches + (end - begin) / kBytesPerStretch;
  size_t hits_left = kFreeHits + (end - begin) / kBytesPerHit;
  // What matches within [begin, end) has its literals there, too.
  told_ = database_->literals->Find(text.substr(begin, end - begin),
                                    [&](uint32_t literal, size_t hit_end) {
                                      if (--hits_left == 0) return false;
                                      for (uint32_t pattern : database_->requiring[literal]) {
                                        if (!wanted_[pattern] || everywhere_[pattern]) continue;
                                        AddLine(pattern, text, begin + hit_end - 1);
                                        if (everywhere_[pattern] && --open == 0) return false;
                                      }
                                      return true;
                                    });
  for (const std::span<const uint32_t> patterns : {first, second})
    for (uint32_t pattern : patterns) wanted_[pattern] = false;
}

// The line in which a literal ends. One that a newline is in can't be in a match.
void PrefilterThread::AddLine(uint32_t pattern, std::string_view text, size_t position) {
  std::vector<Stretch>& stretches = stretches_[pattern];
  size_t from = all_.begin;
  if (!stretches.empty()) {
    Stretch& last = stretches.back();
    if (position >= last.begin && position <= last.end) return;
    if (position < last.begin) {
      // Hits come in the order of their lines; nothing depends on it.
      everywhere_[pattern] = true;
      return;
    }
    from = last.end + 1;
  }
  if (text[position] == '\n') return;
  const void* before = memrchr(text.data() + from, '\n', position - from);
  const size_t begin =
      before == nullptr ? from : static_cast<const char*>(before) - text.data() + 1;
  const void* after = memchr(text.data() + position, '\n', all_.end - position);
  const size_t end = after == nullptr ? all_.end : static_cast<const char*>(after) - text.data();
  // What follows directly is searched at once.
  if (!stretches.empty() && begin == from) {
    stretches.back().end = end;
  } else if (stretches.size() < most_stretches_) {
    stretches.push_back({begin, end});
  } else {
    everywhere_[pattern] = true;
  }
}

}  // namespace dragnet::file
