// Stacks: how often each value of some columns is there, over the whole fleet; the
// scheduler counts. The way to the one host that differs.
#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "console/investigation/stack_request.h"
#include "console/tui/results/stack_filter.h"
#include "console/tui/views/action_pane.h"
#include "console/tui/views/column_chooser.h"
#include "console/tui/widgets/table_view.h"
#include "core/clock.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console::tui {
namespace {

constexpr uint32_t kMostValues = 1000;
constexpr size_t kMostColumns = 8;
constexpr size_t kMostCellBytes = 600;
// While rows come it is counted anew this often.
constexpr absl::Duration kLeastPause = absl::Seconds(2);
// Of the time, at most this part: counting many rows costs the scheduler something.
constexpr int kPauseShare = 4;
constexpr size_t kCountColumns = 3;
constexpr int kBarWidth = 12;

struct Entry {
  // The scheduler's bytes of it: what it is told apart by.
  std::string key;
  uint64_t rows = 0;
  uint64_t agents = 0;
  std::vector<std::string> cells;
};

struct Counted {
  std::vector<Entry> entries;
  uint64_t rows = 0;
  uint64_t different = 0;
  // Rows that aren't counted, or can't be shown.
  uint64_t unreadable = 0;
  uint64_t most = 0;
};

Counted Read(const v1::StackResponse& response, const Module& module,
             const std::vector<Column>& columns) {
  Counted counted;
  counted.rows = response.rows();
  counted.different = response.different();
  counted.unreadable = response.unreadable();
  const std::unique_ptr<google::protobuf::Message> row = module.NewRow();
  for (const v1::StackResponse::Entry& entry : response.entries()) {
    if (!row->ParseFromString(entry.row())) {
      counted.unreadable += entry.rows();
      continue;
    }
    Entry& to = counted.entries.emplace_back();
    to.key = entry.row();
    to.rows = entry.rows();
    to.agents = entry.agents();
    counted.most = std::max(counted.most, entry.rows());
    for (const Column& column : columns)
      to.cells.push_back(Shorten(CellOf(*row, column, CellStyle::kTable).text, kMostCellBytes));
  }
  return counted;
}

class StacksPane : public ActionPane {
 public:
  explicit StacksPane(ActionContext& context) : context_(context) {
    table_.set_fixed(kCountColumns);
    table_.set_cells([this](size_t row, size_t column) { return CellAt(row, column); });
    OnOperation();
  }

  std::string Name() const override { return "Stacks"; }
  void Draw(const Canvas& canvas) override;
  bool OnKey(const Key& key) override;
  bool Busy() const override { return chooser_ != nullptr; }
  std::vector<KeyHint> Keys() const override {
    if (chooser_ != nullptr) return chooser_->Keys();
    return {{"Enter", "Its rows"},
            {"a", "Its agents"},
            {"c", "Columns"},
            {"r", rarest_first_ ? "Most frequent first" : "Rarest first"}};
  }
  std::string Help() const override {
    return "Stacks: how many rows and agents have each value, over the whole\n"
           "fleet, counted by the scheduler; the rarest first: the odd one out\n"
           "  c           which columns are counted together (Space marks, in\n"
           "              that order)\n"
           "  r           the rarest or the most frequent first\n"
           "  Enter       the rows that have this value\n"
           "  a           the agents that have such a row\n";
  }
  void OnShown() override {
    shown_ = true;
    Ask();
  }
  void OnHidden() override { shown_ = false; }
  void OnNews() override {
    if (shown_) Ask();
  }
  void OnOperation() override;

 private:
  std::vector<Column> Chosen() const {
    std::vector<Column> columns;
    for (const size_t index : chosen_) columns.push_back(all_[index]);
    return columns;
  }
  void Arrange();
  TableCell CellAt(size_t row, size_t column) const;
  void Ask();
  void AskSoon();
  void Change();
  std::string Summary() const;
  // Of the selected entry; nothing, and says why, when there is none.
  std::optional<std::string> FilterHere();

  ActionContext& context_;
  std::vector<Column> all_;
  std::vector<size_t> chosen_;
  bool rarest_first_ = true;
  std::optional<Counted> counted_;
  absl::Status problem_;
  TableView table_;
  std::unique_ptr<ColumnChooser> chooser_;
  std::string selected_;

