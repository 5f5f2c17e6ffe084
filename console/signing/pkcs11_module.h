// One session with one token of a PKCS#11 module (version 2.40 on), in C++'s
// terms. The module runs inside this process, so it is trusted as code is; what
// it answers is bounded all the same. Not thread-safe.
#pragma once

#include <p11-kit/pkcs11.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dragnet::console {

class TokenSession {
 public:
  // Loads the module, and opens a session with the one token that `matches`.
  // NotFound, or InvalidArgument for several; names the tokens that are there.
  static absl::StatusOr<std::unique_ptr<TokenSession>> Open(
      const std::string& module_path, const std::function<bool(const CK_TOKEN_INFO&)>& matches);
  ~TokenSession();
  TokenSession(const TokenSession&) = delete;
  TokenSession& operator=(const TokenSession&) = delete;

  // Its label, fit to be shown.
  std::string label() const;
  const CK_TOKEN_INFO& info() const { return info_; }

  // Null: the reader has a key pad of its own. PermissionDenied for a wrong PIN;
  // never tries again, because a token counts.
  absl::Status Login(CK_USER_TYPE user, const std::string* pin);

  // At most 16 of them.
  absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> Find(std::vector<CK_ATTRIBUTE> attributes);
  // Empty when the object doesn't have it.
  std::string Attribute(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);

  // `before_signing`: between C_SignInit and C_Sign, where a key that is always
  // asked a PIN for gets it.
  absl::StatusOr<std::string> Sign(CK_OBJECT_HANDLE key, CK_MECHANISM_TYPE mechanism,
                                   std::string_view data,
                                   const std::function<absl::Status()>& before_signing);

 private:
  TokenSession() = default;

  CK_FUNCTION_LIST* functions_ = nullptr;
  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
  CK_TOKEN_INFO info_{};
};

// A field of CK_TOKEN_INFO: padded with blanks, no zero at its end.
std::string TokenText(const unsigned char* field, size_t size);

}  // namespace dragnet::console
