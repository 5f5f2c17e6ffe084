# shellcheck shell=bash disable=SC2154 # variables are those of package.sh
# Sourced by package.sh. What is linked into the programs, and under which licences.

# Headers whose code ends in the programs without a library to show for it.
header_packages_of() {
  case "$1" in
    agent) echo libtomlplusplus-dev nlohmann-json3-dev ;;
    scheduler) echo libabsl-dev libcli11-dev libspdlog-dev libtomlplusplus-dev nlohmann-json3-dev ;;
    console) echo libabsl-dev libcli11-dev libtomlplusplus-dev nlohmann-json3-dev ;;
  esac
}

# The archives that the link commands of a component name: paths, one a line.
archives_of() {
  local program link archive
  for program in $(programs_of "$1"); do
    link=$(ninja -C "$build" -t commands "bin/$program" | tail -1)
    grep -oE -- '-l:lib[^,[:space:]]+\.a' <<<"$link" | sed 's/^-l://' || true
    if [[ $link == *-static-libstdc++* ]]; then echo libstdc++.a; fi
    # Its start-up code is in every program.
    echo libgcc.a
  done | sort -u | while read -r archive; do
    readlink -f "$("${CXX:-c++}" -print-file-name="$archive")"
  done
}

# Debian packages of libraries that the component's programs contain, one a line.
linked_packages() {
  local archives
  mapfile -t archives < <(archives_of "$1")
  {
    dpkg-query -S "${archives[@]}" | sed 's/: .*//; s/:.*//'
    header_packages_of "$1" | tr ' ' '\n'
  } | sort -u
}

# Their source packages, as the control field Static-Built-Using has them.
static_built_using() {
  local packages
  mapfile -t packages < <(linked_packages "$1")
  dpkg-query -W -f '${source:Package} (= ${source:Version})\n' "${packages[@]}" | sort -u |
    paste -sd, | sed 's/,/, /g'
}

# Once for each source package: its packages have the same copyright file.
linked_licences() {
  local packages source version package
  mapfile -t packages < <(linked_packages "$1")
  echo "The programs of this package contain code of the libraries below, each under its own licence."
  dpkg-query -W -f '${source:Package} ${source:Version} ${Package}\n' "${packages[@]}" | sort -u -k1,1 |
    while read -r source version package; do
      [ -f "/usr/share/doc/$package/copyright" ] || die "/usr/share/doc/$package/copyright: not there"
      printf '\n\n======== %s ========\n\n' "$source $version"
      cat "/usr/share/doc/$package/copyright"
    done
}
