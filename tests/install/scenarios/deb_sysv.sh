# A Debian host without systemd: the init script, and a host that is retired.
new_root deb_sysv
enter_without_init
# What sysvinit's init would have left: its runlevel, by which invoke-rc.d goes.
in_root sh -c 'mkdir -p /run/lock; rm /sbin/runlevel; printf "#!/bin/sh\necho N 2\n" >/sbin/runlevel; chmod 755 /sbin/runlevel'

step "The scheduler, started by hand"
install_scheduler
in_root sh -c 'setpriv --reuid dragnet --regid dragnet --clear-groups \
  dragnet-scheduler run --config /etc/dragnet/scheduler.toml >/root/scheduler.log 2>&1 &'
wait_for "the scheduler listens" 30 grep -q "listening on" "$ROOT/root/scheduler.log"

step "The site package starts the agent by its init script"
dragnet package --target deb --agent "/packages/$(basename "$PACKAGES"/dragnet-agent_*.deb)" \
  --scheduler 127.0.0.1:7443 --uses 1 --lifetime 1h --out /root/site.deb
in_root dpkg -i /root/site.deb
wait_for "the agent enrols by itself" 60 online 1
expect "its init script sees it" in_root /etc/init.d/dragnet-agent status
expect "the agent answers" ask_agent

step "Killed, its parent starts it again"
in_root sh -c 'kill -KILL $(pgrep -P "$(cat /run/dragnet-agent.pid)")'
wait_for "the agent is back" 60 ask_agent

step "Stopped and started"
in_root service dragnet-agent stop
none_runs dragnet-agent dragnet-link
in_root service dragnet-agent start
wait_for "the agent is back" 60 ask_agent

step "Retired: the agent destroys its identity and doesn't come back"
dragnet agents retire "$(in_root hostname)" --reason "scrapped" --yes
wait_for "the identity is gone" 60 in_root test ! -e /var/lib/dragnet/link/tls.key
wait_for "the agent has ended" 60 in_root sh -c "! pgrep dragnet-link"
in_root service dragnet-agent start || true
expect_text retired in_root sh -c 'dragnet-agent run --config /etc/dragnet/agent.toml; echo "status $?"'
expect_text "status 5" in_root sh -c 'dragnet-agent run --config /etc/dragnet/agent.toml; echo "status $?"'
expect "no agent is online" online 0

step "Removed and purged without systemd"
in_root dpkg --purge dragnet-agent
none_runs dragnet-agent dragnet-link
gone /var/lib/dragnet /var/lib/dragnet-releases /etc/dragnet/agent.toml /etc/dragnet/ca.pem /etc/dragnet/enrolment.token \
  /etc/init.d/dragnet-agent /usr/bin/dragnet-agent /var/log/dragnet-agent.log
