# shellcheck shell=bash
# Keys, certificates and kubeconfigs. They live as long as the cluster.

PKI=$STATE/pki

pki_up() {
  [[ -f $KUBECONFIG_FILE ]] && return
  mkdir -p "$PKI"
  chmod 700 "$PKI"
  new_key ca
  openssl req -x509 -new -key "$PKI/ca.key" -days 365 -subj /CN=odradek-cluster -out "$PKI/ca.crt"
  new_key sa
  openssl pkey -in "$PKI/sa.key" -pubout -out "$PKI/sa.pub"
  certificate apiserver /CN=kube-apiserver \
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:127.0.0.1,IP:$CONTROL_ADDRESS,IP:10.96.0.1"
  certificate kubelet-client /O=system:masters/CN=apiserver
  certificate aggregator /CN=aggregator
  local user
  for user in controller-manager scheduler; do kubeconfig "$user" "/CN=system:kube-$user"; done
  kubeconfig proxy /CN=system:kube-proxy
  kubeconfig admin /O=system:masters/CN=admin
  # Last, for it says that all of them are there.
  mv "$PKI/admin.kubeconfig" "$KUBECONFIG_FILE"
}

new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$PKI/$1.key"; }

# certificate NAME SUBJECT [ALTERNATIVE NAMES]
certificate() {
  local name=$1 subject=$2 names=${3:-}
  new_key "$name"
  openssl req -new -key "$PKI/$name.key" -subj "$subject" -out "$PKI/$name.csr"
  openssl x509 -req -in "$PKI/$name.csr" -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" -days 365 -out "$PKI/$name.crt" \
    -set_serial "0x$(openssl rand -hex 16)" -extfile <(
      echo "basicConstraints=critical,CA:FALSE"
      echo "extendedKeyUsage=serverAuth,clientAuth"
      [[ -z $names ]] || echo "subjectAltName=$names"
    ) 2>/dev/null
  rm "$PKI/$name.csr"
}

# kubeconfig NAME SUBJECT [ALTERNATIVE NAMES]: whole in one file, so that it may be copied.
kubeconfig() {
  certificate "$@"
  (
    umask 077
    cat >"$PKI/$1.kubeconfig" <<YAML
apiVersion: v1
kind: Config
current-context: odradek
contexts: [{name: odradek, context: {cluster: odradek, user: $1}}]
clusters:
- name: odradek
  cluster:
    server: https://$CONTROL_ADDRESS:6443
    certificate-authority-data: $(base64 -w 0 "$PKI/ca.crt")
users:
- name: $1
  user:
    client-certificate-data: $(base64 -w 0 "$PKI/$1.crt")
    client-key-data: $(base64 -w 0 "$PKI/$1.key")
YAML
  )
}
