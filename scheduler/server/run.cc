#include "scheduler/server/run.h"

#include <grpc/support/log.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <memory>

#include "core/clock.h"
#include "core/status_macros.h"
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

}  // namespace

absl::Status RunScheduler(const std::string& config_path) {
  DRAGNET_ASSIGN_OR_RETURN(const Settings settings, LoadSettings(config_path));
  SetUpLog(settings.log_format, settings.log_level);
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
  int received = 0;
  sigwait(&ends, &received);
  spdlog::info("stopping");
  server.reset();
  spdlog::info("stopped");
  return absl::OkStatus();
}

}  // namespace dragnet::scheduler
