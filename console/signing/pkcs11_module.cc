#include "console/signing/pkcs11_module.h"

#include <dlfcn.h>

#include "absl/strings/str_format.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

constexpr CK_ULONG kMaxSlots = 256;
constexpr CK_ULONG kMaxObjects = 16;
constexpr CK_ULONG kMaxAttributeBytes = 4096;
constexpr CK_ULONG kMaxSignatureBytes = 512;

// The ones that a person can do something about; others by their number.
absl::Status TokenError(std::string_view what, CK_RV code) {
  const auto said = [&](std::string_view words) { return StrCat("token: ", what, ": ", words); };
  switch (code) {
    case CKR_PIN_INCORRECT:
    case CKR_PIN_INVALID:
    case CKR_PIN_LEN_RANGE:
      return absl::PermissionDeniedError(
          said("wrong PIN. It isn't tried again: tokens lock after a few"));
    case CKR_PIN_LOCKED:
      return absl::PermissionDeniedError(
          said("the PIN is locked after too many wrong ones: unlock it with the PUK or SO PIN"));
    case CKR_PIN_EXPIRED:
      return absl::PermissionDeniedError(said("the PIN has expired: set a new one"));
    case CKR_USER_PIN_NOT_INITIALIZED:
      return absl::FailedPreconditionError(said("the token has no user PIN yet"));
    case CKR_FUNCTION_CANCELED:
    case CKR_FUNCTION_REJECTED:
      return absl::CancelledError(said("it was refused on the token"));
    case CKR_DEVICE_REMOVED:
    case CKR_TOKEN_NOT_PRESENT:
      return absl::UnavailableError(said("the token was taken out"));
    case CKR_MECHANISM_INVALID:
      return absl::UnimplementedError(said("the token can't sign this way"));
    case CKR_KEY_FUNCTION_NOT_PERMITTED:
      return absl::PermissionDeniedError(said("this key may not sign (CKA_SIGN)"));
    default:
      return absl::InternalError(said(absl::StrFormat("PKCS#11 error 0x%x", code)));
  }
}

absl::StatusOr<CK_FUNCTION_LIST*> LoadModule(const std::string& path) {
  // Kept until the process ends: many modules leave threads behind.
  void* module = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) {
    const char* reason = ::dlerror();
    return absl::NotFoundError(StrCat("PKCS#11 module: ", reason != nullptr ? reason : path));
  }
  const auto get_list =
      reinterpret_cast<CK_C_GetFunctionList>(::dlsym(module, "C_GetFunctionList"));
  CK_FUNCTION_LIST* functions = nullptr;
  if (get_list == nullptr || get_list(&functions) != CKR_OK || functions == nullptr) {
    return absl::InvalidArgumentError(
        StrCat("PKCS#11 module ", path, ": is none: it has no C_GetFunctionList"));
  }
  return functions;
}

}  // namespace

std::string TokenText(const unsigned char* field, size_t size) {
  std::string text(reinterpret_cast<const char*>(field), size);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\0')) text.pop_back();
  return text;
}

absl::StatusOr<std::unique_ptr<TokenSession>> TokenSession::Open(
    const std::string& module_path, const std::function<bool(const CK_TOKEN_INFO&)>& matches) {
  std::unique_ptr<TokenSession> token(new TokenSession);
  DRAGNET_ASSIGN_OR_RETURN(token->functions_, LoadModule(module_path));
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.flags = CKF_OS_LOCKING_OK;
  const CK_RV initialized = token->functions_->C_Initialize(&arguments);
  if (initialized != CKR_OK && initialized != CKR_CRYPTOKI_ALREADY_INITIALIZED) {
    return TokenError(StrCat("start module ", module_path), initialized);
  }

  CK_ULONG count = 0;
  CK_RV code = token->functions_->C_GetSlotList(CK_TRUE, nullptr, &count);
  if (code == CKR_OK && count > kMaxSlots) code = CKR_GENERAL_ERROR;
  std::vector<CK_SLOT_ID> slots(count);
  if (code == CKR_OK && count > 0) {
    code = token->functions_->C_GetSlotList(CK_TRUE, slots.data(), &count);
  }
  if (code != CKR_OK) return TokenError("list the tokens", code);
  slots.resize(std::min<size_t>(count, slots.size()));

  std::vector<CK_SLOT_ID> found;
  std::string names;
  for (const CK_SLOT_ID slot : slots) {
    CK_TOKEN_INFO info{};
    if (token->functions_->C_GetTokenInfo(slot, &info) != CKR_OK) continue;
    if ((info.flags & CKF_TOKEN_INITIALIZED) == 0) continue;
    StrAppend(&names, names.empty() ? "" : ", ",
              ForTerminal(TokenText(info.label, sizeof info.label)));
    if (!matches(info)) continue;
    found.push_back(slot);
    token->info_ = info;
  }
  if (found.empty()) {
    return absl::NotFoundError(StrCat("token: none that the URI names is there",
                                      names.empty() ? "" : StrCat(" (there are: ", names, ")"),
                                      ": put it in, or mend token= and serial="));
  }
  if (found.size() > 1) {
    return absl::InvalidArgumentError(
        StrCat("token: the URI names ", found.size(), " of them (", names, "): add serial="));
  }
  code = token->functions_->C_OpenSession(found[0], CKF_SERIAL_SESSION, nullptr, nullptr,
                                          &token->session_);
  if (code != CKR_OK) return TokenError(StrCat("open ", token->label()), code);
  return token;
}

