#include "scheduler/nats_users.h"

#include "core/strings.h"
#include "scheduler/bus/nats_options.h"

namespace dragnet::scheduler {
namespace {

void AddSubjects(std::string_view key, const std::vector<std::string>& subjects,
                 std::string* text) {
  StrAppend(text, "      ", key, ": { allow: [\n");
  for (const std::string& subject : subjects) StrAppend(text, "        \"", subject, "\"\n");
  StrAppend(text, "      ] }\n");
}

std::vector<std::string> PublishedBySchedulers(std::string_view fleet_id) {
  const NatsNames names(fleet_id);
  std::vector<std::string> subjects = {StrCat("dragnet.", fleet_id, ".records.*"),
                                       names.NoticeSubject(), names.PeerSubject("*"),
                                       names.PeersSubject(),
                                       // Answers to who has asked. What `allow_responses` would
                                       // let through instead is looked for by the server in all
                                       // that it has let through before, at each message.
                                       names.Inbox("*") + ".>"};
  for (const std::string& stream : {names.RecordStream(), names.NoticeStream()}) {
    subjects.push_back(StrCat("$JS.API.STREAM.INFO.", stream));
    subjects.push_back(StrCat("$JS.API.STREAM.MSG.GET.", stream));
    subjects.push_back(StrCat("$JS.API.CONSUMER.CREATE.", stream));
    subjects.push_back(StrCat("$JS.API.CONSUMER.DELETE.", stream, ".*"));
    subjects.push_back(StrCat("$JS.API.CONSUMER.MSG.NEXT.", stream, ".*"));
  }
  // What is stored makes room, message by message. Notices go by their age.
  subjects.push_back(StrCat("$JS.API.STREAM.MSG.DELETE.", names.RecordStream()));
  return subjects;
}

std::vector<std::string> PublishedByOwner(const NatsNames& names) {
  std::vector<std::string> subjects;
  for (const std::string& stream : {names.RecordStream(), names.NoticeStream()})
    for (const char* call : {"CREATE", "UPDATE", "INFO", "PURGE"})
      subjects.push_back(StrCat("$JS.API.STREAM.", call, ".", stream));
  return subjects;
}

}  // namespace

std::string NatsUsers(std::string_view fleet_id, const std::vector<std::string>& schedulers,
                      std::string_view owner) {
  const NatsNames names(fleet_id);
  std::string text =
      StrCat("# Of fleet ", fleet_id,
             ": what its schedulers may do, and who makes their streams. Included by the "
             "configuration of each\n# NATS server (dragnet-scheduler bus users).\n",
             "authorization {\n  users: [\n");
  for (const std::string& scheduler : schedulers) {
    StrAppend(&text, "    { user: \"", scheduler, "\", permissions: {\n");
    AddSubjects("publish", PublishedBySchedulers(fleet_id), &text);
    // No one else's answers.
    AddSubjects("subscribe",
                {names.Inbox(scheduler) + ".>", names.PeerSubject(scheduler), names.PeersSubject()},
                &text);
    StrAppend(&text, "    } }\n");
  }
  StrAppend(&text, "    { user: \"", owner, "\", permissions: {\n");
  AddSubjects("publish", PublishedByOwner(names), &text);
  // It comes with the settings of any scheduler, and with its name.
  AddSubjects("subscribe", {names.Inbox("*") + ".>"}, &text);
  StrAppend(&text, "    } }\n  ]\n}\n");
  return text;
}

}  // namespace dragnet::scheduler
