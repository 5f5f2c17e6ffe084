#include "scheduler/testing/nats_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "absl/time/clock.h"
#include "core/clock.h"
#include "core/file_io.h"
#include "core/keys.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/unique_fd.h"
#include "nlohmann/json.hpp"
#include "scheduler/enrolment/ca.h"

namespace dragnet::scheduler {
namespace {

constexpr char kProgram[] = "nats-server";
constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr absl::Duration kLook = absl::Milliseconds(50);

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// Held until all were chosen, so that they differ.
absl::StatusOr<std::vector<uint16_t>> FreePorts(size_t count) {
  std::vector<UniqueFd> held;
  std::vector<uint16_t> ports;
  for (size_t i = 0; i < count; ++i) {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = Loopback(0);
    socklen_t length = sizeof(address);
    if (!fd.valid() || ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
      return ErrnoStatus("find a free port", errno);
    }
    ports.push_back(ntohs(address.sin_port));
    held.push_back(std::move(fd));
  }
  return ports;
}

absl::Status WriteTlsFiles(const NatsServers::TlsFiles& files, const std::string& ca,
                           const std::string& chain, const PrivateKey& key) {
  DRAGNET_RETURN_IF_ERROR(WriteFileAtomically(files.ca, ca, 0600));
  DRAGNET_RETURN_IF_ERROR(WriteFileAtomically(files.certificate, chain, 0600));
  return WriteFileAtomically(files.key, key.ToPem(), 0600);
}

}  // namespace

absl::StatusOr<std::unique_ptr<NatsServers>> NatsServers::Start(Options options) {
  std::unique_ptr<NatsServers> servers(new NatsServers);
  servers->tls_ = options.tls;
  servers->users_ = std::move(options.users);
  if (options.tls) DRAGNET_RETURN_IF_ERROR(servers->MakeCertificates());
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<uint16_t> ports,
                           FreePorts(3 * static_cast<size_t>(options.nodes)));
  for (int i = 0; i < options.nodes; ++i) {
    Node node;
    node.name = StrCat("n", i);
    node.directory = StrCat(servers->directory_.path(), "/", node.name);
    node.port = ports[3 * i];
    node.route_port = ports[3 * i + 1];
    node.monitor_port = ports[3 * i + 2];
    DRAGNET_RETURN_IF_ERROR(MakeDirectories(node.directory, 0700));
    servers->nodes_.push_back(std::move(node));
  }
  for (Node& node : servers->nodes_) {
    DRAGNET_RETURN_IF_ERROR(servers->WriteSettings(node));
    DRAGNET_RETURN_IF_ERROR(servers->Launch(node));
  }
  DRAGNET_RETURN_IF_ERROR(servers->WaitUntilReady());
  return servers;
}

NatsServers::~NatsServers() {
  for (int i = 0; i < nodes(); ++i) Kill(i);
}

std::string NatsServers::url() const {
  std::string all = "nats://";
  for (int i = 0; i < nodes(); ++i) {
    StrAppend(&all, i == 0 ? "" : ",", "127.0.0.1:", nodes_[i].port);
  }
  return all;
}

std::string NatsServers::url(int node) const {
  return StrCat("nats://127.0.0.1:", nodes_[node].port);
}

void NatsServers::Kill(int node) {
  pid_t& pid = nodes_[node].pid;
  if (pid < 0) return;
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid = -1;
}

absl::Status NatsServers::Restart(int node) {
  Kill(node);
  DRAGNET_RETURN_IF_ERROR(Launch(nodes_[node]));
  return WaitUntilReady();
}

absl::Status NatsServers::RestartAll() {
  for (int i = 0; i < nodes(); ++i) Kill(i);
  for (Node& node : nodes_) DRAGNET_RETURN_IF_ERROR(Launch(node));
  return WaitUntilReady();
}

absl::Status NatsServers::SetUsers(std::string users) {
  users_ = std::move(users);
  for (const Node& node : nodes_) DRAGNET_RETURN_IF_ERROR(WriteSettings(node));
  return absl::OkStatus();
}

