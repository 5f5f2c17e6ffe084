#include "modules/scan/yara.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "modules/scan/compile.h"
#include "modules/scan/engine.h"
#include "modules/scan/source.h"

namespace dragnet::scan {

struct YaraRules::Compiled {
  RulesPtr rules;
};

YaraRules::YaraRules(std::unique_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}
YaraRules::~YaraRules() = default;

absl::StatusOr<std::shared_ptr<const YaraRules>> YaraRules::Compile(
    std::string_view source, std::span<const std::string> externals) {
  if (source.size() > kMaxRuleSource) {
    return absl::InvalidArgumentError(
        absl::StrCat("the rules are larger than ", kMaxRuleSource >> 20, " MiB"));
  }
  auto compiled = std::make_unique<Compiled>();
  DRAGNET_ASSIGN_OR_RETURN(compiled->rules, CompileRules(std::string(source), externals));
  return std::make_shared<const YaraRules>(std::move(compiled));
}

struct YaraScanner::State {
  State(std::shared_ptr<const YaraRules> compiled, YaraLimits limits)
      : rules(std::move(compiled)), engine(rules->compiled().rules.get(), limits) {}

  absl::StatusOr<std::vector<YaraMatch>> Scan(Source& source, std::span<const Window> extents,
                                              const Engine::Item& item);

  const std::shared_ptr<const YaraRules> rules;
  Engine engine;
};

absl::StatusOr<std::vector<YaraMatch>> YaraScanner::State::Scan(Source& source,
                                                                std::span<const Window> extents,
                                                                const Engine::Item& item) {
  for (const Window& extent : extents) {
    if (extent.end - extent.begin > kMaxWindow &&
        source.Direct(extent.begin, extent.end - extent.begin) == nullptr) {
      return absl::ResourceExhaustedError(
          absl::StrCat("larger than ", kMaxWindow >> 20,
                       " MiB, and the rules have conditions that must see all of it"));
    }
  }
  std::vector<YaraMatch> matches;
  DRAGNET_RETURN_IF_ERROR(engine.Scan(source, extents, item, matches));
  return matches;
}

YaraScanner::YaraScanner(std::shared_ptr<const YaraRules> rules, YaraLimits limits)
    : state_(std::make_unique<State>(std::move(rules), limits)) {}
YaraScanner::~YaraScanner() = default;
YaraScanner::YaraScanner(YaraScanner&&) noexcept = default;
YaraScanner& YaraScanner::operator=(YaraScanner&&) noexcept = default;

absl::StatusOr<std::vector<YaraMatch>> YaraScanner::ScanFile(int fd, uint64_t size) {
  FileSource source(fd);
  const Window all{0, size};
  return state_->Scan(source, {&all, 1}, {size});
}

absl::StatusOr<std::vector<YaraMatch>> YaraScanner::ScanBuffer(std::string_view bytes) {
  BufferSource source(bytes);
  const Window all{0, bytes.size()};
  return state_->Scan(source, {&all, 1}, {bytes.size()});
}

absl::StatusOr<std::vector<YaraMatch>> YaraScanner::ScanMemory(std::span<const Block> blocks,
                                                               const ReadBlock& read) {
  MemorySource source(read);
  std::vector<Window> extents;
  for (const Block& block : blocks) {
    if (block.size > UINT64_MAX - block.base)
      return absl::InvalidArgumentError("a memory block ends beyond the address space");
    extents.push_back({block.base, block.base + block.size});
  }
  return state_->Scan(source, extents, {});
}

}  // namespace dragnet::scan
