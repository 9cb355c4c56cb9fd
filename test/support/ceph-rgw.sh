#!/usr/bin/env bash
# A real S3 service for tests: a Ceph monitor, an object store in memory and a RADOS Gateway, on loopback only.
# Usage: ceph-rgw.sh DIRECTORY OWNER MONITOR_PORT GATEWAY_PORT
# Runs until it gets SIGTERM or the process OWNER has ended, then takes everything down and removes DIRECTORY.
# Writes DIRECTORY/ready when the gateway answers; what went wrong is in DIRECTORY/log.
# Needs the Debian packages radosgw, ceph-mon, ceph-osd and ceph-common.
set -euo pipefail
directory=${1:?a directory to be made} owner=${2:?a process id} monitor_port=${3:?a port} gateway_port=${4:?a port}
access_key=testkey secret_key=testsecret
daemons=() as=()
if [ "$(id -u)" = 0 ]; then as=(--setuser root --setgroup root); fi

stop() {
  trap - EXIT
  if [ ${#daemons[@]} -gt 0 ]; then
    kill -KILL "${daemons[@]}" 2>/dev/null || true
    wait "${daemons[@]}" 2>/dev/null || true
  fi
  rm -rf "$directory"
  exit
}
# Ends the script when a daemon has ended.
check() {
  local daemon
  for daemon in "${daemons[@]}"; do kill -0 "$daemon"; done
}

trap stop EXIT TERM INT HUP

mkdir -p "$directory"/{mon,osd,run,log}
cd "$directory"
exec >>log/setup 2>&1
export CEPH_CONF=$directory/ceph.conf
cluster=$(cat /proc/sys/kernel/random/uuid) store=$(cat /proc/sys/kernel/random/uuid)

cat >"$CEPH_CONF" <<CONFIGURATION
[global]
fsid = $cluster
mon_host = [v2:127.0.0.1:$monitor_port]
ms_bind_msgr1 = false
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
run_dir = $directory/run
admin_socket = $directory/run/\$type.\$id.\$pid.socket
pid_file = $directory/run/\$type.\$id.pid
log_file = $directory/log/\$name
keyring = $directory/keyring
crash_dir = $directory/run
mon_data = $directory/mon
mon_data_avail_crit = 1
mon_data_avail_warn = 1
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
osd_data = $directory/osd
osd_objectstore = memstore
memstore_device_bytes = 8589934592
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_crush_chooseleaf_type = 0
# Buckets may also be named by the host: http://bucket.localhost:port/key
rgw_dns_name = localhost
# What was removed frees its memory at once rather than in two hours.
rgw_gc_obj_min_wait = 1
rgw_gc_processor_period = 2
rgw_gc_processor_max_time = 2
CONFIGURATION

ceph-authtool --create-keyring keyring --gen-key -n mon. --cap mon 'allow *'
ceph-authtool keyring --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
ceph-authtool keyring --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
monmaptool --create --addv a "[v2:127.0.0.1:$monitor_port]" --fsid "$cluster" monmap
ceph-mon -i a --mkfs --monmap monmap --keyring keyring

ceph-mon -i a -f "${as[@]}" &
daemons+=($!)
ceph --connect-timeout 20 auth import -i keyring
ceph osd new "$store"
ceph-osd -i 0 --mkfs --osd-uuid "$store" "${as[@]}"
ceph osd crush add-bucket default root || true
ceph osd crush add 0 1.0 root=default
ceph-osd -i 0 -f "${as[@]}" &
daemons+=($!)
until ceph osd stat | grep -q '1 up'; do
  check
  sleep 0.2
done

# Without tcp_nodelay, each answer with a body comes 40 ms late.
radosgw -n client.admin -f --rgw-frontends="beast endpoint=127.0.0.1:$gateway_port tcp_nodelay=1" "${as[@]}" &
daemons+=($!)
until curl -s -o answer "http://127.0.0.1:$gateway_port/"; do
  check
  sleep 0.2
done
# The program's own socket and pid file must not be those of the gateway, whose name it shares.
radosgw-admin --admin-socket="$directory/run/admin.socket" --pid-file="$directory/run/admin.pid" \
  user create --uid=test --display-name=test --access-key="$access_key" --secret-key="$secret_key"
touch ready

while kill -0 "$owner" 2>/dev/null; do
  sleep 1 &
  wait $!
done
