# shellcheck shell=bash disable=SC2154 # variables are those of package.sh
# Sourced by package.sh. A staged component becomes a Debian package.

# CHANGELOG.md in the form of deb-changelog(5).
debian_changelog() {
  local package=$1
  awk -v package="$package" -v version="$version" -v maintainer="$maintainer" \
    -v today="$(date -d "@$SOURCE_DATE_EPOCH" +%F)" '
    function finish() {
      if (!open) return
      command = "date -R -d " date
      command | getline stamp
      close(command)
      printf "\n -- %s  %s\n", maintainer, stamp
      open = 0
    }
    function begin(which) {
      sub(/-/, "~", which)
      printf "%s%s (%s) stable; urgency=medium\n\n", separator, package, which
      separator = "\n"
      open = 1
    }
    /^## / {
      finish()
      date = substr($3, 2, length($3) - 2)
      if (!seen && $2 != version) {
        later = date
        date = today
        begin(version)
        print "  * A build of what has no section in CHANGELOG.md yet."
        finish()
        date = later
      }
      seen = 1
      begin($2)
    }
    open && /^- / { print "  * " substr($0, 3) }
    open && /^  [^ ]/ { print "    " substr($0, 3) }
    END { finish() }' "$source_directory/CHANGELOG.md"
}

# The shared libraries that the programs need, as Depends has them.
shared_dependencies() {
  local component=$1 tree=$2 work=$staging/$1.shlibs
  mkdir -p "$work/debian"
  printf 'Source: dragnet\n\nPackage: %s\nArchitecture: any\n' "$(package_of "$component")" \
    >"$work/debian/control"
  (cd "$work" && dpkg-shlibdeps -O $(programs_of "$component" | tr ' ' '\n' | sed "s,^,-e$tree/usr/bin/,")) |
    sed -n 's/^shlibs:Depends=//p'
}

# The file, with what is between @ and @ replaced.
fill() {
  local component=$1 tree=$2
  sed -e "s/@VERSION@/$package_version/" -e "s/@ARCHITECTURE@/$(dpkg --print-architecture)/" \
    -e "s/@MAINTAINER@/$maintainer/" \
    -e "s/@INSTALLED_SIZE@/$(installed_kilobytes "$tree")/" \
    -e "s/@SHARED_DEPENDENCIES@/$(shared_dependencies "$component" "$tree")/" \
    -e "s/@STATIC_BUILT_USING@/$(static_built_using "$component")/"
}

# As Debian Policy 5.6.20 wants it, which counts no blocks of this file system.
installed_kilobytes() {
  find "$1" -path "$1/DEBIAN" -prune -o -printf '%y %s\n' |
    awk '{ total += $1 == "f" ? int(($2 + 1023) / 1024) : 1 } END { print total }'
}

make_deb() {
  local component=$1 package tree docs script
  package=$(package_of "$component")
  tree=$staging/deb/$package
  docs=$tree/usr/share/doc/$package
  mkdir -p "$staging/deb"
  cp -a "$staging/$component" "$tree"
  debian_changelog "$package" >"$docs/changelog"
  gzip -9n "$docs/changelog"
  install -m 0644 "$packaging/deb/copyright" "$docs/copyright"
  if [ -f "$packaging/deb/$package.lintian-overrides" ]; then
    install -D -m 0644 "$packaging/deb/$package.lintian-overrides" \
      "$tree/usr/share/lintian/overrides/$package"
  fi
  if [ "$component" = agent ]; then
    install -D -m 0755 "$packaging/sysvinit/dragnet-agent" "$tree/etc/init.d/dragnet-agent"
    install -D -m 0644 "$packaging/logrotate.d/dragnet-agent" "$tree/etc/logrotate.d/dragnet-agent"
  fi
  settle "$tree"
  mkdir "$tree/DEBIAN"
  fill "$component" "$tree" <"$packaging/deb/$package.control" >"$tree/DEBIAN/control"
  for script in preinst postinst prerm postrm; do
    if [ -f "$packaging/deb/$package.$script" ]; then
      install -m 0755 "$packaging/deb/$package.$script" "$tree/DEBIAN/$script"
    fi
  done
  if [ "$component" = agent ]; then
    (cd "$tree" && find etc -type f | sort | sed 's,^,/,') >"$tree/DEBIAN/conffiles"
  fi
  (cd "$tree" && find . -path ./DEBIAN -prune -o -type f -print0 | sed -z 's,^\./,,' | sort -z |
    xargs -0 md5sum) >"$tree/DEBIAN/md5sums"
  chmod 0644 "$tree"/DEBIAN/{control,md5sums}
  [ ! -f "$tree/DEBIAN/conffiles" ] || chmod 0644 "$tree/DEBIAN/conffiles"
  find "$tree/DEBIAN" -exec touch --date="@$SOURCE_DATE_EPOCH" {} +
  # One thread: what more of them write depends on how many there are.
  dpkg-deb --root-owner-group --uniform-compression --threads-max=1 -Zxz --build "$tree" \
    "$out/${package}_${package_version}_$(dpkg --print-architecture).deb" >/dev/null
}
