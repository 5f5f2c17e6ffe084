#include "console/tui/views/rows_pane.h"

#include <algorithm>
#include <utility>

#include "console/tui/widgets/search.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/rows/row_filter.h"

namespace dragnet::console::tui {
namespace {

constexpr int kMostWidth = 44;
constexpr int kLeastWidth = 4;
constexpr int kMostAgentWidth = 24;
constexpr int kTextWidth = 27;
// After the last key of a filter; then it is tried.
constexpr absl::Duration kTypingPause = absl::Milliseconds(200);

bool IsNumber(const Column& column) {
  const google::protobuf::FieldDescriptor* field = column.path.back();
  using Type = google::protobuf::FieldDescriptor;
  return !field->is_repeated() && field->cpp_type() != Type::CPPTYPE_STRING &&
         field->cpp_type() != Type::CPPTYPE_MESSAGE && field->cpp_type() != Type::CPPTYPE_BOOL &&
         field->cpp_type() != Type::CPPTYPE_ENUM;
}

}  // namespace

RowsPane::RowsPane(ActionContext& context) : context_(context) {
  table_.set_cells([this](size_t row, size_t column) { return CellAt(row, column); });
  table_.set_fixed(kFront);
  filter_input_.set_complete([this](std::string_view before, size_t* start) {
    const size_t last = before.find_last_of(" ()=<>!,+-*/'\"");
    *start = last == std::string_view::npos ? 0 : last + 1;
    std::vector<std::string> words;
    const auto add = [&](const std::string& word) {
      if (word.starts_with(before.substr(*start))) words.push_back(word);
    };
    add("agent");
    add("agent_id");
    if (cells_ != nullptr)
      for (const Column& column : cells_->columns()) add(column.header);
    return words;
  });
  OnOperation();
}

void RowsPane::OnOperation() {
  cells_ = nullptr;
  list_ = nullptr;
  search_ = nullptr;
  search_words_.clear();
  search_says_.clear();
  typing_ = Typing::kNothing;
  choosing_ = Choosing::kNothing;
  sorted_column_ = std::nullopt;
  selected_ = std::nullopt;
  follow_ = false;
  table_.SetCount(0);
  table_.SetSorted(-1, false);
  if (context_.module == nullptr || context_.results == nullptr) return;
  cells_ = std::make_unique<RowCells>(context_.results, context_.operation, *context_.module);
  list_ = std::make_unique<RowList>(context_.shell.loop(), context_.shell.background(),
                                    context_.results, context_.operation, *context_.module,
                                    [this] { OnListChange(); });
  Arrange();
  OnNews();
}

std::string RowsPane::Name() const {
  if (context_.results == nullptr) return "Rows";
  return StrCat("Rows ", WithCommas(context_.results->rows[context_.operation]->size()));
}

void RowsPane::OnNews() {
  if (list_ == nullptr) return;
  list_->Update();
  OnListChange();
}

void RowsPane::OnListChange() {
  // From the constructor of the list, or of one that is on its way out.
  if (list_ == nullptr) return;
  table_.SetCount(list_->size());
  KeepSelection();
  context_.shell.Redraw();
}

// The same row stays selected, wherever it is now.
void RowsPane::KeepSelection() {
  if (list_->size() == 0) return;
  if (follow_) {
    table_.Select(list_->size() - 1);
    selected_ = SelectedRow();
    return;
  }
  if (!selected_.has_value() || selected_ == SelectedRow()) return;
  if (const auto index = list_->IndexOf(*selected_); index.has_value()) table_.Select(*index);
}

std::optional<uint32_t> RowsPane::SelectedRow() const {
  if (list_ == nullptr || table_.selected() >= list_->size()) return std::nullopt;
  return list_->At(table_.selected());
}

// ---- the table

void RowsPane::Arrange() {
  shown_.clear();
  std::vector<TableColumn> columns = {{"", 1}, {"agent", 12}};
  const std::vector<Column>& all = cells_->columns();
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].detail && !with_details_) continue;
    shown_.push_back(i);
    TableColumn column;
    column.title = all[i].header;
    column.right_aligned = IsNumber(all[i]);
    column.width = std::max(WidthOnScreen(column.title) + 1, kLeastWidth);
    columns.push_back(std::move(column));
  }
  widest_.assign(columns.size(), 0);
  table_.SetColumns(std::move(columns));
  int sorted = -1;
  if (list_->order().has_value()) {
    if (!sorted_column_.has_value()) sorted = 1;
    for (size_t i = 0; i < shown_.size(); ++i)
      if (sorted_column_ == shown_[i]) sorted = static_cast<int>(i + kFront);
  }
  table_.SetSorted(sorted, list_->order().has_value() && list_->order()->descending);
}

