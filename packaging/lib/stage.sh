# shellcheck shell=bash disable=SC2154 # variables are those of package.sh
# Sourced by package.sh. What a component installs, as a tree: $staging/COMPONENT/usr/…

package_of() { case "$1" in console) echo dragnet ;; *) echo "dragnet-$1" ;; esac }

programs_of() {
  case "$1" in
    agent) echo dragnet-agent dragnet-link dragnet-worker ;;
    scheduler) echo dragnet-scheduler ;;
    console) echo dragnet ;;
  esac
}

# Nothing that is delivered may name the place where it was built: paths change from
# build to build, and are nobody's business.
refuse_build_paths() {
  local directory
  for directory in "$source_directory" "$build" "$staging"; do
    if grep -rlaF -- "$directory/" "$1" >&2; then die "$1: the files above contain $directory/"; fi
  done
  # ccache may have made them relative to the build directory, in this build and not in the next.
  if grep -rlaE -- '\.\./(agent|console|core|modules|proto|scheduler)/[a-z0-9_/]*\.(cc|h)' "$1" >&2; then
    die "$1: the files above name files of the source"
  fi
}

# Every time is SOURCE_DATE_EPOCH, every mode what it should be whatever the umask was.
settle() {
  find "$1" -type d -exec chmod 0755 {} +
  find "$1" -type f -exec chmod u=rwX,go=rX {} +
  find "$1" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
}

stage() {
  local component=$1 root=$staging/$1 program
  DESTDIR=$root cmake --install "$build" --component "$component" --prefix /usr >"$staging/$component.log"
  for program in $(programs_of "$component"); do
    [ -f "$root/usr/bin/$program" ] || die "$build/bin/$program: not built: ./dev build"
    # Names of functions and lines stay with the build.
    strip --strip-all --remove-section=.comment "$root/usr/bin/$program"
    refuse_broken "$root/usr/bin/$program"
  done
  install -d "$root/etc/dragnet"
  stage_manuals "$component" "$root"
  stage_documentation "$component" "$root"
  refuse_build_paths "$root"
  settle "$root"
}

# A program that lost more than it should is found here and not on ten thousand hosts. Those
# that are not for people refuse the option, but start.
refuse_broken() {
  local status=0
  "$1" --version >/dev/null 2>&1 || status=$?
  [ "$status" -lt 126 ] || die "$1: doesn't start any more: exit status $status"
}

stage_manuals() {
  local component=$1 root=$2 program
  # The agent's other two programs are not for people: their page is the agent's.
  if [ "$component" = agent ] && [ -f "$root/usr/share/man/man8/dragnet-agent.8" ]; then
    for program in dragnet-link dragnet-worker; do
      [ -f "$root/usr/share/man/man8/$program.8" ] ||
        echo '.so man8/dragnet-agent.8' >"$root/usr/share/man/man8/$program.8"
    done
  fi
  if [ -d "$root/usr/share/man" ]; then
    find "$root/usr/share/man" -type f -exec gzip -9n {} +
  fi
}

stage_documentation() {
  local component=$1 root=$2 package docs
  package=$(package_of "$component")
  docs=$root/usr/share/doc/$package
  install -d "$docs"
  linked_licences "$component" >"$docs/linked-libraries"
  gzip -9n "$docs/linked-libraries"
  case "$component" in
    agent) install -D -m 0644 "$packaging/agent.toml" "$docs/examples/agent.toml" ;;
    scheduler) install -m 0644 "$packaging/README.scheduler" "$docs/README.Dragnet" ;;
    # What an investigator looks up; the rest of docs/ is about the inside.
    console) install -m 0644 "$source_directory"/docs/*.md "$docs/" ;;
  esac
}
