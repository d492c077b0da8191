# Sourced by run, test and the helpers beside this file.
# Everything here speaks on stderr: stdout belongs to what the user asked for.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)  # the top of the checkout

say() { printf '%s\n' "$*" >&2; }

die() {
  printf 'error: %s\n' "$1" >&2
  shift
  [[ $# -eq 0 ]] || printf '  %s\n' "$@" >&2
  exit 1
}

# Held until the calling script ends: one installation or build at a time in a checkout.
lock_checkout() {
  mkdir -p "$root/build"
  exec 9>"$root/build/.lock"
  flock --nonblock 9 && return
  say "Another ./run or ./test is setting up this checkout; waiting for it ..."
  flock 9
}
