# shellcheck shell=bash
# The wires: one bridge on the machine, and a network namespace for the control plane and for each node.
#
#   10.77.0.1       the machine        10.77.0.10+N   node-N
#   10.77.0.2       control plane      10.244.N.0/24  pods of node-N

BRIDGE=odradek0
CONTROL=odradek-control
CONTROL_ADDRESS=10.77.0.2
RULE=(FORWARD -i "$BRIDGE" -o "$BRIDGE" -m comment --comment odradek-cluster -j ACCEPT)

node_namespace() { echo "odradek-node-$1"; }
node_address() { echo "10.77.0.$((10 + $1))"; }
node_link() { echo "odradek-n$1"; }

network_up() {
  if ! ip link show "$BRIDGE" >/dev/null 2>&1; then
    [[ -z $(ip route show 10.77.0.0/24) ]] || die "10.77.0.0/24 is taken on this machine: $(ip route show 10.77.0.0/24)"
    ip link add "$BRIDGE" type bridge
    ip address add 10.77.0.1/24 dev "$BRIDGE"
  fi
  ip link set "$BRIDGE" up
  pod_routes 0 | ip -batch -
  # Where bridged packets pass the machine's own rules, Docker's policy would drop them.
  iptables -w -C "${RULE[@]}" 2>/dev/null || iptables -w -I "${RULE[@]}"
  namespace_up "$CONTROL" "$CONTROL_ADDRESS" odradek-c 0
}

# pod_routes NUMBER: the way to every other node's pods, also of nodes that come later.
pod_routes() {
  local number
  for ((number = 1; number <= MAX_NODES; number++)); do
    if ((number == $1)); then
      # A pod that is gone is told so, rather than sought through the default route.
      echo "route replace unreachable 10.244.$number.0/24"
    else
      echo "route replace 10.244.$number.0/24 via $(node_address "$number")"
    fi
  done
}

# namespace_up NAME ADDRESS LINK NUMBER
namespace_up() {
  local name=$1 address=$2 link=$3 number=$4
  nsenter --net="/run/netns/$name" true 2>/dev/null && ip link show "$link" >/dev/null 2>&1 && return
  namespace_down "$name" "$link"
  ip netns add "$name"
  # A fixed hardware address: the others need not notice that a node was away.
  ip link add "$link" type veth peer name eth0 address "$(printf '02:77:00:00:00:%02x' "$number")" netns "$name"
  ip link set "$link" master "$BRIDGE" up
  {
    echo "link set lo up"
    echo "address add $address/24 dev eth0"
    echo "link set eth0 up"
    echo "route add default via 10.77.0.1"
    pod_routes "$number"
  } | ip -netns "$name" -batch -
  nsenter --net="/run/netns/$name" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
}

# namespace_down NAME LINK
namespace_down() {
  local name=$1 link=$2
  if [[ -e /run/netns/$name ]]; then
    end_in_namespace "$name"
    ip netns delete "$name"
  fi
  # The kernel may be taking it away already, with its other end.
  ip link delete "$link" 2>/dev/null || true
  wait_for 10 "the link $link to go" no_link "$link"
}

no_link() { ! ip link show "$1"; }

network_down() {
  local name link
  for name in $(ip netns list | awk '/^odradek-(control|node-)/ { print $1 }'); do
    end_in_namespace "$name"
    ip netns delete "$name"
  done
  for link in $(ip -oneline link show type veth | sed -n 's/^[0-9]*: \(odradek-[cn][0-9]*\)@.*/\1/p'); do
    ip link delete "$link" 2>/dev/null || true
    wait_for 10 "the link $link to go" no_link "$link"
  done
  while iptables -w -D "${RULE[@]}" 2>/dev/null; do :; done
  if ip link show "$BRIDGE" >/dev/null 2>&1; then ip link delete "$BRIDGE"; fi
}
