#!/usr/bin/env bash
# Process 1 of a node: makes its mounts, then keeps containerd, kubelet and kube-proxy running.
# Reads NODE ZONE DIR KUBE PKI ADDRESS IMAGES from the environment.
set -euo pipefail

mount --make-rshared /
# Pods inherit it, and a broker opens many files.
ulimit -n "$(ulimit -Hn)"
hostname "$NODE"
# Its own /run: sockets, pod network namespaces and addresses are gone after a stop, as after a reboot.
mount -t tmpfs -o mode=755 odradek /run
mkdir -p /run/lock /run/netns
mount --bind "$DIR/log" /var/log
mount --bind "$DIR/kubelet" /var/lib/kubelet
mount -t tmpfs -o mode=755 odradek /var/lib/cni
for image in "$DIR"/volumes/*.img; do
  [[ -e $image ]] || continue
  mount -o loop,discard "$image" "${image%.img}"
done
until [[ -s $DIR/process ]]; do sleep 0.02; done
cp "$DIR/process" "$DIR/entered.part"
mv "$DIR/entered.part" "$DIR/entered"

keep() { # NAME COMMAND...
  local name=$1
  shift
  while true; do
    "$@" >>"$DIR/log/$name.log" 2>&1 || true
    echo "$name ended and is started again"
    sleep 1
  done
}

keep containerd containerd --config "$DIR/containerd.toml" &
keep proxy "$KUBE" proxy --kubeconfig "$PKI/proxy.kubeconfig" --hostname-override "$NODE" --proxy-mode iptables \
  --cluster-cidr 10.244.0.0/16 --conntrack-max-per-core 0 &
until ctr --address /run/containerd/containerd.sock version >/dev/null 2>&1; do sleep 0.1; done
for image in "$IMAGES"/*.tar; do
  ctr --address /run/containerd/containerd.sock --namespace k8s.io images import "$image" >/dev/null
done
keep kubelet "$KUBE" kubelet --config "$DIR/kubelet.yaml" --kubeconfig "$PKI/$NODE.kubeconfig" \
  --hostname-override "$NODE" --node-ip "$ADDRESS" --root-dir /var/lib/kubelet --cert-dir /var/lib/kubelet/pki \
  --node-labels "topology.kubernetes.io/zone=$ZONE,topology.kubernetes.io/region=local" &
wait
