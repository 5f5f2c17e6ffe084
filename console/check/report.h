// The results of a run as people and programs want them. Texts from hosts are hostile:
// every format makes them safe for who reads it, terminals included. Not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "console/check/result.h"
#include "console/output/sink.h"

namespace dragnet::console {

inline constexpr std::string_view kCheckFormats[] = {"text", "tap", "junit", "sarif", "json"};

struct ReportOptions {
  // Colours, of text.
  bool color = false;
  // No lines of what passed or doesn't apply, of text.
  bool quiet = false;
  // Evidence and time of everything, of text.
  bool verbose = false;
  // Of the other formats: what was looked at. Empty: this host.
  std::string root{};
  // A level of severity, or empty.
  std::string fail_on{};
  absl::Time started{};
};

// Called in the order: Begin; for each pack BeginPack, Add for each of its checks,
// EndPack; Finish.
class CheckReport {
 public:
  virtual ~CheckReport() = default;
  virtual void Begin(int checks) = 0;
  virtual void BeginPack(const Pack& pack) = 0;
  virtual void Add(const CheckResult& result) = 0;
  virtual void EndPack() = 0;
  // `exit_status` is the program's.
  virtual void Finish(const Tally& tally, absl::Duration elapsed, int exit_status) = 0;
};

// `format` is one of kCheckFormats. `out` outlives the result.
std::unique_ptr<CheckReport> NewReport(std::string_view format, const ReportOptions& options,
                                       Sink* out);

// One per file.
std::unique_ptr<CheckReport> NewTextReport(const ReportOptions& options, Sink* out);
std::unique_ptr<CheckReport> NewTapReport(const ReportOptions& options, Sink* out);
std::unique_ptr<CheckReport> NewJunitReport(const ReportOptions& options, Sink* out);
std::unique_ptr<CheckReport> NewSarifReport(const ReportOptions& options, Sink* out);
std::unique_ptr<CheckReport> NewJsonReport(const ReportOptions& options, Sink* out);

}  // namespace dragnet::console
