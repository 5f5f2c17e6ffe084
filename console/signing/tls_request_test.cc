#include "console/signing/tls_request.h"

#include "console/signing/testing/real_programs.h"
#include "gmock/gmock.h"

namespace dragnet::console {
namespace {

using ::testing::HasSubstr;

TEST(TlsRequestTest, CarriesTheSpiffeNameAndOpensslVerifiesIt) {
  const testing::ScratchDirectory directory;
  const PrivateKey key = *PrivateKey::Generate(KeyAlgorithm::kEcdsaP256);
  directory.Write("tls.csr", *CreateTlsRequest(key, {"fleet-1", "investigator", "ida"}));
  const std::string text = directory.Run("openssl req -in tls.csr -noout -text -verify");
  EXPECT_THAT(text, HasSubstr("URI:spiffe://fleet-1/investigator/ida"));
  EXPECT_THAT(text, HasSubstr("verify OK"));
  directory.Run("openssl req -in tls.csr -outform DER -out tls.der");
  EXPECT_EQ(ParseSigningRequest(directory.Content("tls.der"))->id(), key.public_key().id());
}

}  // namespace
}  // namespace dragnet::console
