#include "modules/tls/guideline.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "core/strings.h"
#include "modules/tls/names.h"

namespace dragnet::tls {
namespace {

bool Has(Names names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string Joined(Names names, std::string_view separator) {
  return absl::StrJoin(names, ToAbsl(separator),
                       [](std::string* out, std::string_view name) { out->append(name); });
}

bool IsTls13Cipher(std::string_view name) { return name.starts_with("TLS_"); }

// Digests that can be forged.
bool IsWeakSignature(std::string_view signature) {
  const std::string lower = absl::AsciiStrToLower(ToAbsl(signature));
  return absl::StrContains(lower, "md2") || absl::StrContains(lower, "md5") ||
         absl::StrContains(lower, "sha1");
}

// What is as good as a listed one: the lists name what CAs issue.
std::string_view ListedAs(std::string_view signature) {
  if (signature == "sha384WithRSAEncryption" || signature == "sha512WithRSAEncryption")
    return "sha256WithRSAEncryption";
  return signature;
}

class LevelJudge {
 public:
  LevelJudge(const v1::TlsRow& row, const Circumstances& circumstances, const Guideline& guideline,
             const LevelRules& rules)
      : row_(row), circumstances_(circumstances), guideline_(guideline), rules_(rules) {}

  Judgement Run() {
    JudgeProtocols();
    JudgeCiphers();
    JudgeGroups();
    JudgeCertificates();
    JudgeRest();
    return std::move(judgement_);
  }

 private:
  void Obstacle(std::string sentence) { judgement_.obstacles.push_back(std::move(sentence)); }
  void Advise(std::string sentence) { judgement_.advice.push_back(std::move(sentence)); }

  // In the list of this level or of a stricter one.
  bool Allows(Names LevelRules::* list, std::string_view name) const {
    for (const LevelRules& rules : guideline_.levels) {
      if (rules.level > rules_.level) break;
      if ((rules.*list).empty() || Has(rules.*list, name)) return true;
    }
    return false;
  }

  // The version is older than TLS 1.3.
  bool IgnoresTls13() const {
    for (const LevelRules& rules : guideline_.levels)
      if (Has(rules.protocols, "TLSv1.3")) return false;
    return true;
  }

  void JudgeProtocols() {
    bool has_any = false;
    for (const std::string& protocol : row_.protocols()) {
      has_any |= Has(rules_.protocols, protocol);
      if (protocol == "TLSv1.3" && IgnoresTls13()) continue;
      if (!Allows(&LevelRules::protocols, protocol)) Obstacle(StrCat("disable ", protocol));
    }
    // Of those that are missing, only what makes it safer.
    std::vector<std::string_view> missing;
    for (const std::string_view protocol : rules_.protocols) {
      if (protocol >= "TLSv1.2" && std::find(row_.protocols().begin(), row_.protocols().end(),
                                             protocol) == row_.protocols().end())
        missing.push_back(protocol);
    }
    if (missing.empty()) return;
    if (has_any) {
      Advise(StrCat("consider enabling ", Joined(missing, " and ")));
    } else {
      Obstacle(StrCat("enable ", Joined(missing, " or ")));
    }
  }

  void JudgeCiphers() {
    std::vector<std::string_view> extra;
    for (const std::string& cipher : row_.ciphers()) {
      if (IsTls13Cipher(cipher) && IgnoresTls13()) continue;
      if (!Allows(&LevelRules::ciphers, cipher)) extra.push_back(cipher);
    }
    if (!extra.empty())
      Obstacle(StrCat(extra.size() == 1 ? "remove the cipher " : "remove the ciphers ",
                      Joined(extra, ", ")));
    if (!row_.ciphers().empty() && extra.size() == static_cast<size_t>(row_.ciphers_size()))
      Obstacle(StrCat("add ciphers of the level, such as ", rules_.ciphers.front()));
    if (row_.dh_bits() != 0 && row_.dh_bits() < rules_.dh_bits)
      Obstacle(StrCat("DH parameters of ", row_.dh_bits(), " bits: use ", rules_.dh_bits,
                      " at least, or remove the DHE ciphers"));
    if (rules_.order == CipherOrder::kServer && row_.cipher_order() != "server" &&
        !row_.cipher_order().empty())
      Obstacle("let the server choose the cipher, in the order of the level");
    if (rules_.order == CipherOrder::kClient && row_.cipher_order() == "server")
      Advise("consider letting clients choose the cipher: all of the level are safe");
  }

  void JudgeGroups() {
    std::vector<std::string_view> weak;
    std::vector<std::string_view> unlisted;
    for (const std::string& name : row_.groups()) {
      if (Allows(&LevelRules::groups, name)) continue;
      const Group* group = FindGroupByName(name);
      const bool is_weak =
          group == nullptr || (group->curve_bits != 0 && group->curve_bits < rules_.curve_bits &&
                               group->name != "x25519");
      (is_weak ? weak : unlisted).push_back(name);
    }
    if (!weak.empty()) Obstacle(StrCat("remove the groups ", Joined(weak, ", ")));
    if (!unlisted.empty())
      Advise(
          StrCat("consider removing groups that the level doesn't list: ", Joined(unlisted, ", ")));
  }

  template <typename Certificate>
  void JudgeCertificate(std::string_view what, const Certificate& certificate) {
    const std::string& type = certificate.key_type();
    if (!Allows(&LevelRules::key_types, type)) {
      Obstacle(StrCat(what, ": ", type, " key, use ", Joined(rules_.key_types, " or ")));
    } else if (type == "ecdsa" && !AllowsCurve(certificate.key_curve())) {
      Obstacle(StrCat(what, ": key of curve ", certificate.key_curve(), ", use ",
                      Joined(rules_.key_curves, " or ")));
    }
    if (type == "rsa" && certificate.key_bits() < rules_.rsa_bits)
      Obstacle(StrCat(what, ": key of ", certificate.key_bits(), " bits, use ", rules_.rsa_bits,
                      " or an ecdsa key of secp256r1"));
    if (!Allows(&LevelRules::signatures, ListedAs(certificate.signature())))
      Obstacle(StrCat(what, ": signed with ", certificate.signature(), ", use ",
                      Joined(rules_.signatures, " or ")));
    JudgeLifespan(what, certificate.lifespan_days());
  }

  // Levels that don't list curves take what is long enough.
  bool AllowsCurve(std::string_view curve) const {
    if (!rules_.key_curves.empty()) return Allows(&LevelRules::key_curves, curve);
    const Group* group = FindGroupByName(curve);
    return group != nullptr && group->curve_bits >= rules_.curve_bits;
  }

  void JudgeLifespan(std::string_view what, uint32_t days) {
    if (rules_.lifespan_days != 0 && days > rules_.lifespan_days) {
      Obstacle(StrCat(what, ": valid for ", days, " days, use ", rules_.lifespan_days, " at most"));
    } else if (rules_.recommended_lifespan_days != 0 && days > rules_.recommended_lifespan_days) {
      Advise(
          StrCat(what, ": valid for ", days, " days, consider ", rules_.recommended_lifespan_days));
    }
  }

  void JudgeCertificates() {
    if (row_.subject().empty() && row_.sha256().empty()) {
      if (circumstances_.certificate_unseen) Obstacle("certificate: it could not be seen");
      return;
    }
    JudgeCertificate("certificate", row_);
    for (const v1::Certificate& certificate : row_.other_certificates())
      JudgeCertificate(StrCat("other certificate (", certificate.key_type(), ")"), certificate);
    for (int i = 1; i < row_.chain_size(); ++i) {
      const v1::Certificate& certificate = row_.chain(i);
      // Nobody checks the signature of a root.
      if (certificate.self_signed() || !IsWeakSignature(certificate.signature()) ||
          Allows(&LevelRules::signatures, certificate.signature()))
        continue;
      Obstacle(StrCat("chain: ", certificate.subject(), " is signed with ", certificate.signature(),
                      ", use another one"));
    }
    if (rules_.ocsp_stapling && !row_.ocsp_stapling() && circumstances_.has_ocsp_responder)
      Advise("consider OCSP stapling");
  }

  void JudgeRest() {
    if (row_.compression()) Obstacle("switch TLS compression off");
    if (row_.renegotiation() == "insecure") Obstacle("enable secure renegotiation (RFC 5746)");
  }

  const v1::TlsRow& row_;
  const Circumstances& circumstances_;
  const Guideline& guideline_;
  const LevelRules& rules_;
  Judgement judgement_;
};

}  // namespace

std::string_view LevelName(Level level) {
  switch (level) {
    case Level::kModern:
      return "modern";
    case Level::kIntermediate:
      return "intermediate";
    case Level::kOld:
      return "old";
    case Level::kNone:
      break;
  }
  return "none";
}

const Guideline* FindGuideline(std::string_view version) {
  for (const Guideline& guideline : AllGuidelines())
    if (guideline.version == version) return &guideline;
  return nullptr;
}

const LevelRules* FindLevel(const Guideline& guideline, Level level) {
  for (const LevelRules& rules : guideline.levels)
    if (rules.level == level) return &rules;
  return nullptr;
}

Judgement Judge(const v1::TlsRow& row, const Circumstances& circumstances,
                const Guideline& guideline, Level level) {
  const LevelRules* rules = FindLevel(guideline, level);
  if (rules == nullptr) return {};
  return LevelJudge(row, circumstances, guideline, *rules).Run();
}

Level ReachedLevel(const v1::TlsRow& row, const Circumstances& circumstances,
                   const Guideline& guideline) {
  for (const LevelRules& rules : guideline.levels)
    if (Judge(row, circumstances, guideline, rules.level).obstacles.empty()) return rules.level;
  return Level::kNone;
}

}  // namespace dragnet::tls
