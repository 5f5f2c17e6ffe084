#include "scheduler/cluster_commands.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/bus/nats_bus.h"
#include "scheduler/command_store.h"
#include "scheduler/init/install.h"
#include "scheduler/migrate/local_files.h"
#include "scheduler/migrate/migrate.h"
#include "scheduler/nats_users.h"
#include "scheduler/settings.h"
#include "scheduler/settings_bus.h"
#include "scheduler/settings_cluster.h"
#include "scheduler/store/postgres/migrations.h"

namespace dragnet::scheduler {
namespace {

// The highest position that the store has of any partition of the bus.
absl::StatusOr<uint64_t> StoredUpTo(const Settings& settings, uint32_t partitions) {
  DRAGNET_ASSIGN_OR_RETURN(const CommandStore store, OpenForCommand(settings));
  uint64_t stored = 0;
  for (uint32_t partition = 0; partition < partitions; ++partition) {
    DRAGNET_ASSIGN_OR_RETURN(const uint64_t position, store->BusPosition(partition));
    stored = std::max(stored, position);
  }
  return stored;
}

}  // namespace

ClusterCommands::ClusterCommands(CLI::App& app) {
  migrate_ = app.add_subcommand(
      "migrate",
      "Make or update the tables of a PostgreSQL store, and move a SQLite store into it; the "
      "scheduler must not be running");
  migrate_->add_option("--config", config_, "scheduler.toml, for --from sqlite or --to postgresql")
      ->type_name("FILE");
  migrate_
      ->add_option("--from", from_,
                   "sqlite:FILE, or sqlite: the store of --config. Without, only tables are made. "
                   "The file stays as it is")
      ->type_name("STORE");
  migrate_
      ->add_option("--to", to_,
                   "postgresql://ROLE@HOST/DATABASE?…, of a role that owns the database; or "
                   "postgresql: that of --url, or the store of --config")
      ->required()
      ->type_name("STORE");
  migrate_->add_option("--url", url_, "postgresql://…, for --to postgresql")->type_name("URL");
  migrate_
      ->add_option("--role", role_,
                   "The role that schedulers run as: is given the rights on rows, and none on "
                   "tables")
      ->type_name("ROLE")
      ->capture_default_str();

  migrate_
      ->add_option("--name", name_,
                   "scheduler_name of this scheduler from now on: blobs, and cursors of exports, "
                   "which lie beside the file, are there under it, too")
      ->type_name("NAME");

  migrate_->add_flag("--restored", restored_,
                     "The database went back to a backup: cursors of streams become invalid by "
                     "name, since their positions will mean other things");

  CLI::App* bus = app.add_subcommand("bus", "What connects the schedulers of a cluster");
  bus->require_subcommand(1);
  bus_init_ = bus->add_subcommand(
      "init",
      "Make the streams that schedulers use, or bring them up to date: they themselves may not");
  bus_init_->add_option("--config", config_, "scheduler.toml")->required()->type_name("FILE");
  CLI::Option* certificate =
      bus_init_
          ->add_option("--certificate", certificate_,
                       "Of who may make streams, instead of the scheduler's bus_certificate")
          ->type_name("FILE");
  CLI::Option* key =
      bus_init_->add_option("--key", key_, "The key of --certificate")->type_name("FILE");
  certificate->needs(key);
  key->needs(certificate);

  bus_users_ = bus->add_subcommand(
      "users",
      "Print what the NATS servers' configuration is to include: what each scheduler may do "
      "there, and who makes the streams");
  bus_users_->add_option("--config", config_, "scheduler.toml")->required()->type_name("FILE");
  bus_users_
      ->add_option("--scheduler", schedulers_,
                   "scheduler_name, which its certificate has as DNS name (repeatable)")
      ->required()
      ->type_name("NAME");
  bus_users_->add_option("--owner", owner_, "Who runs bus init, by certificate")
      ->type_name("NAME")
      ->capture_default_str();

  join_ = app.add_subcommand(
      "join",
      "Put a scheduler that dragnet-scheduler certificate issue made where its package's service "
      "reads it: /etc/dragnet/scheduler.toml and /var/lib/dragnet-scheduler; needs root");
  join_->add_option("--from", kit_, "What certificate issue made; it is emptied")
      ->required()
      ->type_name("DIR");
}

bool ClusterCommands::parsed() const {
  return migrate_->parsed() || bus_init_->parsed() || bus_users_->parsed() || join_->parsed();
}

absl::Status ClusterCommands::Run() {
  if (migrate_->parsed()) return Migrate();
  if (bus_init_->parsed()) return InitBus();
  if (bus_users_->parsed()) return PrintBusUsers();
  return Join();
}

absl::Status ClusterCommands::Migrate() {
  DRAGNET_ASSIGN_OR_RETURN(
      const Migration migration,
      ReadMigration({.from = from_, .to = to_, .url = url_, .config = config_, .name = name_}));
  DRAGNET_RETURN_IF_ERROR(MigratePostgres(migration.url, role_));
  std::printf("The tables are there, and the role %s may use them.\n", role_.c_str());
  if (restored_) {
    DRAGNET_RETURN_IF_ERROR(RenewStreamIdentity(migration.url));
    std::printf("Its stream has a new identity: cursors from before are refused.\n");
  }
  if (migration.file.empty()) return absl::OkStatus();
  if (!migration.local_files.empty()) {
    DRAGNET_ASSIGN_OR_RETURN(const uint64_t files,
                             CopyLocalFiles(migration.file, migration.local_files));
    std::printf("%s blobs and cursors of exports: %s.…\n", StrCat(files).c_str(),
                migration.local_files.c_str());
  }
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<MovedTable> moved,
                           MoveStore(migration.file, migration.url));
  std::fputs(DescribeMoved(moved).c_str(), stdout);
  std::printf(
      "%s is as it was. From now on a scheduler that runs on it knows nothing of what happens in "
      "PostgreSQL: set `store` in scheduler.toml first (docs/cluster.md).\n",
      migration.file.c_str());
  return absl::OkStatus();
}

