#include "scheduler/bus/jetstream.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "nlohmann/json.hpp"
#include "scheduler/bus/bus.h"

namespace dragnet::scheduler {
namespace {

constexpr absl::Duration kNoticesAge = absl::Hours(24);
constexpr int64_t kMaxNotices = 1'000'000;
constexpr int64_t kMaxNoticeBytes = 256 << 20;
constexpr int kMaxNoticeMessageBytes = 4096;
// With its header.
constexpr int kMaxRecordMessageBytes = static_cast<int>(Bus::kMaxRecordBytes) + 1024;

struct StreamPlan {
  std::string name;
  std::vector<std::string> subjects;
  jsDiscardPolicy discard;
  int64_t max_bytes;
  int64_t max_messages;
  int64_t max_age;
  int max_message_bytes;
};

StreamPlan RecordPlan(const NatsOptions& options) {
  const NatsNames names(options.fleet_id);
  StreamPlan plan{.name = names.RecordStream(),
                  .subjects = {},
                  .discard = js_DiscardNew,
                  .max_bytes = options.max_record_bytes,
                  .max_messages = -1,
                  .max_age = 0,
                  .max_message_bytes = kMaxRecordMessageBytes};
  for (uint32_t i = 0; i < options.partitions; ++i) plan.subjects.push_back(names.RecordSubject(i));
  return plan;
}

StreamPlan NoticePlan(const NatsOptions& options) {
  const NatsNames names(options.fleet_id);
  return {.name = names.NoticeStream(),
          .subjects = {names.NoticeSubject()},
          .discard = js_DiscardOld,
          .max_bytes = kMaxNoticeBytes,
          .max_messages = kMaxNotices,
          .max_age = absl::ToInt64Nanoseconds(kNoticesAge),
          .max_message_bytes = kMaxNoticeMessageBytes};
}

// Names what is otherwise than planned; empty: nothing.
std::vector<std::string> Differences(const StreamPlan& plan, const NatsOptions& options,
                                     const jsStreamConfig& found) {
  std::vector<std::string> differences;
  const auto compare = [&](std::string_view what, int64_t is, int64_t must_be) {
    if (is != must_be) {
      differences.push_back(StrCat(what, " is ", is, " and not ", must_be));
    }
  };
  std::set<std::string> subjects;
  for (int i = 0; i < found.SubjectsLen; ++i) subjects.insert(found.Subjects[i]);
  if (subjects != std::set<std::string>(plan.subjects.begin(), plan.subjects.end())) {
    differences.push_back(StrCat("it has ", subjects.size(), " subjects (",
                                 absl::StrJoin(subjects, " "), ") and not the ",
                                 plan.subjects.size(), " of ", plan.subjects.front(), " …"));
  }
  compare("retention", found.Retention, js_LimitsPolicy);
  compare("discard", found.Discard, plan.discard);
  compare("storage", found.Storage, js_FileStorage);
  compare("replicas", found.Replicas, options.replicas);
  compare("max age", found.MaxAge, plan.max_age);
  compare("max messages", found.MaxMsgs, plan.max_messages);
  compare("max messages per subject", std::max<int64_t>(found.MaxMsgsPerSubject, -1), -1);
  compare("max message size", found.MaxMsgSize, plan.max_message_bytes);
  if (found.NoAck) differences.push_back("messages aren't acknowledged");
  if (found.Mirror != nullptr || found.SourcesLen > 0) differences.push_back("it is a copy");
  if (found.Sealed) differences.push_back("it is sealed");
  if (found.DenyPurge || found.DenyDelete) {
    differences.push_back("messages may not be removed from it");
  }
  return differences;
}

absl::Status SetUpStream(NatsConnection& connection, const NatsOptions& options,
                         const StreamPlan& plan, bool change) {
  std::vector<const char*> subjects;
  for (const std::string& subject : plan.subjects) subjects.push_back(subject.c_str());
  jsStreamConfig config;
  jsStreamConfig_Init(&config);
  config.Name = plan.name.c_str();
  config.Subjects = subjects.data();
  config.SubjectsLen = static_cast<int>(subjects.size());
  config.Retention = js_LimitsPolicy;
  config.Discard = plan.discard;
  config.Storage = js_FileStorage;
  config.Replicas = options.replicas;
  config.MaxBytes = plan.max_bytes;
  config.MaxMsgs = plan.max_messages;
  config.MaxAge = plan.max_age;
  config.MaxMsgSize = plan.max_message_bytes;

  absl::StatusOr<NatsStreamInfo> info = StreamInfo(connection, plan.name);
  if (absl::IsNotFound(info.status())) {
    if (!options.create_streams) {
      return absl::FailedPreconditionError(
          StrCat("stream ", plan.name, " isn't there, and this scheduler makes none"));
    }
    jsStreamInfo* created = nullptr;
    jsErrCode code{};
    const natsStatus status = js_AddStream(&created, connection.js(), &config, nullptr, &code);
    if (status != NATS_OK) return NatsError(StrCat("make stream ", plan.name), status, code);
    info = NatsStreamInfo(created);
    spdlog::info("bus: made stream {}", plan.name);
  }
  if (!info.ok()) return info.status();

  if (change && ((*info)->Config->MaxBytes != plan.max_bytes ||
                 (*info)->Config->Replicas != options.replicas)) {
    jsStreamInfo* changed = nullptr;
    jsErrCode code{};
    const natsStatus status = js_UpdateStream(&changed, connection.js(), &config, nullptr, &code);
    if (status != NATS_OK) return NatsError(StrCat("change stream ", plan.name), status, code);
    info = NatsStreamInfo(changed);
    spdlog::info("bus: changed stream {}", plan.name);
  }
  const std::vector<std::string> differences = Differences(plan, options, *(*info)->Config);
  if (!differences.empty()) {
    return absl::FailedPreconditionError(
        StrCat("stream ", plan.name,
               " has other settings than this scheduler: ", absl::StrJoin(differences, "; ")));
  }
  if ((*info)->Config->MaxBytes != plan.max_bytes) {
    spdlog::warn("bus: stream {} may have {} bytes, and the settings say {}", plan.name,
                 (*info)->Config->MaxBytes, plan.max_bytes);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<uint64_t> ParsePublishAnswer(std::string_view json, std::string_view stream) {
  const nlohmann::json answer = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object()) {
    return absl::UnavailableError("the bus answered what isn't JSON");
  }
  if (const auto error = answer.find("error"); error != answer.end() && error->is_object()) {
    const auto number = [&](const char* name) -> int64_t {
      const auto found = error->find(name);
      return found != error->end() && found->is_number_integer() ? found->get<int64_t>() : 0;
    };
    const auto text = error->find("description");
    const std::string words =
        StrCat("the bus refuses it: ",
               text != error->end() && text->is_string() ? text->get<std::string>() : "no reason",
               " (", number("err_code"), ")");
    switch (number("err_code")) {
      case JSStreamStoreFailedErr:
      case JSStorageResourcesExceededErr:
      case JSMemoryResourcesExceededErr:
      case JSInsufficientResourcesErr:
      case JSAccountResourcesExceededErr:
        return absl::ResourceExhaustedError(words);
      case JSStreamMessageExceedsMaximumErr:
        return absl::InvalidArgumentError(words);
      default:
        return absl::UnavailableError(words);
    }
  }
  const auto name = answer.find("stream");
  if (name == answer.end() || !name->is_string() || name->get<std::string>() != stream) {
    return absl::UnavailableError("another stream has taken it");
  }
  const auto sequence = answer.find("seq");
  // 0, from newer servers: one with the same id is on its way, and nothing is stored yet.
  if (sequence == answer.end() || !sequence->is_number_unsigned() ||
      sequence->get<uint64_t>() == 0) {
    return absl::UnavailableError("the bus hasn't stored it yet");
  }
  return sequence->get<uint64_t>();
}

absl::StatusOr<uint64_t> ReadPublishAnswer(const NatsMessage& answer, std::string_view stream) {
  if (const std::string_view status = StatusOf(answer); !status.empty()) {
    return absl::UnavailableError(
        status == "503" ? StrCat("stream ", stream, " has no leader at the moment")
                        : StrCat("the bus says ", status, " ", DescriptionOf(answer)));
  }
  return ParsePublishAnswer(DataOf(answer), stream);
}

std::optional<DeliveryNumbers> ParseDelivery(std::string_view reply) {
  // $JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.<consumer sequence>.<time>.<pending>
  // and newer: $JS.ACK.<domain>.<account>.<stream>.… with or without one part more at its end.
  if (reply.size() > 512) return std::nullopt;
  const std::vector<absl::string_view> parts = absl::StrSplit(ToAbsl(reply), '.');
  if (parts.size() < 9 || parts[0] != "$JS" || parts[1] != "ACK") return std::nullopt;
  size_t first = 5;
  if (parts.size() == 11 || parts.size() == 12) {
    first = 7;
  } else if (parts.size() != 9) {
    return std::nullopt;
  }
  DeliveryNumbers numbers;
  const auto read = [](absl::string_view text, uint64_t* number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
    return error == std::errc() && end == text.data() + text.size() && *number > 0;
  };
  if (!read(parts[first], &numbers.stream) || !read(parts[first + 1], &numbers.consumer)) {
    return std::nullopt;
  }
  return numbers;
}

absl::StatusOr<uint64_t> LastNumber(NatsConnection& connection, const std::string& stream,
                                    const std::string& subject) {
  DRAGNET_RETURN_IF_ERROR(connection.state());
  natsMsg* taken = nullptr;
  jsErrCode code{};
  const natsStatus status =
      js_GetLastMsg(&taken, connection.js(), stream.c_str(), subject.c_str(), nullptr, &code);
  const NatsMessage last(taken);
  if (status == NATS_NOT_FOUND) return 0;
  if (status != NATS_OK)
    return NatsError(StrCat("newest message of ", subject, " of stream ", stream), status, code);
  return natsMsg_GetSequence(last.get());
}

absl::StatusOr<NatsStreamInfo> StreamInfo(NatsConnection& connection, const std::string& stream,
                                          const std::string& subjects) {
  DRAGNET_RETURN_IF_ERROR(connection.state());
  jsOptions options;
  jsOptions_Init(&options);
  if (!subjects.empty()) options.Stream.Info.SubjectsFilter = subjects.c_str();
  jsStreamInfo* info = nullptr;
  jsErrCode code{};
  const natsStatus status =
      js_GetStreamInfo(&info, connection.js(), stream.c_str(), &options, &code);
  if (status != NATS_OK) {
    // libnats 3.4 gives NATS_NOT_FOUND, and no code, for a stream that isn't there.
    if (status == NATS_NOT_FOUND) code = JSStreamNotFoundErr;
    return NatsError(StrCat("stream ", stream), status, code);
  }
  return NatsStreamInfo(info);
}

absl::Status SetUpStreams(NatsConnection& connection, const NatsOptions& options, bool change) {
  DRAGNET_RETURN_IF_ERROR(SetUpStream(connection, options, RecordPlan(options), change));
  return SetUpStream(connection, options, NoticePlan(options), change);
}

}  // namespace dragnet::scheduler
