#include "console/signing/pkcs11_signer.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>

#include <cstring>
#include <optional>
#include <vector>

#include "console/signing/pkcs11_module.h"
#include "console/signing/secret.h"
#include "core/file_io.h"
#include "core/openssl.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

using UriPtr = std::unique_ptr<P11KitUri, OpensslDeleter<p11_kit_uri_free>>;
using EcdsaPtr = std::unique_ptr<ECDSA_SIG, OpensslDeleter<ECDSA_SIG_free>>;

constexpr size_t kMaxPinFile = 1024;
// What precedes an Ed25519 key (RFC 8410) and a P-256 point (RFC 5480) in SPKI.
constexpr std::string_view kEd25519SpkiStart("\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00",
                                             12);
constexpr std::string_view kP256SpkiStart(
    "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"
    "\x03\x42\x00",
    26);
constexpr size_t kEd25519Bytes = 32;
constexpr size_t kPointBytes = 65;

absl::StatusOr<UriPtr> ParseUri(const std::string& text) {
  UriPtr uri(p11_kit_uri_new());
  const int code = p11_kit_uri_parse(text.c_str(), P11_KIT_URI_FOR_OBJECT_ON_TOKEN, uri.get());
  if (code != P11_KIT_URI_OK) {
    return absl::InvalidArgumentError(
        StrCat("not a PKCS#11 URI (RFC 7512): ", p11_kit_uri_message(code)));
  }
  if (p11_kit_uri_any_unrecognized(uri.get()) != 0) {
    return absl::InvalidArgumentError(
        "PKCS#11 URI: has an attribute that is not known: give token, serial, manufacturer, "
        "model, object, id, and after ? module-path, pin-source");
  }
  if (p11_kit_uri_get_pin_value(uri.get()) != nullptr) {
    return absl::InvalidArgumentError(
        "PKCS#11 URI: pin-value is refused: leave it out to be asked, or put the PIN into a file "
        "of mode 0600 and give pin-source=/that/file");
  }
  const CK_ATTRIBUTE* type = p11_kit_uri_get_attribute(uri.get(), CKA_CLASS);
  if (type != nullptr && (type->ulValueLen != sizeof(CK_OBJECT_CLASS) ||
                          *static_cast<CK_OBJECT_CLASS*>(type->pValue) != CKO_PRIVATE_KEY)) {
    return absl::InvalidArgumentError("PKCS#11 URI: type: must be private, or left out");
  }
  const char* module = p11_kit_uri_get_module_path(uri.get());
  if (module == nullptr || module[0] != '/') {
    return absl::InvalidArgumentError(
        "PKCS#11 URI: end it with ?module-path=/absolute/path/of/the/module.so (of the token's "
        "maker, or opensc-pkcs11.so)");
  }
  return uri;
}

// Given in the URI; nothing: to be asked for.
absl::StatusOr<std::optional<Secret>> PinOfUri(P11KitUri* uri) {
  const char* source = p11_kit_uri_get_pin_source(uri);
  if (source == nullptr) return std::nullopt;
  std::string path = source;
  if (path.starts_with("file:")) path = path.substr(5);
  if (path.starts_with("//")) path = path.substr(2);
  if (!path.starts_with("/")) {
    return absl::InvalidArgumentError(
        "PKCS#11 URI: pin-source: only the absolute path of a file is taken");
  }
  DRAGNET_ASSIGN_OR_RETURN(std::string content, ReadSecretFile(path, kMaxPinFile));
  Secret pin(std::move(content));
  while (pin.text().ends_with('\n') || pin.text().ends_with('\r')) pin.mutable_text()->pop_back();
  if (pin.text().empty()) return absl::InvalidArgumentError(StrCat(path, ": holds no PIN"));
  return pin;
}

absl::StatusOr<std::optional<Secret>> AskPin(const TokenSession& token, std::string_view what,
                                             P11KitUri* uri, const PassphrasePrompt& ask) {
  if ((token.info().flags & CKF_PROTECTED_AUTHENTICATION_PATH) != 0) return std::nullopt;
  DRAGNET_ASSIGN_OR_RETURN(std::optional<Secret> given, PinOfUri(uri));
  if (given.has_value()) return given;
  DRAGNET_ASSIGN_OR_RETURN(std::string answer,
                           ask(StrCat((token.info().flags & CKF_USER_PIN_FINAL_TRY) != 0
                                          ? "A wrong one more and the token locks. "
                                          : "",
                                      "PIN of ", what)));
  if (answer.empty()) return absl::CancelledError("no PIN was given");
  return Secret(std::move(answer));
}

