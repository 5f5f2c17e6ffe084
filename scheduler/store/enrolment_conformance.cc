// Of store_conformance.h: who is let into the fleet, by which token, after whose decision.
#include <algorithm>
#include <string>
#include <vector>

#include "core/keys.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/uuid.h"
#include "scheduler/store/enrolment_limits.h"
#include "scheduler/store/store_conformance.h"

namespace dragnet::scheduler {
namespace {

StoredToken NewToken(const std::string& text, absl::Time now, uint32_t uses = 10) {
  StoredToken token;
  token.sha256 = Sha256(text);
  token.expires = now + absl::Hours(1);
  token.uses_left = uses;
  token.created = now;
  return token;
}

StoredToken ApprovalToken(const std::string& text, absl::Time now, uint32_t uses = 10) {
  StoredToken token = NewToken(text, now, uses);
  token.needs_approval = true;
  return token;
}

Enrolment EnrolmentOf(const std::string& agent, const std::string& token,
                      const std::string& key = "key") {
  Enrolment enrolment;
  enrolment.agent_id = agent;
  enrolment.spki = key;
  enrolment.token_sha256 = Sha256(token);
  enrolment.facts.set_id(agent);
  enrolment.certificate.fingerprint = NewUuidV4();
  enrolment.certificate.identity = StrCat("spiffe://fleet/agent/", agent);
  return enrolment;
}

StoredEnrolmentRequest RequestOf(const std::string& agent, const std::string& token, absl::Time now,
                                 const std::string& key = "key") {
  StoredEnrolmentRequest request;
  request.agent_id = agent;
  request.spki = key;
  request.token_sha256 = Sha256(token);
  request.address = "10.0.0.1";
  request.asked = now;
  request.facts.set_id(agent);
  request.facts.set_name("new-host");
  return request;
}

std::string KeyDigest(const std::string& key) { return HexEncode(Sha256(key)); }

}  // namespace

TEST_P(StoreConformance, TokensAreListedWithAllThatTheyWereMadeWith) {
  StoredToken first = NewToken("first", now_);
  first.created = now_ - absl::Minutes(1);
  StoredToken second = ApprovalToken("second", now_, 7);
  second.created_by = "ida";
  second.note = "rack 7";
  second.networks = {"10.0.0.0/8", "2001:db8::/32"};
  second.labels = {{"site", "berlin"}, {"rack", "7"}};
  second.replaces_agent_id = NewUuidV4();
  ASSERT_TRUE(store_->AddToken(first).ok());
  ASSERT_TRUE(store_->AddToken(second).ok());
  Reopen();
  const auto tokens = store_->Tokens(/*all=*/false, now_, 10);
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  ASSERT_EQ(tokens->size(), 2u);
  const StoredToken& token = tokens->front();
  EXPECT_EQ(token.sha256, second.sha256);
  EXPECT_EQ(token.uses, 7u);
  EXPECT_EQ(token.uses_left, 7u);
  EXPECT_EQ(token.created, now_);
  EXPECT_EQ(token.created_by, "ida");
  EXPECT_EQ(token.note, "rack 7");
  EXPECT_EQ(token.networks, second.networks);
  EXPECT_EQ(token.labels, second.labels);
  EXPECT_EQ(token.replaces_agent_id, second.replaces_agent_id);
  EXPECT_TRUE(token.needs_approval);
  EXPECT_FALSE(token.revoked);
  EXPECT_EQ(store_->Tokens(true, now_, 1)->size(), 1u);
  EXPECT_EQ(store_->FindToken(second.sha256, now_)->networks, second.networks);
}

TEST_P(StoreConformance, OnlyTokensThatLetSomeoneInAreListedUnlessAllAreAskedFor) {
  ASSERT_TRUE(store_->AddToken(NewToken("good", now_)).ok());
  ASSERT_TRUE(store_->AddToken(NewToken("revoked", now_)).ok());
  ASSERT_TRUE(store_->AddToken(NewToken("used", now_, 1)).ok());
  StoredToken expired = NewToken("expired", now_);
  expired.expires = now_ - absl::Seconds(1);
  ASSERT_TRUE(store_->AddToken(expired).ok());
  ASSERT_TRUE(store_->RevokeToken(TokenId(Sha256("revoked"))).ok());
  ASSERT_TRUE(store_->EnrolAgent(EnrolmentOf(NewUuidV4(), "used"), now_).ok());
  const auto good = store_->Tokens(false, now_, 10);
  ASSERT_EQ(good->size(), 1u);
  EXPECT_EQ(good->front().sha256, Sha256("good"));
  EXPECT_EQ(store_->Tokens(true, now_, 10)->size(), 4u);
}

TEST_P(StoreConformance, ARevokedTokenLetsNoOneInAndKeepsWhoIsIn) {
  ASSERT_TRUE(store_->AddToken(NewToken("token", now_)).ok());
  const std::string inside = NewUuidV4();
  ASSERT_TRUE(store_->EnrolAgent(EnrolmentOf(inside, "token"), now_).ok());
  const std::string id = TokenId(Sha256("token"));
  EXPECT_EQ(id.size(), 16u);
  EXPECT_EQ(*store_->RevokeToken(id), 1u);
  EXPECT_EQ(*store_->RevokeToken(id), 1u);
  Reopen();
  EXPECT_TRUE(absl::IsUnauthenticated(store_->FindToken(Sha256("token"), now_).status()));
  EXPECT_TRUE(absl::IsUnauthenticated(store_->EnrolAgent(EnrolmentOf(NewUuidV4(), "token"), now_)));
  // Not even who has used it: a revoked token is no answer that got lost.
  EXPECT_TRUE(absl::IsUnauthenticated(store_->EnrolAgent(EnrolmentOf(inside, "token"), now_)));
  EXPECT_FALSE(store_->FindAgent(inside)->revoked);
  EXPECT_TRUE(absl::IsNotFound(store_->RevokeToken("0000000000000000").status()));
  EXPECT_TRUE(absl::IsNotFound(store_->RevokeToken(id.substr(0, 8)).status()));
}

TEST_P(StoreConformance, AHostThatNeedsApprovalWaitsForItAndTakesNoUseMeanwhile) {
  ASSERT_TRUE(store_->AddToken(ApprovalToken("token", now_, 1)).ok());
  const std::string agent = NewUuidV4();
  EXPECT_TRUE(absl::IsUnavailable(store_->EnrolAgent(EnrolmentOf(agent, "token"), now_)));
  EXPECT_EQ(*store_->AskToEnrol(RequestOf(agent, "token", now_), now_), Admission::kAsked);
  EXPECT_EQ(*store_->AskToEnrol(RequestOf(agent, "token", now_), now_), Admission::kWaits);
  EXPECT_TRUE(absl::IsUnavailable(store_->EnrolAgent(EnrolmentOf(agent, "token"), now_)));
  Reopen();
  EXPECT_EQ(*store_->CountEnrolmentRequests(now_), 1u);
  const auto requests = store_->EnrolmentRequests(now_, 10);
  ASSERT_EQ(requests->size(), 1u);
  EXPECT_EQ(requests->front().agent_id, agent);
  EXPECT_EQ(requests->front().spki, "key");
  EXPECT_EQ(requests->front().address, "10.0.0.1");
  EXPECT_EQ(requests->front().asked, now_);
  EXPECT_EQ(requests->front().facts.name(), "new-host");
  EXPECT_EQ(requests->front().token_sha256, Sha256("token"));
  EXPECT_EQ(store_->FindToken(Sha256("token"), now_)->uses_left, 1u);
  ASSERT_TRUE(store_->DecideEnrolment(agent, KeyDigest("key"), /*approve=*/true, now_).ok());
  EXPECT_EQ(*store_->CountEnrolmentRequests(now_), 0u);
  EXPECT_EQ(*store_->AskToEnrol(RequestOf(agent, "token", now_), now_), Admission::kApproved);
  EXPECT_EQ(store_->FindToken(Sha256("token"), now_)->uses_left, 1u);
  ASSERT_TRUE(store_->EnrolAgent(EnrolmentOf(agent, "token"), now_).ok());
  EXPECT_EQ(store_->FindToken(Sha256("token"), now_)->uses_left, 0u);
  // Its first answer was lost: it is in, and nobody is asked again.
  EXPECT_EQ(*store_->AskToEnrol(RequestOf(agent, "token", now_), now_), Admission::kApproved);
  EXPECT_TRUE(store_->EnrolAgent(EnrolmentOf(agent, "token"), now_).ok());
}

TEST_P(StoreConformance, ADeniedHostIsNotLetInWhileItsTokenLasts) {
  ASSERT_TRUE(store_->AddToken(ApprovalToken("token", now_)).ok());
  const std::string agent = NewUuidV4();
  ASSERT_TRUE(store_->AskToEnrol(RequestOf(agent, "token", now_), now_).ok());
  ASSERT_TRUE(store_->DecideEnrolment(agent, KeyDigest("key"), /*approve=*/false, now_).ok());
  EXPECT_EQ(*store_->AskToEnrol(RequestOf(agent, "token", now_), now_), Admission::kDenied);
  EXPECT_TRUE(absl::IsPermissionDenied(store_->EnrolAgent(EnrolmentOf(agent, "token"), now_)));
  // It waits no more, so nothing is left to decide.
  EXPECT_TRUE(
      absl::IsNotFound(store_->DecideEnrolment(agent, KeyDigest("key"), /*approve=*/true, now_)));
  // An operator gave it another token: it waits anew.
  ASSERT_TRUE(store_->AddToken(ApprovalToken("other", now_)).ok());
  EXPECT_EQ(*store_->AskToEnrol(RequestOf(agent, "other", now_), now_), Admission::kAsked);
}

TEST_P(StoreConformance, TheKeyThatAnOperatorSawCanNotBeSwappedForAnother) {
  ASSERT_TRUE(store_->AddToken(ApprovalToken("token", now_)).ok());
  const std::string agent = NewUuidV4();
  ASSERT_TRUE(store_->AskToEnrol(RequestOf(agent, "token", now_), now_).ok());
  // While it waits.
  EXPECT_TRUE(absl::IsAlreadyExists(
      store_->AskToEnrol(RequestOf(agent, "token", now_, "attacker"), now_).status()));
  EXPECT_EQ(store_->EnrolmentRequests(now_, 10)->front().spki, "key");
  // What is decided about is what was seen.
  EXPECT_TRUE(absl::IsFailedPrecondition(
      store_->DecideEnrolment(agent, KeyDigest("attacker"), /*approve=*/true, now_)));
  ASSERT_TRUE(store_->DecideEnrolment(agent, KeyDigest("key"), /*approve=*/true, now_).ok());
  // Once it is approved.
  EXPECT_TRUE(absl::IsAlreadyExists(
      store_->AskToEnrol(RequestOf(agent, "token", now_, "attacker"), now_).status()));
  EXPECT_TRUE(
      absl::IsUnavailable(store_->EnrolAgent(EnrolmentOf(agent, "token", "attacker"), now_)));
  EXPECT_TRUE(store_->EnrolAgent(EnrolmentOf(agent, "token"), now_).ok());
  // Once it is in.
  EXPECT_TRUE(absl::IsAlreadyExists(
      store_->AskToEnrol(RequestOf(agent, "token", now_, "attacker"), now_).status()));
}

TEST_P(StoreConformance, AnotherKeyMayAskOnceTheFirstWasDeniedAndIsDecidedAboutAnew) {
  ASSERT_TRUE(store_->AddToken(ApprovalToken("token", now_)).ok());
  const std::string agent = NewUuidV4();
  ASSERT_TRUE(store_->AskToEnrol(RequestOf(agent, "token", now_, "attacker"), now_).ok());
  ASSERT_TRUE(store_->DecideEnrolment(agent, KeyDigest("attacker"), /*approve=*/false, now_).ok());
  EXPECT_EQ(*store_->AskToEnrol(RequestOf(agent, "token", now_), now_), Admission::kAsked);
  EXPECT_TRUE(absl::IsFailedPrecondition(
      store_->DecideEnrolment(agent, KeyDigest("attacker"), /*approve=*/true, now_)));
}

TEST_P(StoreConformance, AnApprovalIsForTheTokenThatTheHostCameWith) {
  ASSERT_TRUE(store_->AddToken(ApprovalToken("token", now_)).ok());
  ASSERT_TRUE(store_->AddToken(ApprovalToken("stolen", now_)).ok());
  const std::string agent = NewUuidV4();
  ASSERT_TRUE(store_->AskToEnrol(RequestOf(agent, "token", now_), now_).ok());
  ASSERT_TRUE(store_->DecideEnrolment(agent, KeyDigest("key"), /*approve=*/true, now_).ok());
  EXPECT_TRUE(absl::IsUnavailable(store_->EnrolAgent(EnrolmentOf(agent, "stolen"), now_)));
  EXPECT_EQ(*store_->AskToEnrol(RequestOf(agent, "stolen", now_), now_), Admission::kAsked);
}

TEST_P(StoreConformance, RequestsEndWithTheirToken) {
  ASSERT_TRUE(store_->AddToken(ApprovalToken("revoked", now_)).ok());
  ASSERT_TRUE(store_->AddToken(ApprovalToken("expires", now_)).ok());
  const std::string a = NewUuidV4(), b = NewUuidV4();
  ASSERT_TRUE(store_->AskToEnrol(RequestOf(a, "revoked", now_), now_).ok());
  ASSERT_TRUE(store_->AskToEnrol(RequestOf(b, "expires", now_), now_).ok());
  ASSERT_TRUE(store_->RevokeToken(TokenId(Sha256("revoked"))).ok());
  EXPECT_EQ(*store_->CountEnrolmentRequests(now_), 1u);
  EXPECT_TRUE(absl::IsNotFound(store_->DecideEnrolment(a, KeyDigest("key"), true, now_)));
  const absl::Time later = now_ + absl::Hours(2);
  EXPECT_EQ(*store_->CountEnrolmentRequests(later), 0u);
  EXPECT_TRUE(store_->EnrolmentRequests(later, 10)->empty());
  EXPECT_TRUE(absl::IsNotFound(store_->DecideEnrolment(b, KeyDigest("key"), true, later)));
  EXPECT_TRUE(
      absl::IsUnauthenticated(store_->AskToEnrol(RequestOf(b, "expires", now_), later).status()));
}

TEST_P(StoreConformance, UnknownAndUsedUpTokensLetNoOneWait) {
  ASSERT_TRUE(store_->AddToken(ApprovalToken("token", now_, 1)).ok());
  EXPECT_TRUE(absl::IsUnauthenticated(
      store_->AskToEnrol(RequestOf(NewUuidV4(), "unknown", now_), now_).status()));
  const std::string first = NewUuidV4(), late = NewUuidV4();
  ASSERT_TRUE(store_->AskToEnrol(RequestOf(first, "token", now_), now_).ok());
  ASSERT_TRUE(store_->AskToEnrol(RequestOf(late, "token", now_), now_).ok());
  for (const std::string& agent : {first, late})
    ASSERT_TRUE(store_->DecideEnrolment(agent, KeyDigest("key"), true, now_).ok());
  ASSERT_TRUE(store_->EnrolAgent(EnrolmentOf(first, "token"), now_).ok());
  EXPECT_TRUE(absl::IsUnauthenticated(store_->EnrolAgent(EnrolmentOf(late, "token"), now_)));
  EXPECT_TRUE(
      absl::IsUnauthenticated(store_->AskToEnrol(RequestOf(late, "token", now_), now_).status()));
}

TEST_P(StoreConformance, AThiefOfATokenFillsTheQueueOnlySoFar) {
  ASSERT_TRUE(store_->AddToken(ApprovalToken("stolen", now_, 1)).ok());
  ASSERT_TRUE(store_->AddToken(ApprovalToken("token", now_)).ok());
  for (int i = 0; i < kSpareEnrolmentRequests + 1; ++i)
    ASSERT_TRUE(store_->AskToEnrol(RequestOf(NewUuidV4(), "stolen", now_), now_).ok()) << i;
  EXPECT_TRUE(absl::IsResourceExhausted(
      store_->AskToEnrol(RequestOf(NewUuidV4(), "stolen", now_), now_).status()));
  EXPECT_TRUE(store_->AskToEnrol(RequestOf(NewUuidV4(), "token", now_), now_).ok());
}

// Approval is what keeps such a token's thief out; the places must not be what lets one
// keep everyone else out.
TEST_P(StoreConformance, AThiefOfATokenForTheWholeFleetFillsATenthOfTheQueue) {
  ASSERT_TRUE(store_->AddToken(ApprovalToken("stolen", now_, kMaxEnrolmentRequests)).ok());
  ASSERT_TRUE(store_->AddToken(ApprovalToken("token", now_)).ok());
  for (int i = 0; i < kMaxEnrolmentRequestsOfToken; ++i)
    ASSERT_TRUE(store_->AskToEnrol(RequestOf(NewUuidV4(), "stolen", now_), now_).ok()) << i;
  const absl::Status full =
      store_->AskToEnrol(RequestOf(NewUuidV4(), "stolen", now_), now_).status();
  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  EXPECT_TRUE(store_->AskToEnrol(RequestOf(NewUuidV4(), "token", now_), now_).ok());
  // One that is decided about makes room for the next.
  const StoredEnrolmentRequest first = store_->EnrolmentRequests(now_, 1)->at(0);
  ASSERT_TRUE(store_->DecideEnrolment(first.agent_id, KeyDigest("key"), false, now_).ok());
  EXPECT_TRUE(store_->AskToEnrol(RequestOf(NewUuidV4(), "stolen", now_), now_).ok());
}

TEST_P(StoreConformance, WhoReplacesAnAgentTakesItsLabelsAndRevokesItInOneStep) {
  StoredToken token = NewToken("first", now_, 1);
  token.labels = {{"site", "berlin"}, {"rack", "7"}};
  ASSERT_TRUE(store_->AddToken(token).ok());
  const std::string before = NewUuidV4(), after = NewUuidV4();
  ASSERT_TRUE(store_->EnrolAgent(EnrolmentOf(before, "first"), now_).ok());
  token = NewToken("second", now_, 1);
  token.labels = {{"rack", "8"}};
  token.replaces_agent_id = before;
  ASSERT_TRUE(store_->AddToken(token).ok());
  // Its own old identity asks for another certificate: it replaces no one.
  ASSERT_TRUE(store_->EnrolAgent(EnrolmentOf(before, "second"), now_).ok());
  EXPECT_FALSE(store_->FindAgent(before)->revoked);
  const Enrolment enrolment = EnrolmentOf(after, "second");
  ASSERT_TRUE(store_->EnrolAgent(enrolment, now_).ok());
  Reopen();
  const StoredAgent agent = *store_->FindAgent(after);
  EXPECT_EQ(agent.labels, (std::map<std::string, std::string>{{"site", "berlin"}, {"rack", "8"}}));
  EXPECT_FALSE(agent.revoked);
  EXPECT_TRUE(store_->FindAgent(before)->revoked);
  EXPECT_EQ(*store_->RevokeIdentity(StrCat("spiffe://fleet/agent/", before)), 0u);
  EXPECT_FALSE((*store_->FindCertificate(enrolment.certificate.fingerprint))->revoked);
  EXPECT_TRUE(absl::IsPermissionDenied(store_->EnrolAgent(EnrolmentOf(before, "second"), now_)));
}

TEST_P(StoreConformance, AHostThatReplacesNoOneKnownIsNotLetInAndTakesNoUse) {
  StoredToken token = NewToken("token", now_, 1);
  token.replaces_agent_id = NewUuidV4();
  ASSERT_TRUE(store_->AddToken(token).ok());
  const std::string agent = NewUuidV4();
  EXPECT_TRUE(absl::IsUnauthenticated(store_->EnrolAgent(EnrolmentOf(agent, "token"), now_)));
  EXPECT_EQ(store_->FindToken(token.sha256, now_)->uses_left, 1u);
  EXPECT_TRUE(absl::IsNotFound(store_->FindAgent(agent).status()));
}

}  // namespace dragnet::scheduler
