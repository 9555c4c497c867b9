# shellcheck shell=bash
# The backend 'local': each verb, from the parts in the other files. Every step of `up` looks first at what is there,
# so it also mends a cluster of which something died.

local_up() {
  local start=$SECONDS name
  need_root
  meet_needs
  build_programs
  lock
  remember_backend local
  ln -sfn "$(bin_folder)" "$PROGRAMS"
  host_up
  pki_up
  network_up
  control_start
  pause_image
  first_nodes
  for name in $(node_names); do [[ -f $NODES_DIR/$name/stopped ]] || node_start "$name"; done
  control_finish
  storage_class | kubectl_ apply --filename - >/dev/null
  nodes_ready
  say "up after $((SECONDS - start)) s: $(node_names | tr '\n' ' ')"
}

first_nodes() {
  local number=0 zone name
  # A node that was not finished is none.
  for name in $(node_names); do [[ -f $NODES_DIR/$name/number ]] || rm -rf "${NODES_DIR:?}/$name"; done
  [[ -f $STATE/nodes-made ]] && return
  for zone in "${ZONES[@]}"; do
    number=$((number + 1))
    [[ -d $NODES_DIR/node-$number ]] || node_create "node-$number" "$number" "$zone"
  done
  touch "$STATE/nodes-made"
}

nodes_ready() {
  local name
  for name in $(node_names); do
    [[ -f $NODES_DIR/$name/stopped ]] || wait_ready "$name"
  done
}

wait_ready() {
  wait_for 120 "$1 to register (see $NODES_DIR/$1/log)" kubectl_ get node "$1"
  kubectl_ wait --for condition=Ready "node/$1" --timeout 120s >/dev/null || die "$1 is not Ready (see $NODES_DIR/$1/log)"
}

storage_class() {
  cat <<YAML
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: local
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: odradek.dev/volumes
volumeBindingMode: WaitForFirstConsumer
allowVolumeExpansion: true
reclaimPolicy: Delete
YAML
}

local_down() {
  local name
  lock
  for name in $(node_names); do end "$NODES_DIR/$name/process"; done
  control_down
  # Also what lost its file: it lives in our namespaces.
  network_down
  wait_for 20 "the volumes to be let go" no_loops "$STATE/"
  cgroups_down
  host_down
  rm -rf --one-file-system "$STATE"
  say "down"
}

local_status() {
  local name
  [[ -d $NODES_DIR ]] || die "no cluster is up: run 'cluster up' first"
  say "backend: local ($STATE)"
  control_status
  for name in $(node_names); do echo "  $name in $(<"$NODES_DIR/$name/zone") $(node_state "$name")"; done
  if api_ready >/dev/null; then kubectl_ get nodes --label-columns topology.kubernetes.io/zone; else echo "  the API server does not answer"; fi
}

node_state() {
  if [[ -f $NODES_DIR/$1/stopped ]]; then
    echo stopped
  elif ! node_running "$1"; then
    echo "IS DEAD ('cluster up' starts it)"
  elif node_is_cut "$1"; then
    echo "cut off"
  else
    echo runs
  fi
}

local_add_node() {
  local zone=$1 number=1 name
  lock
  for name in $(node_names); do number=$(($(known "$name") + 1)); done
  ((number <= MAX_NODES)) || die "there is room for $MAX_NODES nodes"
  node_create "node-$number" "$number" "$zone"
  node_start "node-$number"
  wait_ready "node-$number"
  echo "node-$number"
}

local_remove_node() {
  known "$1" >/dev/null
  lock
  node_end "$1"
  kubectl_ delete node "$1" --ignore-not-found >/dev/null
  rm -rf --one-file-system "${NODES_DIR:?}/$1" "$PKI/$1".{crt,key,kubeconfig}
}

local_stop_node() {
  known "$1" >/dev/null
  lock
  touch "$NODES_DIR/$1/stopped"
  node_end "$1"
}

local_start_node() {
  known "$1" >/dev/null
  lock
  node_start "$1"
}

local_cut_node() {
  known "$1" >/dev/null
  lock
  node_cut "$1"
}

local_heal_node() {
  known "$1" >/dev/null
  lock
  node_heal "$1"
}
