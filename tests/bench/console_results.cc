// What a million rows of ten thousand agents cost the full-screen console: its
// Action screen over a stream that is made as it is read, without a scheduler and
// without a terminal. Prints a line for each measure.
//
//   console_results [AGENTS [ROWS_EACH]]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "console/testing/sample.pb.h"
#include "console/testing/sample_module.h"
#include "console/tui/app.h"
#include "console/tui/testing/fake_client.h"
#include "core/clock.h"
#include "core/strings.h"
#include "core/testing.h"

namespace dragnet::console::tui {
namespace {

int agents = 10'000;
int rows_each = 100;

// As much as a scheduler sends: rows of about 200 bytes, and a state after them.
class MadeStream : public EventStream {
 public:
  StreamStep Next(absl::Duration, v1::WatchEvent* event) override {
    event->Clear();
    if (agent_ == agents) {
      Count(event->mutable_end()->mutable_progress());
      ++agent_;
      return StreamStep::kEvent;
    }
    if (agent_ > agents) return StreamStep::kEnd;
    if (!counted_) {
      Count(event->mutable_progress());
      counted_ = true;
      return StreamStep::kEvent;
    }
    const std::string id = StrCat("0190a3f2-7c1e-7000-8000-", 100'000'000'000 + agent_);
    const std::string name = StrCat("host-", agent_, ".example.net");
    if (!state_next_) {
      v1::AgentRows* rows = event->mutable_rows();
      event->set_cursor(static_cast<uint64_t>(agent_) + 1);
      rows->set_agent_id(id);
      rows->set_agent_name(name);
      for (int i = 0; i < rows_each; ++i) rows->add_rows(Row(i));
      state_next_ = true;
      return StreamStep::kEvent;
    }
    v1::AgentState* state = event->mutable_agent_state();
    state->set_agent_id(id);
    state->set_agent_name(name);
    state->set_rows(static_cast<uint64_t>(rows_each));
    state->set_state(agent_ % 50 == 0 ? v1::DISPATCH_STATE_INCOMPLETE : v1::DISPATCH_STATE_FOUND);
    v1::OperationSummary* summary = state->add_summaries();
    summary->set_rows(static_cast<uint64_t>(rows_each));
    if (agent_ % 50 == 0) {
      summary->set_outcome(v1::OUTCOME_INCOMPLETE);
      v1::Unexamined* unexamined = summary->mutable_module()->add_unexamined();
      unexamined->set_reason("Permission denied");
      unexamined->set_count(3);
      unexamined->add_examples("/root/.ssh/authorized_keys");
    }
    state_next_ = false;
    ++agent_;
    return StreamStep::kEvent;
  }
  absl::Status status() const override { return absl::OkStatus(); }

 private:
  std::string Row(int number) {
    console::testing::SampleRow row;
    const int mix = agent_ * 31 + number * 7919;
    row.set_path(StrCat("/usr/lib/x86_64-linux-gnu/package-", number, "/module-", mix % 10'007,
                        "/libsomething.so.", agent_ % 13));
    row.set_size(static_cast<uint64_t>(mix % 1'000'003));
    row.mutable_modified()->set_seconds(1'700'000'000 + mix % 10'000'000);
    row.set_digest(std::string(32, static_cast<char>(mix)));
    row.set_hash(console::testing::SAMPLE_HASH_SHA2_256);
    row.mutable_owner()->set_name(number % 7 == 0 ? "root" : "www-data");
    row.mutable_owner()->set_uid(static_cast<uint32_t>(number % 7));
    row.add_notes("as it was found");
    return row.SerializeAsString();
  }
  static void Count(v1::Progress* progress) {
    progress->set_targeted(static_cast<uint64_t>(agents));
    progress->set_found(static_cast<uint64_t>(agents - agents / 50));
    progress->set_incomplete(static_cast<uint64_t>(agents / 50));
    progress->set_rows(static_cast<uint64_t>(agents) * static_cast<uint64_t>(rows_each));
  }

  int agent_ = 0;
  bool state_next_ = false;
  bool counted_ = false;
};

class MadeClient : public testing::FakeClient {
 public:
  absl::StatusOr<std::unique_ptr<EventStream>> Watch(const v1::WatchRequest&) override {
    return std::make_unique<MadeStream>();
  }
};

// In MB; "VmRSS" now, "VmHWM" at most so far.
double Megabytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line))
    if (line.starts_with(field + ":")) return std::atof(line.c_str() + field.size() + 1) / 1024;
  return 0;
}

class Bench {
 public:
  Bench() : background_(loop_) {
    v1::Action action = fleet_.ActionProto("sample");
    v1::ActionInfo info;
    info.set_action_id(action.id());
    info.set_name(action.name());
    info.set_envelope(fleet_.SignedAction(action, {&fleet_.alice}));
    info.set_phase(v1::DISPATCH_PHASE_OPEN);
    client_->actions = {info};
    Backend::Parts parts;
    parts.config.name = "alice";
    parts.config.fleet_id = fleet_.id;
    parts.modules = &console::testing::SampleCatalog();
    parts.client = client_;
    parts.clock = &Clock::System();
    backend_ = std::make_unique<Backend>(loop_, background_, std::move(parts));
    app_ = std::make_unique<App>(*backend_);
    backend_->Start();
    id_ = action.id();
  }