absl::StatusOr<int> NatsServers::LeaderOf(const std::string& stream) {
  for (const Node& node : nodes_) {
    if (node.pid < 0) continue;
    const absl::StatusOr<std::string> body = Get(node, "/jsz?accounts=true&streams=true");
    if (!body.ok()) continue;
    const nlohmann::json all = nlohmann::json::parse(*body, nullptr, false);
    if (!all.is_object()) continue;
    for (const nlohmann::json& account : all.value("account_details", nlohmann::json::array())) {
      for (const nlohmann::json& detail : account.value("stream_detail", nlohmann::json::array())) {
        if (detail.value("name", "") != stream) continue;
        if (nodes() == 1) return 0;
        const std::string leader =
            detail.value("cluster", nlohmann::json::object()).value("leader", "");
        for (int i = 0; i < nodes(); ++i) {
          // What a node remembers of one that has died doesn't count.
          if (nodes_[i].name == leader && nodes_[i].pid >= 0) return i;
        }
      }
    }
  }
  return absl::NotFoundError(StrCat("stream ", stream, " has no leader"));
}

absl::StatusOr<uint64_t> NatsServers::MessagesOn(int node, const std::string& stream) {
  DRAGNET_ASSIGN_OR_RETURN(const std::string body,
                           Get(nodes_[node], "/jsz?accounts=true&streams=true"));
  const nlohmann::json all = nlohmann::json::parse(body, nullptr, false);
  if (all.is_object()) {
    for (const nlohmann::json& account : all.value("account_details", nlohmann::json::array())) {
      for (const nlohmann::json& detail : account.value("stream_detail", nlohmann::json::array())) {
        if (detail.value("name", "") != stream) continue;
        return detail.value("state", nlohmann::json::object()).value("messages", uint64_t{0});
      }
    }
  }
  return absl::NotFoundError(StrCat("no stream ", stream, " on ", nodes_[node].name));
}

absl::Status NatsServers::MakeCertificates() {
  const absl::Time now = absl::Now();
  const absl::Duration lifetime = absl::Hours(24);
  constexpr char kFleet[] = "test";
  DRAGNET_ASSIGN_OR_RETURN(const CertificateAuthority ca,
                           CertificateAuthority::Create(kFleet, now));
  DRAGNET_ASSIGN_OR_RETURN(const CertificateAuthority other,
                           CertificateAuthority::Create(kFleet, now));
  const auto files = [&](const std::string& name) {
    const std::string base = StrCat(directory_.path(), "/", name);
    return TlsFiles{base + "-ca.pem", base + ".pem", base + "-key.pem"};
  };
  server_ = files("server");
  client_ = files("client");
  stranger_ = files("stranger");
  DRAGNET_ASSIGN_OR_RETURN(const PrivateKey server_key,
                           PrivateKey::Generate(KeyAlgorithm::kEcdsaP256));
  DRAGNET_ASSIGN_OR_RETURN(const PrivateKey client_key,
                           PrivateKey::Generate(KeyAlgorithm::kEcdsaP256));
  DRAGNET_ASSIGN_OR_RETURN(
      const IssuedCertificate server,
      ca.IssueServer(server_key.public_key(), kFleet, {.dns = {"localhost"}, .ip = {"127.0.0.1"}},
                     now, lifetime));
  DRAGNET_ASSIGN_OR_RETURN(
      const IssuedCertificate client,
      ca.IssueInvestigator(client_key.public_key(), kFleet, "scheduler", now, lifetime));
  DRAGNET_ASSIGN_OR_RETURN(
      const IssuedCertificate stranger,
      other.IssueInvestigator(client_key.public_key(), kFleet, "scheduler", now, lifetime));
  const std::string& pem = ca.certificate_pem();
  DRAGNET_RETURN_IF_ERROR(WriteTlsFiles(server_, pem, server.chain_pem, server_key));
  DRAGNET_RETURN_IF_ERROR(WriteTlsFiles(client_, pem, client.chain_pem, client_key));
  return WriteTlsFiles(stranger_, pem, stranger.chain_pem, client_key);
}

