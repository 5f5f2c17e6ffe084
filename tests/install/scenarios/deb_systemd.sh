# A Debian host with systemd: the site package, an investigation, upgrades, going back,
# and a purge that leaves nothing.
new_root deb_systemd
boot
list_files >"$CACHE/files-before"

step "The scheduler: install, init, start"
install_scheduler
in_root systemctl start dragnet-scheduler
expect "the scheduler is ready when systemd says so" in_root systemctl is-active dragnet-scheduler

step "The site package: made by the console, installed with dpkg alone"
dragnet package --target deb --agent "/packages/$(basename "$PACKAGES"/dragnet-agent_*.deb)" \
  --scheduler 127.0.0.1:7443 --uses 1 --lifetime 1h --agent-tag ring=0 --setting "confirm_time = \"2s\"" --out /root/site.deb
in_root dpkg -i /root/site.deb
wait_for "the agent enrols by itself" 60 online 1
expect "the agent answers" ask_agent
expect_text ring dragnet agents --output json

step "What its unit takes away, no module misses"
for line in "netstat --listening" "memory --name dragnet-scheduler --content dragnet" "process --name systemd" \
  "firewall" "persistence" "pkg --name ^dragnet-agent\$" "mounts" "accounts"; do
  # 3 would say that something could not be looked at.
  # shellcheck disable=SC2086
  dragnet $line --yes --output jsonl >"$CACHE/answer" 2>"$CACHE/answer.err" ||
    fail "dragnet $line: status $?"$'\n'"$(tail -n 20 "$CACHE/answer" "$CACHE/answer.err")"
done
expect_text '"missingWalls":[]' dragnet agents --output jsonl

step "The journal has fields of its own, and the watchdog is fed"
expect_text '"SYSLOG_IDENTIFIER":"dragnet-agent"' in_root journalctl -u dragnet-agent -o json --no-pager
expect_text '"DRAGNET_ACTION":"' in_root journalctl -o json --no-pager
wait_for "its status" 10 in_root sh -c "systemctl show -p StatusText dragnet-agent | grep -q 'connected to'"

step "Killed, it comes back by itself"
in_root systemctl kill -s KILL --kill-whom=main dragnet-agent
wait_for "the agent is back" 60 in_root systemctl is-active dragnet-agent
wait_for "the agent is connected again" 60 ask_agent

step "Upgraded to a second build"
next=$("$NEXT/dragnet-agent" --version | sed 's/.* //')
mkdir "$ROOT/root/next"
for program in agent link worker; do
  strip -o "$ROOT/root/next/dragnet-$program" "$NEXT/dragnet-$program"
done
make_release() { # VERSION DIRECTORY
  in_root dragnet release new --version "$1" --from "/root/$2" --out "/root/release-$2"
  for key in 1 2; do
    in_root dragnet release sign "/root/release-$2" --key "/root/fleet/root/release-$key.key" --yes
  done
}
make_release "$next" next
dragnet upgrade /root/release-next --yes
wait_for "the new version runs" 90 version_is "$next"
expect "the agent answers" ask_agent
in_root systemctl restart dragnet-agent
wait_for "and again after a restart" 60 version_is "$next"
expect "the agent answers" ask_agent

step "A build that doesn't work goes back by itself"
cp -r "$ROOT/root/next" "$ROOT/root/broken"
cp /usr/bin/false "$ROOT/root/broken/dragnet-agent"
make_release 100.0.0 broken
expect_text went_back dragnet upgrade /root/release-broken --yes
wait_for "the version before it runs on" 60 version_is "$next"
expect "the agent answers" ask_agent

step "Purged, it leaves nothing but what it says"
in_root dpkg --purge dragnet-agent >"$CACHE/purge.log" 2>&1
expect_text "dragnet-link and dragnet-worker stay" cat "$CACHE/purge.log"
in_root dpkg --purge dragnet dragnet-scheduler >/dev/null
list_files >"$CACHE/files-after"
for list in before after; do grep -qx /etc/passwd "$CACHE/files-$list" || fail "files-$list is no list of files"; done
diff "$CACHE/files-before" "$CACHE/files-after" >"$CACHE/files.diff" || true
# What stays of the scheduler is said by its documentation: keys and results exist nowhere else.
left=$(sed -n 's/^> //p' "$CACHE/files.diff" | grep -v '^/var/lib/dragnet-scheduler' || true)
[ -z "$left" ] || fail "left behind:"$'\n'"$left"
expect_text "dragnet-worker" in_root getent passwd dragnet-worker
none_runs dragnet-agent dragnet-link dragnet-worker dragnet-scheduler
