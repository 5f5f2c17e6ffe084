// libFuzzer target: the formats of configuration files, whose text any user may
// have written. The first byte chooses the format. Nothing may crash, hang, or
// take memory out of proportion.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "modules/settings/formats.h"

namespace {

using namespace dragnet::settings;

// Every file includes the same text.
class OneText : public FileSource {
 public:
  explicit OneText(std::string_view text) : text_(text) {}
  std::vector<std::string> Expand(std::string_view pattern) override {
    return {std::string(pattern)};
  }
  std::optional<std::string> Read(const std::string&, bool) override {
    if (++reads_ > 64) return std::nullopt;
    return std::string(text_);
  }
  void NoteLine(std::string_view, std::string_view, uint32_t) override {}

 private:
  const std::string_view text_;
  int reads_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 65536) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  OneText files(text);
  std::vector<Setting> settings;
  constexpr decltype(&ReadSshd) kFormats[] = {ReadSshd, ReadKeyValue, ReadIni, ReadPam, ReadApt};
  kFormats[data[0] % 5]("/f", text, files, &settings);
  for (const Setting& setting : settings) {
    if (setting.key.empty() || setting.line == 0) std::abort();
    FoldSshdKey(setting.key);
    (void)SshdSeconds("logingracetime", setting.value);
  }
  Precedence precedence;
  precedence.fold = FoldSshdKey;
  precedence.is_repeatable = IsRepeatableSshdKey;
  DecideEffective(precedence, &settings);
  return 0;
}
