#include "scheduler/cluster/remote_desk.h"

#include <algorithm>
#include <utility>

#include "core/keys.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/uuid.h"

namespace dragnet::scheduler {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(10);
// A signing request.
constexpr size_t kMaxCsrBytes = 16 * 1024;
constexpr size_t kMaxPeerBytes = 256;

}  // namespace

absl::StatusOr<Enrolled> RemoteDesk::Enrol(std::string_view token, const std::string& agent_id,
                                           std::string_view csr, v1::Facts facts,
                                           std::string_view peer) const {
  if (token.empty() || token.size() > kMaxTokenText)
    return absl::UnauthenticatedError("unknown enrolment token");
  // Anyone may call this: nothing goes on the bus before a token that is known.
  DRAGNET_RETURN_IF_ERROR(store_.FindToken(Sha256(token), clock_.Now()).status());
  v1::IssueRequest request;
  request.set_token(std::string(token));
  request.set_agent_id(agent_id);
  request.set_csr(std::string(csr));
  request.set_facts(facts.SerializeAsString());
  request.set_peer(std::string(peer.substr(0, kMaxPeerBytes)));
  return AskThose(request);
}

absl::StatusOr<IssuedCertificate> RemoteDesk::Renew(const std::string& agent_id,
                                                    std::string_view csr) const {
  v1::IssueRequest request;
  request.set_renew(true);
  request.set_agent_id(agent_id);
  request.set_csr(std::string(csr));
  DRAGNET_ASSIGN_OR_RETURN(Enrolled issued, AskThose(request));
  return IssuedCertificate(std::move(issued));
}

absl::StatusOr<Enrolled> RemoteDesk::AskThose(const v1::IssueRequest& request) const {
  std::vector<std::string> others = others_();
  {
    absl::MutexLock lock(&mutex_);
    const auto last = std::find(others.begin(), others.end(), answered_last_);
    if (last != others.end()) std::rotate(others.begin(), last, last + 1);
  }
  for (const std::string& scheduler : others) {
    v1::PeerMessage message;
    *message.mutable_issue_request() = request;
    const absl::StatusOr<v1::PeerMessage> answer = ask_(scheduler, std::move(message), kTimeout);
    if (!answer.ok() || !answer->has_issue_reply()) continue;
    const v1::IssueReply& reply = answer->issue_reply();
    const auto code = static_cast<absl::StatusCode>(reply.code());
    // Has no key either.
    if (code == absl::StatusCode::kUnimplemented) continue;
    {
      absl::MutexLock lock(&mutex_);
      answered_last_ = scheduler;
    }
    if (code != absl::StatusCode::kOk) return absl::Status(code, reply.message());
    Enrolled issued;
    issued.chain_pem = reply.certificate();
    issued.token_id = reply.token_id();
    issued.replaced_agent_id = reply.replaced_agent_id();
    return issued;
  }
  return absl::UnavailableError(
      "no scheduler that has the CA's key answers at the moment: try again later");
}

v1::IssueReply AnswerIssueRequest(const EnrolmentCalls& desk, const v1::IssueRequest& request) {
  v1::IssueReply reply;
  absl::Status status;
  v1::Facts facts;
  if (request.token().size() > kMaxTokenText || request.csr().size() > kMaxCsrBytes ||
      request.facts().size() > kMaxFactsBytes || request.peer().size() > kMaxPeerBytes ||
      !IsUuid(request.agent_id()) || !facts.ParseFromString(request.facts()))
    status = absl::InvalidArgumentError("not a request that a scheduler sends");
  if (status.ok() && request.renew()) {
    const absl::StatusOr<IssuedCertificate> issued = desk.Renew(request.agent_id(), request.csr());
    status = issued.status();
    if (issued.ok()) reply.set_certificate(issued->chain_pem);
  } else if (status.ok()) {
    const absl::StatusOr<Enrolled> issued =
        desk.Enrol(request.token(), request.agent_id(), request.csr(), facts, request.peer());
    status = issued.status();
    if (issued.ok()) {
      reply.set_certificate(issued->chain_pem);
      reply.set_token_id(issued->token_id);
      reply.set_replaced_agent_id(issued->replaced_agent_id);
    }
  }
  reply.set_code(static_cast<int>(status.code()));
  reply.set_message(std::string(ToStd(status.message())));
  return reply;
}

}  // namespace dragnet::scheduler
