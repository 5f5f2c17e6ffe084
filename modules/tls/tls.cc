// The module `tls`: see tls.proto for what it does.
//
//   params.h      parameters, checked       listeners.h    services that listen here
//   survey.h      all about one service     prober.h       one question to it
//   hello.h       what is said              flight.h       what is answered
//   tls13.h       what is encrypted         certificate.h  what certificates say
//   names.h       the numbers of TLS        wire.h         its bytes
//   connection.h  TCP                       starttls.h     TLS within other protocols
//   guideline.h   Mozilla's levels          report.h       the row
#include <errno.h>

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/module.h"
#include "modules/netstat/address.h"
#include "modules/ping/wait.h"
#include "modules/tls/listeners.h"
#include "modules/tls/names.h"
#include "modules/tls/params.h"
#include "modules/tls/report.h"
#include "modules/tls/survey.h"
#include "modules/tls/tls.pb.h"

namespace dragnet {

extern const ModuleManifest kTlsManifest;

namespace tls {
namespace {

// Services that are asked at the same time.
constexpr size_t kThreads = 4;
constexpr size_t kMaxServices = 1024;
// Of one service, with however many probes, and of all of them.
constexpr absl::Duration kMaxServiceTime = absl::Minutes(2);
constexpr absl::Duration kMaxTime = absl::Minutes(15);

struct Service {
  // Target, address, port and sni; and the status, when there is nothing to ask.
  v1::TlsRow row;
  ping::Endpoint endpoint;
};

std::string Name(const v1::TlsRow& row) {
  if (!row.target().empty()) return row.target();
  const auto address = netstat::IpAddress::Parse(row.address());
  return netstat::EndpointText(address.value_or(netstat::IpAddress()),
                               static_cast<uint16_t>(row.port()));
}

absl::StatusOr<Plan> Compile(const google::protobuf::Message& parameters) {
  const auto* typed = dynamic_cast<const v1::TlsParameters*>(&parameters);
  if (typed == nullptr) {
    return absl::InvalidArgumentError(StrCat("parameters of module tls are a ",
                                             v1::TlsParameters::descriptor()->full_name(),
                                             ", not a ", parameters.GetTypeName()));
  }
  return CompilePlan(*typed);
}

std::vector<Service> ListeningServices(const Plan& plan, RunContext& context) {
  Listeners listeners = FindListeners();
  for (const std::string& unread : listeners.unread)
    context.NoteUnexamined("list of listening sockets can't be read", unread);
  std::vector<Service> services;
  for (const Listener& listener : listeners.found) {
    Service service;
    service.row.set_address(listener.bound.Text());
    service.row.set_port(listener.port);
    service.row.set_sni(plan.sni);
    service.endpoint = listener.reachable;
    if (!plan.WantsPort(listener.port)) continue;
    if (plan.skip_printers && IsPrinter(listener.port)) {
      context.NoteUnexamined("a printer may listen: name its port in ports", Name(service.row));
      continue;
    }
    if (services.size() == kMaxServices) {
      context.NoteUnexamined("more than 1024 ports listen", Name(service.row));
      continue;
    }
    services.push_back(std::move(service));
  }
  return services;
}

std::vector<Service> TargetServices(const Plan& plan, RunContext& context) {
  std::vector<Service> services;
  for (const Target& target : plan.targets) {
    Service service;
    service.row.set_target(target.text);
    service.row.set_port(target.place.port);
    service.row.set_sni(target.sni);
    const auto endpoints = ping::Resolve(target.place.host, target.place.port, AF_UNSPEC);
    if (!endpoints.ok()) {
      context.NoteUnexamined("the name can't be looked up",
                             StrCat(target.text, ": ", endpoints.status().message()));
      service.row.set_status(std::string(StatusName(ServiceStatus::kUnreachable)));
      service.row.set_error(std::string(ToStd(endpoints.status().message())));
      if (plan.all && !context.EmitRow(service.row)) break;
      continue;
    }
    service.endpoint = endpoints->front();
    service.row.set_address(service.endpoint.Text());
    services.push_back(std::move(service));
  }
  return services;
}

// Why the service may be a TLS service although it has no row; empty for one that
// isn't, or has all of it.
void NoteGaps(const v1::TlsRow& row, ServiceStatus status, RunContext& context) {
  switch (status) {
    case ServiceStatus::kNotTls:
      return;
    case ServiceStatus::kTls:
      if (!row.error().empty())
        context.NoteUnexamined("not all of a TLS service could be found out",
                               StrCat(Name(row), ": ", row.error()));
      return;
    case ServiceStatus::kSilent:
      context.NoteUnexamined("no answer to TLS in time", Name(row));
      return;
    case ServiceStatus::kClosed:
      context.NoteUnexamined("hangs up at TLS without an answer", Name(row));
      return;
    case ServiceStatus::kUnreachable:
      context.NoteUnexamined("can't be connected to", StrCat(Name(row), ": ", row.error()));
      return;
  }
}

void Examine(const Plan& plan, Service& service, absl::Duration end, RunContext& context) {
  const absl::Duration left = end - ping::MonotonicNow();
  if (left <= absl::ZeroDuration()) {
    context.NoteUnexamined("the 15 minutes of a run were over", Name(service.row));
    return;
  }
  Prober prober(service.endpoint, {.timeout = plan.timeout,
                                   .time = std::min(kMaxServiceTime, left),
                                   .probes = plan.max_probes});
  const Findings findings = Survey(prober, service.row.sni(), plan.starttls);
  v1::TlsRow& row = service.row;
  Describe(findings, *plan.guideline, plan.level, absl::Now(), &row);
  row.set_probes(prober.probes());
  context.AddExamined(1, 0);
  if (prober.limit() == "max_probes") context.NoteLimitHit("max_probes");
  NoteGaps(row, findings.status, context);
  if (findings.status == ServiceStatus::kTls || plan.all) context.EmitRow(row);
}

// With threads of its own, as far as the system gives any.
void ExamineAll(const Plan& plan, std::vector<Service>& services, RunContext& context) {
  const absl::Duration end = ping::MonotonicNow() + kMaxTime;
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    while (!context.stopping()) {
      const size_t i = next.fetch_add(1);
      if (i >= services.size()) return;
      Examine(plan, services[i], end, context);
    }
  };
  std::vector<std::thread> threads;
  try {
    while (threads.size() + 1 < std::min(kThreads, services.size())) threads.emplace_back(work);
  } catch (const std::system_error&) {
    // Those that there are do it all.
  }
  work();
  for (std::thread& thread : threads) thread.join();
}

class TlsModuleImplementation : public Module {
 public:
  const ModuleManifest& manifest() const override { return kTlsManifest; }

  std::unique_ptr<google::protobuf::Message> NewParameters() const override {
    return std::make_unique<v1::TlsParameters>();
  }
  std::unique_ptr<google::protobuf::Message> NewRow() const override {
    return std::make_unique<v1::TlsRow>();
  }

  absl::Status Validate(const google::protobuf::Message& parameters) const override {
    return Compile(parameters).status();
  }

  absl::Status Run(const google::protobuf::Message& parameters,
                   RunContext& context) const override {
    DRAGNET_ASSIGN_OR_RETURN(const Plan plan, Compile(parameters));
    std::vector<Service> services =
        plan.targets.empty() ? ListeningServices(plan, context) : TargetServices(plan, context);
    ExamineAll(plan, services, context);
    return absl::OkStatus();
  }
};

}  // namespace
}  // namespace tls

const Module& TlsModule() {
  static const tls::TlsModuleImplementation module;
  return module;
}

}  // namespace dragnet