// Columns are as wide as what was seen in them, within bounds; they never shrink.
void RowsPane::Widen() {
  std::vector<TableColumn> columns = table_.columns();
  bool wider = false;
  for (size_t i = 1; i < columns.size(); ++i) {
    const int most = i == 1 ? kMostAgentWidth : kMostWidth;
    const int width = std::min(widest_[i], most);
    if (width <= columns[i].width) continue;
    columns[i].width = width;
    // What is left of the screen goes to the texts.
    columns[i].weight = i > 1 && width >= kTextWidth ? 1 : 0;
    wider = true;
  }
  if (!wider) return;
  table_.SetColumns(std::move(columns));
  context_.shell.Redraw();
}

TableCell RowsPane::CellAt(size_t row, size_t column) {
  const uint32_t number = list_->At(row);
  const bool marked = list_->marked(number);
  Style style = marked ? Style{Role::kMarked} : kNormal;
  if (column == 0) return {marked ? "*" : "", style};
  const RowCells::Line& line = cells_->At(number);
  std::string text;
  if (column == 1) {
    text = line.agent;
  } else if (line.problem.empty()) {
    text = line.cells[shown_[column - kFront]];
  } else if (column == kFront) {
    return {line.problem, kWarning};
  }
  widest_[column] = std::max(widest_[column], WidthOnScreen(text));
  if (!search_words_.empty() && ContainsIgnoringCase(text, search_words_)) style = {Role::kMatch};
  return {std::move(text), style};
}

// ---- drawing

std::string RowsPane::StatusText() const {
  std::string text;
  const auto add = [&](std::string_view part) {
    if (!part.empty()) StrAppend(&text, text.empty() ? "" : " · ", part);
  };
  if (list_->only_marked()) {
    add(StrCat("only the ", WithCommas(list_->marks()), " marked"));
  } else if (list_->filter().empty()) {
    add(RowsText(list_->total()));
  } else {
    add(StrCat(WithCommas(list_->matches()), " of ", WithCommas(list_->looked_at())));
  }
  add(list_->Working());
  if (list_->marks() > 0 && !list_->only_marked())
    add(StrCat(WithCommas(list_->marks()), " marked"));
  if (follow_) add("follows the end");
  add(search_says_);
  return text;
}

void RowsPane::DrawStatus(const Canvas& canvas) {
  const std::string status = StatusText();
  const int width = std::min(WidthOnScreen(status), canvas.width());
  canvas.PutRight(0, 0, canvas.width(), status, kMuted);
  const std::string& filter = list_->filter();
  if (!filter.empty())
    canvas.Put(0, 0, StrCat("filter ", filter), kLabel, canvas.width() - width - 1);
}

