// What simulated agents answer to an action, and with which rows. Everything
// follows from the settings and from who answers what, so that rows needn't be
// kept anywhere: a swarm makes them anew when it sends them once more, and the
// checker makes them anew to compare them, byte for byte, with what was stored.
// Thread-safe after construction.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "dragnet/v1/results.pb.h"

namespace dragnet::load {

// Settings as text, in any order, e.g.
//   rows=1000 row_bytes=200 delay=50ms..2s incomplete=1% crashed=2%
// An action can bring its own: a description that begins with "swarm:" replaces
// those that are named in it.
struct Answer {
  // rows=N or rows=MIN..MAX: of each operation, 0 to 100,000,000. Default 1.
  uint64_t min_rows = 1;
  uint64_t max_rows = 1;
  // row_bytes=N: of a row, serialised; 1 to 65536. Rows have at least what makes
  // each different, about 150 bytes. Default 1024.
  uint32_t row_bytes = 1024;
  // record_bytes=N: of a record, about; 1 to 500,000. Default 32768, as the
  // monitor has it.
  uint32_t record_bytes = 32 * 1024;
  // delay=D or delay=MIN..MAX: from taking an action on to its first row, and
  // from one operation to the next. Default 0.
  absl::Duration min_delay;
  absl::Duration max_delay;
  // clean=P%, incomplete=P%, crashed=P%, limit=P%, refuse=P%: share of agents
  // whose operations end so; percent, decimals allowed. The others find.
  double clean = 0;
  double incomplete = 0;
  double crashed = 0;
  double limit = 0;
  double refuse = 0;

  std::string ToText() const;
};

// InvalidArgument names what is wrong.
absl::StatusOr<Answer> ParseAnswer(std::string_view text, const Answer& defaults);

// How an operation ends, by chance of agent and action.
enum class Ending { kFound, kClean, kIncomplete, kCrashed, kLimit, kRefused };

// Who answers what.
struct AnswerKey {
  uint32_t agent_index = 0;
  std::string_view action_id;
  uint32_t operation = 0;
};

Ending EndingOf(const Answer& answer, uint32_t agent_index, std::string_view action_id);
// How many rows the operation will have.
uint64_t RowsOf(const Answer& answer, const AnswerKey& key);
absl::Duration DelayOf(const Answer& answer, const AnswerKey& key);

// Rows of the module `file`.
class RowMaker {
 public:
  // Made-up rows.
  RowMaker() = default;
  // Rows of a real run, over and over, each with a mark that makes it different:
  // JSON Lines as `dragnet-agent module file` prints them.
  static absl::StatusOr<RowMaker> FromJsonLines(const std::string& path);

  // Row number `index`, serialised, to the end of `to`.
  void Append(const Answer& answer, const AnswerKey& key, uint64_t index, std::string* to) const;
  // Rows `first` to `first + count`, as the field `rows` of a ResultRecord.
  void AppendRecordRows(const Answer& answer, const AnswerKey& key, uint64_t first, uint32_t count,
                        std::string* to) const;
  // About how many rows make a record.
  uint32_t RowsPerRecord(const Answer& answer) const;
  bool is_real() const { return !real_.empty(); }

 private:
  std::vector<std::string> real_;
  size_t real_bytes_ = 0;
};

// A number that follows from these, and looks random.
uint64_t Chance(uint64_t a, std::string_view b, uint64_t c);

}  // namespace dragnet::load
