#include "scheduler/server/run.h"
namespace dragnet::scheduler {
absl::Status RunScheduler(const std::string&) { return absl::UnimplementedError("run"); }
}  // namespace dragnet::scheduler
