# The scheduler's package over its life: init, start, backup, upgrade with data, restore,
# and a store of a later version, which is refused clearly.
new_root scheduler
boot

step "Installed, it waits for a fleet, which is no failure"
in_root sh -c 'dpkg -i /packages/dragnet-scheduler_*.deb /packages/dragnet_*.deb'
expect_text "inactive" in_root systemctl is-active dragnet-scheduler
in_root dragnet-scheduler init --dir /root/fleet --name example --listen 127.0.0.1:7443 --investigator ida --install
in_root systemctl start dragnet-scheduler
expect "dragnet status" dragnet status
expect_text "already" in_root dragnet-scheduler init --dir /root/again --install

step "An agent, and an investigation: data"
dragnet package --target deb --agent "/packages/$(basename "$PACKAGES"/dragnet-agent_*.deb)" \
  --scheduler 127.0.0.1:7443 --uses 1 --lifetime 1h --out /root/site.deb
in_root dpkg -i /root/site.deb
wait_for "the agent enrols by itself" 60 online 1
expect "the agent answers" ask_agent

step "A backup while it runs"
in_root install -d -o dragnet -g dragnet -m 0700 /var/lib/dragnet-scheduler/backups
in_root dragnet-scheduler backup --config /etc/dragnet/scheduler.toml --to /var/lib/dragnet-scheduler/backups/1.db

step "Installed over itself, the data stays"
in_root sh -c 'dpkg -i /packages/dragnet-scheduler_*.deb'
wait_for "the scheduler is back" 60 in_root systemctl is-active dragnet-scheduler
expect_text '"path":"/etc/passwd"' dragnet results last --output jsonl
wait_for "the agent is back" 90 ask_agent

step "A store of a later version is refused, by name, and not restarted for ever"
in_root systemctl stop dragnet-scheduler
version=$(in_root sqlite3 /var/lib/dragnet-scheduler/dragnet.db 'PRAGMA user_version')
in_root sqlite3 /var/lib/dragnet-scheduler/dragnet.db "PRAGMA user_version = $((version + 1))"
in_root systemctl start dragnet-scheduler || true
wait_for "it has ended" 60 in_root sh -c '[ "$(systemctl show -p SubState --value dragnet-scheduler)" = failed ]'
expect_text "this program knows" in_root journalctl -u dragnet-scheduler --no-pager -o cat
expect_text "2" in_root systemctl show -p ExecMainStatus --value dragnet-scheduler

step "Back to the backup"
in_root dragnet-scheduler restore --config /etc/dragnet/scheduler.toml \
  --from /var/lib/dragnet-scheduler/backups/1.db --replace
in_root systemctl reset-failed dragnet-scheduler
in_root systemctl start dragnet-scheduler
wait_for "the agent answers again" 90 ask_agent

step "Purged, keys and results stay, as it says"
in_root dpkg --purge dragnet-scheduler
in_root test -s /var/lib/dragnet-scheduler/ca.key
gone /etc/dragnet/scheduler.toml /usr/bin/dragnet-scheduler
