#include "agent/monitor/host_fingerprint.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "core/file_io.h"
#include "core/keys.h"
#include "core/strings.h"
#include "core/uuid.h"

namespace dragnet {
namespace {

constexpr size_t kMaxFileBytes = 4096;
constexpr std::string_view kDmi = "dmi:";
constexpr std::string_view kMachineId = "machine-id:";

// UUIDs that many machines have, because their maker wrote none of its own.
constexpr std::string_view kPlaceholders[] = {
    "03000200-0400-0500-0006-000700080009", "00020003-0004-0005-0006-000700080009",
    "12345678-1234-5678-90ab-cddeefaabbcc", "78563412-3412-7856-90ab-cddeefaabbcc",
    "01234567-89ab-cdef-0123-456789abcdef", "fefefefe-fefe-fefe-fefe-fefefefefefe",
    "11111111-2222-3333-4444-555555555555", "4c4c4544-0000-2010-8020-80c04f202020",
};

bool IsPlaceholder(std::string_view uuid) {
  const auto is_one_digit = [&](char digit) {
    return std::all_of(uuid.begin(), uuid.end(), [&](char c) { return c == digit || c == '-'; });
  };
  return is_one_digit(uuid[0]) || std::find(std::begin(kPlaceholders), std::end(kPlaceholders),
                                            uuid) != std::end(kPlaceholders);
}

// SMBIOS 2.6 turned the first three fields around, and kernels followed at their time.
std::string OtherByteOrder(const std::string& uuid) {
  std::string other = uuid;
  const auto turn = [&](size_t begin, size_t digits) {
    for (size_t i = 0; i < digits; i += 2) {
      other[begin + i] = uuid[begin + digits - 2 - i];
      other[begin + i + 1] = uuid[begin + digits - 1 - i];
    }
  };
  turn(0, 8);
  turn(9, 4);
  turn(14, 4);
  return other;
}

std::string Digest(std::string_view kind, std::string_view value) {
  const std::string digest = Sha256(StrCat("dragnet host fingerprint\n", kind, value));
  return StrCat(kind, absl::BytesToHexString(digest));
}

std::string Trimmed(std::string_view text) {
  return absl::AsciiStrToLower(absl::StripAsciiWhitespace(ToAbsl(text)));
}

std::optional<std::string> LineOf(std::string_view kind, std::string_view fingerprint) {
  for (const absl::string_view line : absl::StrSplit(ToAbsl(fingerprint), '\n')) {
    if (ToStd(line).starts_with(kind)) return std::string(line);
  }
  return std::nullopt;
}

}  // namespace

std::string HostFingerprintOf(std::string_view product_uuid, std::string_view machine_id) {
  std::vector<std::string> lines;
  if (const std::string uuid = Trimmed(product_uuid); IsUuid(uuid) && !IsPlaceholder(uuid)) {
    lines.push_back(Digest(kDmi, std::min(uuid, OtherByteOrder(uuid))));
  }
  const std::string id = Trimmed(machine_id);
  if (id.size() == 32 && std::all_of(id.begin(), id.end(), absl::ascii_isxdigit)) {
    lines.push_back(Digest(kMachineId, id));
  }
  std::string fingerprint;
  for (const std::string& line : lines) StrAppend(&fingerprint, line, "\n");
  return fingerprint;
}

std::string CollectHostFingerprint() {
  const auto read = [](const char* path) { return ReadFile(path, kMaxFileBytes).value_or(""); };
  return HostFingerprintOf(read("/sys/class/dmi/id/product_uuid"), read("/etc/machine-id"));
}

bool IsAnotherHost(std::string_view stored, std::string_view now) {
  for (const std::string_view kind : {kDmi, kMachineId}) {
    const auto before = LineOf(kind, stored);
    const auto after = LineOf(kind, now);
    if (before.has_value() && after.has_value()) return *before != *after;
  }
  return false;
}

}  // namespace dragnet
