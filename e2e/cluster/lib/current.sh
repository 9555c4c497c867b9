# shellcheck shell=bash
# The backend 'current': a cluster that somebody else made, taken as it is.

current_up() {
  has kubectl || die "ODRADEK_CLUSTER=current needs kubectl on PATH"
  kubectl get nodes >/dev/null || die "the current KUBECONFIG does not reach a cluster"
  remember_backend current
}

current_down() {
  say "the current cluster was not made here and is left as it is"
  rm -rf "$STATE"
}

current_load() {
  local context image
  context=$(kubectl config current-context)
  case $context in
    k3d-*) k3d image import --cluster "${context#k3d-}" "$@" ;;
    kind-*) for image in "$@"; do kind load image-archive --name "${context#kind-}" "$image"; done ;;
    *) die "images cannot be loaded into the cluster '$context': push them to a registry that it reads, or use k3d or kind" ;;
  esac
}

current_status() {
  say "backend: current ($(kubectl config current-context))"
  kubectl get nodes --label-columns topology.kubernetes.io/zone
}

current_nodes() { die "nodes of the current cluster cannot be $1 from here"; }
current_add_node() { current_nodes added; }
current_remove_node() { current_nodes removed; }
current_stop_node() { current_nodes stopped; }
current_start_node() { current_nodes started; }
current_cut_node() { current_nodes cut; }
current_heal_node() { current_nodes healed; }
