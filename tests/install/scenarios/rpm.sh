# The rpm, as far as Debian's rpm goes: installed into a root with a database of its own.
new_root rpm
enter_without_init
in_root sh -c 'rm -rf /run/systemd'

step "The scheduler, started by hand"
install_scheduler
in_root sh -c 'setpriv --reuid dragnet --regid dragnet --clear-groups \
  dragnet-scheduler run --config /etc/dragnet/scheduler.toml >/root/scheduler.log 2>&1 &'
wait_for "the scheduler listens" 30 grep -q "listening on" "$ROOT/root/scheduler.log"

step "The site package as rpm"
dragnet package --target rpm --agent "/packages/$(basename "$PACKAGES"/dragnet-agent-*.rpm)" \
  --scheduler 127.0.0.1:7443 --uses 1 --lifetime 1h --out /root/site.rpm
in_root mkdir -p /root/rpm-root/bin /root/rpm-root/usr/bin /root/rpm-root/usr/sbin
in_root rpm --root /root/rpm-root --initdb
# Debian's rpm knows none of Debian's packages, so none that the C library comes from.
in_root rpm --root /root/rpm-root --install --nodeps --noscripts /root/site.rpm
expect_text "dragnet-agent" in_root rpm --root /root/rpm-root --query dragnet-agent
expect "every file is as the package has it" in_root rpm --root /root/rpm-root --verify --nodeps dragnet-agent
in_root test -s /root/rpm-root/etc/dragnet/enrolment.token

step "Its agent enrols and answers, from the tree that rpm made"
in_root sh -c 'cp -a /root/rpm-root/etc/dragnet/. /etc/dragnet/; cp -a /root/rpm-root/usr/bin/dragnet-* /usr/bin/
  dragnet-agent run --respawn --config /etc/dragnet/agent.toml >/root/agent.log 2>&1 &'
wait_for "the agent enrols by itself" 60 online 1
expect "the agent answers" ask_agent

step "Erased"
in_root rpm --root /root/rpm-root --erase --nodeps --noscripts dragnet-agent
gone /root/rpm-root/usr/bin/dragnet-agent /root/rpm-root/usr/bin/dragnet-link /root/rpm-root/usr/bin/dragnet-worker

step "The scripts of the rpm, in this root: users, and gone with it what it installed"
in_root sh -c 'rpm --initdb; rpm --install --nodeps /packages/dragnet-agent-*.rpm'
expect_text dragnet-link in_root getent passwd dragnet-link
expect "its programs are there" in_root test -x /usr/bin/dragnet-agent
in_root rpm --erase --nodeps dragnet-agent
gone /usr/bin/dragnet-link /usr/bin/dragnet-worker /usr/lib/systemd/system/dragnet-agent.service
