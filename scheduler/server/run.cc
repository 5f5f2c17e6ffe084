#include "scheduler/server/run.h"

#include <grpc/support/log.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <algorithm>
#include <ctime>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "core/clock.h"
#include "core/journal.h"
#include "core/service_notify.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/version.h"
#include "scheduler/observe/log.h"
#include "scheduler/server/server.h"
#include "scheduler/settings.h"

namespace dragnet::scheduler {
namespace {

// gRPC's own words are for those who look for a fault in it.
void LogOfGrpc(gpr_log_func_args* args) {
  spdlog::debug("grpc: {}:{}: {}", args->file, args->line, args->message);
}

// One descriptor for each agent: all that the system allows.
void RaiseDescriptorLimit() {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// A server that hangs isn't kept alive from here on: the service manager ends it, and
// starts it anew. A disk that is full is no such reason: /readyz says so, agents keep
// what they have, and a new start would find the disk as full as it is.
constexpr absl::Duration kHangsAfter = absl::Seconds(30);

// Until one of `ends` is sent. Turns for `service`, which `ends` must not wait for.
void WaitForEnd(const sigset_t& ends, const Server& server, ServiceNotifier& service) {
  while (true) {
    const bool hangs = server.SinceLastTurn() >= kHangsAfter;
    if (!hangs) service.Advance();
    const absl::Time next = hangs ? SteadyNow() + absl::Seconds(1) : service.deadline();
    const absl::Duration wait =
        std::clamp(next - SteadyNow(), absl::Milliseconds(1), absl::Duration(absl::Hours(1)));
    const timespec timeout = absl::ToTimespec(wait);
    if (::sigtimedwait(&ends, nullptr, &timeout) > 0) return;
  }
}

}  // namespace

absl::Status RunScheduler(const std::string& config_path) {
  DRAGNET_ASSIGN_OR_RETURN(const Settings settings, LoadSettings(config_path));
  SetUpLog(settings.log_format, settings.log_level, Journal::OfStandardError("dragnet-scheduler"));
  std::string problem;
  ServiceNotifier service = ServiceNotifier::OpenFromEnvironment(&problem);
  if (!problem.empty()) spdlog::warn("{}", problem);
  gpr_set_log_function(LogOfGrpc);
  RaiseDescriptorLimit();
  // Before any thread starts, so that all of them leave these signals to this one.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  ::signal(SIGPIPE, SIG_IGN);

  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<Server> server,
                           Server::Start(settings, Clock::System()));
  spdlog::info("dragnet-scheduler {} for fleet {}", kVersion, settings.fleet_id);
  spdlog::info("listening on {}", server->address());
  if (!server->metrics_address().empty())
    spdlog::info("metrics and health on http://{}/", server->metrics_address());
  service.SetReady();
  service.SetStatus(StrCat("listening on ", server->address(), ", fleet ", settings.fleet_id));
  WaitForEnd(ends, *server, service);
  service.Stopping();
  spdlog::info("stopping");
  server.reset();
  spdlog::info("stopped");
  return absl::OkStatus();
}

}  // namespace dragnet::scheduler
