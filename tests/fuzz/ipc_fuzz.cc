// A stream of frames from a hostile process, cut into pieces as its first byte
// says, and each frame as every message that either end could take it for.
#include "agent/ipc/frame.h"
#include "agent/ipc/ipc.pb.h"
#include "core/strict_proto.h"
#include "tests/fuzz/target.h"

namespace dragnet::fuzz {
namespace {

constexpr size_t kBound = 4096;

template <typename Message>
void Parse(const std::string& bytes) {
  Message message;
  if (!ParseStrict(bytes, kBound, &message).ok()) return;
  Message again;
  Must(ParseStrict(message.SerializeAsString(), 2 * kBound, &again).ok(),
       "what was parsed can be sent on");
  Must(message.SerializeAsString() == again.SerializeAsString(), "nothing is lost");
}

std::string Frames(const std::vector<const google::protobuf::Message*>& messages) {
  std::string stream = "\x07";
  for (const auto* message : messages) stream += *EncodeFrame(*message);
  return stream;
}

}  // namespace

std::vector<std::string> Seeds() {
  ipc::LinkToMonitor connected;
  connected.mutable_connected()->set_record_window(32);
  ipc::LinkToMonitor envelope;
  envelope.set_action_envelope("an envelope");
  ipc::LinkToMonitor acknowledged;
  acknowledged.mutable_acknowledged()->set_action_id("018f0000-0000-7000-8000-000000000001");
  acknowledged.mutable_acknowledged()->set_sequence(7);
  ipc::WorkerToMonitor rows;
  rows.mutable_rows()->add_rows("a row");
  ipc::WorkerToMonitor summary;
  summary.mutable_summary()->set_items_examined(5);
  summary.mutable_summary()->add_unexamined()->set_reason("Permission denied");
  ipc::WorkerToMonitor failed;
  failed.mutable_failed()->set_kind(ipc::Failed::KIND_MODULE_ERROR);
  ipc::MonitorToLink start;
  start.mutable_start()->add_schedulers("localhost:7443");
  start.mutable_start()->mutable_hello()->mutable_facts()->set_name("web1");
  ipc::Job job;
  job.set_module("file");
  return {Frames({&connected, &envelope, &acknowledged}), Frames({&rows, &rows, &summary}),
          Frames({&failed}), Frames({&start}), Frames({&job})};
}

}  // namespace dragnet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dragnet;
  if (size == 0) return 0;
  const size_t step = size_t{data[0]} + 1;
  std::string_view stream = fuzz::ToView(data + 1, size - 1);
  FrameDecoder decoder(fuzz::kBound);
  while (!stream.empty()) {
    decoder.Append(stream.substr(0, step));
    stream.remove_prefix(std::min(step, stream.size()));
    while (true) {
      const auto frame = decoder.Next();
      if (!frame.ok()) return 0;
      if (!frame->has_value()) break;
      fuzz::Must((*frame)->size() <= fuzz::kBound, "frames are bounded");
      fuzz::Parse<ipc::LinkToMonitor>(**frame);
      fuzz::Parse<ipc::MonitorToLink>(**frame);
      fuzz::Parse<ipc::WorkerToMonitor>(**frame);
      fuzz::Parse<ipc::Job>(**frame);
    }
  }
  return 0;
}
