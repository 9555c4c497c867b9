# shellcheck shell=bash
# The programs of the local cluster, compiled once for each state of their sources and kept in the cache.

SOURCES=$HERE/kube

module_version() { awk -v name="$1" '$1 == name && $2 ~ /^v/ { print $2; exit }' "$SOURCES/go.mod"; }

bin_folder() {
  local key
  key=$(cd "$SOURCES" && { uname -m && cat go.mod go.sum && find . -name '*.go' | LC_ALL=C sort | xargs cat; } | sha256sum | cut -c 1-16)
  echo "$CACHE/kube/$key/bin"
}

build_programs() {
  local bin part
  bin=$(bin_folder)
  [[ -x $bin/kube ]] && return
  has go || die "Go $GO_MINIMUM or newer is needed to compile Kubernetes: install it and put 'go' on PATH"
  [[ $(printf '%s\n' "$GO_MINIMUM" "$(go env GOVERSION | sed 's/^go//')" | sort -V | head -n 1) == "$GO_MINIMUM" ]] ||
    say "Go $GO_MINIMUM is needed, this is $(go env GOVERSION): it may fetch its own newer toolchain"
  mkdir -p "$CACHE/kube"
  part=$(mktemp -d "$CACHE/kube/part.XXXXXX")
  say "compiling Kubernetes $(module_version k8s.io/kubernetes), etcd, CoreDNS, kubectl and helm: 6 to 15 minutes on 2 cores the first time, under a minute when Go has compiled it before"
  compile "$part" || { tail -n 20 "$part/log" >&2; rm -rf "$part"; die "the programs of the cluster did not compile"; }
  ln -s kube "$part/kubectl"
  rm -f "$part/log"
  # Whole or not at all: another run may have been faster, and its programs are the same.
  mkdir -p "$(dirname "$bin")"
  mv -T "$part" "$bin" 2>/dev/null || rm -rf "$part"
}

compile() (
  part=$1 start=$SECONDS next=10
  kubernetes=$(module_version k8s.io/kubernetes)
  cd "$SOURCES" || exit
  export CGO_ENABLED=0 GOFLAGS=-buildvcs=false
  total=$(go list -deps . ./pause ./probe helm.sh/helm/v3/cmd/helm 2>>"$part/log" | wc -l)
  # Each program takes the names that it knows; the linker passes over the others.
  go build -v -trimpath -o "$part/" -ldflags "-s -w \
    -X k8s.io/component-base/version.gitVersion=$kubernetes \
    -X helm.sh/helm/v3/internal/version.version=$(module_version helm.sh/helm/v3) \
    -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 \
    -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=$(cut -d . -f 2 <<<"$kubernetes")" \
    . ./pause ./probe helm.sh/helm/v3/cmd/helm >>"$part/log" 2>&1 9>&- &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    if ((SECONDS - start >= next)); then
      say "  $((SECONDS - start)) s: $(wc -l <"$part/log") packages compiled of at most $total"
      next=$((next + 10))
    fi
    sleep 0.2
  done
  wait "$pid" && say "  compiled in $((SECONDS - start)) s"
)
