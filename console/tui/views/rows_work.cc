// What RowsPane does over many rows: searching and writing them, some at a time.
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "console/tui/results/row_export.h"
#include "console/tui/views/rows_pane.h"
#include "console/tui/widgets/search.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

constexpr size_t kRowsToSearch = 2048;
constexpr size_t kRowsToWrite = 4096;

// Whether the words can be in the text of a column at all: times and numbers need
// not be written out in search of a name.
bool CanHave(const Column& column, const std::string& words) {
  using Type = google::protobuf::FieldDescriptor;
  const Type* field = column.path.back();
  if (field->is_repeated()) return true;
  const auto only = [&](std::string_view characters) {
    return words.find_first_not_of(characters) == std::string::npos;
  };
  switch (field->cpp_type()) {
    case Type::CPPTYPE_STRING:
      return field->type() != Type::TYPE_BYTES || only("0123456789abcdefABCDEF");
    case Type::CPPTYPE_MESSAGE:
      // A time, or how long something took: "2024-05-01T10:11:12+02:00", "1h2m3.5ms".
      return !column.path.back()->message_type()->full_name().starts_with("google.protobuf.") ||
             only("0123456789-+.:tThHmMsSnNuUiIfF (outrangeOUTRANGE)");
    case Type::CPPTYPE_BOOL:
    case Type::CPPTYPE_ENUM:
      return true;
    default:
      return only("0123456789-+.eEiInNfFaA");
  }
}

struct Found {
  absl::Status status;
  std::optional<size_t> index;
};

// Which of `rows` is the first that has the words in one of the columns.
Found FindIn(RowParser& parser, const std::vector<uint32_t>& rows,
             const std::vector<Column>& columns, const std::string& words) {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (absl::Status status = parser.Read(rows[i]); !status.ok()) return {status, std::nullopt};
    bool found = ContainsIgnoringCase(parser.agent_name(), words);
    for (size_t column = 0; column < columns.size() && !found; ++column)
      found = ContainsIgnoringCase(
          CellOf(parser.message(), columns[column], CellStyle::kTable).text, words);
    if (found) return {absl::OkStatus(), i};
  }
  return {};
}

}  // namespace

struct RowsPane::SearchState {
  std::shared_ptr<RowParser> parser;
  std::vector<Column> columns;
  std::string words;
  bool backwards = false;
  // Index in the list from which it began, and how far it is.
  size_t start = 0;
  size_t looked_at = 0;
};

void RowsPane::Search(bool backwards) {
  search_says_.clear();
  search_ = nullptr;
  if (search_words_.empty() || list_->size() == 0) return;
  search_ = std::make_shared<SearchState>();
  search_->parser =
      std::make_shared<RowParser>(context_.results, context_.operation, *context_.module);
  for (const size_t column : shown_)
    if (CanHave(cells_->columns()[column], search_words_))
      search_->columns.push_back(cells_->columns()[column]);
  search_->words = search_words_;
  search_->backwards = backwards;
  search_->start = table_.selected();
  SearchOn();
}

void RowsPane::SearchOn() {
  const std::shared_ptr<SearchState> search = search_;
  const size_t size = list_->size();
  if (search->looked_at >= size) {
    search_ = nullptr;
    search_says_ = StrCat("not found: ", search->words);
    context_.shell.Redraw();
    return;
  }
  search_says_ = StrCat("searching ", search->looked_at * 100 / size, " %, Esc ends it");
  // The row where it began comes last.
  std::vector<uint32_t> rows;
  std::vector<size_t> places;
  for (size_t i = search->looked_at; i < size && rows.size() < kRowsToSearch; ++i) {
    const size_t step = (i + 1) % size;
    const size_t from = search->start % size;
    const size_t place = search->backwards ? (from + size - step) % size : (from + step) % size;
    places.push_back(place);
    rows.push_back(list_->At(place));
  }
  context_.shell.background().Run(
      lifetime_.token(),
      [search, rows = rows] {
        return FindIn(*search->parser, rows, search->columns, search->words);
      },
      [this, search, rows, places = std::move(places)](const Found& found) {
        if (search != search_) return;
        if (!found.status.ok()) {
          search_ = nullptr;
          search_says_.clear();
          return context_.shell.SayError(found.status);
        }
        search->looked_at += rows.size();
        if (!found.index.has_value()) return SearchOn();
        search_ = nullptr;
        search_says_.clear();
        follow_ = false;
        selected_ = rows[*found.index];
        // Others may have come before it meanwhile.
        table_.Select(list_->IndexOf(*selected_).value_or(places[*found.index]));
        context_.shell.Redraw();
      });
}