absl::Status ClusterCommands::InitBus() {
  DRAGNET_ASSIGN_OR_RETURN(Settings settings, LoadSettings(config_));
  if (!settings.clustered())
    return absl::FailedPreconditionError(StrCat(config_, ": bus: there is none"));
  if (!certificate_.empty()) {
    settings.bus_certificate = certificate_;
    settings.bus_key = key_;
  }
  const NatsOptions options = NatsOptionsOf(settings);
  DRAGNET_ASSIGN_OR_RETURN(const uint64_t stored, StoredUpTo(settings, options.partitions));
  DRAGNET_RETURN_IF_ERROR(PrepareNats(options, stored));
  std::printf("The streams are there, kept on %d servers; records may take %s bytes on each.\n",
              settings.bus_replicas, StrCat(settings.bus_max_bytes).c_str());
  return absl::OkStatus();
}

absl::Status ClusterCommands::PrintBusUsers() {
  DRAGNET_ASSIGN_OR_RETURN(const Settings settings, LoadSettings(config_));
  std::vector<std::string> names = schedulers_;
  names.push_back(owner_);
  for (const std::string& name : names)
    if (!IsSchedulerName(name))
      return absl::InvalidArgumentError(StrCat(name, ": a-z, 0-9 and '-', at most 63"));
  std::fputs(NatsUsers(settings.fleet_id, schedulers_, owner_).c_str(), stdout);
  return absl::OkStatus();
}

absl::Status ClusterCommands::Join() {
  const InstalledPlaces places;
  DRAGNET_RETURN_IF_ERROR(CheckInstallable(places));
  DRAGNET_RETURN_IF_ERROR(InstallScheduler(kit_, places));
  std::printf(
      "%s is installed. Its client certificates belong where that says, then: systemctl "
      "start dragnet-scheduler\n",
      places.config.c_str());
  return absl::OkStatus();
}

}  // namespace dragnet::scheduler
