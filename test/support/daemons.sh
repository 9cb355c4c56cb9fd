#!/usr/bin/env bash
# Runs LXD and Incus for the tests beside any that the machine itself runs: their own directories, their own home
# for the clients' settings, and one certificate that both trust. Needs root.
# Usage: daemons.sh up DIR      starts what does not answer yet, empties what an earlier run left
#        daemons.sh empty DIR   deletes every instance and image, and every index the daemons and clients keep
#        daemons.sh down DIR    empties, stops both and removes DIR
# DIR must be short (there are sockets in it) and open to the containers' users on its whole path.
set -euo pipefail
action=${1:?up, empty or down}
dir=${2:?a directory}

export HOME=$dir/home LXD_DIR=$dir/lxd INCUS_DIR=$dir/incus
# Daemons and clients read it instead of the machine's authorities, and only when they start.
export SSL_CERT_FILE=$dir/server.crt

answers() { timeout 20 "$1" info >/dev/null 2>&1; }

certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj '/CN=headwater test' \
    -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:127.0.0.2' \
    -keyout "$dir/server.key" -out "$dir/server.crt" 2>/dev/null
}

start() { # client, its directory, command...
  local client=$1 home=$2
  shift 2
  answers "$client" && return
  mkdir -p "$home"
  chmod 711 "$home"
  setsid "$@" --group root --logfile "$home.log" >"$home.out" 2>&1 </dev/null &
  for _ in $(seq 100); do
    answers "$client" && break
    sleep 0.2
  done
  answers "$client" || { echo "$client: its daemon does not answer; see $home.out" >&2; tail -5 "$home.out" >&2; exit 1; }
  # "init" would look for a free network; a container that runs commands needs none.
  "$client" storage show default >/dev/null 2>&1 || "$client" storage create default dir >/dev/null
  "$client" profile device get default root pool >/dev/null 2>&1 ||
    "$client" profile device add default root disk path=/ pool=default >/dev/null
}

empty() {
  local client names
  for client in lxc incus; do
    answers "$client" || continue
    names=$(timeout 60 "$client" list --format csv --columns n)
    [ -z "$names" ] || timeout 120 "$client" delete --force $names >/dev/null
    names=$(timeout 60 "$client" image list local: --format csv --columns F)
    [ -z "$names" ] || timeout 120 "$client" image delete $names >/dev/null
  done
  rm -rf "$LXD_DIR"/cache/* "$INCUS_DIR"/cache/* "$HOME/.cache/incus" "$HOME/.config"
}

up() {
  mkdir -p "$HOME"
  chmod 711 "$dir" "$HOME"
  [ -s "$dir/server.crt" ] && openssl x509 -checkend 86400 -noout -in "$dir/server.crt" >/dev/null ||
    { stop; certificate; }
  start lxc "$LXD_DIR" lxd
  start incus "$INCUS_DIR" /usr/libexec/incus/incusd
  empty
}

stop() {
  ! answers lxc || timeout 60 lxd shutdown --timeout 30 >/dev/null || true
  ! answers incus || timeout 60 incus admin shutdown --timeout 30 >/dev/null || true
}

down() {
  empty || true
  stop
  # What a killed daemon left mounted.
  awk -v dir="$dir/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | sort -r | while read -r mount; do
    umount -l "$mount" || true
  done
  rm -rf "$dir"
}

"$action"
