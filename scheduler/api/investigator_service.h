// The investigators' side of the scheduler.
#pragma once

#include <memory>

#include "grpcpp/impl/service_type.h"
#include "scheduler/api/watch.h"

namespace dragnet::scheduler {

// `parts` must outlive the service.
std::unique_ptr<grpc::Service> NewInvestigatorService(const ApiParts& parts);

}  // namespace dragnet::scheduler
