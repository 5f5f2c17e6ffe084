# shellcheck shell=bash disable=SC2154 # variables are those of package.sh
# Sourced by package.sh. The agent for hosts without a package manager, and what `dragnet
# package` and `dragnet release` take its programs from: one directory, below it the paths
# that things have on a host, and install.sh.

make_tar() {
  local name tree docs
  name=dragnet-agent-$version-linux-$(uname -m)
  tree=$staging/tar/$name
  docs=$tree/usr/share/doc/dragnet-agent
  mkdir -p "$staging/tar"
  cp -a "$staging/agent" "$tree"
  install -m 0644 "$packaging/deb/copyright" "$docs/copyright"
  install -m 0644 "$source_directory/CHANGELOG.md" "$docs/CHANGELOG.md"
  install -D -m 0755 "$packaging/sysvinit/dragnet-agent" "$docs/examples/sysvinit"
  install -D -m 0755 "$packaging/openrc/dragnet-agent" "$docs/examples/openrc"
  install -D -m 0644 "$packaging/logrotate.d/dragnet-agent" "$docs/examples/logrotate"
  install -m 0755 "$packaging/install.sh" "$tree/install.sh"
  settle "$tree"
  tar --create --format=gnu --sort=name --owner=root:0 --group=root:0 --mtime="@$SOURCE_DATE_EPOCH" \
    --directory "$staging/tar" "$name" | gzip -9n >"$out/$name.tar.gz"
}
