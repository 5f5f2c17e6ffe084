#include "scheduler/enrolment/issue.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "core/certificate.h"
#include "core/openssl.h"
#include "core/status_macros.h"
#include "core/text.h"
#include "core/trust_policy.h"
#include "scheduler/enrolment/enrolment.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kMaxRequestText = 16 * 1024;

absl::Status Refuse(std::string_view why) {
  return absl::InvalidArgumentError(StrCat("certificate signing request: ", why));
}

// The DER of the only PEM block.
absl::StatusOr<std::string> RequestDer(std::string_view pem) {
  if (pem.size() > kMaxRequestText) return Refuse("more than 16 KiB");
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const auto next = [&](std::string* label, std::string* der) {
    char* name = nullptr;
    char* header = nullptr;
    unsigned char* data = nullptr;
    long length = 0;
    if (PEM_read_bio(bio.get(), &name, &header, &data, &length) != 1) {
      ClearOpensslErrors();
      return false;
    }
    *label = name;
    der->assign(reinterpret_cast<char*>(data), static_cast<size_t>(length));
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    return true;
  };
  std::string label;
  std::string der;
  if (!next(&label, &der)) return Refuse("not in PEM form");
  // The second is what older programs write.
  if (label != PEM_STRING_X509_REQ && label != PEM_STRING_X509_REQ_OLD) {
    return Refuse(StrCat("a PEM block \"", ForTerminal(Shorten(label, 64)),
                         "\" instead of \"CERTIFICATE REQUEST\""));
  }
  std::string more;
  if (next(&label, &more)) return Refuse("more than one PEM block in the file");
  return der;
}

std::string NameOf(const ASN1_OBJECT* object) {
  char text[128] = {};
  OBJ_obj2txt(text, sizeof text, object, 0);
  return ForTerminal(text);
}

// The one URI that the request asks to be named by.
absl::StatusOr<std::string> OnlyUri(X509_REQ* request) {
  if (X509_REQ_get_attr_by_NID(request, NID_ms_ext_req, -1) >= 0)
    return Refuse("extensions in Microsoft's form");
  const int first = X509_REQ_get_attr_by_NID(request, NID_ext_req, -1);
  if (first < 0) {
    return Refuse(
        "asks for no name: it must have one subject alternative name, "
        "URI:spiffe://FLEET/investigator/NAME");
  }
  if (X509_REQ_get_attr_by_NID(request, NID_ext_req, first) >= 0)
    return Refuse("asks for extensions twice");
  STACK_OF(X509_EXTENSION)* extensions = X509_REQ_get_extensions(request);
  const absl::Cleanup free_extensions = [&] {
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  };
  GENERAL_NAMES* names = nullptr;
  const absl::Cleanup free_names = [&] { GENERAL_NAMES_free(names); };
  for (int i = 0; i < sk_X509_EXTENSION_num(extensions); ++i) {
    X509_EXTENSION* extension = sk_X509_EXTENSION_value(extensions, i);
    const ASN1_OBJECT* type = X509_EXTENSION_get_object(extension);
    if (OBJ_obj2nid(type) != NID_subject_alt_name)
      return Refuse(
          StrCat("asks for the extension ", NameOf(type), ", which is not its to choose"));
    if (names != nullptr) return Refuse("has two extensions with names");
    names = static_cast<GENERAL_NAMES*>(X509V3_EXT_d2i(extension));
    if (names == nullptr) return Refuse("its names can't be read");
  }
  if (sk_GENERAL_NAME_num(names) != 1)
    return Refuse(
        StrCat("asks for ", std::max(0, sk_GENERAL_NAME_num(names)), " names instead of one"));
  const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, 0);
  if (name->type != GEN_URI) return Refuse("its name is not a URI");
  const ASN1_STRING* uri = name->d.uniformResourceIdentifier;
  return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                     static_cast<size_t>(ASN1_STRING_length(uri)));
}

}  // namespace

absl::StatusOr<InvestigatorRequest> ParseInvestigatorRequest(std::string_view pem,
                                                             std::string_view fleet_id) {
  DRAGNET_ASSIGN_OR_RETURN(const std::string der, RequestDer(pem));
  // Its own signature, before anything that it says.
  DRAGNET_ASSIGN_OR_RETURN(PublicKey key, ParseSigningRequest(der));
  const auto* cursor = reinterpret_cast<const unsigned char*>(der.data());
  const auto* end = cursor + der.size();
  const X509RequestPtr request(d2i_X509_REQ(nullptr, &cursor, static_cast<long>(der.size())));
  if (request == nullptr) return OpensslError("certificate signing request: not DER PKCS#10");
  if (cursor != end) return Refuse("bytes after its end");
  if (X509_REQ_get_version(request.get()) != X509_REQ_VERSION_1) return Refuse("not of version 1");
  if (key.algorithm() != KeyAlgorithm::kEcdsaP256)
    return Refuse("its key must be ECDSA P-256 (a signing key is another matter)");
  DRAGNET_ASSIGN_OR_RETURN(const std::string uri, OnlyUri(request.get()));
  const std::optional<SpiffeId> id = ParseSpiffeId(uri);
  const std::string shown = ForTerminal(Shorten(uri, 200));
  if (!id.has_value() || id->kind != "investigator") {
    return Refuse(StrCat("asks for the name \"", shown, "\", not for spiffe://", fleet_id,
                         "/investigator/NAME"));
  }
  if (id->fleet_id != fleet_id)
    return Refuse(StrCat("is for fleet ", id->fleet_id, ", this is ", fleet_id));
  return InvestigatorRequest{id->name, std::move(key)};
}

absl::StatusOr<IssuedIdentity> IssueToInvestigator(std::string_view request_pem,
                                                   std::string_view fleet_id,
                                                   const CertificateAuthority& ca, Store& store,
                                                   absl::Time now, absl::Duration lifetime) {
  if (lifetime < kMinIssueLifetime || lifetime > kMaxIssueLifetime)
    return absl::InvalidArgumentError("--lifetime: 1h to 1098d");
  DRAGNET_ASSIGN_OR_RETURN(const InvestigatorRequest request,
                           ParseInvestigatorRequest(request_pem, fleet_id));
  IssuedIdentity issued;
  issued.name = request.name;
  DRAGNET_ASSIGN_OR_RETURN(
      issued.certificate, ca.IssueInvestigator(request.key, fleet_id, request.name, now, lifetime));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredTrustPolicy> policies, store.TrustPolicies());
  if (!policies.empty()) {
    absl::StatusOr<TrustPolicy> policy =
        TrustPolicy::FromOwnStorage(policies.back().envelope, fleet_id);
    if (!policy.ok())
      return Annotate(policy.status(),
                      StrCat("trust policy ", policies.back().version, " of the store"));
    issued.policy_version = policy->version();
    for (const v1::Investigator& person : policy->proto().investigators())
      issued.in_policy = issued.in_policy || person.name() == issued.name;
  }
  // What was signed is handed out only once it is on record.
  DRAGNET_RETURN_IF_ERROR(store.AddCertificate(ToStored(issued.certificate, now)));
  return issued;
}

}  // namespace dragnet::scheduler
