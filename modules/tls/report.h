// What a survey found, as a row, judged. Thread-safe: no state.
#pragma once

#include "absl/time/time.h"
#include "modules/tls/guideline.h"
#include "modules/tls/survey.h"
#include "modules/tls/tls.pb.h"

namespace dragnet::tls {

// not_tls, silent, …
std::string_view StatusName(ServiceStatus status);

// Fills in what `findings` tell; target, address, port and sni are the caller's.
void Describe(const Findings& findings, const Guideline& guideline, Level level, absl::Time now,
              v1::TlsRow* row);

}  // namespace dragnet::tls