absl::Status LogIn(TokenSession& token, CK_USER_TYPE user, std::string_view what, P11KitUri* uri,
                   const PassphrasePrompt& ask) {
  if ((token.info().flags & CKF_USER_PIN_LOCKED) != 0) {
    return absl::PermissionDeniedError(
        StrCat("token: ", token.label(),
               ": the PIN is locked after too many wrong ones: unlock it with the PUK or SO PIN"));
  }
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<Secret> pin, AskPin(token, what, uri, ask));
  return token.Login(user, pin.has_value() ? &pin->text() : nullptr);
}

// The URI's label and id, of class `object_class`.
std::vector<CK_ATTRIBUTE> Wanted(P11KitUri* uri, CK_OBJECT_CLASS* object_class) {
  std::vector<CK_ATTRIBUTE> wanted = {{CKA_CLASS, object_class, sizeof *object_class}};
  for (const CK_ATTRIBUTE_TYPE type : {CKA_LABEL, CKA_ID}) {
    if (const CK_ATTRIBUTE* attribute = p11_kit_uri_get_attribute(uri, type); attribute != nullptr)
      wanted.push_back(*attribute);
  }
  return wanted;
}

absl::StatusOr<CK_OBJECT_HANDLE> FindPrivateKey(TokenSession& token, P11KitUri* uri) {
  CK_OBJECT_CLASS object_class = CKO_PRIVATE_KEY;
  DRAGNET_ASSIGN_OR_RETURN(const auto found, token.Find(Wanted(uri, &object_class)));
  if (found.size() == 1) return found[0];
  if (found.empty()) {
    return absl::NotFoundError(StrCat("token: ", token.label(),
                                      ": has no private key that the URI names (pkcs11-tool -O "
                                      "--login lists what is there)"));
  }
  return absl::InvalidArgumentError(StrCat("token: ", token.label(), ": the URI names ",
                                           found.size(), " keys: add object= or id="));
}

// The point of a CKA_EC_POINT: a DER OCTET STRING of it, or (some modules) itself.
std::string_view PointIn(std::string_view attribute, size_t size) {
  if (attribute.size() == size + 2 && attribute[0] == 0x04 &&
      static_cast<size_t>(attribute[1]) == size) {
    return attribute.substr(2);
  }
  return attribute.size() == size ? attribute : std::string_view();
}

// From the private key's object if it tells, or the public one with its id.
absl::StatusOr<PublicKey> ReadPublicKey(TokenSession& token, CK_OBJECT_HANDLE private_key) {
  const std::string type_bytes = token.Attribute(private_key, CKA_KEY_TYPE);
  CK_KEY_TYPE type = 0;
  if (type_bytes.size() == sizeof type) std::memcpy(&type, type_bytes.data(), sizeof type);
  if (type != CKK_EC && type != CKK_EC_EDWARDS) {
    return absl::InvalidArgumentError(
        StrCat("token: ", token.label(), ": the key is neither Ed25519 nor ECDSA P-256"));
  }
  const bool edwards = type == CKK_EC_EDWARDS;
  const size_t size = edwards ? kEd25519Bytes : kPointBytes;
  std::string attribute = token.Attribute(private_key, CKA_EC_POINT);
  if (attribute.empty()) {
    CK_OBJECT_CLASS object_class = CKO_PUBLIC_KEY;
    std::string id = token.Attribute(private_key, CKA_ID);
    DRAGNET_ASSIGN_OR_RETURN(const auto found,
                             token.Find({{CKA_CLASS, &object_class, sizeof object_class},
                                         {CKA_KEY_TYPE, &type, sizeof type},
                                         {CKA_ID, id.data(), id.size()}}));
    if (found.size() != 1) {
      return absl::NotFoundError(
          StrCat("token: ", token.label(), ": ", found.size(),
                 " public keys have the id of the private one, one is needed: write it to the "
                 "token too"));
    }
    attribute = token.Attribute(found[0], CKA_EC_POINT);
  }
  const std::string_view point = PointIn(attribute, size);
  if (point.empty()) {
    return absl::InvalidArgumentError(
        StrCat("token: ", token.label(), ": the key is neither Ed25519 nor ECDSA P-256"));
  }
  return PublicKey::FromSpki(StrCat(edwards ? kEd25519SpkiStart : kP256SpkiStart, point));
}

