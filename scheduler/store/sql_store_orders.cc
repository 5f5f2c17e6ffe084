// The part of SqlStore about orders, and how an action is spread.
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/store/sql_store.h"

namespace dragnet::scheduler {
namespace {

#define DRAGNET_ORDER_COLUMNS                                           \
  "SELECT o.id, a.id, o.envelope, o.signed_by, o.expires FROM orders o" \
  " JOIN actions a ON a.no = o.action "

absl::StatusOr<std::vector<StoredOrder>> OrdersOf(Query query) {
  std::vector<StoredOrder> orders;
  while (query.Next()) {
    StoredOrder& order = orders.emplace_back();
    order.id = query.Text(0);
    order.action_id = query.Text(1);
    order.envelope = query.Text(2);
    order.signed_by = absl::StrSplit(query.Text(3), ' ', absl::SkipEmpty());
    order.expires = query.Time(4);
  }
  DRAGNET_RETURN_IF_ERROR(query.status());
  return orders;
}

absl::StatusOr<int64_t> NumberOf(Database& database, std::string_view action_id) {
  DRAGNET_ASSIGN_OR_RETURN(const int64_t no,
                           database.IntegerOr(0, "SELECT no FROM actions WHERE id = ?", action_id));
  if (no == 0) return absl::NotFoundError(StrCat("no action ", action_id));
  return no;
}

absl::Status WriteDispatch(Database& database, int64_t action, const KeptDispatch& dispatch) {
  if (dispatch == KeptDispatch())
    return database.Run("DELETE FROM dispatch WHERE action = ?", action);
  return database.Run(
      "INSERT INTO dispatch"
      " (action, canaries, canaries_passed, stopped, reason, ended_before, failed_before)"
      " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (action) DO UPDATE SET"
      " canaries = excluded.canaries, canaries_passed = excluded.canaries_passed,"
      " stopped = excluded.stopped, reason = excluded.reason,"
      " ended_before = excluded.ended_before, failed_before = excluded.failed_before",
      action, dispatch.canaries, dispatch.canaries_passed, dispatch.stopped, dispatch.reason,
      dispatch.ended_before, dispatch.failed_before);
}

absl::Status InsertOrder(Database& database, int64_t action, const StoredOrder& order) {
  // Names of investigators have no spaces.
  const std::string signed_by = absl::StrJoin(order.signed_by, " ");
  DRAGNET_RETURN_IF_ERROR(database.Run(
      "INSERT INTO orders (action, id, envelope, signed_by, expires) VALUES (?, ?, ?, ?, ?)",
      action, order.id, order.envelope, signed_by, order.expires));
  return database.Run(
      "DELETE FROM orders WHERE action = ?1 AND no <="
      " (SELECT no FROM orders WHERE action = ?1 ORDER BY no DESC LIMIT 1 OFFSET ?2)",
      action, kOrdersKeptPerAction);
}

// Whoever asked for the order may have looked before another scheduler cancelled it.
absl::Status CheckNotCancelled(Database& database, int64_t action) {
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t cancelled,
      database.IntegerOr(0, "SELECT cancelled FROM actions WHERE no = ?", action));
  if (cancelled == 0) return absl::OkStatus();
  return absl::FailedPreconditionError("the action was cancelled; that can't be undone");
}

}  // namespace

// Two schedulers never decide over each other's orders: only the one that leads adds any,
// one at a time, so the newest is the one that it has checked.
absl::Status SqlStore::AddOrder(const StoredOrder& order, const KeptDispatch& dispatch,
                                bool cancels) {
  return writer_.Run([&](Database& database) -> absl::Status {
    DRAGNET_ASSIGN_OR_RETURN(const int64_t action, NumberOf(database, order.action_id));
    DRAGNET_RETURN_IF_ERROR(CheckStillLeads(database));
    DRAGNET_RETURN_IF_ERROR(InsertOrder(database, action, order));
    DRAGNET_RETURN_IF_ERROR(CheckNotCancelled(database, action));
    DRAGNET_RETURN_IF_ERROR(WriteDispatch(database, action, dispatch));
    DRAGNET_RETURN_IF_ERROR(Tell(database, v1::Notice::KIND_ORDER, order.action_id));
    if (!cancels) return absl::OkStatus();
    DRAGNET_RETURN_IF_ERROR(database.Run("UPDATE actions SET cancelled = 1 WHERE no = ?", action));
    return records_->CloseWaiting(database, action);
  });
}

absl::StatusOr<std::vector<StoredOrder>> SqlStore::Orders(std::string_view action_id) {
  ReadPool::Loan database = readers_->Take();
  return OrdersOf(database->Ask(DRAGNET_ORDER_COLUMNS "WHERE a.id = ? ORDER BY o.no", action_id));
}

absl::StatusOr<std::vector<StoredOrder>> SqlStore::OrdersInForce(absl::Time expires_after) {
  ReadPool::Loan database = readers_->Take();
  return OrdersOf(database->Ask(DRAGNET_ORDER_COLUMNS
                                "WHERE a.expires >= ? AND o.no ="
                                " (SELECT max(no) FROM orders WHERE action = o.action)"
                                " ORDER BY o.no",
                                expires_after));
}

absl::Status SqlStore::SaveDispatch(std::string_view action_id, const KeptDispatch& dispatch) {
  return writer_.Run([&](Database& database) -> absl::Status {
    DRAGNET_ASSIGN_OR_RETURN(const int64_t action, NumberOf(database, action_id));
    DRAGNET_RETURN_IF_ERROR(CheckStillLeads(database));
    return WriteDispatch(database, action, dispatch);
  });
}

absl::StatusOr<KeptDispatch> SqlStore::FindDispatch(std::string_view action_id) {
  ReadPool::Loan database = readers_->Take();
  KeptDispatch dispatch;
  Query query = database->Ask(
      "SELECT canaries, canaries_passed, stopped, reason, ended_before, failed_before"
      " FROM dispatch WHERE action = (SELECT no FROM actions WHERE id = ?)",
      action_id);
  if (query.Next()) {
    dispatch.canaries = static_cast<uint64_t>(query.Integer(0));
    dispatch.canaries_passed = query.Integer(1) != 0;
    dispatch.stopped = query.Integer(2) != 0;
    dispatch.reason = query.Text(3);
    dispatch.ended_before = static_cast<uint64_t>(query.Integer(4));
    dispatch.failed_before = static_cast<uint64_t>(query.Integer(5));
  }
  DRAGNET_RETURN_IF_ERROR(query.status());
  return dispatch;
}

}  // namespace dragnet::scheduler