absl::Status NatsServers::WriteSettings(const Node& node) const {
  std::string text =
      StrCat("listen: \"127.0.0.1:", node.port, "\"\nhttp: \"127.0.0.1:", node.monitor_port,
             "\"\nserver_name: ", node.name, "\njetstream { store_dir: \"", node.directory,
             "\", max_mem: 64MB, max_file: 64GB }\n");
  if (tls_) {
    StrAppend(&text, "tls { cert_file: \"", server_.certificate, "\", key_file: \"", server_.key,
              "\", ca_file: \"", server_.ca, "\", verify: true }\n");
  }
  text += users_;
  if (nodes() > 1) {
    StrAppend(&text, "cluster { name: test, listen: \"127.0.0.1:", node.route_port,
              "\", routes: [");
    for (const Node& other : nodes_) {
      if (other.name != node.name) StrAppend(&text, "\"nats://127.0.0.1:", other.route_port, "\",");
    }
    text += " ] }\n";
  }
  return WriteFileAtomically(node.directory + ".conf", text, 0600);
}

absl::Status NatsServers::Launch(Node& node) const {
  const std::string settings = node.directory + ".conf";
  const std::string log = node.directory + ".log";
  const UniqueFd output(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!output.valid()) return ErrnoStatus(StrCat("open ", log), errno);
  const pid_t parent = ::getpid();
  node.pid = ::fork();
  if (node.pid < 0) return ErrnoStatus("fork", errno);
  if (node.pid == 0) {
    // A test that crashes leaves nothing behind.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(126);
    ::dup2(output.get(), STDOUT_FILENO);
    ::dup2(output.get(), STDERR_FILENO);
    ::execlp(kProgram, kProgram, "--config", settings.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  return absl::OkStatus();
}

absl::Status NatsServers::WaitUntilReady() {
  std::string last;
  const absl::Time until = SteadyNow() + kPatience;
  while (SteadyNow() < until) {
    bool all = true;
    for (Node& node : nodes_) {
      if (node.pid < 0) continue;
      if (::waitpid(node.pid, nullptr, WNOHANG) == node.pid) {
        node.pid = -1;
        return absl::UnavailableError(
            StrCat("nats-server ended: ", ReadFile(node.directory + ".log").value_or("")));
      }
      const absl::StatusOr<std::string> health = Get(node, "/healthz");
      last = health.ok() ? *health : std::string(health.status().message());
      bool ready = health.ok() && health->find("\"ok\"") != std::string::npos;
      if (ready && nodes() > 1) {
        const nlohmann::json jsz =
            nlohmann::json::parse(Get(node, "/jsz").value_or(""), nullptr, false);
        ready = jsz.is_object() &&
                !jsz.value("meta_cluster", nlohmann::json::object()).value("leader", "").empty();
      }
      all = all && ready;
    }
    if (all) return absl::OkStatus();
    absl::SleepFor(kLook);
  }
  return absl::DeadlineExceededError(StrCat("nats-servers aren't ready: ", last));
}

absl::StatusOr<std::string> NatsServers::Get(const Node& node, const std::string& path) const {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  const sockaddr_in address = Loopback(node.monitor_port);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return ErrnoStatus(StrCat("connect to ", node.name), errno);
  }
  DRAGNET_RETURN_IF_ERROR(
      WriteAll(fd.get(), StrCat("GET ", path, " HTTP/1.0\r\nHost: localhost\r\n\r\n")));
  std::string answer;
  std::array<char, 16384> buffer;
  for (;;) {
    const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count < 0) return ErrnoStatus(StrCat("read of ", node.name), errno);
    if (count == 0) break;
    answer.append(buffer.data(), static_cast<size_t>(count));
  }
  const size_t body = answer.find("\r\n\r\n");
  if (body == std::string::npos) return absl::UnavailableError("no answer");
  return answer.substr(body + 4);
}

}  // namespace dragnet::scheduler
