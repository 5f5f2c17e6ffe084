#include "modules/scan/prefilter.h"

#include <yara/ahocorasick.h>
#include <yara/limits.h>

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::scan {
namespace {

// A word boundary of a wide string looks at two bytes; the rest is for comfort.
constexpr uint64_t kMargin = 8;
// Of a longer text its beginning is searched for.
constexpr size_t kMaxLiteral = 32;
// A hex string that can be longer is not worth windows.
constexpr uint64_t kMaxReach = 64 * 1024;
// Rules that need more would take too much memory.
constexpr size_t kMaxLiterals = 200'000;

// A text, found as it is written (but for case): searched for as a whole.
// `xor` texts have as many forms as keys; their atoms are in the automaton.
bool IsPlainText(const YR_STRING& string) {
  return STRING_IS_LITERAL(&string) && !STRING_IS_XOR(&string) && !STRING_IS_BASE64(&string) &&
         !STRING_IS_BASE64_WIDE(&string) && string.length > 0 &&
         (STRING_IS_ASCII(&string) || STRING_IS_WIDE(&string));
}

// How far from the first byte of an atom libyara looks for `string`, in bytes;
// kUnboundedLength if that is not known.
uint64_t ReachOf(const YR_RULES& rules, const YR_STRING& string, const StringLengths& lengths) {
  const uint64_t width = STRING_IS_WIDE(&string) ? 2 : 1;
  if (STRING_IS_LITERAL(&string)) return static_cast<uint64_t>(string.length) * width;
  const auto known =
      lengths.find({rules.rules_table[string.rule_idx].identifier, std::string(string.identifier)});
  const uint64_t length =
      known == lengths.end() ? kUnboundedLength : std::min(known->second, kUnboundedLength);
  if (STRING_IS_FAST_REGEXP(&string)) return length * width;
  return std::min<uint64_t>(length * width, YR_RE_SCAN_LIMIT);
}

// Up to so many bytes, Vectorscan isn't asked (prefilter.h).
constexpr size_t kMaxShort = 2;

struct LiteralKey {
  std::string bytes;
  bool caseless = false;
  bool operator==(const LiteralKey&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const LiteralKey& key) {
    return H::combine(std::move(h), key.bytes, key.caseless);
  }
};

// The literals of all strings, each with the furthest reach of those it stands for.
class Literals {
 public:
  struct Reach {
    uint64_t before = 0;
    uint64_t after = 0;
  };

  void Add(std::string bytes, bool caseless, uint64_t before, uint64_t after) {
    if (caseless) absl::AsciiStrToLower(&bytes);
    Reach& reach = literals_[{std::move(bytes), caseless}];
    reach.before = std::max(reach.before, before);
    reach.after = std::max(reach.after, after);
  }

  const absl::flat_hash_map<LiteralKey, Reach>& all() const { return literals_; }

 private:
  absl::flat_hash_map<LiteralKey, Reach> literals_;
};

void AddPlainText(const YR_STRING& string, Literals& literals) {
  const std::string_view text(reinterpret_cast<const char*>(string.string),
                              static_cast<size_t>(string.length));
  const std::string_view begin = text.substr(0, kMaxLiteral);
  const uint64_t rest = text.size() - begin.size();
  const bool caseless = STRING_IS_NO_CASE(&string);
  if (STRING_IS_ASCII(&string)) {
    literals.Add(std::string(begin), caseless, kMargin, rest + kMargin);
  }
  if (STRING_IS_WIDE(&string)) {
    std::string wide;
    for (char c : begin) {
      wide += c;
      wide += '\0';
    }
    literals.Add(std::move(wide), caseless, kMargin, 2 * rest + kMargin);
  }
}

// Goes through libyara's automaton: a tree of at most YR_MAX_ATOM_LENGTH levels,
// in which a path is an atom.
class AtomWalk {
 public:
  AtomWalk(const YR_RULES& rules, const StringLengths& lengths, const std::vector<bool>& wanted,
           Literals& literals)
      : rules_(rules), lengths_(lengths), wanted_(wanted), literals_(literals) {}

  void Run() { Visit(YR_AC_ROOT_STATE); }

 private:
  void Visit(uint32_t state) {
    if (!path_.empty() && rules_.ac_match_table[state] != 0) AddMatches(state);
    if (path_.size() >= YR_MAX_ATOM_LENGTH) return;
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const uint32_t index = byte + 1;
      const YR_AC_TRANSITION transition = rules_.ac_transition_table[state + index];
      if (YR_AC_INVALID_TRANSITION(transition, index)) continue;
      const uint32_t next = YR_AC_NEXT_STATE(transition);
      if (next == YR_AC_ROOT_STATE) continue;
      path_.push_back(static_cast<char>(byte));
      Visit(next);
      path_.pop_back();
    }
  }

  void AddMatches(uint32_t state) {
    for (const YR_AC_MATCH* match = &rules_.ac_match_pool[rules_.ac_match_table[state] - 1];
         match != nullptr; match = match->next) {
      const YR_STRING& string = *match->string;
      if (IsPlainText(string) || !wanted_[string.rule_idx]) continue;
      const uint64_t reach = ReachOf(rules_, string, lengths_) + match->backtrack + kMargin;
      literals_.Add(path_, STRING_IS_NO_CASE(&string), reach, reach);
    }
  }

  const YR_RULES& rules_;
  const StringLengths& lengths_;
  const std::vector<bool>& wanted_;
  Literals& literals_;
  std::string path_;
};

bool HasEmptyAtom(const YR_RULES& rules, const YR_STRING& string) {
  if (rules.ac_match_table[YR_AC_ROOT_STATE] == 0) return false;
  for (const YR_AC_MATCH* match = &rules.ac_match_pool[rules.ac_match_table[YR_AC_ROOT_STATE] - 1];
       match != nullptr; match = match->next) {
    if (match->string == &string) return true;
  }
  return false;
}

std::string Escape(std::string_view bytes) {
  std::string text;
  for (unsigned char byte : bytes) StrAppend(&text, "\\x", absl::Hex(byte, absl::kZeroPad2));
  return text;
}

struct Hits {
  const void* reaches;
  uint64_t base;
  std::vector<Window>* windows;
};

}  // namespace

