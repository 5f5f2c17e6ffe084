// libFuzzer target: a file that somebody on the host made up. Whatever is found
// in it has a fingerprint or says why not, and its texts are UTF-8.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/text.h"
#include "modules/sshkey/key_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using dragnet::sshkey::FileRole;
  if (size == 0) return 0;
  constexpr FileRole kRoles[] = {FileRole::kAny, FileRole::kAuthorizedKeys, FileRole::kPublicKey,
                                 FileRole::kKnownHosts};
  const std::string_view content(reinterpret_cast<const char*>(data) + 1, size - 1);
  dragnet::sshkey::v1::SshkeyParameters parameters;
  for (const char* kind : {"private", "public", "certificate", "authorized_key", "known_host"})
    parameters.add_kinds(kind);
  const auto search = dragnet::sshkey::CompileSearch(parameters);
  dragnet::sshkey::KeyFileEvents events;
  events.key = [](const dragnet::sshkey::v1::SshkeyRow& row) {
    if (row.kind() != "private" && !row.sha256().starts_with("SHA256:")) std::abort();
    if (!dragnet::IsValidUtf8(row.comment()) || !dragnet::IsValidUtf8(row.hosts())) std::abort();
    return true;
  };
  events.damaged = [](std::string_view, uint32_t) {};
  events.beside = [&] { return std::string(content); };
  FindKeys(content, kRoles[data[0] % 4], *search, events);
  return 0;
}
