#include "scheduler/bus/record_message.h"

#include "core/action.h"
#include "core/keys.h"
#include "core/strings.h"
#include "core/uuid.h"
#include "dragnet/v1/cluster.pb.h"
#include "scheduler/bus/bus.h"

namespace dragnet::scheduler {

uint32_t PartitionOf(std::string_view agent_id, uint32_t partitions) {
  const std::string digest = Sha256(agent_id);
  uint64_t number = 0;
  for (int i = 0; i < 8; ++i) number = number << 8 | static_cast<uint8_t>(digest[i]);
  return static_cast<uint32_t>(number % partitions);
}

std::string SerializeRecord(const AgentRecord& record) {
  v1::BusRecord message;
  message.set_agent_id(record.agent_id);
  message.set_record(record.record.SerializeAsString());
  *message.mutable_received() = ToTimestamp(record.received);
  return message.SerializeAsString();
}

absl::StatusOr<AgentRecord> ParseRecord(std::string_view bytes, uint32_t partition,
                                        uint32_t partitions) {
  if (bytes.size() > Bus::kMaxRecordBytes) {
    return absl::InvalidArgumentError(StrCat("it has ", bytes.size(), " bytes"));
  }
  v1::BusRecord message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InvalidArgumentError("it isn't a BusRecord");
  }
  if (!IsUuid(message.agent_id())) {
    return absl::InvalidArgumentError("its agent's id isn't one");
  }
  if (PartitionOf(message.agent_id(), partitions) != partition) {
    return absl::InvalidArgumentError(
        StrCat("agent ", message.agent_id(), " is not of this partition"));
  }
  AgentRecord record;
  if (!record.record.ParseFromString(message.record())) {
    return absl::InvalidArgumentError("what it holds isn't a ResultRecord");
  }
  const google::protobuf::Timestamp& received = message.received();
  // The range of Timestamp: years 1 to 9999.
  if (received.seconds() < -62'135'596'800 || received.seconds() > 253'402'300'799 ||
      received.nanos() < 0 || received.nanos() > 999'999'999) {
    return absl::InvalidArgumentError("its time is none");
  }
  record.agent_id = message.agent_id();
  record.received = absl::FromUnixSeconds(received.seconds()) + absl::Nanoseconds(received.nanos());
  return record;
}

}  // namespace dragnet::scheduler
