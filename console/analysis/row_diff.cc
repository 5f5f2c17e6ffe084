#include "console/analysis/row_diff.h"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <unordered_map>

#include "console/analysis/projection.h"
#include "core/sql_expression.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

using google::protobuf::Message;

constexpr char kSetUp[] =
    "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA temp_store=FILE;"
    "PRAGMA cache_size=-32768;"
    "CREATE TABLE item(operation INTEGER, host INTEGER, key BLOB, run INTEGER, row BLOB); BEGIN";
constexpr char kInsert[] = "INSERT INTO item VALUES(?,?,?,?,?)";
constexpr char kInOrder[] =
    "SELECT operation, host, key, run, row FROM item ORDER BY operation, host, key, run, rowid";

struct Host {
  std::string id;
  std::string name;
  // By run: whether it was for it, and whether it looked at everything.
  std::array<bool, 2> known = {};
  std::array<bool, 2> whole = {};
};

std::string Blob(sqlite3_stmt* statement, int index) {
  const void* data = sqlite3_column_blob(statement, index);
  return {static_cast<const char*>(data),
          data == nullptr ? 0 : static_cast<size_t>(sqlite3_column_bytes(statement, index))};
}

// The rows of one host that have one key.
struct Group {
  size_t operation = 0;
  size_t host = 0;
  std::string key;
  std::array<std::vector<std::string>, 2> rows;

  bool Is(size_t of_operation, size_t of_host, std::string_view of_key) const {
    return operation == of_operation && host == of_host && key == of_key;
  }
  bool empty() const { return rows[0].empty() && rows[1].empty(); }
};

}  // namespace

struct RowDiff::State {
  ~State() {
    insert.reset();
    sqlite3_close_v2(database);
  }

  absl::Status Error() const {
    return absl::ResourceExhaustedError(
        StrCat("--diff: temporary database (TMPDIR says where): ", sqlite3_errmsg(database)));
  }

  size_t HostAt(std::string_view id, std::string_view name) {
    const auto [entry, is_new] = host_index.try_emplace(std::string(id), hosts.size());
    if (is_new) hosts.push_back({std::string(id), std::string(name), {}, {}});
    return entry->second;
  }

  std::string Compared(const Operation& operation, const std::string& bytes) const {
    const std::unique_ptr<Message> row(operation.prototype->New());
    row->ParseFromString(bytes);
    KeepColumns(operation.compared, row.get());
    return CanonicalBytes(*row);
  }

  // Takes out of the group what is the same in both runs.
  void DropEqual(const Operation& operation, Group* group);
  absl::Status Tell(Group* group, const std::function<absl::Status(const Change&)>& visit);
  void CountHosts();

  std::vector<Operation> operations;
  std::vector<Host> hosts;
  std::unordered_map<std::string, size_t> host_index;
  sqlite3* database = nullptr;
  SqlStatement insert;
  Counts counts;
};

void RowDiff::State::DropEqual(const Operation& operation, Group* group) {
  std::unordered_map<std::string, size_t> before;
  std::vector<std::string> contents;
  for (const std::string& row : group->rows[kBefore]) {
    contents.push_back(Compared(operation, row));
    ++before[contents.back()];
  }
  std::unordered_map<std::string, size_t> matched;
  std::erase_if(group->rows[kAfter], [&](const std::string& row) {
    const std::string content = Compared(operation, row);
    const auto found = before.find(content);
    if (found == before.end() || found->second == 0) return false;
    --found->second;
    ++matched[content];
    ++counts.same;
    return true;
  });
  size_t index = 0;
  std::erase_if(group->rows[kBefore], [&](const std::string&) {
    const auto found = matched.find(contents[index++]);
    if (found == matched.end() || found->second == 0) return false;
    --found->second;
    return true;
  });
}

absl::Status RowDiff::State::Tell(Group* group,
                                  const std::function<absl::Status(const Change&)>& visit) {
  if (group->empty()) return absl::OkStatus();
  const Operation& operation = operations[group->operation];
  const Host& host = hosts[group->host];
  DropEqual(operation, group);
  const size_t pairs = std::min(group->rows[kBefore].size(), group->rows[kAfter].size());
  const size_t all = std::max(group->rows[kBefore].size(), group->rows[kAfter].size());
  for (size_t i = 0; i < all; ++i) {
    std::array<std::unique_ptr<Message>, 2> rows;
    for (const Run run : {kBefore, kAfter}) {
      if (i >= group->rows[run].size()) continue;
      rows[run].reset(operation.prototype->New());
      rows[run]->ParseFromString(group->rows[run][i]);
    }
    Change change = {.kind = ChangeKind::kChanged,
                     .operation = group->operation,
                     .agent = host.name,
                     .agent_id = host.id,
                     .before = rows[kBefore].get(),
                     .after = rows[kAfter].get(),
                     .columns = {}};
    if (i < pairs) {
      for (const Column& column : operation.compared) {
        if (CellOf(*change.before, column, CellStyle::kData).text !=
            CellOf(*change.after, column, CellStyle::kData).text)
          change.columns.push_back(&column);
      }
      ++counts.changed;
    } else if (change.before == nullptr) {
      if (!host.whole[kBefore]) {
        ++counts.not_shown_as_new;
        continue;
      }
      change.kind = ChangeKind::kNew;
      ++counts.added;
    } else {
      if (!host.whole[kAfter]) {
        ++counts.not_shown_as_gone;
        continue;
      }
      change.kind = ChangeKind::kGone;
      ++counts.gone;
    }
    DRAGNET_RETURN_IF_ERROR(visit(change));
  }
  return absl::OkStatus();
}

