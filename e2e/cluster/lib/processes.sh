# shellcheck shell=bash
# Long-lived processes, each known by a file "PID START": the start time tells a pid that was given out again.

# start_of PID: field 22 of its stat; nothing for a process that is gone or waits to be reaped.
start_of() {
  local stat
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  # The name before it, in parentheses, may hold spaces.
  read -ra stat <<<"${stat##*) }"
  [[ ${stat[0]} != [ZX] ]] && echo "${stat[19]}"
}

# alive FILE
alive() {
  local pid start
  [[ -f $1 ]] && read -r pid start <"$1" && [[ -n $start && $(start_of "$pid") == "$start" ]]
}

# pid_in FILE
pid_in() { cut -d ' ' -f 1 "$1"; }

# launch FILE LOG COMMAND...: starts it in a session of its own, with a plain environment and without our lock.
launch() {
  local file=$1 log=$2 pid
  shift 2
  setsid env -i HOME=/ LANG=C PATH="$PATH" "${@}" >>"$log" 2>&1 </dev/null 9>&- &
  pid=$!
  echo "$pid $(start_of "$pid")" >"$file"
}

# end FILE: nothing here needs a goodbye, what it leaves is cleaned up after it.
end() {
  local pid
  if alive "$1"; then
    pid=$(pid_in "$1")
    kill -KILL "$pid"
    wait_for 10 "process $pid to end" gone "$1"
  fi
  rm -f "$1"
}

gone() { ! alive "$1"; }

# end_in_namespace NAME: what lives in one of our network namespaces is ours, also when its file was lost.
end_in_namespace() {
  local pid
  for pid in $(ip netns pids "$1" 2>/dev/null); do kill -KILL "$pid" 2>/dev/null || true; done
  wait_for 10 "the processes in $1 to end" empty_namespace "$1"
}

empty_namespace() { [[ -z $(ip netns pids "$1" 2>/dev/null) ]]; }
