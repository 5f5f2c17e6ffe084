#include "scheduler/export/exporter.h"

#include <gmock/gmock.h>
#include <poll.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "core/envelope.h"
#include "core/file_io.h"
#include "modules/file/file.pb.h"
#include "scheduler/export/exports.h"
#include "scheduler/testing/stored_answers.h"
#include "scheduler/testing/sweep_documents.h"

namespace dragnet::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::Duration kPatience = absl::Seconds(30);

bool Eventually(const std::function<bool()>& condition) {
  const absl::Time end = absl::Now() + kPatience;
  while (!condition()) {
    if (absl::Now() > end) return false;
    ::poll(nullptr, 0, 5);
  }
  return true;
}

// What a receiver got, and what it says.
class Inbox {
 public:
  absl::Status Take(const std::vector<std::string>& events) {
    const WaitableMutex::Lock lock(mutex_);
    ++tries_;
    if (!answer_.ok()) return answer_;
    size_t bytes = 0;
    for (const std::string& event : events) {
      events_.push_back(event);
      bytes += event.size() + 1;
    }
    largest_ = std::max(largest_, bytes);
    return absl::OkStatus();
  }
  void Answer(const absl::Status& answer) {
    const WaitableMutex::Lock lock(mutex_);
    answer_ = answer;
  }
  template <typename Condition>
  bool WaitUntil(Condition condition) {
    WaitableMutex::Lock lock(mutex_);
    return lock.AwaitFor(kPatience, [&] { return condition(events_, tries_); });
  }
  std::vector<std::string> events() {
    const WaitableMutex::Lock lock(mutex_);
    return events_;
  }
  // Of a batch, in bytes.
  size_t largest() {
    const WaitableMutex::Lock lock(mutex_);
    return largest_;
  }

 private:
  WaitableMutex mutex_;
  absl::Status answer_;
  std::vector<std::string> events_;
  int tries_ = 0;
  size_t largest_ = 0;
};

class FakeReceiver : public Receiver {
 public:
  explicit FakeReceiver(Inbox& inbox) : inbox_(inbox) {}
  absl::Status Deliver(const std::vector<std::string>& events, const std::atomic<bool>&) override {
    return inbox_.Take(events);
  }
  std::string address() const override { return "fake"; }

 private:
  Inbox& inbox_;
};

std::string FileRow(const std::string& path) {
  file::v1::FileRow row;
  row.set_path(path);
  return row.SerializeAsString();
}

std::set<std::string> IdsOf(const std::vector<std::string>& events) {
  std::set<std::string> ids;
  for (const std::string& event : events)
    ids.insert(nlohmann::json::parse(event)["event"]["id"].get<std::string>());
  return ids;
}

class ExporterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    retention_ = *Retention::Open(*answers_.store, clock_, {});
    agents_ = *Agents::Load(*answers_.store, answers_.now);
  }
  void TearDown() override { Stop(); }

  void Start(bool from_oldest = true, const Exporter::Content& content = {}) {
    exporter_ = std::make_shared<Exporter>(Exporter::Parts{*answers_.store, *retention_, *agents_},
                                           "siem", from_oldest, cursor_file_,
                                           std::make_unique<FakeReceiver>(inbox_), content);
  }
  void Stop() {
    if (exporter_ != nullptr) exporter_->Stop();
    exporter_.reset();
  }

  // An action whose module is known: what the fixture's stands for none.
  std::string Launch() { return answers_.AddAction(); }

  StoredAnswers answers_;
  FakeClock clock_{answers_.now};
  std::unique_ptr<Retention> retention_;
  std::unique_ptr<Agents> agents_;
  const std::string cursor_file_ = answers_.directory.path() + "/siem.cursor";
  Inbox inbox_;
  std::shared_ptr<Exporter> exporter_;
};

// The fixture's actions don't parse, so their rows are told with their bytes.
size_t RowsIn(const std::vector<std::string>& events) {
  size_t rows = 0;
  for (const std::string& event : events)
    if (nlohmann::json::parse(event)["event"]["action"] == "row-found") ++rows;
  return rows;
}