void RowsPane::DrawFilter(const Canvas& canvas) {
  canvas.Put(0, 0, "filter ", kKey);
  const std::string status = StatusText();
  const int width = WidthOnScreen(status);
  canvas.PutRight(0, 0, canvas.width(), status, kMuted);
  filter_input_.Draw(canvas.Part({7, 0, std::max(canvas.width() - 8 - width, 20), 1}),
                     {Role::kInput});
  if (!filter_status_.ok()) {
    canvas.Put(0, 1, ToStd(filter_status_.message()), kError);
  } else if (filter_input_.candidates().size() > 1) {
    std::string words;
    for (const std::string& word : filter_input_.candidates()) StrAppend(&words, word, "  ");
    canvas.Put(0, 1, words, kMuted);
  } else {
    canvas.Put(0, 1, "e.g. size > 1000 and path like '/etc/%'; Tab completes columns", kMuted);
  }
}

void RowsPane::Draw(const Canvas& canvas) {
  if (list_ == nullptr) {
    canvas.Put(0, 0,
               StrCat("This version has no module ",
                      context_.action.operations(static_cast<int>(context_.operation)).module(),
                      ": its rows can't be read here."),
               kWarning);
    return;
  }
  if (choosing_ != Choosing::kNothing) return chooser_->Draw(canvas);
  int top = 1;
  if (typing_ == Typing::kFilter) {
    top = 2;
    DrawFilter(canvas);
  } else {
    DrawStatus(canvas.Top(1));
  }
  const std::string failures = list_->Failures();
  if (typing_ != Typing::kFilter && !failures.empty()) canvas.Put(0, top++, failures, kWarning);
  if (!list_->problem().ok()) canvas.Put(0, top++, ToStd(list_->problem().message()), kError);
  const bool searching = typing_ == Typing::kSearch;
  table_.Draw(canvas.Below(top).Above(searching ? 1 : 0));
  Widen();
  if (list_->size() == 0) {
    const bool removed = context_.info.has_results_removed_at();
    std::string words = "no rows";
    if (!list_->filter().empty()) words = "no row matches the filter";
    if (removed) words = "the rows were removed by retention";
    if (context_.loading || !list_->Working().empty()) words += " so far";
    canvas.Put(2, top + 1, words, kMuted);
  }
  if (!searching) return;
  const Canvas line = canvas.Bottom(1);
  line.Put(0, 0, "/", kKey);
  search_input_.Draw(line.Part({1, 0, line.width() - 1, 1}), {Role::kInput});
}

std::optional<Point> RowsPane::Cursor() const {
  if (typing_ == Typing::kFilter) return filter_input_.cursor();
  if (typing_ == Typing::kSearch) return search_input_.cursor();
  return std::nullopt;
}

std::vector<KeyHint> RowsPane::Keys() const {
  if (choosing_ != Choosing::kNothing) return chooser_->Keys();
  if (typing_ == Typing::kFilter)
    return {{"Enter", "Keep"}, {"Tab", "Complete"}, {"Esc", "As before"}};
  if (typing_ == Typing::kSearch) return {{"Enter", "Find"}, {"Esc", "Cancel"}};
  return {{"Enter", "Row"}, {"f", "Filter"}, {"/", "Search"},  {"s", "Sort"},
          {"m", "Mark"},    {"w", "Write"},  {"d", "Details"}, {"y", "Value"}};
}

std::string RowsPane::Help() const {
  return "Rows: what came back, as it lands\n"
         "  Enter       the whole row\n"
         "  f           filter: an expression over the columns, agent and\n"
         "              agent_id, in the language of targets; it is tried while\n"
         "              it is typed. Empty: all rows\n"
         "  /           search in the columns that are shown; n and N go on\n"
         "  s           sort by a column; the same again, or S, turns it. Rows\n"
         "              that land later are put where they belong\n"
         "  m           mark a row; M shows only the marked, as they came\n"
         "  d           also the columns of detail; left and right scroll\n"
         "  w           write what is shown (all of the filter, or the marked)\n"
         "              to a file: .csv (safe to open in a spreadsheet), .json\n"
         "              or .jsonl\n"
         "  y           one value, whole, to copy\n"
         "  G           to the end, and follow it\n";
}

