# A fleet inside of $ROOT, with the installed programs: scheduler and console.

DRAGNET="dragnet --config /root/fleet/investigator/console.toml"

dragnet() { in_root $DRAGNET "$@"; }

# What may explain a failure.
tell_state() {
  [ -n "$INIT" ] || return 0
  in_root journalctl --no-pager -n 60 -o cat 2>/dev/null || true
  in_root tail -n 40 /var/log/dragnet-agent.log /root/scheduler.log /root/agent.log 2>/dev/null || true
}

install_scheduler() {
  in_root sh -c 'dpkg -i /packages/dragnet-scheduler_*.deb /packages/dragnet_*.deb'
  in_root dragnet-scheduler init --dir /root/fleet --name example --listen 127.0.0.1:7443 \
    --investigator ida --release-keys 2 --allow-retire --install
}

online_agents() { dragnet agents --output jsonl | grep '"state":"STATE_ONLINE"'; }
online() { [ "$(online_agents | wc -l)" = "$1" ]; }
version_is() { [[ $(online_agents) == *"\"version\":\"$1\""* ]]; }

# Answered by the sandboxed worker on the host that was installed.
ask_agent() {
  local rows
  rows=$(dragnet file --path /etc --name '^passwd$' --yes --output jsonl 2>"$CACHE/ask.err") &&
    [[ $rows == *'"path":"/etc/passwd"'* ]]
}
# gone PATH…: none of them is there.
gone() {
  local path
  for path in "$@"; do
    ! in_root test -e "$path" -o -L "$path" || fail "$path is still there"
  done
}
# none_runs NAME…: no process of these names.
none_runs() {
  local name
  for name in "$@"; do
    ! in_root pgrep -x "$name" >/dev/null || fail "$name runs"
  done
}

# All files, as find tells them, but for what changes by itself.
list_files() {
  in_root find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /packages \
    -o -path /root -o -path /var/log -o -path /var/cache -o -path '/var/lib/dpkg/*' -o -path '/var/lib/systemd/*' \
    -o -path /var/tmp \) -prune -o -print | sort
}
