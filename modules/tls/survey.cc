#include "modules/tls/survey.h"

#include <errno.h>

#include <algorithm>
#include <iterator>

#include "core/strings.h"
#include "modules/tls/certificate.h"
#include "modules/tls/names.h"
#include "modules/tls/tls13.h"

namespace dragnet::tls {
namespace {

using Kind = Answer::Kind;

template <typename Number>
bool Remove(const Number& number, std::vector<Number>* numbers) {
  const auto found = std::find(numbers->begin(), numbers->end(), number);
  if (found == numbers->end()) return false;
  numbers->erase(found);
  return true;
}

constexpr uint8_t kProtocolVersionAlert = 70;

// Suites that need the same of a service.
enum class SuiteKind { kStatic, kDhe, kEcdhe, kAnonymous };
constexpr SuiteKind kSuiteKinds[] = {SuiteKind::kEcdhe, SuiteKind::kDhe, SuiteKind::kStatic,
                                     SuiteKind::kAnonymous};

SuiteKind KindOf(uint16_t code) {
  const Suite* suite = FindSuite(code);
  if (suite == nullptr) return SuiteKind::kStatic;
  if (IsAnonymous(*suite)) return SuiteKind::kAnonymous;
  switch (KeyExchangeOf(*suite)) {
    case KeyExchange::kDhe:
      return SuiteKind::kDhe;
    case KeyExchange::kEcdhe:
      return SuiteKind::kEcdhe;
    default:
      return SuiteKind::kStatic;
  }
}

bool IsEcdhe(uint16_t code) {
  const Suite* suite = FindSuite(code);
  return suite != nullptr && KeyExchangeOf(*suite) == KeyExchange::kEcdhe;
}

class Surveyor {
 public:
  Surveyor(Prober& prober, const std::string& sni, bool upgrade)
      : prober_(prober), sni_(sni), may_upgrade_(upgrade) {}

  Findings Run() {
    findings_.status = Identify();
    if (findings_.status != ServiceStatus::kTls) return std::move(findings_);
    for (size_t i = std::size(kVersions); i-- > 0;) ExamineProtocol(kVersions[i]);
    if (!findings_.protocols.empty()) {
      FindGroups();
      AskAgain();
    } else if (findings_.gaps.empty()) {
      // It refused one after the other: a name may be missing, or a cipher of PSK.
      AddGap("speaks TLS and refuses all protocols and ciphers; a name (sni) may be needed");
    }
    return std::move(findings_);
  }

 private:
  void AddGap(const std::string& gap) {
    constexpr size_t kMaxGaps = 8;
    if (findings_.gaps.size() < kMaxGaps &&
        std::find(findings_.gaps.begin(), findings_.gaps.end(), gap) == findings_.gaps.end())
      findings_.gaps.push_back(gap);
  }

  // Notes why `answer` is neither a yes nor a no to `what`.
  void AddGap(std::string_view what, const Answer& answer) {
    AddGap(StrCat(
        what, ": ",
        answer.kind == Kind::kNotTls ? "no TLS in the answer" : std::string_view(answer.error)));
  }

  ServiceStatus Identify() {
    const Answer answer = Greet();
    switch (answer.kind) {
      case Kind::kHello:
      case Kind::kRefused:
        return ServiceStatus::kTls;
      case Kind::kNotTls:
        return IdentifyGreeting(answer.greeting);
      case Kind::kHungUp:
        return IdentifyPostgres();
      case Kind::kSilent:
        return IdentifySilent();
      case Kind::kBroken:
        AddGap("TLS handshake", answer);
        return ServiceStatus::kTls;
      case Kind::kUnreachable:
      case Kind::kNotAsked:
        break;
    }
    AddGap(answer.error);
    return ServiceStatus::kUnreachable;
  }

  // The first word to it.
  Answer Greet() {
    Answer answer = prober_.Ask(EverythingHello(sni_));
    // Old ones hang up at what they have never heard of.
    for (const uint16_t version : {kTls12, kTls10, kSsl3}) {
      if (answer.kind != Kind::kHungUp) break;
      answer = prober_.Ask(HelloOf(version, sni_));
    }
    return answer;
  }

  ServiceStatus IdentifyGreeting(std::string_view greeting) {
    const Upgrade guess = GuessUpgrade(greeting);
    if (!may_upgrade_ || guess == Upgrade::kNone) return ServiceStatus::kNotTls;
    const ServiceStatus status = IdentifyUpgraded(guess);
    if (status != ServiceStatus::kNotTls || guess != Upgrade::kSmtp) return status;
    return IdentifyUpgraded(Upgrade::kFtp);
  }

