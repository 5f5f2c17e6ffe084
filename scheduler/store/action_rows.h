// How the store reads an action's row.
#pragma once

#include "absl/strings/str_split.h"
#include "scheduler/store/database.h"
#include "scheduler/store/store.h"

namespace dragnet::scheduler {

// A run of a sweep has the sweep's envelope.
#define DRAGNET_ACTION_COLUMNS                                                                 \
  "SELECT id, CASE run_of WHEN 0 THEN envelope ELSE (SELECT s.envelope FROM actions s"         \
  " WHERE s.no = actions.run_of) END, launched_by, signed_by, launched_at, expires, cancelled" \
  " FROM actions "

inline StoredAction ActionOf(const Query& query) {
  StoredAction action;
  action.id = query.Text(0);
  action.envelope = query.Text(1);
  action.launched_by = query.Text(2);
  action.signed_by = absl::StrSplit(query.Text(3), ' ', absl::SkipEmpty());
  action.launched_at = query.Time(4);
  action.expires = query.Time(5);
  action.cancelled = query.Integer(6) != 0;
  return action;
}

}  // namespace dragnet::scheduler