// The last session's end logs out. No C_Finalize: it would end the sessions that
// other keys of this process have with the same module.
TokenSession::~TokenSession() {
  if (session_ != CK_INVALID_HANDLE) functions_->C_CloseSession(session_);
}

std::string TokenSession::label() const {
  return ForTerminal(TokenText(info_.label, sizeof info_.label));
}

absl::Status TokenSession::Login(CK_USER_TYPE user, const std::string* pin) {
  std::string copy = pin != nullptr ? *pin : "";
  const CK_RV code = functions_->C_Login(
      session_, user, pin != nullptr ? reinterpret_cast<unsigned char*>(copy.data()) : nullptr,
      copy.size());
  explicit_bzero(copy.data(), copy.size());
  if (code == CKR_OK || code == CKR_USER_ALREADY_LOGGED_IN) return absl::OkStatus();
  return TokenError(StrCat("log in to ", label()), code);
}

absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> TokenSession::Find(
    std::vector<CK_ATTRIBUTE> attributes) {
  CK_RV code = functions_->C_FindObjectsInit(session_, attributes.data(), attributes.size());
  if (code != CKR_OK) return TokenError("look for the key", code);
  std::vector<CK_OBJECT_HANDLE> objects(kMaxObjects);
  CK_ULONG count = 0;
  code = functions_->C_FindObjects(session_, objects.data(), kMaxObjects, &count);
  functions_->C_FindObjectsFinal(session_);
  if (code != CKR_OK || count > kMaxObjects) return TokenError("look for the key", code);
  objects.resize(count);
  return objects;
}

std::string TokenSession::Attribute(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  CK_ATTRIBUTE attribute{type, nullptr, 0};
  if (functions_->C_GetAttributeValue(session_, object, &attribute, 1) != CKR_OK ||
      attribute.ulValueLen == 0 || attribute.ulValueLen > kMaxAttributeBytes) {
    return "";
  }
  std::string value(attribute.ulValueLen, '\0');
  attribute.pValue = value.data();
  if (functions_->C_GetAttributeValue(session_, object, &attribute, 1) != CKR_OK ||
      attribute.ulValueLen > value.size()) {
    return "";
  }
  value.resize(attribute.ulValueLen);
  return value;
}

absl::StatusOr<std::string> TokenSession::Sign(
    CK_OBJECT_HANDLE key, CK_MECHANISM_TYPE mechanism_type, std::string_view data,
    const std::function<absl::Status()>& before_signing) {
  CK_MECHANISM mechanism{mechanism_type, nullptr, 0};
  CK_RV code = functions_->C_SignInit(session_, &mechanism, key);
  if (code != CKR_OK) return TokenError(StrCat("sign with ", label()), code);
  DRAGNET_RETURN_IF_ERROR(before_signing());
  std::string copy(data);
  std::string signature(kMaxSignatureBytes, '\0');
  CK_ULONG size = signature.size();
  code = functions_->C_Sign(session_, reinterpret_cast<unsigned char*>(copy.data()), copy.size(),
                            reinterpret_cast<unsigned char*>(signature.data()), &size);
  if (code != CKR_OK || size > signature.size()) {
    return TokenError(StrCat("sign with ", label()), code);
  }
  signature.resize(size);
  return signature;
}

}  // namespace dragnet::console
