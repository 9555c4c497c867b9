# shellcheck shell=bash
# Images of the local cluster: kept as docker-archive tars, so that nodes that come later have them too.

IMAGES=$STATE/images

# keep_image TAR: prints where it is kept. A tar with the same names takes the place of the older one.
keep_image() {
  local names kept
  names=$(tar --extract --to-stdout --file "$1" manifest.json 2>/dev/null | grep -o '"RepoTags": *\[[^]]*\]') ||
    die "$1 is not a docker-archive with a name in it"
  kept=$IMAGES/$(sha256sum <<<"$names" | cut -c 1-16).tar
  mkdir -p "$IMAGES"
  cp "$1" "$kept.part"
  mv "$kept.part" "$kept"
  echo "$kept"
}

# import_image NAME TAR
import_image() {
  in_node "$1" ctr --address /run/containerd/containerd.sock --namespace k8s.io images import "$2" >/dev/null
}

pause_image() {
  [[ -f $IMAGES/pause.tar ]] && return
  mkdir -p "$IMAGES"
  "$HERE/../../images/mkimage" --name odradek/pause:1 --out "$IMAGES/pause.tar" "$PROGRAMS/pause=/pause"
}

local_load() {
  local tar kept name pid pids
  for tar in "$@"; do
    [[ -f $tar ]] || die "there is no file $tar"
    kept=$(keep_image "$tar")
    pids=()
    for name in $(node_names); do
      [[ -f $NODES_DIR/$name/stopped ]] && continue
      wait_for 30 "containerd on $name" containerd_answers "$name"
      import_image "$name" "$kept" &
      pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || die "$tar could not be loaded"; done
    say "loaded $tar"
  done
}

containerd_answers() { node_entered "$1" && in_node "$1" ctr --address /run/containerd/containerd.sock version; }
