# shellcheck shell=bash
# What `demo/demo` and `kubernetes` share: steps that tell how long they took, and the way from nothing to an operator
# that runs. The caller has `set -euo pipefail`.

ROOT=$(cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.." && pwd)
export ODRADEK_CACHE=${ODRADEK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/odradek}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$ODRADEK_CACHE/target}
OPERATOR_NAMESPACE=odradek
STEP=
IMAGES=()

say() { printf '%s\n' "$*"; }
die() {
  printf '%s\n' "$*" >&2
  exit 1
}

now() { date +%s%N; }
# seconds_since NANOSECONDS: such as 12.3
seconds_since() {
  local tenths=$((($(now) - $1) / 100000000))
  echo "$((tenths / 10)).$((tenths % 10))"
}

# step WHAT COMMAND...: one line when it is done, what the command tells meanwhile above it. Called without || or if, so
# that errexit holds inside of the step; whoever traps EXIT finds in STEP what failed.
step() {
  local began
  STEP=$1
  shift
  began=$(now)
  if [[ -t 1 ]]; then printf '[   ... ] %s\r' "$STEP"; fi
  "$@"
  printf '[%5s s] %s\n' "$(seconds_since "$began")" "$STEP"
  STEP=
}

# indented COMMAND...: its messages, told apart from the steps.
indented() { "$@" 2> >(sed -u 's/^/          /' >&2); }

# within SECONDS WHAT COMMAND...: until the command succeeds.
within() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    ((SECONDS < deadline)) || die "gave up waiting for $what"
    sleep 0.2
  done
}

cluster_up() {
  indented "$ROOT/e2e/cluster/cluster" up
  local environment
  environment=$("$ROOT/e2e/cluster/cluster" env)
  eval "$environment"
}

# ODRADEK_IMAGES names tars to take instead, with blanks between.
build_images() {
  local built
  if [[ -n ${ODRADEK_IMAGES:-} ]]; then
    read -ra IMAGES <<<"$ODRADEK_IMAGES"
    return
  fi
  built=$(indented "$ROOT/images/build")
  mapfile -t IMAGES <<<"$built"
}

long_images() {
  local built more
  built=$(indented "$ROOT/images/build" "$@")
  mapfile -t more <<<"$built"
  IMAGES+=("${more[@]}")
}

clients_image() { IMAGES+=("$(indented "$ROOT/e2e/clients/image")"); }

load_images() { indented "$ROOT/e2e/cluster/cluster" load "${IMAGES[@]}"; }

# The annotation rolls the operator when its image is another one under the same tag. CRDs that something else put there
# become the chart's, where helm knows how (3.17 on).
install_operator() {
  local sum=unknown image ownership=()
  for image in "${IMAGES[@]}"; do
    if [[ $image == */operator.tar ]]; then sum=$(sha256sum "$image" | cut -c 1-16); fi
  done
  if helm upgrade --help | grep -q -- --take-ownership; then ownership=(--take-ownership); fi
  helm upgrade --install odradek "$ROOT/charts/odradek" --namespace "$OPERATOR_NAMESPACE" --create-namespace "${ownership[@]}" \
    --set image.tag=dev --set brokerImage.tag=dev --set "podAnnotations.image=sum-$sum" \
    --wait --timeout 90s >/dev/null
}

# tell_state NAMESPACE: what a person looks at first when something does not become ready.
tell_state() {
  command -v kubectl >/dev/null && [[ -n ${KUBECONFIG:-} ]] || return 0
  {
    section "$1" get kafkaclusters,kafkatopics,statefulsets,pods,persistentvolumeclaims --output wide
    section "$1" describe kafkaclusters,kafkatopics
    section "$1" get events --sort-by .lastTimestamp
    section "$OPERATOR_NAMESPACE" get pods --output wide
    section "$OPERATOR_NAMESPACE" logs --selector app.kubernetes.io/name=odradek-operator --tail 40
    local pod
    for pod in $(kubectl --namespace "$1" get pods --output name 2>/dev/null); do
      section "$1" logs "$pod" --tail 20
      if [[ $(kubectl --namespace "$1" get "$pod" --output 'jsonpath={.status.containerStatuses[0].restartCount}') != 0 ]]; then
        section "$1" logs "$pod" --previous --tail 20
      fi
    done
  } >&2 || true
}

# section NAMESPACE ARGUMENT...
section() {
  printf '\n--- kubectl --namespace %s\n' "$*"
  kubectl --namespace "$@" 2>&1 | tail -n 60 || true
}
