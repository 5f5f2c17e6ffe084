// The keys that sshd lets in, account by account. Not thread-safe.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "modules/accounts/host_files.h"
#include "modules/accounts/users.h"
#include "modules/sshkey/params.h"
#include "modules/sshkey/sshkey.pb.h"

namespace dragnet::accounts {

// What sshd's configuration says of them (sshd_config(5)). What is set for some
// users only (Match) counts for all.
struct SshdKeys {
  // AuthorizedKeysFile, with its tokens.
  std::vector<std::string> files;
  // TrustedUserCAKeys.
  std::vector<std::string> authorities;
  // Where AuthorizedKeysCommand is set: PATH:LINE.
  std::vector<std::string> commands;
};
SshdKeys ReadSshdConfig(HostFiles& files);

// `pattern` of AuthorizedKeysFile for `entry`; empty if a token is unknown.
std::string KeyFileOf(std::string_view pattern, const PasswdEntry& entry);

class AuthorizedKeys {
 public:
  // `files` outlives it.
  explicit AuthorizedKeys(HostFiles& files);

  // Each key with its path and line. False to stop.
  using OnKey = std::function<bool(const sshkey::v1::SshkeyRow& key)>;

  // Those that let into `entry`'s account. What can't be read is reported, once.
  void ForEach(const PasswdEntry& entry, const OnKey& on_key);
  // Those whose signature on a key lets it in, into any account.
  void ForEachAuthority(const OnKey& on_key);

  // Keys that a command gives can't be told: reports it.
  void ReportCommands();

 private:
  void ReadKeys(const std::string& path, const OnKey& on_key);

  HostFiles& files_;
  const SshdKeys sshd_;
  sshkey::Search all_;
  // Were read before: what is wrong with them is known.
  std::set<std::string> read_;
};

}  // namespace dragnet::accounts