  // PostgreSQL hangs up at what it doesn't know, but it can be asked.
  ServiceStatus IdentifyPostgres() {
    int error = 0;
    prober_.set_upgrade(Upgrade::kPostgres);
    {
      Connection connection;
      error = prober_.Connect(&connection);
    }
    prober_.set_upgrade(Upgrade::kNone);
    if (error == 0)
      return may_upgrade_ ? IdentifyUpgraded(Upgrade::kPostgres) : ServiceStatus::kNotTls;
    // It answered, and has no TLS.
    return error == EPROTO ? ServiceStatus::kNotTls : ServiceStatus::kClosed;
  }

  ServiceStatus IdentifyUpgraded(Upgrade upgrade) {
    prober_.set_upgrade(upgrade);
    const Answer answer = Greet();
    if (answer.kind == Kind::kHello || answer.kind == Kind::kRefused) {
      findings_.upgrade = upgrade;
      return ServiceStatus::kTls;
    }
    prober_.set_upgrade(Upgrade::kNone);
    if (answer.kind == Kind::kUnreachable && answer.error_number == EPROTO)
      return ServiceStatus::kNotTls;
    AddGap(StrCat("TLS within ", UpgradeName(upgrade)), answer);
    return ServiceStatus::kUnreachable;
  }

  // Services of lines of text wait for the end of the line.
  ServiceStatus IdentifySilent() {
    const std::string answer = prober_.AnswerToEmptyLines(EverythingHello(sni_));
    if (answer.empty()) return ServiceStatus::kSilent;
    FlightReader reader;
    reader.Read(answer);
    return reader.state() == FlightReader::State::kNotTls ? ServiceStatus::kNotTls
                                                          : ServiceStatus::kSilent;
  }

  void Absorb(const Flight& flight) {
    const ServerHello& hello = *flight.hello;
    if (flight.dh_bits)
      findings_.dh_bits = std::min(findings_.dh_bits.value_or(*flight.dh_bits), *flight.dh_bits);
    findings_.ocsp_stapling |= flight.has_ocsp_response;
    findings_.compression |= hello.compression != 0;
    if (hello.version < kTls13) {
      findings_.secure_renegotiation &= hello.secure_renegotiation;
      findings_.session_tickets |= hello.session_ticket;
      // SSLv3 can't.
      if (hello.version > kSsl3) findings_.extended_master_secret &= hello.extended_master_secret;
    }
    if (!flight.certificates.empty()) findings_.AddChain(flight.certificates);
  }

  // The suite that it chose, with what else it told taken down; nothing when it
  // takes none of them.
  std::optional<uint16_t> Choice(const Hello& hello, std::string_view what) {
    const Answer answer = prober_.Ask(hello);
    lacks_version_ = answer.flight.alert == kProtocolVersionAlert;
    if (answer.kind != Kind::kHello) {
      lacks_version_ |= !answer.IsNo();
      hung_up_ |= answer.kind == Kind::kHungUp;
      if (!answer.IsNo()) AddGap(what, answer);
      return std::nullopt;
    }
    const ServerHello& chosen = *answer.flight.hello;
    if (chosen.version != hello.version) {
      lacks_version_ = true;
      return std::nullopt;
    }
    if (std::find(hello.suites.begin(), hello.suites.end(), chosen.suite) == hello.suites.end()) {
      AddGap(StrCat(what, ": it chose a cipher that was not offered, ", SuiteName(chosen.suite)));
      lacks_version_ = true;
      return std::nullopt;
    }
    group_ = answer.flight.group;
    Absorb(answer.flight);
    return chosen.suite;
  }

  void ExamineProtocol(uint16_t version) {
    ProtocolFindings protocol;
    protocol.version = version;
    Hello hello = HelloOf(version, sni_);
    FindSuites(&hello, &protocol.suites);
    // A service that prefers what it then can't do (DHE without parameters) refuses
    // the rest with it: once more, kind by kind.
    if (version != kTls13 && !lacks_version_) {
      for (const SuiteKind kind : kSuiteKinds) {
        Hello part = hello;
        std::erase_if(part.suites, [&](uint16_t code) { return KindOf(code) != kind; });
        FindSuites(&part, &protocol.suites);
      }
    }
    if (protocol.suites.empty()) return;
    if (protocol.suites.size() > 1) protocol.order = FindOrder(protocol);
    findings_.protocols.push_back(std::move(protocol));
  }

