// How much a text looks like a secret. Thread-safe: no state.
#pragma once

#include <string_view>

namespace dragnet::secrets {

// Shannon's entropy of the text's bytes, in bits for each.
double EntropyPerByte(std::string_view text);

// What people write where a secret is to be: changeme, xxxx, <token>, ${TOKEN},
// and what is encrypted or hashed: ENC[…], $6$….
bool IsPlaceholder(std::string_view value);

// So random that nobody guesses it, and its hash tells nothing: long, of mixed
// characters, and no words.
bool IsUnguessable(std::string_view value);

// Letters and digits that no word or identifier has, as of a token.
bool LooksLikeToken(std::string_view value);
// Something that a person or a generator made up as a password.
bool LooksLikePassword(std::string_view value);

}  // namespace dragnet::secrets
