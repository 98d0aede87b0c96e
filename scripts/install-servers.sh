#!/bin/sh
# Installs the servers that the tests and the demo run on, where they are missing:
#
#   install-servers.sh [mysql] [mariadb] [redis]        (all three without arguments)
#
# mariadb  Debian's mariadb-server-core: the program alone, no service, no configuration.
# redis    Debian's redis-tools: its redis-check-rdb is the server's own program under another name, so
#          no package that starts a daemon is needed.
# mysql    Real MySQL, which Debian keeps in unstable only: unpacked into a folder of its own, with the
#          libraries and the loader that it needs. Nothing of it is installed on the system.
#
# The folder is $KISFLOW_SERVERS_DIR, or ~/.cache/kisflow. Needs Debian or Ubuntu, and root or sudo for
# what is missing; needs neither when everything is there. Safe to run twice, and twice at once.
set -eu

mysql_series=9.7
mirror=${KISFLOW_DEBIAN_MIRROR:-http://deb.debian.org/debian}

say() { echo "install-servers: $*" >&2; }

explain() {
  say "$1"
  # The caller has its own words for the rest (src/embedded/find-server.ts).
  [ -z "${KISFLOW_INSTALL_BRIEF:-}" ] || exit 1
  say "install by hand one of each: MySQL >= 8.0.14 (mysqld), MariaDB >= 10.5 (mariadbd)," \
    "Redis >= 6.2 (redis-server) so that they are on the PATH; or Docker with a running daemon; or run this" \
    "script as root on Debian or Ubuntu"
  exit 1
}

# Under sudo the folder still belongs to the user who asked.
owner=$(id -u):$(id -g)
home=${HOME:-/root}
if [ "$(id -u)" = 0 ] && [ -n "${SUDO_UID:-}" ] && [ "$SUDO_UID" != 0 ]; then
  owner=$SUDO_UID:$SUDO_GID
  home=$(getent passwd "$SUDO_UID" | cut -d: -f6)
fi
servers=${KISFLOW_SERVERS_DIR:-$home/.cache/kisflow}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif ! command -v sudo >/dev/null; then
    explain "what is missing needs root or sudo to be installed"
  elif [ -t 0 ]; then
    sudo "$@"
  else
    sudo -n "$@" || explain "sudo failed, or asks for a password: $*"
  fi
}

is_debian() {
  [ -r /etc/os-release ] && (
    . /etc/os-release
    case " ${ID:-} ${ID_LIKE:-} " in *" debian "* | *" ubuntu "*) true ;; *) false ;; esac
  )
}

# apt_install PACKAGE...: from the lists at hand, else from fresh ones. Never a recommended package,
# and never a question.
apt_install() {
  is_debian || explain "this is neither Debian nor Ubuntu: cannot install $*"
  say "installing $*"
  set -- env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
  as_root "$@" >&2 2>/dev/null && return
  as_root apt-get update -q >&2
  as_root "$@" >&2
}

find_program() {
  for directory in "$servers/bin" $(echo "$PATH" | tr ':' ' ') /usr/sbin /usr/local/sbin /usr/local/bin; do
    [ -x "$directory/$1" ] && echo "$directory/$1" && return
  done
  return 1
}

# own PATH: gives it to the user who asked.
own() { [ "$owner" = "$(id -u):$(id -g)" ] || as_root chown -R "$owner" "$1"; }

install_mariadb() {
  find_program mariadbd >/dev/null && return
  apt_install mariadb-server-core
}

install_redis() {
  find_program redis-server >/dev/null && return
  [ -x /usr/bin/redis-check-rdb ] || apt_install redis-tools
  mkdir -p "$servers/bin"
  ln -sf /usr/bin/redis-check-rdb "$servers/bin/redis-server"
  own "$servers/bin"
  "$servers/bin/redis-server" --version >/dev/null || explain "redis-tools holds no Redis server here"
}

