// install.sh of the tar site package.
#pragma once

#include <string_view>

namespace dragnet::console {

// POSIX sh. The vendor's own install.sh, beside it as install-agent.sh, puts the programs
// and services where they belong.
inline constexpr std::string_view kInstallScript = R"SH(#!/bin/sh
# Installs the agent on this host as one of its fleet, and starts it; as root.
#
#   ./install.sh               programs, users, service, configuration; the host enrols on
#                              the agent's first start
#   ./install.sh --uninstall   stops the agent and takes away what was installed, identity,
#                              journal and configuration too
#
# Both can be made again. A configuration that was changed on this host stays, and the new
# one is put beside it as agent.toml.new. $DESTDIR: below that directory, and starts nothing.
set -eu
cd "$(dirname "$0")"
umask 022
root=${DESTDIR:-}
etc=$root/etc/dragnet

die() {
	echo "install.sh: $*" >&2
	exit 2
}

# systemd, openrc, sysv, or none.
manager() {
	if [ -n "$root" ]; then echo none
	elif [ -d /run/systemd/system ]; then echo systemd
	elif command -v rc-service >/dev/null; then echo openrc
	elif [ -x /etc/init.d/dragnet-agent ] && [ -r /lib/lsb/init-functions ]; then echo sysv
	else echo none
	fi
}

start() {
	case "$(manager)" in
		systemd)
			systemctl daemon-reload
			systemctl --quiet enable dragnet-agent.service
			systemctl restart --no-block dragnet-agent.service
			;;
		openrc)
			rc-update add dragnet-agent default
			rc-service dragnet-agent restart
			;;
		sysv)
			if command -v update-rc.d >/dev/null; then update-rc.d dragnet-agent defaults >/dev/null
			elif command -v chkconfig >/dev/null; then chkconfig --add dragnet-agent
			fi
			/etc/init.d/dragnet-agent restart
			;;
		none)
			[ -n "$root" ] || echo "There is no service manager here. Start it by: dragnet-agent run --respawn --config /etc/dragnet/agent.toml"
			;;
	esac
}

stop() {
	case "$(manager)" in
		systemd)
			systemctl stop dragnet-agent.service 2>/dev/null || true
			systemctl --quiet disable dragnet-agent.service 2>/dev/null || true
			;;
		openrc)
			rc-service --ifexists dragnet-agent stop || true
			rc-update delete dragnet-agent default 2>/dev/null || true
			;;
		sysv)
			/etc/init.d/dragnet-agent stop || true
			if command -v chkconfig >/dev/null; then chkconfig --del dragnet-agent || true; fi
			;;
	esac
}

# Beside it and then in its place, with its mode from the beginning.
put() {
	rm -f "$2.part"
	(umask 077 && cp "$1" "$2.part")
	chmod "$3" "$2.part"
	mv "$2.part" "$2"
}

install_configuration() {
	mkdir -p "$etc"
	for file in site/ca.pem site/root-*.pub; do put "$file" "$etc/${file#site/}" 0644; done
	put site/enrolment.token "$etc/enrolment.token" 0600
	# What was installed the last time tells whether someone changed it since.
	if [ -e "$etc/agent.toml" ] && ! cmp -s site/agent.toml "$etc/agent.toml" &&
		! cmp -s "$etc/agent.toml.installed" "$etc/agent.toml"; then
		put site/agent.toml "$etc/agent.toml.new" @MODE@
		echo "/etc/dragnet/agent.toml was changed on this host and stays; the new one: agent.toml.new" >&2
		return
	fi
	put site/agent.toml "$etc/agent.toml.installed" 0600
	put site/agent.toml "$etc/agent.toml" @MODE@
	rm -f "$etc/agent.toml.new"
}

[ -n "$root" ] || [ "$(id -u)" = 0 ] || die "must be run as root"
case "${1:-}" in
	"")
		sh ./install-agent.sh >/dev/null
		install_configuration
		start
		echo "dragnet-agent @VERSION@ is installed for the fleet @FLEET@."
		;;
	--uninstall)
		stop
		sh ./install-agent.sh --remove >/dev/null
		rm -f "$etc/agent.toml" "$etc/agent.toml.new" "$etc/agent.toml.installed" "$etc/enrolment.token"
		# Of a console or scheduler on the same host, too.
		[ -e "$etc/console.toml" ] || [ -e "$etc/scheduler.toml" ] ||
			rm -f "$etc/ca.pem" "$etc"/root-*.pub
		rm -rf "$root/var/lib/dragnet" "$root/var/lib/dragnet-releases"
		rm -f "$root"/var/log/dragnet-agent.log*
		rmdir "$etc" 2>/dev/null || true
		[ "$(manager)" != systemd ] || systemctl daemon-reload
		echo "dragnet-agent is removed; the users dragnet-link and dragnet-worker stay, so that nobody else gets their ids."
		;;
	*)
		die "there is no option $1: give none, or --uninstall"
		;;
esac
)SH";

}  // namespace dragnet::console
