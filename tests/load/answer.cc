#include "tests/load/answer.h"

#include <algorithm>
#include <fstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "core/json.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "google/protobuf/util/json_util.h"
#include "modules/file/file.pb.h"

namespace dragnet::load {
namespace {

constexpr size_t kMaxRealRows = 1'000'000;

absl::Status Bad(std::string_view word) {
  return absl::InvalidArgumentError(StrCat("answer: '", word, "' is not understood"));
}

bool ParsePercent(std::string_view text, double* percent) {
  return text.ends_with('%') &&
         absl::SimpleAtod(ToAbsl(text.substr(0, text.size() - 1)), percent) && *percent >= 0 &&
         *percent <= 100;
}

// MIN..MAX, or one value for both.
template <typename Value, typename Parse>
bool ParseRange(std::string_view text, Parse parse, Value* least, Value* most) {
  const size_t dots = text.find("..");
  if (dots == std::string_view::npos) return parse(text, least) && (*most = *least, true);
  return parse(text.substr(0, dots), least) && parse(text.substr(dots + 2), most) &&
         *least <= *most;
}

bool ParseNumber(std::string_view text, uint64_t* number) {
  return absl::SimpleAtoi(ToAbsl(text), number) && *number <= 100'000'000;
}

bool ParseDelay(std::string_view text, absl::Duration* delay) {
  return absl::ParseDuration(std::string(text), delay) && *delay >= absl::ZeroDuration() &&
         *delay <= absl::Hours(1);
}

bool ParseBytes(std::string_view text, uint64_t most, uint32_t* bytes) {
  uint64_t number = 0;
  if (!ParseNumber(text, &number) || number < 1 || number > most) return false;
  *bytes = static_cast<uint32_t>(number);
  return true;
}

bool ParseSetting(std::string_view key, std::string_view value, Answer* answer) {
  if (key == "rows") return ParseRange(value, ParseNumber, &answer->min_rows, &answer->max_rows);
  if (key == "delay") return ParseRange(value, ParseDelay, &answer->min_delay, &answer->max_delay);
  if (key == "row_bytes") return ParseBytes(value, 64 * 1024, &answer->row_bytes);
  if (key == "record_bytes") return ParseBytes(value, 500'000, &answer->record_bytes);
  if (key == "clean") return ParsePercent(value, &answer->clean);
  if (key == "incomplete") return ParsePercent(value, &answer->incomplete);
  if (key == "crashed") return ParsePercent(value, &answer->crashed);
  if (key == "limit") return ParsePercent(value, &answer->limit);
  if (key == "refuse") return ParsePercent(value, &answer->refuse);
  return false;
}

void AppendVarint(uint64_t value, std::string* to) {
  for (; value >= 0x80; value >>= 7) to->push_back(static_cast<char>(value | 0x80));
  to->push_back(static_cast<char>(value));
}

size_t VarintBytes(uint64_t value) {
  size_t bytes = 1;
  for (; value >= 0x80; value >>= 7) ++bytes;
  return bytes;
}

// What all made-up rows have in common, serialised.
const std::string& CommonFields() {
  static const std::string* const fields = [] {
    file::v1::FileRow row;
    row.set_mode("-rw-r--r--");
    row.mutable_mtime()->set_seconds(1700000000);
    row.set_search("swarm");
    row.set_type("file");
    return new std::string(row.SerializeAsString());
  }();
  return *fields;
}

// Text that doesn't compress to nothing.
const std::string& Filler() {
  static const std::string* const text = [] {
    auto* made = new std::string;
    for (uint64_t i = 0; made->size() < 128 * 1024; ++i) StrAppend(made, Chance(i, "filler", 0));
    return made;
  }();
  return *text;
}

// Fields 1 (path) and 3 (size, from 1) of FileRow by hand: ten million of them
// are made in a run.
void AppendMadeUp(const Answer& answer, const AnswerKey& key, uint64_t index, std::string* to) {
  const std::string name =
      StrCat("/swarm/", key.agent_index, "/", key.action_id, "/", key.operation, "/", index, "/");
  const std::string& common = CommonFields();
  const size_t others = 1 + 1 + VarintBytes(index + 1) + common.size();
  size_t path_bytes = name.size();
  if (answer.row_bytes > others + path_bytes + 3) {
    path_bytes = answer.row_bytes - others - 1;
    path_bytes -= VarintBytes(path_bytes) - 1;
  }
  to->push_back('\x0a');
  AppendVarint(path_bytes, to);
  to->append(name);
  to->append(Filler(), Chance(key.agent_index, "", index) % 4096, path_bytes - name.size());
  to->push_back('\x18');
  AppendVarint(index + 1, to);
  to->append(common);
}

}  // namespace

uint64_t Chance(uint64_t a, std::string_view b, uint64_t c) {
  // FNV-1a over the text, then splitmix64's finish over all of it.
  uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : b) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  hash ^= a * 0x9e3779b97f4a7c15 + c * 0xd1b54a32d192ed03;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  return hash ^ (hash >> 31);
}

std::string Answer::ToText() const {
  return StrCat("rows=", min_rows, "..", max_rows, " row_bytes=", row_bytes,
                " record_bytes=", record_bytes, " delay=", absl::FormatDuration(min_delay), "..",
                absl::FormatDuration(max_delay), " clean=", clean, "% incomplete=", incomplete,
                "% crashed=", crashed, "% limit=", limit, "% refuse=", refuse, "%");
}

absl::StatusOr<Answer> ParseAnswer(std::string_view text, const Answer& defaults) {
  Answer answer = defaults;
  for (const absl::string_view piece :
       absl::StrSplit(ToAbsl(text), absl::ByAnyChar(" \t\n"), absl::SkipEmpty())) {
    const std::string_view word = ToStd(piece);
    const size_t equals = word.find('=');
    if (equals == std::string_view::npos ||
        !ParseSetting(word.substr(0, equals), word.substr(equals + 1), &answer))
      return Bad(word);
  }
  if (answer.clean + answer.incomplete + answer.crashed + answer.limit + answer.refuse > 100)
    return absl::InvalidArgumentError("answer: the shares are over 100 % together");
  return answer;
}

Ending EndingOf(const Answer& answer, uint32_t agent_index, std::string_view action_id) {
  double point = static_cast<double>(Chance(agent_index, action_id, 1) % 1'000'000) / 10'000;
  if ((point -= answer.clean) < 0) return Ending::kClean;
  if ((point -= answer.incomplete) < 0) return Ending::kIncomplete;
  if ((point -= answer.crashed) < 0) return Ending::kCrashed;
  if ((point -= answer.limit) < 0) return Ending::kLimit;
  if ((point -= answer.refuse) < 0) return Ending::kRefused;
  return Ending::kFound;
}

uint64_t RowsOf(const Answer& answer, const AnswerKey& key) {
  const uint64_t span = answer.max_rows - answer.min_rows + 1;
  return answer.min_rows + Chance(key.agent_index, key.action_id, 1000 + key.operation) % span;
}

absl::Duration DelayOf(const Answer& answer, const AnswerKey& key) {
  const absl::Duration span = answer.max_delay - answer.min_delay;
  const double part =
      static_cast<double>(Chance(key.agent_index, key.action_id, 2000 + key.operation) % 10'000) /
      10'000;
  return answer.min_delay + span * part;
}

absl::StatusOr<RowMaker> RowMaker::FromJsonLines(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(StrCat("open ", path));
  RowMaker maker;
  std::string line;
  for (size_t number = 1; std::getline(file, line); ++number) {
    // {"row":{…}}; the summary is not needed.
    constexpr std::string_view kRow = "{\"row\":";
    if (line.empty() || line.starts_with("{\"summary\":")) continue;
    file::v1::FileRow row;
    if (!line.starts_with(kRow) || !line.ends_with('}') ||
        !google::protobuf::util::JsonStringToMessage(
             line.substr(kRow.size(), line.size() - kRow.size() - 1), &row)
             .ok())
      return absl::InvalidArgumentError(StrCat(path, ":", number, ": not a row of file"));
    if (maker.real_.size() >= kMaxRealRows)
      return absl::InvalidArgumentError(StrCat(path, ": over ", kMaxRealRows, " rows"));
    row.clear_search();
    maker.real_.push_back(row.SerializeAsString());
    maker.real_bytes_ += maker.real_.back().size();
  }
  if (maker.real_.empty()) return absl::InvalidArgumentError(StrCat(path, ": no row"));
  return maker;
}

void RowMaker::Append(const Answer& answer, const AnswerKey& key, uint64_t index,
                      std::string* to) const {
  if (real_.empty()) return AppendMadeUp(answer, key, index, to);
  to->append(real_[index % real_.size()]);
  const std::string mark =
      StrCat("swarm ", key.agent_index, " ", key.action_id, " ", key.operation, " ", index);
  to->push_back('\x3a');  // field 7: search
  AppendVarint(mark.size(), to);
  to->append(mark);
}

void RowMaker::AppendRecordRows(const Answer& answer, const AnswerKey& key, uint64_t first,
                                uint32_t count, std::string* to) const {
  static thread_local std::string rows;
  static thread_local std::string row;
  rows.clear();
  for (uint64_t index = first; index < first + count; ++index) {
    row.clear();
    Append(answer, key, index, &row);
    rows.push_back('\x0a');  // Rows.rows
    AppendVarint(row.size(), &rows);
    rows.append(row);
  }
  to->push_back('\x2a');  // ResultRecord.rows
  AppendVarint(rows.size(), to);
  to->append(rows);
}

uint32_t RowMaker::RowsPerRecord(const Answer& answer) const {
  const size_t row_bytes = real_.empty() ? answer.row_bytes : real_bytes_ / real_.size() + 80;
  return static_cast<uint32_t>(std::max<size_t>(1, answer.record_bytes / (row_bytes + 3)));
}

}  // namespace dragnet::load
