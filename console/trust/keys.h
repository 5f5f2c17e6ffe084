// Public keys on their way into a trust policy and out of it: the one place of
// the console that knows which forms there are. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/keys.h"
#include "dragnet/v1/trust.pb.h"

namespace dragnet::console {

// Of a file's content. InvalidArgument for what is no public key, and for a
// private key, which has no business in a policy, by name.
absl::StatusOr<PublicKey> ReadPublicKey(std::string_view text);

// Of a key in a security key, with the demand that its user is verified each time.
// InvalidArgument for any other: it would hold nothing.
absl::StatusOr<PublicKey> DemandUserVerification(const PublicKey& key);

absl::StatusOr<PublicKey> KeyOf(const v1::PublicKey& proto);
v1::PublicKey ToProto(const PublicKey& key);

// "Ed25519 0123…": the whole id, since people compare it.
std::string KeyWords(const PublicKey& key);
// Of a key that may not be readable.
std::string KeyWords(const v1::PublicKey& proto);

// "0123456789abcdef…", for sentences.
std::string ShortKeyId(std::string_view id);

}  // namespace dragnet::console