TEST_F(ExporterTest, EverythingIsDeliveredAndTheCursorStandsBehindIt) {
  const std::string action = Launch();
  answers_.AddRows(action, 0, 1, {FileRow("/a"), FileRow("/b")});
  answers_.End(action, 0, 2, 2);
  Start();
  ASSERT_TRUE(inbox_.WaitUntil([](const auto& events, int) { return RowsIn(events) == 2; }));
  Stop();
  const auto cursor = ReadFile(cursor_file_);
  ASSERT_TRUE(cursor.ok());
  // The next start brings nothing again.
  const size_t before = inbox_.events().size();
  Start();
  answers_.AddRows(action, 1, 1, {FileRow("/c")});
  exporter_->Notify();
  ASSERT_TRUE(inbox_.WaitUntil([](const auto& events, int) { return RowsIn(events) == 3; }));
  Stop();
  std::vector<std::string> events = inbox_.events();
  events.erase(events.begin(), events.begin() + static_cast<ptrdiff_t>(before));
  EXPECT_EQ(RowsIn(events), 1U);
}

TEST_F(ExporterTest, ANewOneBeginsNowAndNotesWhereThatWas) {
  const std::string action = Launch();
  answers_.AddRows(action, 0, 1, {FileRow("/old")});
  Start(/*from_oldest=*/false);
  // Nothing can be delivered while it is down; what comes then isn't missed.
  inbox_.Answer(absl::UnavailableError("down"));
  ASSERT_TRUE(Eventually([&] { return ReadFile(cursor_file_).ok(); }));
  answers_.AddRows(action, 0, 2, {FileRow("/new")});
  Stop();
  inbox_.Answer(absl::OkStatus());
  Start(/*from_oldest=*/false);
  ASSERT_TRUE(inbox_.WaitUntil([](const auto& events, int) { return RowsIn(events) > 0; }));
  EXPECT_EQ(RowsIn(inbox_.events()), 1U);
}

TEST_F(ExporterTest, AReceiverThatIsDownGetsItLaterAndItsTroubleShows) {
  inbox_.Answer(absl::UnavailableError("connect: refused \x1b[2J"));
  const std::string action = Launch();
  answers_.AddRows(action, 0, 1, {FileRow("/a")});
  Start();
  ASSERT_TRUE(inbox_.WaitUntil([](const auto&, int tries) { return tries >= 2; }));
  const ExportState failing = exporter_->state();
  EXPECT_FALSE(failing.error.ok());
  EXPECT_NE(failing.behind_since, absl::InfinitePast());
  const std::vector<std::string> problems =
      ExportProblems({failing}, failing.failing_since + absl::Minutes(5));
  ASSERT_THAT(problems, ElementsAre(HasSubstr("export siem")));
  EXPECT_THAT(problems[0], HasSubstr("refused"));
  EXPECT_EQ(problems[0].find('\x1b'), std::string::npos);
  EXPECT_THAT(ExportProblems({failing}, failing.failing_since), IsEmpty());
  inbox_.Answer(absl::OkStatus());
  ASSERT_TRUE(inbox_.WaitUntil([](const auto& events, int) { return RowsIn(events) == 1; }));
}

TEST_F(ExporterTest, AHangingReceiverDoesNotHoldUpTheEnd) {
  inbox_.Answer(absl::UnavailableError("down"));
  Launch();
  Start();
  ASSERT_TRUE(inbox_.WaitUntil([](const auto&, int tries) { return tries >= 1; }));
  Stop();
  EXPECT_THAT(inbox_.events(), IsEmpty());
}

TEST_F(ExporterTest, AGapIsToldToTheReceiverAndItGoesOn) {
  const std::string action = Launch();
  answers_.AddRows(action, 0, 1, {FileRow("/gone")});
  answers_.End(action, 0, 2, 1);
  inbox_.Answer(absl::UnavailableError("down"));
  Start();
  ASSERT_TRUE(inbox_.WaitUntil([](const auto&, int tries) { return tries >= 1; }));
  Stop();
  answers_.Retain(answers_.now + absl::Hours(24 * 400));
  inbox_.Answer(absl::OkStatus());
  Start();
  const std::string later = Launch();
  answers_.AddRows(later, 0, 1, {FileRow("/later")});
  exporter_->Notify();
  ASSERT_TRUE(inbox_.WaitUntil([](const auto& events, int) { return RowsIn(events) == 1; }));
  const std::vector<std::string> events = inbox_.events();
  EXPECT_EQ(nlohmann::json::parse(events.front())["event"]["action"], "events-missing");
  EXPECT_EQ(exporter_->state().gaps, 1U);
  EXPECT_THAT(ExportProblems({exporter_->state()}, absl::Now()),
              ElementsAre(HasSubstr("too far behind")));
}

