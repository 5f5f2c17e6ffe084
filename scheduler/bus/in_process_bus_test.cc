#include "scheduler/bus/in_process_bus.h"

#include <gtest/gtest.h>

#include "scheduler/bus/bus_conformance.h"

namespace dragnet::scheduler {
namespace {

class InProcessFixture : public BusFixture {
 public:
  std::unique_ptr<Bus> Connect(std::string_view) override {
    return std::make_unique<InProcessBus>();
  }
};

std::unique_ptr<BusFixture> NewFixture() { return std::make_unique<InProcessFixture>(); }

INSTANTIATE_TEST_SUITE_P(InProcess, BusConformance, ::testing::Values(&NewFixture));

TEST(InProcessBusTest, DoneIsTheWritersOwnAnswer) {
  MemoryWriter writer;
  InProcessBus bus;
  bus.SetWriter(writer);
  writer.FailBy([] { return absl::ResourceExhaustedError("disk full"); });
  Publications publications;
  publications.Publish(bus, TestRecord(AgentNumber(1), 1));
  ASSERT_TRUE(publications.WaitForAll());
  EXPECT_TRUE(absl::IsResourceExhausted(publications.Ends()[0].status));
}

// The writer may have it longer than the bus lives.
class SlowWriter : public RecordWriter {
 public:
  absl::StatusOr<uint64_t> PositionOf(uint32_t) override { return 0; }
  void Write(RecordBatch, Done done) override { done_ = std::move(done); }
  void Finish() { done_(absl::OkStatus()); }

 private:
  Done done_;
};

TEST(InProcessBusTest, BytesArePendingUntilTheCommitThoughTheBusHasGone) {
  SlowWriter writer;
  Publications publications;
  {
    InProcessBus bus;
    bus.SetWriter(writer);
    publications.Publish(bus, TestRecord(AgentNumber(1), 1, 5000));
    EXPECT_GT(bus.pending_bytes(), 5000u);
    EXPECT_TRUE(publications.Ends().empty());
  }
  writer.Finish();
  EXPECT_EQ(publications.Ends().size(), 1u);
}

}  // namespace
}  // namespace dragnet::scheduler
