#include "modules/scan/libyara.h"

#include "core/strings.h"

namespace dragnet::scan {

absl::Status InitializeLibyara() {
  static const int result = [] {
    if (const int error = yr_initialize(); error != ERROR_SUCCESS) return error;
    // libyara would keep a copy of each match's bytes, half a kilobyte by
    // default, for a million matches of every string. The bytes of the few
    // matches that are reported are read again instead.
    return yr_set_configuration_uint32(YR_CONFIG_MAX_MATCH_DATA, 1);
  }();
  if (result == ERROR_SUCCESS) return absl::OkStatus();
  return absl::InternalError(StrCat("libyara does not start: ", LibyaraError(result)));
}

std::string LibyaraError(int code) {
  switch (code) {
    case ERROR_INSUFFICIENT_MEMORY:
      return "not enough memory";
    case ERROR_EXEC_STACK_OVERFLOW:
      return "a condition needs too deep a stack";
    case ERROR_SCAN_TIMEOUT:
      return "timed out";
    case ERROR_TOO_MANY_MATCHES:
      return "too many matches of a string";
    case ERROR_TOO_MANY_RE_FIBERS:
      return "a regular expression needs too many states";
    case ERROR_REGULAR_EXPRESSION_TOO_LARGE:
      return "a regular expression is too large";
    case ERROR_REGULAR_EXPRESSION_TOO_COMPLEX:
      return "a regular expression is too complex";
    case ERROR_INTERNAL_FATAL_ERROR:
      return "internal error";
    case ERROR_DUPLICATED_EXTERNAL_VARIABLE:
      return "the variable is given twice";
    default:
      return StrCat("libyara error ", code);
  }
}

}  // namespace dragnet::scan
