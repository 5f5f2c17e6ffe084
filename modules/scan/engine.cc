#include "modules/scan/engine.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::scan {
namespace {

// Hands windows to libyara as memory blocks at their true offsets. libyara may
// go over them several times: for the strings, then for conditions that read.
class Feed {
 public:
  Feed(Source& source, std::span<const Window> windows, const Engine::Item& item,
       std::vector<char>& buffer)
      : source_(source), windows_(windows), item_(item), buffer_(buffer) {
    block_.context = this;
    block_.fetch_data = [](YR_MEMORY_BLOCK* block) {
      return static_cast<Feed*>(block->context)->Fetch();
    };
    iterator_.context = this;
    iterator_.first = [](YR_MEMORY_BLOCK_ITERATOR* iterator) {
      return static_cast<Feed*>(iterator->context)->Go(0);
    };
    iterator_.next = [](YR_MEMORY_BLOCK_ITERATOR* iterator) {
      auto* feed = static_cast<Feed*>(iterator->context);
      return feed->Go(feed->index_ + 1);
    };
    if (item.file_size) {
      iterator_.file_size = [](YR_MEMORY_BLOCK_ITERATOR* iterator) {
        return *static_cast<Feed*>(iterator->context)->item_.file_size;
      };
    }
  }

  YR_MEMORY_BLOCK_ITERATOR* iterator() { return &iterator_; }

 private:
  YR_MEMORY_BLOCK* Go(size_t index) {
    index_ = index;
    if (index >= std::max<size_t>(windows_.size(), 1)) return nullptr;
    // Without any window, conditions are evaluated all the same.
    const Window window = windows_.empty() ? Window() : windows_[index];
    block_.base = window.begin;
    block_.size = window.end - window.begin;
    return &block_;
  }

  const uint8_t* Fetch() {
    static const uint8_t kNothing[1] = {0};
    if (block_.size == 0) return kNothing;
    if (const char* direct = source_.Direct(block_.base, block_.size); direct != nullptr)
      return reinterpret_cast<const uint8_t*>(direct);
    if (loaded_ != index_) {
      buffer_.resize(std::max<size_t>(buffer_.size(), block_.size));
      loaded_size_ = source_.Read(block_.base, buffer_.data(), block_.size);
      loaded_ = index_;
    }
    // What is gone since is not looked at.
    block_.size = loaded_size_;
    return reinterpret_cast<const uint8_t*>(buffer_.data());
  }

  Source& source_;
  const std::span<const Window> windows_;
  const Engine::Item& item_;
  std::vector<char>& buffer_;
  YR_MEMORY_BLOCK block_{};
  YR_MEMORY_BLOCK_ITERATOR iterator_{};
  size_t index_ = 0;
  size_t loaded_ = SIZE_MAX;
  size_t loaded_size_ = 0;
};

struct Collector {
  Source& source;
  const YaraLimits& limits;
  std::vector<YaraMatch>& matches;
  absl::Status status;

  void Add(YR_SCAN_CONTEXT* context, YR_RULE* rule);
  void AddStrings(YR_SCAN_CONTEXT* context, YR_RULE* rule, YaraMatch& match);
};

std::string MetaValue(const YR_META& meta) {
  switch (meta.type) {
    case META_TYPE_INTEGER:
      return StrCat(meta.integer);
    case META_TYPE_BOOLEAN:
      return meta.integer != 0 ? "true" : "false";
    default:
      return meta.string == nullptr ? "" : meta.string;
  }
}

void Collector::Add(YR_SCAN_CONTEXT* context, YR_RULE* rule) {
  YaraMatch match;
  match.rule = rule->identifier;
  match.rule_namespace = rule->ns->name;
  const char* tag;
  yr_rule_tags_foreach(rule, tag) match.tags.emplace_back(tag);
  YR_META* meta;
  yr_rule_metas_foreach(rule, meta) match.meta.emplace_back(meta->identifier, MetaValue(*meta));
  AddStrings(context, rule, match);
  matches.push_back(std::move(match));
}

void Collector::AddStrings(YR_SCAN_CONTEXT* context, YR_RULE* rule, YaraMatch& match) {
  YR_STRING* string;
  yr_rule_strings_foreach(rule, string) {
    if (STRING_IS_PRIVATE(string)) continue;
    YR_MATCH* found;
    yr_string_matches_foreach(context, string, found) {
      if (match.strings.size() >= static_cast<size_t>(std::max(limits.max_strings, 0))) {
        match.strings_cut = true;
        return;
      }
      YaraStringMatch& out = match.strings.emplace_back();
      out.identifier = string->identifier;
      out.offset = static_cast<uint64_t>(found->base + found->offset);
      out.length = static_cast<uint64_t>(found->match_length);
      out.bytes.resize(std::min<uint64_t>(
          out.length, static_cast<uint64_t>(std::max(limits.max_match_bytes, 0))));
      out.bytes.resize(source.Read(out.offset, out.bytes.data(), out.bytes.size()));
    }
  }
}

int OnScan(YR_SCAN_CONTEXT* context, int message, void* data, void* user_data) {
  auto& collector = *static_cast<Collector*>(user_data);
  switch (message) {
    case CALLBACK_MSG_RULE_MATCHING:
      collector.Add(context, static_cast<YR_RULE*>(data));
      return CALLBACK_CONTINUE;
    case CALLBACK_MSG_TOO_MANY_MATCHES:
      // Going on would leave the string's later matches out without a word.
      collector.status =
          absl::ResourceExhaustedError(StrCat("more than ", YR_MAX_STRING_MATCHES, " matches of ",
                                              static_cast<YR_STRING*>(data)->identifier));
      return CALLBACK_ERROR;
    default:
      return CALLBACK_CONTINUE;
  }
}

}  // namespace

absl::Status Engine::Scan(Source& source, std::span<const Window> windows, const Item& item,
                          std::vector<YaraMatch>& matches) {
  if (scanner_ == nullptr) {
    YR_SCANNER* raw = nullptr;
    if (const int code = yr_scanner_create(rules_, &raw); code != ERROR_SUCCESS)
      return absl::ResourceExhaustedError(StrCat("scan: ", LibyaraError(code)));
    scanner_.reset(raw);
  }
  Collector collector{source, limits_, matches, absl::OkStatus()};
  yr_scanner_set_callback(scanner_.get(), &OnScan, &collector);
  // Without NO_TRYCATCH libyara installs signal handlers for mapped files that
  // shrink; nothing here is mapped.
  yr_scanner_set_flags(scanner_.get(), SCAN_FLAGS_REPORT_RULES_MATCHING | SCAN_FLAGS_NO_TRYCATCH |
                                           (item.file_size ? 0 : SCAN_FLAGS_PROCESS_MEMORY));
  Feed feed(source, windows, item, buffer_);
  const int code = yr_scanner_scan_mem_blocks(scanner_.get(), feed.iterator());
  // A scanner that failed midway keeps what it had found: take a new one.
  if (code != ERROR_SUCCESS) scanner_.reset();
  DRAGNET_RETURN_IF_ERROR(collector.status);
  DRAGNET_RETURN_IF_ERROR(source.status());
  if (code == ERROR_SUCCESS) return absl::OkStatus();
  return absl::ResourceExhaustedError(StrCat("scan: ", LibyaraError(code)));
}

}  // namespace dragnet::scan