  // Moves what the service chooses, until it refuses, from `hello` to `suites`.
  void FindSuites(Hello* hello, std::vector<uint16_t>* suites) {
    while (!hello->suites.empty()) {
      const std::optional<uint16_t> suite = Choice(*hello, VersionName(hello->version));
      if (!suite) break;
      // What TLS 1.3 has to show comes before what older protocols show.
      if (hello->version == kTls13 && suites->empty()) LookIntoTls13();
      suites->push_back(*suite);
      Remove(*suite, &hello->suites);
    }
  }

  std::string_view FindOrder(const ProtocolFindings& protocol) {
    Hello hello = HelloOf(protocol.version, sni_);
    hello.suites.assign(protocol.suites.rbegin(), protocol.suites.rend());
    const auto suite = Choice(hello, StrCat("order of ciphers of ", VersionName(protocol.version)));
    if (!suite) return "";
    return *suite == hello.suites.front() ? "client" : "server";
  }

  void LookIntoTls13() {
    const Tls13Facts facts = ShakeHands(prober_, sni_, SignatureFamily::kAny);
    if (facts.chain.empty()) {
      AddGap(StrCat("certificate of TLSv1.3: ", facts.error));
      return;
    }
    findings_.AddChain(facts.chain);
    findings_.ocsp_stapling |= facts.has_ocsp_response;
    findings_.session_tickets |= facts.session_ticket;
    // Who has a second key shows it to those who know no other algorithm.
    const Tls13Facts other =
        ShakeHands(prober_, sni_,
                   IsRsa(facts.chain.front()) ? SignatureFamily::kEcdsa : SignatureFamily::kRsa);
    if (!other.chain.empty()) findings_.AddChain(other.chain);
  }

  void AddGroup(uint16_t group) {
    if (std::find(findings_.groups.begin(), findings_.groups.end(), group) ==
        findings_.groups.end())
      findings_.groups.push_back(group);
  }

  void FindGroups() {
    for (const ProtocolFindings& protocol : findings_.protocols) {
      Hello hello = HelloOf(protocol.version, sni_);
      if (protocol.version != kTls13) {
        std::erase_if(hello.suites, [&](uint16_t code) {
          return !IsEcdhe(code) || std::find(protocol.suites.begin(), protocol.suites.end(),
                                             code) == protocol.suites.end();
        });
        if (hello.suites.empty()) continue;
      }
      FindGroupsOf(std::move(hello));
      // Older protocols are not known to have others than TLS 1.2.
      if (protocol.version != kTls13) break;
    }
  }

  void FindGroupsOf(Hello hello) {
    const std::string what = StrCat("groups of ", VersionName(hello.version));
    while (!hello.groups.empty()) {
      group_.reset();
      if (!Choice(hello, what) || !group_) break;
      AddGroup(*group_);
      // Some choose without looking at what is offered.
      if (!Remove(*group_, &hello.groups)) return;
    }
    if (hello.version == kTls13 || findings_.chains.empty()) return;
    // Before TLS 1.3, an ECDSA certificate is not shown to who doesn't offer its
    // curve (RFC 8422, 5.3), which ends the above too early.
    const uint16_t curve = CurveOf(findings_.chains.front().front());
    if (curve == 0 ||
        std::find(hello.groups.begin(), hello.groups.end(), curve) != hello.groups.end())
      return;
    for (const uint16_t group : std::vector<uint16_t>(hello.groups)) {
      hello.groups = {group, curve};
      group_.reset();
      if (!Choice(hello, what)) return;
      if (group_ == group) AddGroup(group);
    }
  }

  // Whether what looked like a refusal was one, and not a service that went away.
  void AskAgain() {
    if (!hung_up_) return;
    const ProtocolFindings& newest = findings_.protocols.front();
    const Answer answer = prober_.Ask(HelloOf(newest.version, sni_));
    if (answer.kind != Kind::kHello)
      AddGap("it stopped answering while it was asked; what it refused may not be what it lacks");
  }

  Prober& prober_;
  const std::string& sni_;
  const bool may_upgrade_;
  Findings findings_;
  // Of the last choice.
  std::optional<uint16_t> group_;
  // The last choice ended with more than a refusal of what was offered: there is
  // nothing more to ask of this version.
  bool lacks_version_ = false;
  bool hung_up_ = false;
};

}  // namespace

bool Findings::AddChain(const CertificateChain& chain) {
  if (chains.size() >= kMaxChains) return false;
  for (const CertificateChain& known : chains)
    if (known.front() == chain.front()) return false;
  chains.push_back(chain);
  return true;
}

Findings Survey(Prober& prober, const std::string& sni, bool upgrade) {
  return Surveyor(prober, sni, upgrade).Run();
}

}  // namespace dragnet::tls
