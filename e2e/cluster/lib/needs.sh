# shellcheck shell=bash
# What the local cluster needs of the machine. A need is "test:package", where the test is a command or a file.

NEEDS=(
  containerd:containerd ctr:containerd runc:runc iptables:iptables ip:iproute2 openssl:openssl curl:curl
  mkfs.xfs:xfsprogs mount:mount losetup:mount nsenter:util-linux unshare:util-linux flock:util-linux
  hostname:hostname
)
CNI_FOLDERS=(/usr/lib/cni /opt/cni/bin)

cni_folder() {
  local folder
  for folder in "${CNI_FOLDERS[@]}"; do
    [[ -x $folder/ptp && -x $folder/host-local && -x $folder/portmap ]] && echo "$folder" && return
  done
  return 1
}

# missing_packages: one a line.
missing_packages() {
  local need
  for need in "${NEEDS[@]}"; do has "${need%%:*}" || echo "${need##*:}"; done | sort -u
  cni_folder >/dev/null || echo containernetworking-plugins
}

meet_needs() {
  local missing
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]})) || return 0
  if ! has apt-get || ((EUID != 0)); then
    die "missing: ${missing[*]} (names of Debian packages): install them, or run 'cluster up' as root on Debian or Ubuntu"
  fi
  say "installing ${missing[*]}"
  apt_install "${missing[@]}" || { apt-get -qq update >&2 && apt_install "${missing[@]}"; } ||
    die "apt-get could not install ${missing[*]}"
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]} == 0)) || die "still missing after apt-get: ${missing[*]}"
}

apt_install() {
  # Another may be installing something: it is waited for.
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq install --yes --no-install-recommends "$@" >/dev/null
}