// PKCS#11 gives the two numbers of ECDSA one after the other.
absl::StatusOr<std::string> EcdsaToDer(std::string_view numbers) {
  if (numbers.size() != 64) return absl::DataLossError("token: not a signature of ECDSA P-256");
  const auto* bytes = reinterpret_cast<const unsigned char*>(numbers.data());
  const EcdsaPtr signature(ECDSA_SIG_new());
  if (ECDSA_SIG_set0(signature.get(), BN_bin2bn(bytes, 32, nullptr),
                     BN_bin2bn(bytes + 32, 32, nullptr)) != 1) {
    return OpensslError("token: signature");
  }
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  if (size <= 0) return OpensslError("token: signature");
  std::string result(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return result;
}

class TokenSigner : public Signer {
 public:
  TokenSigner(UriPtr uri, std::unique_ptr<TokenSession> token, CK_OBJECT_HANDLE key,
              PublicKey public_key, PassphrasePrompt ask)
      : uri_(std::move(uri)),
        token_(std::move(token)),
        key_(key),
        public_key_(std::move(public_key)),
        ask_(std::move(ask)) {}

  const PublicKey& public_key() const override { return public_key_; }

  absl::StatusOr<std::string> Sign(std::string_view message) const override {
    const bool edwards = public_key_.algorithm() == KeyAlgorithm::kEd25519;
    DRAGNET_ASSIGN_OR_RETURN(
        std::string signature,
        token_->Sign(key_, edwards ? CKM_EDDSA : CKM_ECDSA,
                     edwards ? std::string(message) : Sha256(message), [&] { return AskAgain(); }));
    if (!edwards) {
      DRAGNET_ASSIGN_OR_RETURN(signature, EcdsaToDer(signature));
    }
    if (!public_key_.Verify(message, signature)) {
      return absl::DataLossError(
          StrCat("token: ", token_->label(), ": what it signed is not a valid signature"));
    }
    return signature;
  }

 private:
  // Some keys want their PIN for every signature (PIV's 9c).
  absl::Status AskAgain() const {
    if (token_->Attribute(key_, CKA_ALWAYS_AUTHENTICATE) != std::string(1, CK_TRUE)) {
      return absl::OkStatus();
    }
    return LogIn(*token_, CKU_CONTEXT_SPECIFIC,
                 StrCat("token ", token_->label(), ", for this signature"), uri_.get(), ask_);
  }

  const UriPtr uri_;
  const std::unique_ptr<TokenSession> token_;
  const CK_OBJECT_HANDLE key_;
  const PublicKey public_key_;
  const PassphrasePrompt ask_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Signer>> OpenTokenSigner(const std::string& text,
                                                        const PassphrasePrompt& ask) {
  DRAGNET_ASSIGN_OR_RETURN(UriPtr uri, ParseUri(text));
  DRAGNET_ASSIGN_OR_RETURN(
      std::unique_ptr<TokenSession> token,
      TokenSession::Open(p11_kit_uri_get_module_path(uri.get()), [&](const CK_TOKEN_INFO& info) {
        return p11_kit_uri_match_token_info(uri.get(), &info) == 1;
      }));
  if ((token->info().flags & CKF_LOGIN_REQUIRED) != 0) {
    DRAGNET_RETURN_IF_ERROR(
        LogIn(*token, CKU_USER, StrCat("token ", token->label()), uri.get(), ask));
  }
  DRAGNET_ASSIGN_OR_RETURN(const CK_OBJECT_HANDLE key, FindPrivateKey(*token, uri.get()));
  DRAGNET_ASSIGN_OR_RETURN(PublicKey public_key, ReadPublicKey(*token, key));
  return std::make_unique<TokenSigner>(std::move(uri), std::move(token), key, std::move(public_key),
                                       ask);
}

}  // namespace dragnet::console
