# shellcheck shell=bash
# A node: containerd, kubelet and kube-proxy in network, mount, process and host-name namespaces of their own.
# Its process 1 is lib/node-init.sh; when that dies the kernel ends all that ran on the node, and its mounts with it.
#
# NODES_DIR/<name>/  number, zone   what it is
#                    process        the process whose end is the node's end
#                    entered        the same, there only while the node's mounts stand
#                    stopped        there when stop-node was said
#                    containerd/ kubelet/ volumes/ log/   its disk

NODES_DIR=$STATE/nodes

node_names() { if [[ -d $NODES_DIR ]]; then ls -v "$NODES_DIR"; fi; }

# known NAME: its number, or an error.
known() {
  [[ -f $NODES_DIR/$1/number ]] || die "there is no node '$1': $(node_names | tr '\n' ' ')"
  cat "$NODES_DIR/$1/number"
}

# node_create NAME NUMBER ZONE
node_create() {
  local name=$1 number=$2 zone=$3 dir=$NODES_DIR/$1
  mkdir -p "$dir"/{cni,containerd,kubelet,volumes,log}
  kubeconfig "$name" "/O=system:nodes/CN=system:node:$name" "DNS:$name,IP:$(node_address "$number")"
  echo nameserver "$CONTROL_ADDRESS" >"$dir/resolv.conf"
  containerd_config >"$dir/containerd.toml"
  cni_config "$number" >"$dir/cni/10-pods.conflist"
  kubelet_config "$name" "$number" >"$dir/kubelet.yaml"
  echo "$zone" >"$dir/zone"
  # Last: a node without it was not finished.
  echo "$number" >"$dir/number"
}

containerd_config() {
  cat <<TOML
version = 2
root = "$dir/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "odradek/pause:1"
  # Root may lack CAP_SYS_RESOURCE, and then cannot lower an OOM score.
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$(cni_folder)"
    conf_dir = "$dir/cni"
TOML
}

# Pods are routed and not bridged: so a service answers on its own node too, whatever the bridge filter is set to.
cni_config() {
  cat <<JSON
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "ptp", "ipam": {"type": "host-local", "dataDir": "/run/ipam",
    "ranges": [[{"subnet": "10.244.$1.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}
]}
JSON
}

# On cgroup v1 a kubelet does not start without being told so. Each has a root of its own below /odradek.
kubelet_config() {
  cat <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $(node_address "$2")
clusterDNS: [$CONTROL_ADDRESS]
clusterDomain: cluster.local
resolvConf: $dir/resolv.conf
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
authentication: {anonymous: {enabled: false}, x509: {clientCAFile: $PKI/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $PKI/$1.crt
tlsPrivateKeyFile: $PKI/$1.key
failSwapOn: false
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /odradek/$1
enforceNodeAllocatable: []
nodeStatusUpdateFrequency: 4s
nodeLeaseDurationSeconds: 16
imageGCHighThresholdPercent: 100
evictionHard: {nodefs.available: "1%", imagefs.available: "1%", memory.available: 100Mi}
YAML
}

node_running() { alive "$NODES_DIR/$1/process"; }
node_entered() { alive "$NODES_DIR/$1/entered"; }

# in_node NAME COMMAND...: among the node's mounts and processes, with the machine's network.
in_node() {
  local spaces
  spaces=/proc/$(pid_in "$NODES_DIR/$1/entered")/ns
  shift
  nsenter --mount="$spaces/mnt" --pid="$spaces/pid_for_children" -- "$@"
}

node_start() {
  local name=$1 dir=$NODES_DIR/$1 number
  number=$(known "$name")
  rm -f "$dir/stopped"
  node_running "$name" && return
  rm -f "$dir/entered"
  cgroups_down "$name"
  cgroups_up "$name"
  namespace_up "$(node_namespace "$number")" "$(node_address "$number")" "$(node_link "$number")" "$number"
  launch "$dir/process" "$dir/log/init.log" \
    NODE="$name" ZONE="$(<"$dir/zone")" DIR="$dir" KUBE="$PROGRAMS/kube" PKI="$PKI" ADDRESS="$(node_address "$number")" IMAGES="$IMAGES" \
    nsenter --net="/run/netns/$(node_namespace "$number")" \
    unshare --mount --propagation private --pid --fork --kill-child --mount-proc --uts bash "$HERE/lib/node-init.sh"
}

# node_end NAME: as if its power was cut.
node_end() {
  local name=$1 dir=$NODES_DIR/$1 number
  number=$(known "$name")
  rm -f "$dir/entered"
  end "$dir/process"
  # Its address falls silent too, rather than refuse.
  namespace_down "$(node_namespace "$number")" "$(node_link "$number")"
  wait_for 20 "the volumes of $name to be let go" no_loops "$dir/"
  cgroups_down "$name"
}

# no_loops FOLDER: the kernel frees a loop device with the last mount of it.
no_loops() {
  local file
  for file in /sys/block/loop*/loop/backing_file; do
    [[ -e $file && $(cat "$file" 2>/dev/null) == "$1"* ]] && return 1
  done
  return 0
}

node_cut() { ip link set "$(node_link "$(known "$1")")" nomaster; }
node_heal() { ip link set "$(node_link "$(known "$1")")" master "$BRIDGE"; }
node_is_cut() { ! ip link show "$(node_link "$(known "$1")")" 2>/dev/null | grep -q "master $BRIDGE"; }
