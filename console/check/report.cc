#include "console/check/report.h"

namespace dragnet::console {

std::unique_ptr<CheckReport> NewReport(std::string_view format, const ReportOptions& options,
                                       Sink* out) {
  if (format == "tap") return NewTapReport(options, out);
  if (format == "junit") return NewJunitReport(options, out);
  if (format == "sarif") return NewSarifReport(options, out);
  if (format == "json") return NewJsonReport(options, out);
  return NewTextReport(options, out);
}

}  // namespace dragnet::console
