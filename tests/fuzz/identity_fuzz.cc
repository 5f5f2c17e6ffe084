// What says who someone is: SPIFFE ids, certificates, signing requests, keys.
#include "core/certificate.h"
#include "core/keys.h"
#include "core/trust_policy.h"
#include "core/uuid.h"
#include "tests/fuzz/fixed_fleet.h"
#include "tests/fuzz/target.h"

namespace dragnet::fuzz {
namespace {

// Self-signed, P-256, of no one: for the parser only.
constexpr char kCertificate[] = R"(-----BEGIN CERTIFICATE-----
MIIByDCCAW+gAwIBAgIUStDo+nHyjGd/c3GjIz3RcZLiLh4wCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEZnV6ejAgFw0yNjExMjIwNDQ2NDlaGA8yMTI2MTAyOTA0NDY0
OVowDzENMAsGA1UEAwwEZnV6ejBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBpU
uLdDxt5BUFrvRG9PSOnk4+m9KhG7w15avnuRsiYuafR2bjdC3S0T3Q1PdWuvuApq
K1dkxbzv1g+VJ99SfNKjgaYwgaMwHQYDVR0OBBYEFPy7I8musI9Ds6+5gjkwECmB
HiPnMB8GA1UdIwQYMBaAFPy7I8musI9Ds6+5gjkwECmBHiPnMA8GA1UdEwEB/wQF
MAMBAf8wUAYDVR0RBEkwR4ZFc3BpZmZlOi8vdGVzdC0wMTIzNDU2Nzg5YWIvYWdl
bnQvMTExMTExMTEtMjIyMi00MzMzLTg0NDQtNTU1NTU1NTU1NTU1MAoGCCqGSM49
BAMCA0cAMEQCIE3FBjcwN5wewDFOMQ9SeSys2PVOA1fLDlyQwqEakdn7AiAXPUhV
+qWEH2WErbRlXz7aVnG1rPX2XOYVC03lPXzvQw==
-----END CERTIFICATE-----
)";

}  // namespace

std::vector<std::string> Seeds() {
  const PrivateKey key = FixedKey('k');
  return {
      "spiffe://test-0123456789ab/agent/11111111-2222-4333-8444-555555555555",
      "spiffe://test-0123456789ab/investigator/ida",
      "spiffe://test-0123456789ab/scheduler/main",
      "spiffe://a/agent/../x",
      *CreateSigningRequest(key),
      key.ToPem(),
      key.public_key().ToPem(),
      key.public_key().spki(),
      kCertificate,
  };
}

}  // namespace dragnet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dragnet;
  const std::string_view input = fuzz::ToView(data, size);
  if (const auto id = ParseSpiffeId(input); id.has_value()) {
    fuzz::Must(FormatSpiffeId(*id) == input, "an id has one form");
    fuzz::Must(IsFleetId(id->fleet_id), "its fleet is one");
    fuzz::Must(id->name.find('/') == std::string::npos, "its name is one part");
  }
  ParseCertificate(input).status().IgnoreError();
  if (const auto key = ParseSigningRequest(input); key.ok()) {
    fuzz::Must(PublicKey::FromSpki(key->spki()).ok(), "its key is one");
  }
  if (const auto key = PublicKey::FromSpki(input); key.ok()) {
    fuzz::Must(key->spki() == input, "a key has one encoding");
  }
  PublicKey::FromPem(input).status().IgnoreError();
  PrivateKey::FromPem(input).status().IgnoreError();
  return 0;
}
