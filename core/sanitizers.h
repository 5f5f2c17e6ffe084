// DRAGNET_ADDRESS_SANITIZER is defined where AddressSanitizer instruments the code: it maps
// terabytes, and can't live under a limit of the address space.
#pragma once

#if defined(__SANITIZE_ADDRESS__)  // GCC
#define DRAGNET_ADDRESS_SANITIZER
#elif defined(__has_feature)  // Clang
#if __has_feature(address_sanitizer)
#define DRAGNET_ADDRESS_SANITIZER
#endif
#endif
