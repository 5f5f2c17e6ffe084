// The three forms of RPM's database, each read by its own bounded reader: none
// of RPM's or Berkeley DB's code, which trusts what it reads. Every reader gives
// the headers (rpm_header.h) one by one. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "absl/status/status.h"

namespace dragnet::pkg {

// Larger headers are refused: the largest real ones, of kernels and fonts with
// 100,000 files, take some MiB.
inline constexpr uint32_t kMaxHeaderBytes = 24 * 1024 * 1024;

// False: no more.
using HeaderSink = std::function<bool(std::string_view blob)>;
// Something was passed over: why, and which record.
using PassedOver = std::function<void(std::string_view reason, uint64_t record)>;

// rpmdb.sqlite. Nothing is written and no lock is taken: the file is read as it
// is, and the write-ahead log is not.
absl::Status ReadRpmSqlite(int fd, const HeaderSink& sink, const PassedOver& passed_over);
// Packages.db of RPM's own format "ndb".
absl::Status ReadRpmNdb(int fd, const HeaderSink& sink, const PassedOver& passed_over);
// Packages, a hash of Berkeley DB, of either byte order.
absl::Status ReadRpmBdb(int fd, const HeaderSink& sink, const PassedOver& passed_over);

// pread(2) of exactly `size` bytes; false when there are fewer.
bool ReadExactly(int fd, uint64_t offset, char* bytes, size_t size);

}  // namespace dragnet::pkg
