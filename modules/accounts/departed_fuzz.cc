// libFuzzer target: a list of people who left that somebody made up. It is
// refused, or everyone on it can be found.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/text.h"
#include "modules/accounts/departed.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto list =
      dragnet::accounts::DepartedList::Parse({reinterpret_cast<const char*>(data), size});
  if (!list.ok()) {
    if (!absl::IsInvalidArgument(list.status())) std::abort();
    return 0;
  }
  for (const auto& person : list->people()) {
    if (person.label.empty() || !dragnet::IsValidUtf8(person.label)) std::abort();
    if (!person.IsKnownBySomething()) std::abort();
    for (const auto& user : person.users)
      if (list->ByUser(user) == nullptr) std::abort();
    for (const auto uid : person.uids)
      if (list->ByUid(uid) == nullptr) std::abort();
    for (const auto& mail : person.mails)
      if (list->ByMail(mail) == nullptr) std::abort();
    for (const auto& fingerprint : person.fingerprints)
      if (list->ByFingerprint(fingerprint) == nullptr) std::abort();
  }
  return 0;
}
