#include "modules/sshkey/private_der.h"

#include <openssl/bn.h>
#include <openssl/evp.h>

#include <memory>

#include "core/openssl.h"
#include "core/ssh_wire.h"
#include "core/strings.h"
#include "modules/sshkey/der.h"

namespace dragnet::sshkey {
namespace {

using std::string_view_literals::operator""sv;

using BnPtr = std::unique_ptr<BIGNUM, OpensslDeleter<BN_free>>;
using BnContextPtr = std::unique_ptr<BN_CTX, OpensslDeleter<BN_CTX_free>>;
using EvpKeyPtr = std::unique_ptr<EVP_PKEY, OpensslDeleter<EVP_PKEY_free>>;

// Object identifiers, encoded.
constexpr std::string_view kRsaOid = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"sv;
constexpr std::string_view kDsaOid = "\x2a\x86\x48\xce\x38\x04\x01"sv;
constexpr std::string_view kEcOid = "\x2a\x86\x48\xce\x3d\x02\x01"sv;
constexpr std::string_view kEd25519Oid = "\x2b\x65\x70"sv;

struct Curve {
  std::string_view oid;
  std::string_view name;
};
constexpr Curve kCurves[] = {{"\x2a\x86\x48\xce\x3d\x03\x01\x07"sv, "nistp256"},
                             {"\x2b\x81\x04\x00\x22"sv, "nistp384"},
                             {"\x2b\x81\x04\x00\x23"sv, "nistp521"}};

// DSA's public number has to be computed where PKCS#8 leaves it out; larger
// ones than anyone has could take minutes.
constexpr size_t kMaxDsaBytes = 1024;

absl::Status Damaged() { return absl::InvalidArgumentError("damaged private key"); }

absl::StatusOr<DerFacts> ReadEc(std::string_view der, std::string_view outer_curve) {
  DerReader reader(DerReader(der).Take(DerReader::kSequence));
  reader.Take(DerReader::kInteger);
  reader.Take(DerReader::kOctetString);
  std::string_view oid = outer_curve;
  if (reader.Next(DerReader::kContext0)) {
    // A curve that is given by its parameters is none of SSH's.
    DerReader parameters(reader.Take(DerReader::kContext0));
    if (!parameters.Next(DerReader::kObjectId)) return absl::NotFoundError("curve without a name");
    oid = parameters.Take(DerReader::kObjectId);
  }
  std::string_view point;
  if (reader.Next(DerReader::kContext1)) {
    point = DerReader(reader.Take(DerReader::kContext1)).Take(DerReader::kBitString);
    // How many bits of the last byte are unused: none.
    if (point.empty() || point.front() != '\0') return Damaged();
    point.remove_prefix(1);
  }
  if (!reader.ok() || oid.empty()) return Damaged();
  for (const Curve& curve : kCurves) {
    if (oid != curve.oid) continue;
    DerFacts facts{"ecdsa", ""};
    if (point.empty()) return facts;
    AppendWireString(&facts.public_blob, StrCat("ecdsa-sha2-", curve.name));
    AppendWireString(&facts.public_blob, curve.name);
    AppendWireString(&facts.public_blob, point);
    return facts;
  }
  return absl::NotFoundError("curve that SSH does not have");
}

std::string DsaBlob(std::string_view p, std::string_view q, std::string_view g,
                    std::string_view y) {
  std::string blob;
  AppendWireString(&blob, "ssh-dss");
  for (std::string_view number : {p, q, g, y}) AppendWireNumber(&blob, number);
  return blob;
}

BnPtr ToBn(std::string_view bytes) {
  return BnPtr(BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()),
                         static_cast<int>(bytes.size()), nullptr));
}

