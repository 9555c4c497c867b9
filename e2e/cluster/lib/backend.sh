# shellcheck shell=bash
# Which cluster is meant: the current one, k3d, or the local one. `up` chooses, the other verbs follow.

K3D_NAME=odradek

choose_backend() {
  case ${ODRADEK_CLUSTER:-} in
    current | k3d | local) echo "$ODRADEK_CLUSTER" ;;
    '') if [[ -f $STATE/backend ]]; then cat "$STATE/backend"; elif k3d_possible; then echo k3d; else echo local; fi ;;
    *) die "ODRADEK_CLUSTER is '$ODRADEK_CLUSTER': current, k3d or local" ;;
  esac
}

# backend: what `up` chose, or what the caller says now.
backend() {
  if [[ -n ${ODRADEK_CLUSTER:-} ]]; then choose_backend; elif [[ -f $STATE/backend ]]; then cat "$STATE/backend"; else die "no cluster is up: run 'cluster up' first"; fi
}

remember_backend() {
  local chosen=$1 before=
  [[ -f $STATE/backend ]] && before=$(<"$STATE/backend")
  [[ -z $before || $before == "$chosen" ]] || die "a cluster of kind '$before' is up: run 'cluster down' first, or unset ODRADEK_CLUSTER"
  mkdir -p "$STATE"
  echo "$chosen" >"$STATE/backend"
}

# kubectl_: the kubectl that fits, on the cluster that is meant.
kubectl_() {
  if [[ $(backend) == current ]]; then kubectl "$@"; else PATH="$PROGRAMS:$PATH" kubectl --kubeconfig "$KUBECONFIG_FILE" "$@"; fi
}

print_env() {
  local kubeconfig=$KUBECONFIG_FILE
  [[ $(backend) == current ]] && kubeconfig=${KUBECONFIG:-$HOME/.kube/config}
  printf 'export KUBECONFIG=%q\n' "$kubeconfig"
  if [[ -d $PROGRAMS ]]; then printf 'export PATH=%q\n' "$PROGRAMS:$PATH"; else printf 'export PATH=%q\n' "$PATH"; fi
  # A proxy of the machine must not be asked for the cluster's addresses.
  if [[ -n ${HTTPS_PROXY:-}${https_proxy:-} ]]; then
    printf 'export NO_PROXY=%q no_proxy=%q\n' "${NO_PROXY:+$NO_PROXY,}10.77.0.0/24" "${NO_PROXY:+$NO_PROXY,}10.77.0.0/24"
  fi
}
