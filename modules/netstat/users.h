// Names of users, from the host's passwd file. NSS is not asked: it would load
// the host's libraries into the worker and talk to its services.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace dragnet::netstat {

// Immutable and thread-safe once made.
class UserNames {
 public:
  // No names.
  UserNames() = default;
  // From text in the form of passwd(5). Lines that aren't are passed over.
  static UserNames Parse(std::string_view passwd);
  // From a file; without names if it can't be read.
  static UserNames Load(const char* path);

  // The first name that the file has for the number, or the number.
  std::string NameOf(uint32_t uid) const;

 private:
  std::map<uint32_t, std::string> names_;
};

}  // namespace dragnet::netstat