// y = g^x mod p.
absl::StatusOr<DerFacts> ReadPkcs8Dsa(std::string_view parameters, std::string_view inner) {
  DerReader numbers(DerReader(parameters).Take(DerReader::kSequence));
  const std::string_view p = numbers.Take(DerReader::kInteger);
  const std::string_view q = numbers.Take(DerReader::kInteger);
  const std::string_view g = numbers.Take(DerReader::kInteger);
  DerReader secret(inner);
  const std::string_view x = secret.Take(DerReader::kInteger);
  if (!numbers.ok() || !secret.ok()) return Damaged();
  for (std::string_view number : {p, q, g, x})
    if (number.empty() || number.size() > kMaxDsaBytes) return Damaged();
  const BnPtr base = ToBn(g), exponent = ToBn(x), modulus = ToBn(p), result(BN_new());
  const BnContextPtr context(BN_CTX_new());
  if (!base || !exponent || !modulus || !result || !context || BN_is_zero(modulus.get()) ||
      BN_mod_exp(result.get(), base.get(), exponent.get(), modulus.get(), context.get()) != 1) {
    ClearOpensslErrors();
    return Damaged();
  }
  std::string y(static_cast<size_t>(BN_num_bytes(result.get())), '\0');
  BN_bn2bin(result.get(), reinterpret_cast<unsigned char*>(y.data()));
  return DerFacts{"dsa", DsaBlob(p, q, g, y)};
}

absl::StatusOr<DerFacts> ReadPkcs8Ed25519(std::string_view inner) {
  const std::string_view seed = DerReader(inner).Take(DerReader::kOctetString);
  if (seed.size() != 32) return Damaged();
  const EvpKeyPtr key(EVP_PKEY_new_raw_private_key(
      EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(seed.data()), seed.size()));
  unsigned char point[32];
  size_t size = sizeof point;
  if (!key || EVP_PKEY_get_raw_public_key(key.get(), point, &size) != 1 || size != sizeof point) {
    ClearOpensslErrors();
    return Damaged();
  }
  DerFacts facts{"ed25519", ""};
  AppendWireString(&facts.public_blob, "ssh-ed25519");
  AppendWireString(&facts.public_blob, {reinterpret_cast<const char*>(point), size});
  return facts;
}

}  // namespace

absl::StatusOr<DerFacts> ReadRsaDer(std::string_view der) {
  DerReader reader(DerReader(der).Take(DerReader::kSequence));
  reader.Take(DerReader::kInteger);
  const std::string_view n = reader.Take(DerReader::kInteger);
  const std::string_view e = reader.Take(DerReader::kInteger);
  if (!reader.ok()) return Damaged();
  DerFacts facts{"rsa", ""};
  AppendWireString(&facts.public_blob, "ssh-rsa");
  AppendWireNumber(&facts.public_blob, e);
  AppendWireNumber(&facts.public_blob, n);
  return facts;
}

absl::StatusOr<DerFacts> ReadDsaDer(std::string_view der) {
  DerReader reader(DerReader(der).Take(DerReader::kSequence));
  reader.Take(DerReader::kInteger);
  const std::string_view p = reader.Take(DerReader::kInteger);
  const std::string_view q = reader.Take(DerReader::kInteger);
  const std::string_view g = reader.Take(DerReader::kInteger);
  const std::string_view y = reader.Take(DerReader::kInteger);
  if (!reader.ok()) return Damaged();
  return DerFacts{"dsa", DsaBlob(p, q, g, y)};
}

absl::StatusOr<DerFacts> ReadEcDer(std::string_view der) { return ReadEc(der, {}); }

absl::StatusOr<DerFacts> ReadPkcs8Der(std::string_view der) {
  DerReader reader(DerReader(der).Take(DerReader::kSequence));
  reader.Take(DerReader::kInteger);
  DerReader algorithm(reader.Take(DerReader::kSequence));
  const std::string_view inner = reader.Take(DerReader::kOctetString);
  const std::string_view oid = algorithm.Take(DerReader::kObjectId);
  if (!reader.ok() || !algorithm.ok()) return Damaged();
  if (oid == kRsaOid) return ReadRsaDer(inner);
  if (oid == kEd25519Oid) return ReadPkcs8Ed25519(inner);
  if (oid == kEcOid) {
    if (!algorithm.Next(DerReader::kObjectId)) return absl::NotFoundError("curve without a name");
    return ReadEc(inner, algorithm.Take(DerReader::kObjectId));
  }
  if (oid == kDsaOid) {
    // The parameters as an element, header included, follow the identifier.
    const size_t header = static_cast<size_t>(oid.data() + oid.size() - der.data());
    return ReadPkcs8Dsa(der.substr(header), inner);
  }
  return absl::NotFoundError("algorithm that SSH does not have");
}

}  // namespace dragnet::sshkey
