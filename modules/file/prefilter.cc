#include "modules/file/prefilter.h"

namespace dragnet::file {

Prefilter::Prefilter(std::span<const LinePattern> patterns, uint64_t worthwhile_bytes)
    : patterns_(patterns), worthwhile_bytes_(worthwhile_bytes) {}
Prefilter::~Prefilter() = default;

}  // namespace dragnet::file
