#!/bin/sh
# Installs the agent of this directory on this host, or takes it away again; as root.
#
#   ./install.sh            programs, users, and a service where systemd, OpenRC or
#                           sysvinit is; starts nothing
#   ./install.sh --remove   takes away what it installed; /etc/dragnet, /var/lib/dragnet,
#                           /var/lib/dragnet-releases and the users stay
#
# Both can be made again. $DESTDIR: below that directory, and no users.
set -eu
# The link and the workers start programs as users of their own.
umask 022
cd "$(dirname "$0")"
root=${DESTDIR:-}
examples=usr/share/doc/dragnet-agent/examples

services() {
	if [ -e "$root/sbin/openrc-run" ] || [ -e "$root/usr/sbin/openrc-run" ]; then
		echo "$examples/openrc etc/init.d/dragnet-agent"
	elif [ ! -d "$root/run/systemd/system" ] && [ -d "$root/etc/init.d" ]; then
		echo "$examples/sysvinit etc/init.d/dragnet-agent"
	fi
}

# What goes where: pairs of paths without spaces. Units and users for systemd do no harm elsewhere.
files() {
	find usr -type f | while read -r file; do echo "$file $file"; done
	services
}

make_users() {
	if command -v systemd-sysusers >/dev/null; then
		systemd-sysusers dragnet-agent.conf
		return
	fi
	for user in dragnet-link dragnet-worker; do
		if grep -q "^$user:" /etc/passwd; then
			continue
		elif command -v useradd >/dev/null; then
			useradd --system --user-group --no-create-home --home-dir / --shell /sbin/nologin "$user"
		elif command -v adduser >/dev/null; then
			# BusyBox's.
			addgroup -S "$user"
			adduser -S -D -H -h / -s /sbin/nologin -G "$user" "$user"
		else
			echo "install.sh: nothing here makes users; make $user by hand, or let the agent use a free id" >&2
		fi
	done
}

case "${1:-}" in
	"")
		files | while read -r from to; do
			mkdir -p "$root/$(dirname "$to")"
			# Beside it and then in its place: a program that runs can't be written over.
			cp "$from" "$root/$to.new"
			mv "$root/$to.new" "$root/$to"
		done
		mkdir -p "$root/etc/dragnet"
		if [ -z "$root" ]; then make_users; fi
		echo "dragnet-agent is installed. Put agent.toml into /etc/dragnet (a sample: /$examples/agent.toml), then start"
		echo "the service dragnet-agent, or without any service manager: dragnet-agent run --respawn --config /etc/dragnet/agent.toml"
		;;
	--remove)
		files | while read -r _ to; do rm -f "$root/$to"; done
		rm -rf "$root/usr/share/doc/dragnet-agent"
		echo "dragnet-agent is removed; /etc/dragnet, /var/lib/dragnet, /var/lib/dragnet-releases and the users stay"
		;;
	*)
		echo "install.sh: there is no option $1" >&2
		exit 2
		;;
esac
