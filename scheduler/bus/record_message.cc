#include "scheduler/bus/record_message.h"

#include <utility>

#include "core/action.h"
#include "core/keys.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/uuid.h"
#include "dragnet/v1/cluster.pb.h"
#include "scheduler/bus/bus.h"

namespace dragnet::scheduler {
namespace {

absl::StatusOr<AgentRecord> Take(v1::BusRecord& message, uint32_t partition, uint32_t partitions) {
  if (!IsUuid(message.agent_id())) {
    return absl::InvalidArgumentError("its agent's id isn't one");
  }
  if (PartitionOf(message.agent_id(), partitions) != partition) {
    return absl::InvalidArgumentError(
        StrCat("agent ", message.agent_id(), " is not of this partition"));
  }
  if (!message.has_record()) return absl::InvalidArgumentError("it lacks the agent's record");
  const google::protobuf::Timestamp& received = message.received();
  // The range of Timestamp: years 1 to 9999.
  if (received.seconds() < -62'135'596'800 || received.seconds() > 253'402'300'799 ||
      received.nanos() < 0 || received.nanos() > 999'999'999) {
    return absl::InvalidArgumentError("its time is none");
  }
  AgentRecord record;
  record.agent_id = std::move(*message.mutable_agent_id());
  record.record = std::move(*message.mutable_record());
  record.received = absl::FromUnixSeconds(received.seconds()) + absl::Nanoseconds(received.nanos());
  return record;
}

}  // namespace

uint32_t PartitionOf(std::string_view agent_id, uint32_t partitions) {
  const std::string digest = Sha256(agent_id);
  uint64_t number = 0;
  for (int i = 0; i < 8; ++i) number = number << 8 | static_cast<uint8_t>(digest[i]);
  return static_cast<uint32_t>(number % partitions);
}

std::string SerializeRecord(AgentRecord record) {
  v1::BusRecords message;
  v1::BusRecord& only = *message.add_records();
  only.set_agent_id(std::move(record.agent_id));
  *only.mutable_record() = std::move(record.record);
  *only.mutable_received() = ToTimestamp(record.received);
  return message.SerializeAsString();
}

absl::StatusOr<std::vector<AgentRecord>> ParseRecords(std::string_view bytes, uint32_t partition,
                                                      uint32_t partitions) {
  if (bytes.size() > Bus::kMaxRecordBytes) {
    return absl::InvalidArgumentError(StrCat("it has ", bytes.size(), " bytes"));
  }
  v1::BusRecords message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InvalidArgumentError("it isn't a BusRecords");
  }
  if (message.records().empty() ||
      static_cast<size_t>(message.records_size()) > kMaxRecordsTogether) {
    return absl::InvalidArgumentError(StrCat("it has ", message.records_size(), " records"));
  }
  std::vector<AgentRecord> records;
  records.reserve(message.records_size());
  for (int i = 0; i < message.records_size(); ++i) {
    absl::StatusOr<AgentRecord> record = Take(*message.mutable_records(i), partition, partitions);
    if (!record.ok()) return Annotate(record.status(), StrCat("record ", i + 1));
    records.push_back(*std::move(record));
  }
  return records;
}

}  // namespace dragnet::scheduler