TEST_F(ExporterTest, ACursorAheadOfTheStoreIsSaidOnceAndItGoesOn) {
  // A copy of the store's file that was put back is the same store, only older.
  const auto identity = answers_.store->StreamIdentity();
  ASSERT_TRUE(identity.ok());
  std::ofstream(cursor_file_) << events::FormatCursor(
                                     {.store = *identity, .position = 1 << 30, .removal = 0})
                              << "\n";
  Start();
  ASSERT_TRUE(inbox_.WaitUntil([](const auto& events, int) { return !events.empty(); }));
  const std::string action = Launch();
  answers_.AddRows(action, 0, 1, {FileRow("/a")});
  exporter_->Notify();
  ASSERT_TRUE(inbox_.WaitUntil([](const auto& events, int) { return RowsIn(events) == 1; }));
  size_t gaps = 0;
  for (const std::string& event : inbox_.events())
    if (nlohmann::json::parse(event)["event"]["action"] == "events-missing") ++gaps;
  EXPECT_EQ(gaps, 1U);
}

TEST_F(ExporterTest, ACursorOfAnotherStoreStopsItAndSaysWhatToDo) {
  std::ofstream(cursor_file_) << "00000000000000ff.3.0\n";
  Launch();
  Start();
  ASSERT_TRUE(Eventually([&] { return exporter_->state().stopped; }));
  const std::vector<std::string> problems = ExportProblems({exporter_->state()}, absl::Now());
  ASSERT_FALSE(problems.empty());
  EXPECT_THAT(problems[0], HasSubstr("another store"));
  EXPECT_THAT(problems[0], HasSubstr(cursor_file_));
  EXPECT_THAT(inbox_.events(), IsEmpty());
}

TEST_F(ExporterTest, AFileThatIsNoCursorStopsIt) {
  std::ofstream(cursor_file_) << "0\n";
  Launch();
  Start();
  ASSERT_TRUE(Eventually([&] { return exporter_->state().stopped; }));
  EXPECT_THAT(inbox_.events(), IsEmpty());
}

TEST_F(ExporterTest, IdsAreTheSameWhenItIsDeliveredAgain) {
  const std::string action = Launch();
  answers_.AddRows(action, 0, 1, {FileRow("/a"), FileRow("/b")});
  Start();
  ASSERT_TRUE(inbox_.WaitUntil([](const auto& events, int) { return RowsIn(events) == 2; }));
  Stop();
  const std::vector<std::string> first = inbox_.events();
  std::filesystem::remove(cursor_file_);
  Start();
  ASSERT_TRUE(inbox_.WaitUntil([](const auto& events, int) { return RowsIn(events) == 4; }));
  Stop();
  EXPECT_EQ(IdsOf(first), IdsOf(inbox_.events()));
}

TEST_F(ExporterTest, ManyLargeDocumentsAreReadInParts) {
  constexpr size_t kDocument = 200'000;
  constexpr size_t kActions = 30;
  constexpr size_t kBatch = 64 * 1024;
  std::set<std::string> actions;
  for (size_t i = 0; i < kActions; ++i) {
    StoredAction action;
    action.id = NewUuidV7(answers_.now);
    action.envelope = std::string(kDocument, 'x');
    action.launched_at = answers_.now;
    action.expires = answers_.now + absl::Hours(1);
    action.bounds = {{.rows = 1, .bytes = 1}};
    ASSERT_TRUE(answers_.store->AddAction(action, answers_.agents).ok());
    actions.insert(action.id);
  }
  absl::StatusOr<TailReader> reader = TailReader::Open(*answers_.store, *retention_, "0");
  ASSERT_TRUE(reader.ok()) << reader.status();
  size_t states = 0;
  while (true) {
    const auto events = reader->Next(kBatch);
    ASSERT_TRUE(events.ok()) << events.status();
    if (events->empty()) break;
    size_t bytes = 0;
    for (const v1::TailEvent& event : *events) {
      bytes += event.ByteSizeLong();
      states += event.has_agent_state() ? 1 : 0;
      if (!event.has_action()) continue;
      EXPECT_EQ(actions.erase(event.action_id()), 1U) << "told once";
    }
    EXPECT_LT(bytes, 2 * kBatch + kDocument);
  }
  EXPECT_THAT(actions, IsEmpty());
  EXPECT_EQ(states, kActions * answers_.agents.size()) << "none is passed over";
}

