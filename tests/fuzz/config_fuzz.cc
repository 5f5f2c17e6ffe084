// Configuration files: every kind of key, read out of any text.
#include "core/config.h"
#include "tests/fuzz/target.h"

namespace dragnet::fuzz {

std::vector<std::string> Seeds() {
  return {
      "name = \"web1\"\nlist = [\"a\", \"b\"]\nnumber = 7\nduration = \"30s\"\n"
      "flag = true\npath = \"state\"\n[tags]\nenv = \"prod\"\n[limits]\nrows = 10\n",
      "name = 3\n",
      "unknown = 1\n",
      "name = \"x\"\nname = \"y\"\n",
      "[tags\nenv = \"prod\"",
      "list = [1, \"a\", [2]]\n",
      "number = 99999999999999999999\n",
      "name = \"\"\"\nseveral\nlines\"\"\"\n",
      "duration = \"-1s\"\n[[tags]]\n",
  };
}

}  // namespace dragnet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dragnet;
  auto file = ConfigFile::Parse(fuzz::ToView(data, size), "/etc/dragnet/fuzz.toml");
  if (!file.ok()) {
    fuzz::Must(file.status().message().find("fuzz.toml") != absl::string_view::npos,
               "an error names the file");
    fuzz::Must(file.status().message().find('\n') == absl::string_view::npos,
               "an error is one line");
    return 0;
  }
  file->RequiredString("name");
  file->StringList("list");
  const int64_t number = file->Integer("number", 1, 0, 100);
  file->Duration("duration", absl::Seconds(1), absl::ZeroDuration(), absl::Hours(1));
  file->Bool("flag", false);
  file->Path("path", "");
  file->PathList("paths");
  file->StringMap("tags");
  file->Integer("limits.rows", 1, 1, 10);
  const absl::Status finished = file->Finish();
  if (finished.ok()) {
    fuzz::Must(number >= 0 && number <= 100, "a number is in its range");
  } else {
    fuzz::Must(finished.message().find('\n') == absl::string_view::npos, "an error is one line");
  }
  return 0;
}