# run_folder DIRECTORY ARGUMENT...: the folder's mysqld with the folder's own loader and libraries.
run_folder() {
  program=$1/usr/sbin/mysqld
  loader=$(ls "$1"/usr/lib*/ld-linux-*.so.* | head -n 1)
  library=$(ls -d "$1"/usr/lib/*-linux-gnu* | head -n 1)
  shift
  "$loader" --library-path "$library:$library/mysql/private:$library/mysql" "$program" "$@"
}

install_mysql() {
  folder=$servers/mysql-$mysql_series
  [ -x "$folder/usr/sbin/mysqld" ] && return
  if program=$(find_program mysqld) && ! "$program" --version | grep -qi mariadb; then return; fi
  is_debian || explain "this is neither Debian nor Ubuntu: cannot install MySQL"
  missing=
  find_program debootstrap >/dev/null || missing="debootstrap"
  [ -r /usr/share/keyrings/debian-archive-keyring.gpg ] || missing="$missing debian-archive-keyring"
  # shellcheck disable=SC2086
  [ -z "$missing" ] || apt_install $missing
  as_root true # says so now when it cannot
  say "making $folder: about half a minute"
  mkdir -p "$servers"
  # The name changes only when the folder is whole: a folder half made is never used.
  # What a run that was killed left behind: we hold the lock, so nobody is at work in it.
  if [ -n "${KISFLOW_INSTALL_LOCKED:-}" ]; then as_root rm -rf "$servers"/.making-mysql-*; fi
  making=$(mktemp -d "$servers/.making-mysql-XXXXXX")
  trap 'as_root rm -rf --one-file-system "$making"' EXIT
  trap 'exit 1' INT TERM HUP
  chmod 755 "$making"
  # Packages are downloaded (and their signatures checked) and unpacked, not installed: that needs neither mounts nor
  # a chroot, which containers do not allow.
  as_root "$(find_program debootstrap)" --download-only --variant=minbase --include=mysql-server-core sid \
    "$making/root" "$mirror" >"$making/log" 2>&1 || {
    tail -n 20 "$making/log" >&2
    explain "debootstrap could not download MySQL from $mirror"
  }
  as_root chown -R "$(id -u):$(id -g)" "$making"
  for package in "$making"/root/var/cache/apt/archives/*.deb; do
    dpkg-deb -x "$package" "$making/root"
  done
  keep_mysql_only "$making/root" "$making/mysql"
  run_folder "$making/mysql" --no-defaults --version >&2 || explain "the mysqld of Debian unstable does not run here"
  # Another run without the lock may have been quicker: its folder is as good.
  mv -T "$making/mysql" "$folder" || [ -x "$folder/usr/sbin/mysqld" ] || explain "could not make $folder"
}

# keep_mysql_only FROM TO: the server, its messages, plugins, libraries and loader: what it runs with.
keep_mysql_only() {
  for part in usr/sbin/mysqld usr/share/mysql usr/lib/mysql $(cd "$1" && ls -d usr/lib/*-linux-gnu*); do
    [ -e "$1/$part" ] || continue
    mkdir -p "$2/$(dirname "$part")"
    mv "$1/$part" "$2/$part"
  done
  # The loader is a link into the library folder, which has moved.
  for loader in $(cd "$1" && ls usr/lib*/ld-linux-*.so.*); do
    target=$(readlink "$1/$loader" || true)
    mkdir -p "$2/$(dirname "$loader")"
    case $target in
      "") mv "$1/$loader" "$2/$loader" ;;
      *) cp "$2/usr/lib/$(basename "$(dirname "$target")")/$(basename "$target")" "$2/$loader" ;;
    esac
  done
  own "$2"
}

[ $# -gt 0 ] || set -- mariadb redis mysql
for kind in "$@"; do
  case $kind in
    mysql | mariadb | redis) ;;
    *) explain "unknown server: $kind" ;;
  esac
done
mkdir -p "$servers"
own "$servers"
# One at a time: two runs at once would fight for apt's lock and make the folder twice.
if [ -z "${KISFLOW_INSTALL_LOCKED:-}" ] && command -v flock >/dev/null; then
  KISFLOW_INSTALL_LOCKED=1 exec flock "$servers/.install.lock" "$0" "$@"
fi
for kind in "$@"; do "install_$kind"; done
