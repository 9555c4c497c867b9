# shellcheck shell=bash
# What every other file uses: messages, waiting, and where things live.

CACHE=$(realpath -m "${ODRADEK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/odradek}")
STATE=$(realpath -m "${ODRADEK_STATE:-$CACHE/cluster}")
KUBECONFIG_FILE=$STATE/kubeconfig
# A link to what the cluster was started with: it stays when the sources change.
PROGRAMS=$STATE/bin

# Messages go to standard error: standard output is for what a script reads.
say() { printf '%s\n' "$*" >&2; }
die() {
  printf 'cluster: %s\n' "$*" >&2
  exit 1
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds, or an error that says what was awaited.
wait_for() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || die "gave up waiting for $what"
    sleep 0.1
  done
}

has() { command -v "$1" >/dev/null 2>&1; }

need_root() { ((EUID == 0)) || die "the local cluster needs root (namespaces, mounts, cgroups): run it with sudo -E"; }