bool IsFilterable(const YR_RULES& rules, const YR_STRING& string, const StringLengths& lengths) {
  return !STRING_IS_CHAIN_PART(&string) && string.chained_to == nullptr &&
         ReachOf(rules, string, lengths) <= kMaxReach && !HasEmptyAtom(rules, string);
}

absl::StatusOr<std::unique_ptr<const Prefilter>> Prefilter::Create(
    const YR_RULES& rules, const StringLengths& lengths, const std::vector<bool>& wanted) {
  Literals literals;
  for (uint32_t i = 0; i < rules.num_strings; ++i) {
    const YR_STRING& string = rules.strings_table[i];
    if (IsPlainText(string) && wanted[string.rule_idx]) AddPlainText(string, literals);
  }
  AtomWalk(rules, lengths, wanted, literals).Run();
  if (literals.all().size() > kMaxLiterals)
    return absl::ResourceExhaustedError("the rules have too many literals");

  std::unique_ptr<Prefilter> filter(new Prefilter);
  if (literals.all().empty()) return filter;
  // As regular expressions of escapes, not with hs_compile_lit_multi: that takes
  // a literal that begins with a NUL byte for an empty one.
  std::vector<std::string> escaped;
  std::vector<unsigned> flags;
  std::vector<unsigned> ids;
  for (const auto& [key, reach] : literals.all()) {
    filter->overlap_ = std::max(filter->overlap_, key.bytes.size() - 1);
    if (key.bytes.size() <= kMaxShort) {
      filter->AddShort(key.bytes, key.caseless, {reach.before, reach.after});
      continue;
    }
    escaped.push_back(Escape(key.bytes));
    flags.push_back(key.caseless ? HS_FLAG_CASELESS : 0);
    ids.push_back(static_cast<unsigned>(ids.size()));
    filter->reaches_.push_back({reach.before + key.bytes.size(), reach.after});
  }
  if (escaped.empty()) return filter;
  std::vector<const char*> expressions;
  for (const std::string& text : escaped) expressions.push_back(text.c_str());
  hs_compile_error_t* error = nullptr;
  if (hs_compile_multi(expressions.data(), flags.data(), ids.data(),
                       static_cast<unsigned>(ids.size()), HS_MODE_BLOCK, nullptr,
                       &filter->database_, &error) != HS_SUCCESS) {
    absl::Status status = absl::ResourceExhaustedError(StrCat("literal search: ", error->message));
    hs_free_compile_error(error);
    return status;
  }
  return filter;
}

