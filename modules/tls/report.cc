#include "modules/tls/report.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "core/strings.h"
#include "modules/tls/certificate.h"
#include "modules/tls/names.h"

namespace dragnet::tls {
namespace {

constexpr int kMaxChain = 8;

void SetTime(absl::Time time, google::protobuf::Timestamp* timestamp) {
  timestamp->set_seconds(absl::ToUnixSeconds(time));
}

// The fields that a row and a Certificate have in common.
template <typename Message>
void SetCertificate(const CertificateFacts& facts, Message* message) {
  message->set_subject(facts.subject);
  message->set_issuer(facts.issuer);
  message->set_key_type(facts.key_type);
  message->set_key_bits(facts.key_bits);
  message->set_key_curve(facts.key_curve);
  message->set_signature(facts.signature);
  SetTime(facts.not_before, message->mutable_not_before());
  SetTime(facts.not_after, message->mutable_not_after());
  message->set_lifespan_days(LifespanDays(facts));
  message->set_self_signed(facts.self_signed);
  message->set_sha256(facts.sha256);
}

int32_t DaysLeft(const CertificateFacts& facts, absl::Time now) {
  return static_cast<int32_t>(absl::Floor(facts.not_after - now, absl::Hours(24)) /
                              absl::Hours(24));
}

class Reporter {
 public:
  Reporter(const Findings& findings, absl::Time now, v1::TlsRow* row)
      : findings_(findings), now_(now), row_(*row) {}

  void Run() {
    SetProtocols();
    SetRest();
    SetCertificates();
    SetWeaknesses();
    std::vector<std::string> gaps = findings_.gaps;
    gaps.insert(gaps.end(), gaps_.begin(), gaps_.end());
    row_.set_error(absl::StrJoin(gaps, "; "));
  }

  const Circumstances& circumstances() const { return circumstances_; }

 private:
  void SetProtocols() {
    bool forward_secrecy = true;
    for (const ProtocolFindings& protocol : findings_.protocols) {
      v1::ProtocolCiphers& ciphers = *row_.add_ciphers_of();
      ciphers.set_protocol(VersionName(protocol.version));
      ciphers.set_order(std::string(protocol.order));
      for (const uint16_t code : protocol.suites) {
        const std::string name = SuiteName(code);
        ciphers.add_ciphers(name);
        if (std::find(row_.ciphers().begin(), row_.ciphers().end(), name) == row_.ciphers().end())
          row_.add_ciphers(name);
        forward_secrecy &= IsForwardSecret(code);
      }
      AddOrder(protocol.order);
    }
    for (auto at = findings_.protocols.rbegin(); at != findings_.protocols.rend(); ++at)
      row_.add_protocols(VersionName(at->version));
    if (row_.protocols().empty()) return;
    row_.set_min_protocol(row_.protocols(0));
    row_.set_max_protocol(row_.protocols(row_.protocols_size() - 1));
    row_.set_forward_secrecy(forward_secrecy);
  }

  static bool IsForwardSecret(uint16_t code) {
    const Suite* suite = FindSuite(code);
    if (suite == nullptr) return false;
    const KeyExchange exchange = KeyExchangeOf(*suite);
    return exchange == KeyExchange::kDhe || exchange == KeyExchange::kEcdhe ||
           exchange == KeyExchange::kTls13;
  }

  void AddOrder(std::string_view order) {
    if (order.empty()) return;
    if (row_.cipher_order().empty()) {
      row_.set_cipher_order(std::string(order));
    } else if (row_.cipher_order() != order) {
      row_.set_cipher_order("mixed");
    }
  }

  void SetRest() {
    for (const uint16_t group : findings_.groups)
      row_.add_groups(group == 0 ? "explicit" : GroupName(group));
    row_.set_dh_bits(findings_.dh_bits.value_or(0));
    row_.set_ocsp_stapling(findings_.ocsp_stapling);
    row_.set_compression(findings_.compression);
    row_.set_session_tickets(findings_.session_tickets);
    if (findings_.protocols.empty()) return;
    const bool only_tls13 = row_.min_protocol() == "TLSv1.3";
    row_.set_renegotiation(only_tls13                       ? "none"
                           : findings_.secure_renegotiation ? "secure"
                                                            : "insecure");
    row_.set_extended_master_secret(only_tls13 ||
                                    (findings_.extended_master_secret && HasTls10To12()));
  }

  bool HasTls10To12() const {
    return std::any_of(findings_.protocols.begin(), findings_.protocols.end(),
                       [](const ProtocolFindings& protocol) {
                         return protocol.version > kSsl3 && protocol.version < kTls13;
                       });
  }