// ---- writing

struct RowsPane::ExportState {
  std::shared_ptr<const ResultSet> results;
  uint32_t operation = 0;
  const Module* module = nullptr;
  std::string path;
  std::vector<uint32_t> rows;
  size_t written = 0;
  // Of the work in the background alone.
  std::unique_ptr<RowExport> file;

  absl::Status Step() {
    if (file == nullptr) {
      DRAGNET_ASSIGN_OR_RETURN(file, RowExport::Create(results, operation, *module, path));
    }
    const size_t count = std::min(kRowsToWrite, rows.size() - written);
    DRAGNET_RETURN_IF_ERROR(file->Write(std::span(rows).subspan(written, count)));
    written += count;
    return written < rows.size() ? absl::OkStatus() : file->Finish();
  }
};

void RowsPane::AskForFile() {
  if (export_ != nullptr) return context_.shell.SayError("the last file is still being written");
  if (list_->size() == 0) return context_.shell.SayError("there are no rows to write");
  Shell::Question question;
  question.title = "Write rows";
  const std::string_view which = list_->only_marked()      ? "marked rows"
                                 : list_->filter().empty() ? "rows"
                                                           : "rows that the filter lets through";
  question.text =
      StrCat(WithCommas(list_->size()), " ", which,
             context_.loading || !list_->Working().empty() ? ", those that are there so far" : "",
             ".\nFile that ends in .csv, .json or .jsonl; one that is there is not overwritten:");
  question.initial = StrCat("dragnet-", context_.action.id().substr(0, 13), ".csv");
  question.check = [](const std::string& path) {
    DRAGNET_RETURN_IF_ERROR(FormatOfFile(path).status());
    struct stat there{};
    if (::lstat(path.c_str(), &there) == 0)
      return absl::Status(absl::AlreadyExistsError("a file of this name is there already"));
    return absl::OkStatus();
  };
  context_.shell.Ask(question, [this, alive = lifetime_.token()](const std::string& path) {
    if (!alive.expired()) Export(path);
  });
}

void RowsPane::Export(const std::string& path) {
  export_ = std::make_shared<ExportState>();
  export_->results = context_.results;
  export_->operation = context_.operation;
  export_->module = context_.module;
  export_->path = path;
  export_->rows.reserve(list_->size());
  for (size_t i = 0; i < list_->size(); ++i) export_->rows.push_back(list_->At(i));
  ExportOn();
}

void RowsPane::ExportOn() {
  context_.shell.background().Run(
      lifetime_.token(), [work = export_] { return work->Step(); },
      [this, work = export_](const absl::Status& status) {
        if (!status.ok()) {
          export_ = nullptr;
          return context_.shell.SayError(status);
        }
        const size_t all = work->rows.size();
        if (work->written < all) {
          context_.shell.Say(StrCat("writing ", work->path, ": ", work->written * 100 / all, " %"));
          return ExportOn();
        }
        const uint64_t unreadable = work->file->unreadable();
        export_ = nullptr;
        const std::string words = StrCat(RowsText(all - unreadable), " written to ", work->path);
        if (unreadable == 0) return context_.shell.Say(words);
        context_.shell.SayError(
            StrCat(words, "; ", WithCommas(unreadable), " can't be read and are not in it"));
      });
}

}  // namespace dragnet::console::tui
