# shellcheck shell=bash
# The backend 'k3d': nodes as containers, where a Docker daemon answers and k3s's image can be had.

k3s_image() {
  if [[ -n ${ODRADEK_K3S_IMAGE:-} ]]; then
    echo "$ODRADEK_K3S_IMAGE"
  else
    # The image that this k3d was released with.
    k3d version | sed -n 's/^k3s version \(v[^ ]*\).*/rancher\/k3s:\1/p' | tr + -
  fi
}

k3d_possible() {
  local image
  has docker && has k3d && docker info >/dev/null 2>&1 || return 1
  image=$(k3s_image)
  docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image" >/dev/null 2>&1 || {
    say "Docker answers, but the image $image cannot be had: the local cluster is used"
    return 1
  }
}

k3d_up() {
  has k3d || die "k3d is not on PATH"
  has kubectl || die "kubectl is not on PATH"
  docker info >/dev/null 2>&1 || die "no Docker daemon answers"
  remember_backend k3d
  if k3d cluster get "$K3D_NAME" >/dev/null 2>&1; then
    k3d cluster start "$K3D_NAME" >&2
  else
    local zone labels=() index=0
    for zone in "${ZONES[@]}"; do
      labels+=(--k3s-node-label "topology.kubernetes.io/zone=$zone@agent:$index" --k3s-node-label "topology.kubernetes.io/region=local@agent:$index")
      index=$((index + 1))
    done
    # Pods stay off the server, so that it can neither be stopped with a zone nor count as one.
    k3d cluster create "$K3D_NAME" --image "$(k3s_image)" --agents "$index" "${labels[@]}" --wait \
      --k3s-arg '--disable=traefik,servicelb,metrics-server@server:0' \
      --k3s-arg '--node-taint=node-role.kubernetes.io/control-plane=:NoSchedule@server:0' \
      --k3s-arg '--kube-controller-manager-arg=node-monitor-grace-period=16s@server:0' \
      --kubeconfig-update-default=false --kubeconfig-switch-context=false >&2
  fi
  k3d kubeconfig get "$K3D_NAME" >"$KUBECONFIG_FILE"
  chmod 600 "$KUBECONFIG_FILE"
  kubectl_ wait --for condition=Ready nodes --all --timeout 120s >&2
}

k3d_down() {
  if k3d cluster get "$K3D_NAME" >/dev/null 2>&1; then k3d cluster delete "$K3D_NAME" >&2; fi
  rm -rf "$STATE"
}

k3d_load() { k3d image import --cluster "$K3D_NAME" "$@" >&2; }

k3d_status() {
  say "backend: k3d"
  kubectl_ get nodes --label-columns topology.kubernetes.io/zone
}

k3d_add_node() {
  local number=0
  while docker inspect "k3d-$K3D_NAME-extra-$number-0" >/dev/null 2>&1; do number=$((number + 1)); done
  k3d node create "$K3D_NAME-extra-$number" --cluster "$K3D_NAME" --role agent --wait \
    --k3s-node-label "topology.kubernetes.io/zone=$1" --k3s-node-label topology.kubernetes.io/region=local >&2
  kubectl_ wait --for condition=Ready "node/k3d-$K3D_NAME-extra-$number-0" --timeout 120s >&2
  echo "k3d-$K3D_NAME-extra-$number-0"
}

k3d_remove_node() {
  k3d node delete "$1" >&2
  kubectl_ delete node "$1" --ignore-not-found >&2
}

k3d_stop_node() { docker kill "$1" >/dev/null; }
k3d_start_node() { k3d node start "$1" >&2; }
k3d_cut_node() {
  # Its address is kept for heal-node: k3s does not like to come back with another.
  docker inspect --format "{{(index .NetworkSettings.Networks \"k3d-$K3D_NAME\").IPAddress}}" "$1" >"$STATE/$1.address"
  docker network disconnect "k3d-$K3D_NAME" "$1"
}
k3d_heal_node() {
  docker network connect --ip "$(<"$STATE/$1.address")" "k3d-$K3D_NAME" "$1"
  rm -f "$STATE/$1.address"
}