  int Run() {
    std::printf("before                 %6.1f MB resident\n", Megabytes("VmRSS"));
    begin_ = SteadyNow();
    app_->OpenAction(id_);
    if (!Until("[Stacks]")) return 1;
    Press(Key::Code::kTab);
    if (!Until("/usr/lib")) return 1;
    Say("first rows on screen");
    if (!Until("100 %", "loading")) return 1;
    Say("all rows here");
    Press(Key::Code::kEnd);
    Measure("to the last row");
    absl::Duration slowest;
    for (int i = 0; i < 500; ++i) {
      const absl::Time start = SteadyNow();
      Press(Key::Code::kPageUp);
      Draw();
      slowest = std::max(slowest, SteadyNow() - start);
    }
    std::printf("slowest of 500 pages   %6.1f ms\n", absl::ToDoubleMilliseconds(slowest));
    Filter("size > 990000 and path like '%module-77%'");
    Filter("");
    Sort(2);
    Sort(3);
    Search("module-9999/nothing");
    std::printf("at most                %6.1f MB resident\n", Megabytes("VmHWM"));
    return 0;
  }

 private:
  void Draw() {
    Surface surface(160, 48);
    app_->Draw(&surface);
    text_ = surface.ToText();
  }
  // Until the screen has `text` and not `without`.
  bool Until(const std::string& text, const std::string& without = "\x01") {
    absl::Time draw_at = absl::InfinitePast();
    return loop_.WorkUntil(
        [&] {
          // As often as the terminal is drawn on.
          if (SteadyNow() < draw_at) {
            loop_.After(draw_at - SteadyNow(), lifetime_.token(), [] {});
            return false;
          }
          Draw();
          draw_at = SteadyNow() + absl::Milliseconds(50);
          return text_.find(text) != std::string::npos && text_.find(without) == std::string::npos;
        },
        absl::Minutes(5));
  }
  void Say(const char* what) {
    std::printf("%-22s %6.2f s  %6.1f MB resident\n", what,
                absl::ToDoubleSeconds(SteadyNow() - begin_), Megabytes("VmRSS"));
  }
  void Measure(const char* what) {
    const absl::Time start = SteadyNow();
    Draw();
    std::printf("%-22s %6.1f ms\n", what, absl::ToDoubleMilliseconds(SteadyNow() - start));
  }
  void Press(Key::Code code) {
    Key key;
    key.code = code;
    app_->OnKey(key);
  }
  void Type(const std::string& text) {
    for (const char c : text) {
      Key key;
      key.code = Key::Code::kCharacter;
      key.character = static_cast<char32_t>(c);
      app_->OnKey(key);
    }
  }
  void Filter(const std::string& expression) {
    Type("f");
    Key erase;
    erase.code = Key::Code::kControl;
    erase.character = U'u';
    app_->OnKey(erase);
    Type(expression);
    begin_ = SteadyNow();
    Press(Key::Code::kEnter);
    Until("rows", "filtering");
    if (!expression.empty()) Say("filtered");
  }
  // By the so many-th of the list.
  void Sort(int line) {
    Type("sg");
    for (int i = 0; i < line; ++i) Press(Key::Code::kDown);
    begin_ = SteadyNow();
    Press(Key::Code::kEnter);
    Until("rows", "sorting");
    Say(line == 2 ? "sorted by a text" : "sorted by a number");
  }
  void Search(const std::string& words) {
    Type("/" + words);
    begin_ = SteadyNow();
    Press(Key::Code::kEnter);
    Until("not found");
    Say("searched through all");
  }

  dragnet::testing::Fleet fleet_;
  std::shared_ptr<MadeClient> client_ = std::make_shared<MadeClient>();
  EventLoop loop_;
  Background background_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<App> app_;
  Lifetime lifetime_;
  std::string id_;
  std::string text_;
  absl::Time begin_;
};

}  // namespace
}  // namespace dragnet::console::tui

int main(int argc, char** argv) {
  using namespace dragnet::console::tui;
  if (argc > 1) agents = std::atoi(argv[1]);
  if (argc > 2) rows_each = std::atoi(argv[2]);
  return Bench().Run();
}
