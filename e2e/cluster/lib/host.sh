# shellcheck shell=bash
# What the cluster changes on the machine itself, and gives back.

# One cluster a machine: its links and addresses are fixed.
OWNER=/run/odradek-cluster
SETTINGS=(vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys
  kernel/keys/root_maxbytes fs/inotify/max_user_instances fs/inotify/max_user_watches net/netfilter/nf_conntrack_max)
MOUNT_POINTS=(/var/lib/kubelet /var/lib/cni)

# lock: one verb at a time changes the cluster.
lock() {
  need_root
  # The folder itself: so no lock file stays, and none is taken away from one who waits for it.
  exec 9</run
  flock --wait 900 9 || die "another cluster command has been running for 15 minutes"
  if [[ -s $OWNER/state && $(<"$OWNER/state") != "$STATE" ]]; then
    ip link show "$BRIDGE" >/dev/null 2>&1 &&
      die "another local cluster is up: ODRADEK_STATE=$(<"$OWNER/state") cluster down"
  fi
  return 0
}

host_up() {
  local setting point
  mkdir -p "$OWNER"
  echo "$STATE" >"$OWNER/state"
  # The kubelet writes some of these; they are given back as they were.
  if [[ ! -f $OWNER/settings ]]; then
    for setting in "${SETTINGS[@]}"; do
      [[ -r /proc/sys/$setting ]] && echo "$setting $(<"/proc/sys/$setting")"
    done >"$OWNER/settings.part"
    mv "$OWNER/settings.part" "$OWNER/settings"
  fi
  raise fs/inotify/max_user_instances 2048
  raise fs/inotify/max_user_watches 524288
  # Nodes mount their own folders here; on the machine they stay empty.
  for point in "${MOUNT_POINTS[@]}"; do
    [[ -d $point ]] || { mkdir -p "$point" && echo "$point" >>"$STATE/made"; }
  done
}

raise() { (($(<"/proc/sys/$1") >= $2)) || echo "$2" >"/proc/sys/$1"; }

host_down() {
  local setting value point
  if [[ -f $OWNER/settings ]]; then
    while read -r setting value; do
      [[ $(<"/proc/sys/$setting") == "$value" ]] || echo "$value" >"/proc/sys/$setting"
    done <"$OWNER/settings"
  fi
  if [[ -f $STATE/made ]]; then
    while read -r point; do
      if [[ -d $point ]]; then rmdir --ignore-fail-on-non-empty "$point"; fi
    done <"$STATE/made"
  fi
  rm -rf "$OWNER"
}
