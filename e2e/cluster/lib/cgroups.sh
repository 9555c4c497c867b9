# shellcheck shell=bash
# Each node's pods have a cgroup /odradek/<node>: in every hierarchy of cgroup v1, or in the one of v2.

cgroup_hierarchies() { awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/mounts; }

# cgroups_up NAME
cgroups_up() {
  local root folder file
  for root in $(cgroup_hierarchies); do
    for folder in "$root" "$root/odradek" "$root/odradek/$1"; do
      mkdir -p "$folder"
      # v2: the controllers are handed down.
      if [[ -s $folder/cgroup.controllers ]]; then
        sed 's/[^ ]*/+&/g' "$folder/cgroup.controllers" >"$folder/cgroup.subtree_control"
      fi
      # v1: a cpuset starts without processors, and then takes no process.
      for file in cpuset.cpus cpuset.mems; do
        if [[ $folder != "$root" && -f $folder/$file && -f $root/cgroup.clone_children ]]; then cat "$root/$file" >"$folder/$file"; fi
      done
    done
  done
}

# cgroups_down [NAME]: one node's, or all.
cgroups_down() { wait_for 10 "the cgroups of ${1:-the cluster} to empty" remove_cgroups "${1:-}"; }

remove_cgroups() {
  local root
  for root in $(cgroup_hierarchies); do
    [[ -d $root/odradek/$1 ]] || continue
    find "$root/odradek/$1" -depth -type d -exec rmdir {} + || return 1
  done
}
