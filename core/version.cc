#include "core/version.h"

namespace dragnet {

const char* const kVersion = DRAGNET_VERSION;

}  // namespace dragnet
