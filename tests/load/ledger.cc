#include "tests/load/ledger.h"

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::load {

absl::Status WriteLedger(const std::string& path, const Ledger& ledger) {
  const std::string unfinished = path + ".new";
  std::ofstream file(unfinished, std::ios::trunc);
  for (const auto& [id, answer] : ledger.answers) {
    file << nlohmann::json{{"action", id},
                           {"answer", answer.ToText()},
                           {"real_rows", ledger.real_rows}}
                .dump()
         << '\n';
  }
  for (const LedgerEntry& entry : ledger.entries) {
    file << nlohmann::json{{"agent", entry.agent_id},   {"index", entry.agent_index},
                           {"action", entry.action_id}, {"operation", entry.operation},
                           {"rows", entry.rows},        {"records", entry.records},
                           {"end", entry.end},          {"lie", entry.lie},
                           {"pending", entry.pending}}
                .dump()
         << '\n';
  }
  file.close();
  if (!file) return absl::UnavailableError(StrCat("write ", unfinished));
  if (::rename(unfinished.c_str(), path.c_str()) != 0)
    return ErrnoStatus(StrCat("rename ", unfinished, " to ", path), errno);
  return absl::OkStatus();
}

absl::Status ReadLedger(const std::string& path, Ledger* ledger) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(StrCat("open ", path));
  std::string line;
  for (size_t number = 1; std::getline(file, line); ++number) {
    try {
      const nlohmann::json json = nlohmann::json::parse(line);
      if (json.contains("answer")) {
        DRAGNET_ASSIGN_OR_RETURN(ledger->answers[json.at("action")],
                                 ParseAnswer(json.at("answer").get<std::string>(), Answer()));
        ledger->real_rows = json.at("real_rows");
        continue;
      }
      LedgerEntry entry;
      entry.agent_id = json.at("agent");
      entry.agent_index = json.at("index");
      entry.action_id = json.at("action");
      entry.operation = json.at("operation");
      entry.rows = json.at("rows");
      entry.records = json.at("records");
      entry.end = json.at("end");
      entry.lie = json.at("lie");
      entry.pending = json.at("pending").get<std::vector<uint64_t>>();
      ledger->entries.push_back(std::move(entry));
    } catch (const nlohmann::json::exception& error) {
      return absl::InvalidArgumentError(StrCat(path, ":", number, ": ", error.what()));
    }
  }
  return absl::OkStatus();
}

}  // namespace dragnet::load
