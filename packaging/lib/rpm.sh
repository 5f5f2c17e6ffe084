# shellcheck shell=bash disable=SC2154 # variables are those of package.sh
# Sourced by package.sh. A staged component becomes an RPM package, by Debian's rpmbuild.

# CHANGELOG.md in the form of an RPM spec.
rpm_changelog() {
  awk -v maintainer="$maintainer" '
    /^## / {
      date = substr($3, 2, length($3) - 2)
      command = "date -d " date " \"+%a %b %d %Y\""
      command | getline stamp
      close(command)
      which = $2
      sub(/-/, "~", which)
      printf "%s* %s %s - %s-1\n", separator, stamp, maintainer, which
      separator = "\n"
    }
    /^- / { print }
    /^  [^ ]/ { print }' "$source_directory/CHANGELOG.md"
}

make_rpm() {
  local component=$1 package tree docs work
  package=$(package_of "$component")
  tree=$staging/rpm/$package
  docs=$tree/usr/share/doc/$package
  work=$staging/rpmbuild/$package
  mkdir -p "$staging/rpm" "$work"
  cp -a "$staging/$component" "$tree"
  install -m 0644 "$packaging/deb/copyright" "$docs/copyright"
  # Where RPM's distributions have completions.
  if [ -d "$tree/usr/share/zsh/vendor-completions" ]; then
    mv "$tree/usr/share/zsh/vendor-completions" "$tree/usr/share/zsh/site-functions"
  fi
  settle "$tree"
  rpm_spec "$component" "$tree" >"$work/$package.spec"
  # The last lines: all that would tell when and where it was built, and by what.
  rpmbuild -bb --quiet "$work/$package.spec" \
    --define "_topdir $work" --define "_rpmdir $work/out" \
    --define "_rpmfilename %%{name}-%%{version}-%%{release}.%%{arch}.rpm" \
    --buildroot "$work/root" \
    --define "staged $tree" \
    --define "_buildhost localhost" --define "use_source_date_epoch_as_buildtime 1" \
    --define "clamp_mtime_to_source_date_epoch 1" --define "source_date_epoch_from_changelog 0" \
    --define "_build_id_links none" --define "debug_package %{nil}" \
    --define "__os_install_post %{nil}" --define "_binary_payload w12.zstdio" \
    --define "optflags %{nil}" --define "vendor %{nil}" >"$staging/$package.rpm.log" 2>&1 ||
    { cat "$staging/$package.rpm.log" >&2; die "$package: rpmbuild failed"; }
  cp "$work"/out/*.rpm "$out/"
}

# Every file of the tree by name: what is not listed fails the build, what is not there, too.
rpm_files() {
  local tree=$1
  (cd "$tree" && find . \( -path ./etc/dragnet -o -path './usr/share/dragnet*' -o -path './usr/share/doc/*' \) \
    -type d -printf '%%dir "/%P"\n' -o -type f -printf '%P\n') | sort | sed \
    -e '/^%dir/!s,^.*$,"/&",' \
    -e 's,^"/usr/share/doc/,%doc "/usr/share/doc/,'
}

rpm_spec() {
  local component=$1 tree=$2 package
  package=$(package_of "$component")
  sed -e "s/@VERSION@/$package_version/" -e "s/@MAINTAINER@/$maintainer/" "$packaging/rpm/$package.spec"
  printf '\n%%install\ncp -a %%{staged}/. %%{buildroot}/\n'
  printf '\n%%files\n%%defattr(-,root,root,-)\n'
  rpm_files "$tree"
  printf '\n%%changelog\n'
  rpm_changelog
}
