// Rows from hosts, out of which the scheduler takes columns to count.
#include "dragnet/v1/results.pb.h"
#include "scheduler/api/row_columns.h"
#include "tests/fuzz/target.h"

namespace dragnet::fuzz {

std::vector<std::string> Seeds() {
  v1::OperationSummary summary;
  summary.set_outcome(v1::OUTCOME_FOUND);
  summary.set_detail("detail");
  summary.set_rows(1'000'000'000'000);
  summary.mutable_module()->set_items_examined(3);
  summary.mutable_module()->add_limits_hit("limit");
  v1::Unexamined* unexamined = summary.mutable_module()->add_unexamined();
  unexamined->set_reason("reason");
  unexamined->add_examples("example");
  summary.mutable_started()->set_seconds(1);
  return {"", summary.SerializeAsString(), "\x0b\x0c", std::string("\x08\x82\x80\x00", 4),
          "\x09"
          "12345678"
          "\x0d"
          "1234"};
}

}  // namespace dragnet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dragnet;
  const std::string_view input = fuzz::ToView(data, size);
  auto columns = scheduler::RowColumns::Create({{1}, {3}, {4}, {5, 1}, {5, 3, 1}, {5, 4}, {6}});
  fuzz::Must(columns.ok(), "the columns are good ones");
  std::string found, again;
  const bool readable = columns->Extract(input, &found);
  if (readable) {
    fuzz::Must(columns->Extract(found, &again), "what was extracted is a message");
    fuzz::Must(again == found, "and has nothing but the columns");
    // Beside protobuf's own reader: what it reads is what is there.
    v1::OperationSummary whole, part;
    if (whole.ParseFromArray(data, static_cast<int>(size))) {
      fuzz::Must(part.ParseFromString(found), "protobuf reads it");
      fuzz::Must(part.outcome() == whole.outcome() && part.detail() == whole.detail() &&
                     part.rows() == whole.rows() &&
                     part.module().items_examined() == whole.module().items_examined() &&
                     part.module().limits_hit_size() == whole.module().limits_hit_size() &&
                     part.started().seconds() == whole.started().seconds(),
                 "with the values of the row");
    }
  }
  size_t bytes = 0;
  scheduler::ForEachRow(input, [&](std::string_view row) { bytes += row.size(); });
  fuzz::Must(bytes <= size, "rows are inside of the record");
  return 0;
}