TEST_F(ExporterTest, RowsThatGrowAreDeliveredInPartsWithinTheBound) {
  const std::string action = Launch();
  // 50 KB of rows, which become about four megabytes of events.
  const std::vector<std::string> rows(5000, std::string(10, '\x01'));
  answers_.AddRows(action, 0, 1, rows);
  Start();
  ASSERT_TRUE(inbox_.WaitUntil(
      [](const auto& events, int) { return events.size() >= 5003 && RowsIn(events) == 5000; }));
  EXPECT_LE(inbox_.largest(), size_t{1} << 20);
  EXPECT_GT(inbox_.largest(), size_t{1} << 19);
}

// ---- only what changed

class ChangesExportTest : public ExporterTest {
 protected:
  // A sweep that began long ago, and its verdicts.
  std::string LaunchSweep() {
    const v1::Action document =
        SweepDocument(NewUuidV7(answers_.now), "@hourly", answers_.now - absl::Hours(10),
                      answers_.now + absl::Hours(100), {"time", "disk"});
    StoredAction action;
    action.id = document.id();
    action.envelope =
        NewEnvelope(kActionPayloadType, document.SerializeAsString()).SerializeAsString();
    action.launched_by = "ida";
    action.launched_at = answers_.now - absl::Hours(10);
    action.expires = answers_.now + absl::Hours(100);
    action.recurs_until = action.expires;
    action.bounds = {{.rows = 1000, .bytes = 1 << 20}};
    EXPECT_TRUE(answers_.store->AddAction(action, answers_.agents).ok());
    return action.id;
  }
  void Tell(const std::string& sweep, int hour, std::string_view time) {
    v1::ResultRecord record;
    record.set_action_id(sweep);
    record.set_occurrence(absl::ToUnixSeconds(answers_.now) / 3600 * 3600 - 3600 * (9 - hour));
    record.set_sequence(1);
    record.mutable_rows()->add_rows(VerdictRow("time", time));
    record.mutable_rows()->add_rows(VerdictRow("disk", "pass"));
    answers_.Append(0, record);
  }
};

TEST_F(ChangesExportTest, NothingButChangesIsDelivered) {
  const std::string action = Launch();
  answers_.AddRows(action, 0, 1, {FileRow("/a")});
  const std::string sweep = LaunchSweep();
  Tell(sweep, 1, "pass");
  Tell(sweep, 2, "fail");
  Tell(sweep, 3, "fail");
  Start(true, {.changes_only = true});
  ASSERT_TRUE(inbox_.WaitUntil([](const auto& events, int) { return !events.empty(); }));
  // Behind all that there was.
  Tell(sweep, 4, "pass");
  exporter_->Notify();
  ASSERT_TRUE(inbox_.WaitUntil([](const auto& events, int) { return events.size() >= 2; }));
  Stop();
  const std::vector<std::string> events = inbox_.events();
  ASSERT_EQ(events.size(), 2u);
  const auto first = nlohmann::json::parse(events[0]);
  EXPECT_EQ(first["event"]["kind"], "alert");
  EXPECT_EQ(first["rule"]["ruleset"], "test-pack");
  EXPECT_EQ(first["rule"]["name"], "title of time");
  EXPECT_EQ(first["agent"]["name"], "web-1");
  EXPECT_EQ(nlohmann::json::parse(events[1])["event"]["outcome"], "success");
}

TEST_F(ChangesExportTest, InMigsForm) {
  const std::string sweep = LaunchSweep();
  Tell(sweep, 1, "fail");
  Start(true, {.changes_only = true, .format = ExportSettings::Format::kMigCompliance});
  ASSERT_TRUE(inbox_.WaitUntil([](const auto& events, int) { return !events.empty(); }));
  Stop();
  ASSERT_EQ(inbox_.events().size(), 1u);
  const auto item = nlohmann::json::parse(inbox_.events()[0]);
  EXPECT_EQ(item["target"], "web-1");
  EXPECT_EQ(item["compliance"], false);
  EXPECT_EQ(item["check"]["test"]["value"], "test-pack/time");
}

}  // namespace
}  // namespace dragnet::scheduler