// ---- keys

bool RowsPane::OnKey(const Key& key) {
  if (list_ == nullptr) return false;
  if (choosing_ != Choosing::kNothing) return OnChooserKey(key);
  if (typing_ != Typing::kNothing) return OnTypingKey(key);
  if (key.code == Key::Code::kEscape && search_ != nullptr) {
    search_ = nullptr;
    search_says_.clear();
    return true;
  }
  if (key.code == Key::Code::kEnter) return ShowRow(), true;
  if (key.code == Key::Code::kCharacter) {
    switch (key.character) {
      case U'f':
        typing_ = Typing::kFilter;
        filter_before_ = list_->filter();
        filter_input_.SetText(filter_before_);
        filter_status_ = absl::OkStatus();
        return true;
      case U'/':
        typing_ = Typing::kSearch;
        search_input_.SetText("");
        return true;
      case U'n':
      case U'N':
        Search(key.character == U'N');
        return true;
      case U's':
        return ChooseSort(), true;
      case U'S':
        list_->Reverse();
        Arrange();
        return true;
      case U'm':
        if (const auto row = SelectedRow(); row.has_value()) {
          list_->ToggleMark(*row);
          if (!list_->only_marked()) table_.OnKey(CharacterKey(U'j'));
        }
        return true;
      case U'M':
        if (list_->marks() == 0) context_.shell.Say("Nothing is marked: m marks a row.");
        list_->ShowOnlyMarked(!list_->only_marked());
        return true;
      case U'd':
        with_details_ = !with_details_;
        Arrange();
        return true;
      case U'w':
        return AskForFile(), true;
      case U'y':
        return ChooseValue(), true;
      default:
        break;
    }
  }
  if (!table_.OnKey(key)) return false;
  selected_ = SelectedRow();
  follow_ = list_->size() > 1 && table_.selected() + 1 == list_->size();
  return true;
}

bool RowsPane::OnTypingKey(const Key& key) {
  const bool done = key.code == Key::Code::kEnter;
  const bool cancelled = key.code == Key::Code::kEscape;
  if (typing_ == Typing::kSearch) {
    if (!done && !cancelled) return search_input_.OnKey(key), true;
    typing_ = Typing::kNothing;
    if (cancelled) return true;
    search_words_ = search_input_.text();
    search_input_.AddToHistory(search_words_);
    Search(/*backwards=*/false);
    return true;
  }
  ++typed_;
  if (cancelled) {
    typing_ = Typing::kNothing;
    if (list_->filter() != filter_before_) SetFilter(filter_before_);
    return true;
  }
  if (done) {
    const std::string text = filter_input_.text();
    if (text != list_->filter()) filter_status_ = list_->SetFilter(text);
    if (!filter_status_.ok()) return true;
    filter_input_.AddToHistory(text);
    typing_ = Typing::kNothing;
    return true;
  }
  if (filter_input_.OnKey(key)) OnFilterTyped();
  return true;
}

void RowsPane::OnFilterTyped() {
  const std::string text = filter_input_.text();
  filter_status_ = absl::OkStatus();
  if (!text.empty()) {
    const std::unique_ptr<google::protobuf::Message> row = context_.module->NewRow();
    filter_status_ = RowFilter::Create(row->GetDescriptor(), text).status();
  }
  if (!filter_status_.ok()) return;
  context_.shell.loop().After(kTypingPause, lifetime_.token(), [this, typed = typed_, text] {
    // More was typed since.
    if (typed != typed_ || list_ == nullptr || text == list_->filter()) return;
    filter_status_ = list_->SetFilter(text);
  });
}

void RowsPane::SetFilter(const std::string& expression) {
  if (list_ == nullptr) return;
  list_->ShowOnlyMarked(false);
  if (const absl::Status status = list_->SetFilter(expression); !status.ok())
    context_.shell.SayError(status);
}

}  // namespace dragnet::console::tui
