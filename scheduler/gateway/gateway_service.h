// The agents' side of the scheduler: enrolment, renewal, sessions.
#pragma once

#include <memory>

#include "grpcpp/impl/service_type.h"
#include "scheduler/enrolment/enrolment.h"
#include "scheduler/executor.h"
#include "scheduler/gateway/session.h"

namespace dragnet::scheduler {

// Everything must outlive the service. Enrolments run on `executor`.
std::unique_ptr<grpc::Service> NewGatewayService(const GatewayParts& parts,
                                                 const EnrolmentCalls& desk, Executor& executor);

}  // namespace dragnet::scheduler
