# shellcheck shell=bash
# The control plane: etcd, API server, controller manager, scheduler, DNS and volumes, in one network namespace.

CONTROL_DIR=$STATE/control
CONTROL_PARTS=(etcd apiserver controller-manager scheduler dns volumes)

control_start() {
  mkdir -p "$CONTROL_DIR"
  part etcd --data-dir "$CONTROL_DIR/etcd" --unsafe-no-fsync --log-level warn
  part apiserver --etcd-servers http://127.0.0.1:2379 --advertise-address "$CONTROL_ADDRESS" --secure-port 6443 \
    --service-cluster-ip-range 10.96.0.0/16 --allow-privileged --authorization-mode Node,RBAC \
    --enable-admission-plugins NodeRestriction --client-ca-file "$PKI/ca.crt" \
    --tls-cert-file "$PKI/apiserver.crt" --tls-private-key-file "$PKI/apiserver.key" \
    --service-account-issuer https://kubernetes.default.svc.cluster.local \
    --service-account-key-file "$PKI/sa.pub" --service-account-signing-key-file "$PKI/sa.key" \
    --kubelet-client-certificate "$PKI/kubelet-client.crt" --kubelet-client-key "$PKI/kubelet-client.key" \
    --kubelet-certificate-authority "$PKI/ca.crt" --kubelet-preferred-address-types InternalIP \
    --proxy-client-cert-file "$PKI/aggregator.crt" --proxy-client-key-file "$PKI/aggregator.key" \
    --requestheader-client-ca-file "$PKI/ca.crt" --requestheader-allowed-names aggregator \
    --requestheader-extra-headers-prefix X-Remote-Extra- --requestheader-group-headers X-Remote-Group \
    --requestheader-username-headers X-Remote-User \
    --enable-aggregator-routing
}

# What needs the API server to answer before it starts.
control_finish() {
  wait_for 90 "the API server to be ready (see $CONTROL_DIR/apiserver.log)" api_ready
  # A node that is gone is to be noticed in seconds: tests wait for it.
  part controller-manager --kubeconfig "$PKI/controller-manager.kubeconfig" --leader-elect=false \
    --use-service-account-credentials --root-ca-file "$PKI/ca.crt" --service-account-private-key-file "$PKI/sa.key" \
    --cluster-signing-cert-file "$PKI/ca.crt" --cluster-signing-key-file "$PKI/ca.key" \
    --node-monitor-grace-period=16s --node-monitor-period=2s
  part scheduler --kubeconfig "$PKI/scheduler.kubeconfig" --leader-elect=false
  cat >"$CONTROL_DIR/Corefile" <<CONF
.:53 {
  bind $CONTROL_ADDRESS
  errors
  ready $CONTROL_ADDRESS:8181
  kubernetes cluster.local in-addr.arpa {
    kubeconfig $KUBECONFIG_FILE odradek
    pods insecure
    ttl 5
  }
  cache 5 {
    denial 1000 1
  }
}
CONF
  part dns -conf "$CONTROL_DIR/Corefile"
  part volumes --kubeconfig "$KUBECONFIG_FILE" --nodes "$NODES_DIR"
}

# part NAME FLAGS...: starts it where it does not run.
part() {
  local name=$1
  shift
  alive "$CONTROL_DIR/$name.pid" ||
    launch "$CONTROL_DIR/$name.pid" "$CONTROL_DIR/$name.log" nsenter --net="/run/netns/$CONTROL" "$PROGRAMS/kube" "$name" "$@"
}

api_ready() {
  curl --silent --fail --noproxy '*' --max-time 2 --cacert "$PKI/ca.crt" "https://$CONTROL_ADDRESS:6443/readyz"
}

control_down() {
  local name
  for name in "${CONTROL_PARTS[@]}"; do end "$CONTROL_DIR/$name.pid"; done
}

control_status() {
  local name
  for name in "${CONTROL_PARTS[@]}"; do
    if alive "$CONTROL_DIR/$name.pid"; then echo "  $name runs"; else echo "  $name IS DEAD (see $CONTROL_DIR/$name.log)"; fi
  done
}