void RowDiff::State::CountHosts() {
  for (const Host& host : hosts) {
    if (!host.whole[kBefore]) ++counts.hosts_not_whole_before;
    if (!host.whole[kAfter]) ++counts.hosts_not_whole_after;
    if (host.known[kBefore] && host.known[kAfter]) ++counts.hosts_compared;
  }
}

RowDiff::RowDiff(std::unique_ptr<State> state) : state_(std::move(state)) {}
RowDiff::~RowDiff() = default;

absl::StatusOr<std::unique_ptr<RowDiff>> RowDiff::Create(std::vector<Operation> operations) {
  auto state = std::make_unique<State>();
  state->operations = std::move(operations);
  // An empty name: a file that SQLite removes while it is open.
  if (sqlite3_open_v2("", &state->database,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                      nullptr) != SQLITE_OK ||
      sqlite3_exec(state->database, kSetUp, nullptr, nullptr, nullptr) != SQLITE_OK)
    return state->Error();
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v3(state->database, kInsert, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr) !=
      SQLITE_OK)
    return state->Error();
  state->insert.reset(raw);
  return std::unique_ptr<RowDiff>(new RowDiff(std::move(state)));
}

absl::Status RowDiff::AddRow(Run run, size_t operation, std::string_view agent_id,
                             std::string_view agent, const Message& row) {
  const std::unique_ptr<Message> cut(row.New());
  cut->CopyFrom(row);
  KeepColumns(state_->operations[operation].key, cut.get());
  const std::string key = CanonicalBytes(*cut);
  const std::string bytes = CanonicalBytes(row);
  sqlite3_stmt* const insert = state_->insert.get();
  sqlite3_bind_int64(insert, 1, static_cast<sqlite3_int64>(operation));
  sqlite3_bind_int64(insert, 2, static_cast<sqlite3_int64>(state_->HostAt(agent_id, agent)));
  sqlite3_bind_blob64(insert, 3, key.data(), key.size(), SQLITE_STATIC);
  sqlite3_bind_int64(insert, 4, run);
  sqlite3_bind_blob64(insert, 5, bytes.data(), bytes.size(), SQLITE_STATIC);
  const bool done = sqlite3_step(insert) == SQLITE_DONE;
  absl::Status status = done ? absl::OkStatus() : state_->Error();
  sqlite3_reset(insert);
  return status;
}

void RowDiff::AddHost(Run run, std::string_view agent_id, std::string_view agent, bool whole) {
  Host& host = state_->hosts[state_->HostAt(agent_id, agent)];
  host.known[run] = true;
  host.whole[run] = whole;
}

std::vector<std::string> RowDiff::HostsNotWhole(Run run, size_t most) const {
  std::vector<std::string> names;
  for (const Host& host : state_->hosts)
    if (!host.whole[run] && names.size() < most) names.push_back(host.name);
  return names;
}

absl::Status RowDiff::ForEach(const std::function<absl::Status(const Change&)>& visit) {
  state_->CountHosts();
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(state_->database, kInOrder, -1, &raw, nullptr) != SQLITE_OK)
    return state_->Error();
  const SqlStatement statement(raw);
  Group group;
  while (true) {
    const int result = sqlite3_step(raw);
    if (result == SQLITE_DONE) break;
    if (result != SQLITE_ROW) return state_->Error();
    const auto operation = static_cast<size_t>(sqlite3_column_int64(raw, 0));
    const auto host = static_cast<size_t>(sqlite3_column_int64(raw, 1));
    std::string key = Blob(raw, 2);
    if (!group.Is(operation, host, key)) {
      DRAGNET_RETURN_IF_ERROR(state_->Tell(&group, visit));
      group = {operation, host, std::move(key), {}};
    }
    group.rows[static_cast<size_t>(sqlite3_column_int64(raw, 3)) & 1].push_back(Blob(raw, 4));
  }
  return state_->Tell(&group, visit);
}

const RowDiff::Counts& RowDiff::counts() const { return state_->counts; }

}  // namespace dragnet::console
