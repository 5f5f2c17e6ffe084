#include "modules/pkg/ecosystem.h"

namespace dragnet::pkg {

bool SearchEcosystems(const EcosystemSearch&, const Reading&) { return true; }

}  // namespace dragnet::pkg
