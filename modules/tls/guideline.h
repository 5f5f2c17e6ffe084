// Mozilla's "Server Side TLS" guidelines (https://wiki.mozilla.org/Security/Server_Side_TLS;
// as data: https://ssl-config.mozilla.org/guidelines/), and how a service stands to
// them. Thread-safe: constants.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "modules/tls/tls.pb.h"

namespace dragnet::tls {

enum class Level { kModern, kIntermediate, kOld, kNone };
// modern, intermediate, old, none.
std::string_view LevelName(Level level);

using Names = std::span<const std::string_view>;

// Whose order of ciphers should count.
enum class CipherOrder { kAny, kServer, kClient };

// What a level allows. Names as in TlsRow; an empty list of the certificate's
// allows any.
struct LevelRules {
  Level level;
  Names protocols;
  Names ciphers;
  Names groups;
  Names key_types;
  Names key_curves;
  Names signatures;
  // 0: nothing is said about it.
  uint32_t rsa_bits;
  uint32_t dh_bits;
  uint32_t curve_bits;
  uint32_t lifespan_days;
  uint32_t recommended_lifespan_days;
  // kServer must be, kClient is a recommendation.
  CipherOrder order;
  bool ocsp_stapling;
};

struct Guideline {
  std::string_view version;
  // The strictest first.
  std::span<const LevelRules> levels;
};

// The oldest first.
std::span<const Guideline> AllGuidelines();
// Null when there is none.
const Guideline* FindGuideline(std::string_view version);
const LevelRules* FindLevel(const Guideline& guideline, Level level);

struct Judgement {
  // What keeps the service from the level.
  std::vector<std::string> obstacles;
  // What the level recommends.
  std::vector<std::string> advice;
};

// What a row doesn't tell about its certificates: for advice.
struct Circumstances {
  bool has_ocsp_responder = false;
  // Not all could be found out about the certificate.
  bool certificate_unseen = false;
};

// How the row's service stands to a level of the guideline that has it.
//
// A guideline says which clients a level serves and how safe it is. Only safety
// counts here: what a stricter level of the same version accepts is never an
// obstacle, and what is missing is advice, as long as something is left that the
// level has. What the version is too old to know (TLS 1.3 in 4.0) doesn't count.
Judgement Judge(const v1::TlsRow& row, const Circumstances& circumstances,
                const Guideline& guideline, Level level);

// The strictest level without obstacles.
Level ReachedLevel(const v1::TlsRow& row, const Circumstances& circumstances,
                   const Guideline& guideline);

}  // namespace dragnet::tls
