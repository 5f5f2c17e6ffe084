#include "modules/sshkey/params.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::sshkey {
namespace {

constexpr int kMaxPaths = 128;
constexpr int kMaxFingerprints = 1024;
constexpr int kMaxNames = 64;
constexpr std::string_view kKinds[] = {"private", "public", "certificate", "authorized_key",
                                       "known_host"};
constexpr std::string_view kAlgorithms[] = {"rsa",     "dsa",      "ecdsa",
                                            "ed25519", "ecdsa-sk", "ed25519-sk"};

std::string Quoted(std::string_view text) {
  return StrCat("'", ForTerminal(Shorten(text, 200)), "'");
}

template <typename Known>
absl::Status TakeNames(const google::protobuf::RepeatedPtrField<std::string>& names,
                       std::string_view field, const Known& known, std::set<std::string>* into) {
  if (names.size() > kMaxNames)
    return absl::InvalidArgumentError(
        StrCat(field, ": there are ", names.size(), ", at most ", kMaxNames));
  for (int i = 0; i < names.size(); ++i) {
    bool is_known = false;
    std::string choices;
    for (std::string_view name : known) {
      is_known |= name == names.Get(i);
      StrAppend(&choices, choices.empty() ? "" : ", ", name);
    }
    if (!is_known) {
      return absl::InvalidArgumentError(
          StrCat(field, "[", i, "] ", Quoted(names.Get(i)), " is unknown; there are ", choices));
    }
    into->insert(names.Get(i));
  }
  return absl::OkStatus();
}

// As PublicKey writes it; empty when it is no fingerprint.
std::string NormalFingerprint(std::string_view text) {
  constexpr std::string_view kSha256 = "SHA256:";
  constexpr std::string_view kMd5 = "MD5:";
  constexpr size_t kBase64 = 43;
  if (text.starts_with(kSha256)) {
    std::string base64(text.substr(kSha256.size()));
    while (!base64.empty() && base64.back() == '=') base64.pop_back();
    std::string digest;
    if (base64.size() != kBase64 || base64.find_first_of(" \t\r\n.") != std::string::npos ||
        !absl::Base64Unescape(base64, &digest) || digest.size() != 32) {
      return {};
    }
    return StrCat(kSha256, base64);
  }
  if (text.starts_with(kMd5)) text.remove_prefix(kMd5.size());
  std::string digest;
  if (text.size() != 47) return {};
  for (size_t i = 2; i < text.size(); i += 3)
    if (text[i] != ':') return {};
  if (!HexDecode(absl::StrReplaceAll(ToAbsl(text), {{":", ""}}), &digest) || digest.size() != 16)
    return {};
  return StrCat(kMd5, absl::AsciiStrToLower(ToAbsl(text)));
}

absl::Status CheckPath(std::string_view path) {
  if (path.size() > 4095) return absl::InvalidArgumentError("is longer than 4095 bytes");
  if (path.find('\0') != std::string_view::npos)
    return absl::InvalidArgumentError("has a NUL byte in it");
  if (!path.starts_with('/')) return absl::InvalidArgumentError("is not absolute; begin it with /");
  if (path.find_first_of("*?[") != std::string_view::npos)
    return absl::InvalidArgumentError("has wildcards; give the directory that holds them all");
  return absl::OkStatus();
}

}  // namespace

bool Search::Holds(const v1::SshkeyRow& row) const {
  if (!Wants(row.kind())) return false;
  if (!fingerprints.empty() && !fingerprints.contains(row.sha256()) &&
      !fingerprints.contains(row.md5())) {
    return false;
  }
  if (!algorithms.empty() && !algorithms.contains(row.algorithm())) return false;
  if (bits_below != 0 && (row.bits() == 0 || row.bits() >= bits_below)) return false;
  return !encrypted || row.encrypted() == (*encrypted ? "yes" : "no");
}

absl::StatusOr<Search> CompileSearch(const v1::SshkeyParameters& parameters) {
  Search search;
  if (parameters.paths_size() > kMaxPaths) {
    return absl::InvalidArgumentError(
        StrCat("paths: there are ", parameters.paths_size(), ", at most ", kMaxPaths));
  }
  for (int i = 0; i < parameters.paths_size(); ++i) {
    const std::string& path = parameters.paths(i);
    if (const absl::Status status = CheckPath(path); !status.ok()) {
      return absl::InvalidArgumentError(
          StrCat("paths[", i, "] ", Quoted(path), " ", status.message()));
    }
    search.paths.push_back(path);
  }
  search.max_depth = parameters.max_depth();
  if (parameters.fingerprints_size() > kMaxFingerprints) {
    return absl::InvalidArgumentError(StrCat("fingerprints: there are ",
                                             parameters.fingerprints_size(), ", at most ",
                                             kMaxFingerprints));
  }
  for (int i = 0; i < parameters.fingerprints_size(); ++i) {
    std::string normal = NormalFingerprint(parameters.fingerprints(i));
    if (normal.empty()) {
      return absl::InvalidArgumentError(
          StrCat("fingerprints[", i, "] ", Quoted(parameters.fingerprints(i)),
                 " is none; write SHA256:… or MD5:… as ssh-keygen -l prints them"));
    }
    search.fingerprints.insert(std::move(normal));
  }
  DRAGNET_RETURN_IF_ERROR(TakeNames(parameters.kinds(), "kinds", kKinds, &search.kinds));
  if (search.kinds.empty()) search.kinds = {"private", "public", "certificate", "authorized_key"};
  DRAGNET_RETURN_IF_ERROR(
      TakeNames(parameters.algorithms(), "algorithms", kAlgorithms, &search.algorithms));
  if (!parameters.encrypted().empty()) {
    if (parameters.encrypted() != "yes" && parameters.encrypted() != "no") {
      return absl::InvalidArgumentError(
          StrCat("encrypted ", Quoted(parameters.encrypted()), " is unknown; write yes or no"));
    }
    if (!search.Wants("private")) {
      return absl::InvalidArgumentError(
          "encrypted: only private keys are, and kinds leaves them out");
    }
    search.encrypted = parameters.encrypted() == "yes";
  }
  search.bits_below = parameters.bits_below();
  search.no_text = parameters.no_text();
  return search;
}

}  // namespace dragnet::sshkey
