// The list of people who left: CSV, LDIF or JSON, as accounts.proto describes it.
// Immutable and thread-safe once made.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"

namespace dragnet::accounts {

inline constexpr size_t kMaxDepartedBytes = 8 << 20;
inline constexpr size_t kMaxPeople = 100'000;

// An entry of the list.
struct Person {
  // Name, else user, mail, uid or key.
  std::string label;
  std::vector<std::string> users;
  std::vector<uint32_t> uids;
  // In lower case.
  std::vector<std::string> mails;
  // SHA256:… or MD5:….
  std::vector<std::string> fingerprints;

  bool IsKnownBySomething() const {
    return !users.empty() || !uids.empty() || !mails.empty() || !fingerprints.empty();
  }
};

class DepartedList {
 public:
  // InvalidArgument names the line and what is wrong there.
  static absl::StatusOr<DepartedList> Parse(std::string_view text);

  // Null when it is nobody of the list.
  const Person* ByUser(std::string_view user) const;
  const Person* ByUid(uint32_t uid) const;
  const Person* ByMail(std::string_view mail) const;
  const Person* ByFingerprint(std::string_view fingerprint) const;
  // A key's comment, one of whose words is a user, USER@…, or a mail address of
  // the list.
  const Person* ByComment(std::string_view comment) const;

  const std::vector<Person>& people() const { return people_; }

 private:
  template <typename Key>
  using Index = absl::flat_hash_map<Key, uint32_t>;
  template <typename Key, typename Wanted>
  const Person* Find(const Index<Key>& index, const Wanted& key) const;

  std::vector<Person> people_;
  Index<std::string> users_;
  Index<uint32_t> uids_;
  Index<std::string> mails_;
  Index<std::string> fingerprints_;
};

}  // namespace dragnet::accounts
