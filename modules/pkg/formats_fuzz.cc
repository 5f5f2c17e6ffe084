// libFuzzer target: the readers of what an image's maker may have written. The
// first byte chooses the format. Nothing may crash, hang, or read out of bounds.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/unique_fd.h"
#include "modules/pkg/deb822.h"
#include "modules/pkg/go_buildinfo.h"
#include "modules/pkg/line_reader.h"
#include "modules/pkg/package_json.h"
#include "modules/pkg/rpm_database.h"
#include "modules/pkg/rpm_header.h"
#include "modules/pkg/version_compare.h"

namespace {

using namespace dragnet;
using namespace dragnet::pkg;

void Deb822(std::string_view text) {
  LineReader lines(text);
  Deb822Reader reader(lines);
  Stanza stanza;
  for (size_t count = 0; reader.Next(&stanza) != Deb822Reader::Result::kEnd; ++count) {
    stanza.Get("Package");
    if (count > text.size()) std::abort();
  }
}

void Header(std::string_view bytes) {
  const auto header = RpmHeader::Parse(bytes);
  if (!header.ok()) return;
  for (RpmTag tag : {RpmTag::kName, RpmTag::kBaseNames, RpmTag::kFileModes, RpmTag::kSize}) {
    header->String(tag);
    for (std::string_view text : header->Strings(tag))
      if (text.data() < bytes.data() || text.data() + text.size() > bytes.data() + bytes.size())
        std::abort();
    const size_t count = header->NumberCount(tag);
    header->Number(tag, 0);
    if (count > 0 && !header->Number(tag, count - 1)) std::abort();
    if (header->Number(tag, count)) std::abort();
  }
}

void Versions(std::string_view text) {
  const std::string_view a = text.substr(0, text.size() / 2);
  const std::string_view b = text.substr(text.size() / 2);
  const auto sign = [](int value) { return (value > 0) - (value < 0); };
  for (auto compare : {CompareDpkg, CompareRpm, CompareApk, CompareSemantic, ComparePython}) {
    if (compare(a, a) != 0) std::abort();
    if (sign(compare(a, b)) != -sign(compare(b, a))) std::abort();
  }
}

template <typename Reader>
void Database(Reader reader, int fd) {
  (void)reader(
      fd,
      [](std::string_view blob) {
        Header(blob);
        return true;
      },
      [](std::string_view, uint64_t) {});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const UniqueFd fd(memfd_create("fuzz", MFD_CLOEXEC));
  if (write(fd.get(), input.data(), input.size()) != static_cast<ssize_t>(input.size())) return 0;
  switch (data[0] % 8) {
    case 0:
      Deb822(input);
      break;
    case 1:
      Header(input);
      break;
    case 2:
      Database(ReadRpmNdb, fd.get());
      break;
    case 3:
      Database(ReadRpmBdb, fd.get());
      break;
    case 4:
      Database(ReadRpmSqlite, fd.get());
      break;
    case 5:
      (void)ReadGoBuildInfo(fd.get());
      break;
    case 6:
      (void)ParsePackageJson(input);
      break;
    default:
      Versions(input);
      break;
  }
  return 0;
}