  bool shown_ = false;
  bool asking_ = false;
  bool timer_ = false;
  // Rises with every change of the question: answers to an old one are void.
  uint64_t question_ = 0;
  // How many rows there were when it was asked last.
  std::optional<uint64_t> asked_at_rows_;
  absl::Time ask_again_at_ = absl::InfinitePast();  // steady
  Lifetime lifetime_;
};

void StacksPane::OnOperation() {
  all_.clear();
  chosen_.clear();
  chooser_ = nullptr;
  if (context_.module != nullptr) {
    all_ = ColumnsOf(context_.module->NewRow()->GetDescriptor());
    const auto first =
        std::find_if(all_.begin(), all_.end(), [](const Column& column) { return !column.detail; });
    if (!all_.empty())
      chosen_ = {first == all_.end() ? 0 : static_cast<size_t>(first - all_.begin())};
  }
  Change();
}

// Another question.
void StacksPane::Change() {
  ++question_;
  counted_ = std::nullopt;
  problem_ = absl::OkStatus();
  asked_at_rows_ = std::nullopt;
  ask_again_at_ = absl::InfinitePast();
  asking_ = false;
  selected_.clear();
  table_.SetCount(0);
  Arrange();
  if (shown_) Ask();
}

void StacksPane::Ask() {
  if (asking_ || chosen_.empty() || context_.results == nullptr) return;
  // It counts what the scheduler has, however much of it is here by now.
  const uint64_t rows = std::max(context_.progress.rows(), context_.results->row_count());
  // Only a lost scheduler is asked the same again.
  if (asked_at_rows_ == rows && !absl::IsUnavailable(problem_)) return;
  if (SteadyNow() < ask_again_at_) return AskSoon();
  asking_ = true;
  asked_at_rows_ = rows;
  const absl::Time begin = SteadyNow();
  std::vector<Column> columns = Chosen();
  v1::StackRequest request = NewStackRequest(context_.action.id(), context_.operation, columns,
                                             kMostValues, !rarest_first_);
  context_.shell.background().Run(
      lifetime_.token(),
      [client = context_.shell.backend().client(), request = std::move(request),
       module = context_.module, columns = std::move(columns)]() -> absl::StatusOr<Counted> {
        DRAGNET_ASSIGN_OR_RETURN(const v1::StackResponse response, client->Stack(request));
        return Read(response, *module, columns);
      },
      [this, question = question_, begin](absl::StatusOr<Counted> counted) {
        if (question != question_) return;
        asking_ = false;
        const absl::Time now = SteadyNow();
        ask_again_at_ = now + std::max(kLeastPause, kPauseShare * (now - begin));
        problem_ = counted.status();
        if (counted.ok()) {
          counted_ = *std::move(counted);
          table_.SetCount(counted_->entries.size());
          for (size_t i = 0; i < counted_->entries.size() && !selected_.empty(); ++i)
            if (counted_->entries[i].key == selected_) table_.Select(i);
        }
        Arrange();
        if (shown_) Ask();
        context_.shell.Redraw();
      });
}

void StacksPane::AskSoon() {
  if (timer_) return;
  timer_ = true;
  context_.shell.loop().After(ask_again_at_ - SteadyNow(), lifetime_.token(), [this] {
    timer_ = false;
    if (shown_) Ask();
  });
}

void StacksPane::Arrange() {
  std::vector<TableColumn> columns = {
      {"rows", 9, 0, true}, {"agents", 8, 0, true}, {"", kBarWidth}};
  for (size_t i = 0; i < chosen_.size(); ++i) {
    TableColumn column{all_[chosen_[i]].header, WidthOnScreen(all_[chosen_[i]].header) + 1, 1};
    if (counted_.has_value()) {
      const size_t measured = std::min<size_t>(counted_->entries.size(), 60);
      for (size_t row = 0; row < measured; ++row)
        column.width = std::clamp(WidthOnScreen(counted_->entries[row].cells[i]), column.width,
                                  std::max(column.width, 36));
    }
    columns.push_back(std::move(column));
  }
  table_.SetColumns(std::move(columns));
  table_.SetSorted(0, !rarest_first_);
}

TableCell StacksPane::CellAt(size_t row, size_t column) const {
  const Entry& entry = counted_->entries[row];
  switch (column) {
    case 0:
      return {WithCommas(entry.rows)};
    case 1:
      return {WithCommas(entry.agents)};
    case 2: {
      // Even one is to be seen.
      const auto length = std::max<uint64_t>(1, entry.rows * kBarWidth / counted_->most);
      std::string bar;
      for (uint64_t i = 0; i < length; ++i) bar += "█";
      return {std::move(bar), {Role::kFound}};
    }
    default:
      return {entry.cells[column - kCountColumns]};
  }
}

std::string StacksPane::Summary() const {
  std::string by;
  for (const size_t index : chosen_) StrAppend(&by, by.empty() ? "" : ", ", all_[index].header);
  if (!counted_.has_value()) return StrCat("by ", by, asking_ ? " · counting …" : "");
  std::string text =
      StrCat("by ", by, " · ", WithCommas(counted_->different),
             counted_->different == 1 ? " value in " : " values in ", RowsText(counted_->rows));
  if (counted_->different > counted_->entries.size())
    StrAppend(&text, " · only the ", WithCommas(counted_->entries.size()),
              rarest_first_ ? " rarest" : " most frequent", " are shown");
  if (counted_->unreadable > 0)
    StrAppend(&text, " · ", WithCommas(counted_->unreadable), " can't be read: not counted");
  return text;
}

void StacksPane::Draw(const Canvas& canvas) {
  if (context_.module == nullptr) {
    canvas.Put(0, 0,
               "This version doesn't have the module of this operation: it can't count its "
               "rows.",
               kWarning);
    return;
  }
  if (chooser_ != nullptr) return chooser_->Draw(canvas);
  canvas.Put(0, 0, Summary(), kMuted);
  int top = 1;
  if (!problem_.ok()) canvas.Put(0, top++, ToStd(problem_.message()), kError);
  table_.Draw(canvas.Below(top));
  if (!counted_.has_value() || !counted_->entries.empty()) return;
  canvas.Put(2, top + 1,
             context_.info.has_results_removed_at() ? "the rows were removed by retention"
             : context_.loading                     ? "no rows so far"
                                                    : "no rows",
             kMuted);
}

std::optional<std::string> StacksPane::FilterHere() {
  if (!counted_.has_value() || table_.selected() >= counted_->entries.size()) return std::nullopt;
  const std::unique_ptr<google::protobuf::Message> row = context_.module->NewRow();
  row->ParseFromString(counted_->entries[table_.selected()].key);
  const std::vector<Column> columns = Chosen();
  absl::StatusOr<std::string> filter = FilterForValues(*row, columns);
  if (!filter.ok()) {
    context_.shell.SayError(filter.status());
    return std::nullopt;
  }
  return *std::move(filter);
}

bool StacksPane::OnKey(const Key& key) {
  if (context_.module == nullptr) return false;
  if (chooser_ != nullptr) {
    const ColumnChooser::Outcome outcome = chooser_->OnKey(key);
    if (outcome == ColumnChooser::Outcome::kOpen) return true;
    if (outcome == ColumnChooser::Outcome::kChosen) chosen_ = chooser_->chosen();
    chooser_ = nullptr;
    if (outcome == ColumnChooser::Outcome::kChosen) Change();
    return true;
  }
  if (key.code == Key::Code::kEnter || key.Is(U'a')) {
    const std::optional<std::string> filter = FilterHere();
    if (!filter.has_value()) return true;
    if (key.Is(U'a')) {
      context_.show_hosts_with(*filter);
    } else {
      context_.show_rows(*filter);
    }
    return true;
  }
  if (key.Is(U'c')) {
    std::vector<std::string> names;
    for (const Column& column : all_) names.push_back(column.header);
    chooser_ = std::make_unique<ColumnChooser>("count together (1 to 8)", std::move(names), chosen_,
                                               kMostColumns);
    return true;
  }
  if (key.Is(U'r')) {
    rarest_first_ = !rarest_first_;
    Change();
    return true;
  }
  if (!table_.OnKey(key)) return false;
  if (counted_.has_value() && table_.selected() < counted_->entries.size())
    selected_ = counted_->entries[table_.selected()].key;
  return true;
}

}  // namespace

std::unique_ptr<ActionPane> NewStacksPane(ActionContext& context) {
  return std::make_unique<StacksPane>(context);
}

}  // namespace dragnet::console::tui