void Prefilter::AddShort(std::string_view bytes, bool caseless, const Reach& reach) {
  if (short_ == nullptr) short_ = std::make_unique<Short>();
  short_->reach.before = std::max(short_->reach.before, reach.before);
  short_->reach.after = std::max(short_->reach.after, reach.after);
  // A caseless literal comes in lower case.
  const auto variants = [caseless](char c) {
    std::string both(1, c);
    if (caseless && absl::ascii_isalpha(static_cast<unsigned char>(c))) {
      both = {absl::ascii_tolower(static_cast<unsigned char>(c)),
              absl::ascii_toupper(static_cast<unsigned char>(c))};
    }
    return both;
  };
  for (unsigned char first : variants(bytes[0])) {
    if (bytes.size() == 1) {
      short_->bytes.set(first);
      for (size_t second = 0; second < 256; ++second) short_->pairs.set(first * 256 + second);
      continue;
    }
    for (unsigned char second : variants(bytes[1])) short_->pairs.set(first * 256 + second);
  }
}

void Prefilter::FindShort(std::string_view block, uint64_t base,
                          std::vector<Window>& windows) const {
  const size_t first_of_these = windows.size();
  const auto add = [&](size_t position) {
    const uint64_t begin = base + position;
    const uint64_t length = std::min(kMaxShort, block.size() - position);
    const Window window{begin - std::min(begin, short_->reach.before),
                        begin + std::min(UINT64_MAX - begin, length + short_->reach.after)};
    if (windows.size() > first_of_these && window.begin <= windows.back().end) {
      windows.back().end = std::max(windows.back().end, window.end);
    } else {
      windows.push_back(window);
    }
  };
  for (size_t i = 0; i + 1 < block.size(); ++i) {
    const size_t pair = static_cast<unsigned char>(block[i]) * size_t{256} +
                        static_cast<unsigned char>(block[i + 1]);
    if (short_->pairs.test(pair)) add(i);
  }
  if (!block.empty() && short_->bytes.test(static_cast<unsigned char>(block.back()))) {
    add(block.size() - 1);
  }
}

Prefilter::~Prefilter() { hs_free_database(database_); }

absl::StatusOr<Prefilter::Scratch> Prefilter::NewScratch() const {
  hs_scratch_t* scratch = nullptr;
  if (database_ != nullptr && hs_alloc_scratch(database_, &scratch) != HS_SUCCESS)
    return absl::ResourceExhaustedError("literal search: not enough memory");
  return Scratch(scratch);
}

absl::Status Prefilter::Find(std::string_view block, uint64_t base, hs_scratch_t* scratch,
                             std::vector<Window>& windows) const {
  if (short_ != nullptr) FindShort(block, base, windows);
  if (database_ == nullptr) return absl::OkStatus();
  Hits hits{&reaches_, base, &windows};
  const auto on_hit = [](unsigned id, unsigned long long, unsigned long long to, unsigned,
                         void* context) {
    auto& hits = *static_cast<Hits*>(context);
    const Reach& reach = (*static_cast<const std::vector<Reach>*>(hits.reaches))[id];
    const uint64_t end = hits.base + to;
    const Window window{end - std::min(end, reach.before),
                        end + std::min(UINT64_MAX - end, reach.after)};
    // Hits come in order of their ends, so most of what overlaps is merged here.
    if (!hits.windows->empty() && window.begin >= hits.windows->back().begin &&
        window.begin <= hits.windows->back().end) {
      hits.windows->back().end = std::max(hits.windows->back().end, window.end);
    } else {
      hits.windows->push_back(window);
    }
    return 0;
  };
  const hs_error_t error = hs_scan(database_, block.data(), static_cast<unsigned>(block.size()), 0,
                                   scratch, on_hit, &hits);
  if (error == HS_SUCCESS) return absl::OkStatus();
  return absl::InternalError(StrCat("literal search: error ", error));
}

void NormalizeWindows(uint64_t begin, uint64_t end, std::vector<Window>& windows) {
  std::sort(windows.begin(), windows.end(),
            [](const Window& a, const Window& b) { return a.begin < b.begin; });
  size_t kept = 0;
  for (Window window : windows) {
    window.begin = std::max(window.begin, begin);
    window.end = std::min(window.end, end);
    if (window.begin >= window.end) continue;
    if (kept > 0 && window.begin <= windows[kept - 1].end) {
      windows[kept - 1].end = std::max(windows[kept - 1].end, window.end);
    } else {
      windows[kept++] = window;
    }
  }
  windows.resize(kept);
}

}  // namespace dragnet::scan