  void SetCertificates() {
    circumstances_.certificate_unseen =
        findings_.chains.empty() &&
        std::any_of(row_.ciphers().begin(), row_.ciphers().end(), [](const std::string& cipher) {
          return !cipher.starts_with("ADH-") && !cipher.starts_with("AECDH-");
        });
    bool is_first = true;
    for (const CertificateChain& chain : findings_.chains) {
      const auto facts = ReadCertificate(chain.front(), row_.sni());
      if (!facts.ok()) {
        gaps_.emplace_back("it shows a certificate that can't be read");
        circumstances_.certificate_unseen = true;
        continue;
      }
      const int32_t days_left = DaysLeft(*facts, now_);
      row_.set_days_left(row_.has_days_left() ? std::min(row_.days_left(), days_left) : days_left);
      if (now_ >= facts->not_after) AddWeakness("expired");
      if (now_ < facts->not_before) AddWeakness("not_yet_valid");
      if (facts->self_signed) AddWeakness("self_signed");
      AddWeaknessesOfKey(*facts);
      if (!std::exchange(is_first, false)) {
        SetCertificate(*facts, row_.add_other_certificates());
        continue;
      }
      SetCertificate(*facts, &row_);
      for (const std::string& name : facts->names) row_.add_names(name);
      if (facts->name_matches) row_.set_name_matches(*facts->name_matches);
      if (facts->name_matches == false) AddWeakness("name_mismatch");
      circumstances_.has_ocsp_responder = facts->has_ocsp_responder;
      SetChain(chain);
    }
  }

  void SetChain(const CertificateChain& chain) {
    row_.set_chain_length(static_cast<uint32_t>(chain.size()));
    for (const std::string& der : chain) {
      if (row_.chain_size() == kMaxChain) break;
      const auto facts = ReadCertificate(der, "");
      // Whoever counts on its place finds the one that can't be read empty.
      v1::Certificate& certificate = *row_.add_chain();
      if (!facts.ok()) continue;
      SetCertificate(*facts, &certificate);
      if (row_.chain_size() > 1 && !facts->self_signed) AddWeaknessOfSignature(facts->signature);
    }
  }

  void AddWeakness(std::string_view weakness) {
    if (std::find(row_.weaknesses().begin(), row_.weaknesses().end(), weakness) ==
        row_.weaknesses().end())
      row_.add_weaknesses(std::string(weakness));
  }

  void AddWeaknessesOfKey(const CertificateFacts& facts) {
    if (facts.key_type.starts_with("rsa") && facts.key_bits < 2048) AddWeakness("key_below_2048");
    if (facts.key_type == "ecdsa" && facts.key_bits < 224) AddWeakness("key_below_224");
    AddWeaknessOfSignature(facts.signature);
  }

  void AddWeaknessOfSignature(const std::string& signature) {
    const std::string lower = absl::AsciiStrToLower(signature);
    if (absl::StrContains(lower, "md5") || absl::StrContains(lower, "sha1"))
      AddWeakness("weak_signature");
  }

  void SetWeaknesses() {
    for (const ProtocolFindings& protocol : findings_.protocols) {
      if (protocol.version == kSsl3) AddWeakness("sslv3");
      if (protocol.version == kTls10) AddWeakness("tls1.0");
      if (protocol.version == kTls11) AddWeakness("tls1.1");
      for (const uint16_t code : protocol.suites) AddWeaknessesOfSuite(code);
    }
    if (!row_.protocols().empty() && !row_.forward_secrecy()) AddWeakness("no_forward_secrecy");
    if (row_.dh_bits() != 0 && row_.dh_bits() < 2048) AddWeakness("dh_below_2048");
    if (row_.compression()) AddWeakness("compression");
    if (row_.renegotiation() == "insecure") AddWeakness("insecure_renegotiation");
  }

  void AddWeaknessesOfSuite(uint16_t code) {
    const Suite* suite = FindSuite(code);
    if (suite == nullptr) return;
    constexpr struct {
      std::string_view part;
      std::string_view weakness;
    } kParts[] = {{"_NULL_", "null"},  {"_anon_", "anonymous"}, {"_EXPORT", "export"},
                  {"_DES_CBC", "des"}, {"_DES40_", "des"},      {"_3DES_", "3des"},
                  {"_RC4_", "rc4"},    {"_RC2_", "rc2"},        {"_MD5", "md5"}};
    for (const auto& [part, weakness] : kParts)
      if (absl::StrContains(ToAbsl(suite->iana), ToAbsl(part))) AddWeakness(weakness);
  }

  const Findings& findings_;
  const absl::Time now_;
  v1::TlsRow& row_;
  Circumstances circumstances_;
  std::vector<std::string> gaps_;
};

}  // namespace

std::string_view StatusName(ServiceStatus status) {
  switch (status) {
    case ServiceStatus::kTls:
      return "tls";
    case ServiceStatus::kNotTls:
      return "not_tls";
    case ServiceStatus::kSilent:
      return "silent";
    case ServiceStatus::kClosed:
      return "closed";
    case ServiceStatus::kUnreachable:
      break;
  }
  return "unreachable";
}

void Describe(const Findings& findings, const Guideline& guideline, Level level, absl::Time now,
              v1::TlsRow* row) {
  row->set_status(std::string(StatusName(findings.status)));
  Reporter reporter(findings, now, row);
  reporter.Run();
  row->set_starttls(std::string(UpgradeName(findings.upgrade)));
  if (findings.status != ServiceStatus::kTls) return;
  row->set_guideline(std::string(guideline.version));
  const Level reached = findings.protocols.empty()
                            ? Level::kNone
                            : ReachedLevel(*row, reporter.circumstances(), guideline);
  row->set_level(std::string(LevelName(reached)));
  row->set_meets_level(reached <= level);
  Judgement judgement = Judge(*row, reporter.circumstances(), guideline, level);
  if (!row->meets_level())
    for (std::string& sentence : judgement.obstacles) row->add_to_reach(std::move(sentence));
  for (std::string& sentence : judgement.advice) row->add_advice(std::move(sentence));
}

}  // namespace dragnet::tls
