// Text from hosts, made fit for a terminal, for UTF-8 and for a length.
#include "core/json.h"
#include "core/text.h"
#include "tests/fuzz/target.h"

namespace dragnet::fuzz {

std::vector<std::string> Seeds() {
  return {"plain",
          "\x1b[31mred\x1b[0m",
          "new\nline\ttab\r",
          "\xe2\x80\xae"
          "gpj.exe",
          "\xc2\x9b"
          "31m",
          "\xff\xfe\xfd",
          "\xf0\x9f\x92\xa9",
          "\xed\xa0\x80",
          "\xe2\x80\xa8",
          "\x7f\x00\x01"};
}

}  // namespace dragnet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dragnet;
  const std::string_view input = fuzz::ToView(data, size);
  const std::string shown = ForTerminal(input);
  for (const char c : shown) {
    const auto byte = static_cast<unsigned char>(c);
    fuzz::Must(byte >= 0x20 && byte != 0x7f, "no control character reaches a terminal");
  }
  fuzz::Must(IsValidUtf8(shown), "a terminal gets UTF-8");
  fuzz::Must(shown.find("\xc2\x9b") == std::string::npos, "nor one of C1");
  fuzz::Must(shown.find("\xe2\x80\xae") == std::string::npos, "nor one that turns text around");
  const std::string valid = ToValidUtf8(input);
  fuzz::Must(IsValidUtf8(valid), "what was made valid is");
  fuzz::Must(IsValidUtf8(input) == (valid == input), "what is valid stays as it is");
  const std::string shortened = Shorten(valid, 10);
  fuzz::Must(shortened.size() <= 10 && IsValidUtf8(shortened), "short, and still UTF-8");
  fuzz::Must(JsonString(input).find('\n') == std::string::npos, "a JSON string is one line");
  std::string back;
  fuzz::Must(HexDecode(HexEncode(input), &back) && back == input, "hex comes back");
  return 0;
}
