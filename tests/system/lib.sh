# Shared by tests/run, .ci/run and the scripts beside it; sourced, never run. Needs bash.
# Everything here keeps three promises: ports are free ones, nothing is left running or mounted, nothing is
# written outside the scratch directory, the tools' cache and the names of ports that were given away.
# shellcheck shell=bash

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# --- packages ---------------------------------------------------------------------------------------------

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo -n "$@"
  else die "Debian packages are missing and neither root nor sudo is at hand. As root: apt-get install $missing_packages"
  fi
}

# need_packages NAME...: installs the Debian packages that are missing. Several of them (docker.io, containerd,
# docker-registry, podman) start a service when installed; a policy that answers "no" (101) prevents that,
# for the service would take a well-known port and outlive the tests.
need_packages() {
  missing_packages=
  local p
  for p in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing_packages+=" $p"
  done
  missing_packages=${missing_packages# }
  [ -n "$missing_packages" ] || return 0
  command -v apt-get >/dev/null || die "needs these Debian packages, and here is no apt-get: $missing_packages"
  say "installing: $missing_packages"
  # One root shell, so that the policy is removed again even when apt-get fails. One at a
  # time, and a mirror that hiccups is asked again.
  # shellcheck disable=SC2016,SC2086
  as_root flock /var/lock/simple-registry-tests env DEBIAN_FRONTEND=noninteractive bash -euc '
    policy=/usr/sbin/policy-rc.d
    [ ! -e $policy ] || mv $policy $policy.before-tests
    restore() { rm -f $policy; [ ! -e $policy.before-tests ] || mv $policy.before-tests $policy; }
    trap restore EXIT; trap "exit 1" HUP INT TERM
    printf "#!/bin/sh\nexit 101\n" >$policy
    chmod 755 $policy
    persistently() { "$@" || { sleep 10; "$@"; } || { sleep 30; "$@"; }; }
    persistently apt-get -o Acquire::Retries=3 update -qq
    persistently apt-get -o Acquire::Retries=3 install -y -qq --no-install-recommends "$@"
  ' install $missing_packages </dev/null >"${TMPDIR:-/tmp}/apt-$$.log" 2>&1 || {
    tail -n 20 "${TMPDIR:-/tmp}/apt-$$.log" >&2
    die "apt-get could not install: $missing_packages"
  }
  rm -f "${TMPDIR:-/tmp}/apt-$$.log"
}

# persistently COMMAND...: three times, with a pause; for what asks other machines.
persistently() { "$@" || { sleep 10; "$@"; } || { sleep 30; "$@"; }; }

# --- scratch directory and processes ------------------------------------------------------------------------

# begin: makes $scratch, and sees to it that it goes at the end with whatever was started or mounted in it.
begin() {
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/simple-registry-test.XXXXXX")
  pids=()
  groups=() # process groups that run at the moment, daemons and all
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' HUP TERM
}

finish() {
  local status=$? pid
  set +e
  trap '' HUP INT TERM
  for pid in "${groups[@]}"; do stop_group "$pid"; done
  for pid in "${pids[@]}"; do stop_pid "$pid" 5; done
  # Deepest first: what clients mounted (shm, overlays) would keep the directory from going.
  awk -v at="$scratch/" 'index($2, at) == 1 {print $2}' /proc/self/mounts | sort -r | while read -r at; do umount -l "$at"; done
  if [ -n "${KEEP:-}" ]; then say "kept: $scratch"; else rm -rf "$scratch"; fi
  exit "$status"
}

# stop_pid PID SECONDS: TERM, then wait that long, then KILL. Answers the process's own exit status
# when it is our child (a server that does not drain cleanly shows there), 137 if it had to be killed.
stop_pid() {
  local i
  kill -TERM "$1" 2>/dev/null || true
  for ((i = 0; i < $2 * 20; i++)); do
    if ! kill -0 "$1" 2>/dev/null; then wait "$1" 2>/dev/null; return $?; fi
    sleep 0.05
  done
  kill -KILL "$1" 2>/dev/null
  wait "$1" 2>/dev/null
  return 137
}

# forget_pid PID: it has ended; its number may soon be somebody else's.
forget_pid() {
  local pid left=()
  for pid in "${pids[@]}"; do [ "$pid" = "$1" ] || left+=("$pid"); done
  pids=("${left[@]}")
}

# stop_group GROUP: TERM, five seconds, KILL.
stop_group() {
  local i
  kill -TERM -- "-$1" 2>/dev/null || true
  for ((i = 0; i < 50; i++)); do kill -0 -- "-$1" 2>/dev/null || return 0; sleep 0.1; done
  kill -KILL -- "-$1" 2>/dev/null || true
}

# A port nobody listens on, below the range that the kernel gives to outgoing connections, and that nobody was given lately:
# who asked for one may not listen yet.
free_port() {
  local port given=${TMPDIR:-/tmp}/simple-registry-ports.$UID
  mkdir -p "$given"
  find "$given" -mindepth 1 -mmin +120 -delete 2>/dev/null || true
  while :; do
    port=$((20000 + RANDOM % 12000))
    mkdir "$given/$port" 2>/dev/null || { [ -e "$given/$port" ] || die "nothing can be written below $given"; continue; }
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}

# until_true SECONDS COMMAND...: polls.
until_true() {
  local i limit=$1
  shift
  for ((i = 0; i < limit * 10; i++)); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.1
  done
  say "not within $limit s: $*"
  return 1
}

# --- the server under test ------------------------------------------------------------------------------------

# REGISTRY selects it: "ours" (default), or a stand-in that shows whether a script is at fault or the server:
# "distribution" (Debian's docker-registry), "distribution3" or "crane" (knows referrers; Go modules, see tools).
REGISTRY=${REGISTRY:-ours}

our_binary() { echo "${SIMPLE_REGISTRY_BIN:-${CARGO_TARGET_DIR:-$top/target}/release/simple-registry}"; }

# prepare_registry KIND: what has to be there before start_registry KIND.
prepare_registry() {
  case $1 in
    ours)
      if [ -z "${SIMPLE_REGISTRY_BIN:-}" ]; then (cd "$top" && cargo build --release --quiet); fi
      [ -x "$(our_binary)" ] || die "no server at $(our_binary)"
      ;;
    distribution) need_packages docker-registry ;;
    distribution3) PATH=$("$here/tools" registry):$PATH ;;
    crane) PATH=$("$here/tools" crane):$PATH ;;
    *) die "REGISTRY=$1 is none of ours, distribution, distribution3, crane" ;;
  esac
}

# distribution_config ROOT PORT: a configuration of CNCF Distribution, 2 or 3.
distribution_config() {
  cat <<YML
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $1}, delete: {enabled: true}}
http: {addr: "127.0.0.1:$2"}
YML
}

# start_registry KIND ROOT: sets $registry (host:port), $registry_pid and $registry_log. The host is $host, or 127.0.0.1.
# Extra lines of our configuration come from $repository_settings (for [repository."*"]), $server_settings (for [server]),
# $policy_settings (instead of "everything is allowed") and $more_sections.
start_registry() {
  local kind=$1 root=$2 port command scheme=http
  port=$(free_port)
  registry=${host:-127.0.0.1}:$port
  registry_log=$scratch/registry-$port.log
  mkdir -p "$root"
  case $kind in
    ours)
      cat >"$scratch/registry-$port.toml" <<TOML
[server]
bind_address = "${host:-127.0.0.1}"
port = $port
${server_settings:-}
[storage.fs]
root_dir = "$root"
[repository."*"]
${repository_settings:-}
[repository."*".access_policy]
${policy_settings:-default_allow = true}
${more_sections:-}
TOML
      [ -z "${server_settings:-}" ] || scheme=https
      command=("$(our_binary)" -c "$scratch/registry-$port.toml" server)
      ;;
    distribution)
      distribution_config "$root" "$port" >"$scratch/registry-$port.yml"
      command=(docker-registry serve "$scratch/registry-$port.yml")
      ;;
    distribution3)
      distribution_config "$root" "$port" >"$scratch/registry-$port.yml"
      # Its tracing is on by default and would look for a collector.
      command=(env OTEL_TRACES_EXPORTER=none registry serve "$scratch/registry-$port.yml")
      ;;
    crane) command=(crane registry serve --address "127.0.0.1:$port" --disk "$root") ;;
  esac
  "${command[@]}" >"$registry_log" 2>&1 &
  registry_pid=$!
  pids+=("$registry_pid")
  # Who is not known there is answered as well: 401.
  if ! until_true 20 curl -sS -o /dev/null "$scheme://$registry/v2/"; then
    tail -n 20 "$registry_log" >&2
    die "$kind did not come up"
  fi
}

# one_user NAME PASSWORD: only this user may do anything, in what start_registry starts next.
# shellcheck disable=SC2034
one_user() {
  policy_settings="rules = [\"identity.username == '$1'\"]"
  more_sections="[identity.only]
username = \"$1\"
password = '$("$(our_binary)" hash-password <<<"$2")'"
}

# signed NAME SUBJECT EXTENSION: a key and a certificate of the authority in $scratch/tls.
signed() {
  local at=$scratch/tls
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "$2" -keyout "$at/$1.key" -out "$at/$1.csr" 2>/dev/null
  openssl x509 -req -in "$at/$1.csr" -CA "$at/ca.pem" -CAkey "$at/ca.key" -CAcreateserial -days 2 \
    -extfile <(echo "$3") -out "$at/$1.pem" 2>/dev/null
}

# make_certificate: an authority that curl and Go's clients trust from here on, and what start_registry starts next speaks
# TLS with a certificate of its.
make_certificate() {
  local at=$scratch/tls
  mkdir -p "$at"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=test authority" \
    -keyout "$at/ca.key" -out "$at/ca.pem" 2>/dev/null
  signed server /CN=registry "subjectAltName=IP:${host:-127.0.0.1},DNS:localhost"
  # shellcheck disable=SC2034
  server_settings="[server.tls]
server_certificate_bundle = \"$at/server.pem\"
server_private_key = \"$at/server.key\""
  export SSL_CERT_FILE=$at/ca.pem CURL_CA_BUNDLE=$at/ca.pem
}

# one_certificate NAME ORGANIZATION: after make_certificate; only who shows a certificate of that name, made here, may do
# anything, in what start_registry starts next.
# shellcheck disable=SC2034
one_certificate() {
  signed client "/CN=$1/O=$2" "basicConstraints=CA:FALSE"
  server_settings+="
client_ca_bundle = \"$scratch/tls/ca.pem\""
  policy_settings="rules = [\"identity.certificate.common_names.contains('$1') && identity.certificate.organizations == ['$2']\"]"
}

# stop_registry: ours must drain and leave with 0; Distribution 2 has no drain and dies of the signal.
stop_registry() {
  local status=0 pid=$registry_pid
  if ! kill -0 "$pid" 2>/dev/null; then
    wait "$pid" || status=$?
    tail -n 20 "$registry_log" >&2
    die "the server left by itself, with status $status"
  fi
  stop_pid "$pid" 30 || status=$?
  forget_pid "$pid"
  if [ "$status" != 0 ] && [ "${1:-}" = ours ]; then
    tail -n 20 "$registry_log" >&2
    die "the server left with status $status on SIGTERM"
  fi
}

# --- content made on the spot -----------------------------------------------------------------------------------

# An OCI layout is the truth that everything served is compared with: made here, never by the client under test.
# The functions print a digest or a descriptor.

sha256_of() { sha256sum "$1" | cut -d' ' -f1; }

new_layout() {
  mkdir -p "$1/blobs/sha256"
  echo '{"imageLayoutVersion":"1.0.0"}' >"$1/oci-layout"
  echo '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}' >"$1/index.json"
}

# layout_blob LAYOUT FILE MEDIATYPE: moves the file in, prints its descriptor.
layout_blob() {
  local hex size
  hex=$(sha256_of "$2")
  size=$(stat -c %s "$2")
  mv "$2" "$1/blobs/sha256/$hex"
  printf '{"mediaType":"%s","digest":"sha256:%s","size":%s}' "$3" "$hex" "$size"
}

# layout_name LAYOUT NAME DESCRIPTOR: an entry of index.json.
layout_name() {
  jq -c --arg name "$2" --argjson d "$3" \
    '.manifests += [$d + {annotations: {"org.opencontainers.image.ref.name": $name}}]' "$1/index.json" >"$1/index.new"
  mv "$1/index.new" "$1/index.json"
}

# layout_image LAYOUT NAME ARCH SIZE_KIB...: an image with one layer of random bytes for each size (and so of
# new digests on each run), prints the descriptor of its manifest. NAME "-": no entry in index.json.
layout_image() {
  local layout=$1 name=$2 arch=$3 work layers=() diffs=() kib n=0 config manifest
  shift 3
  work=$(mktemp -d "$scratch/image.XXXXXX")
  for kib in "$@"; do
    n=$((n + 1))
    mkdir -p "$work/$n/data"
    head -c "${kib}K" /dev/urandom >"$work/$n/data/layer-$n"
    tar -C "$work/$n" --owner=0 --group=0 --sort=name -cf "$work/layer.tar" .
    diffs+=("\"sha256:$(sha256_of "$work/layer.tar")\"")
    gzip -1n "$work/layer.tar"
    layers+=("$(layout_blob "$layout" "$work/layer.tar.gz" application/vnd.oci.image.layer.v1.tar+gzip)")
    rm -rf "${work:?}/$n"
  done
  printf '{"architecture":"%s","os":"linux","created":"2026-01-01T00:00:00Z","config":{"Cmd":["/nothing"]},"rootfs":{"type":"layers","diff_ids":[%s]}}' \
    "$arch" "$(IFS=,; echo "${diffs[*]}")" >"$work/config"
  config=$(layout_blob "$layout" "$work/config" application/vnd.oci.image.config.v1+json)
  # Spaces and a last newline that no JSON writer would put there: only a registry that keeps bytes keeps these.
  printf '{ "schemaVersion": 2,\n  "mediaType": "application/vnd.oci.image.manifest.v1+json",\n  "config": %s,\n  "layers": [%s] }\n' \
    "$config" "$(IFS=,; echo "${layers[*]}")" >"$work/manifest"
  manifest=$(layout_blob "$layout" "$work/manifest" application/vnd.oci.image.manifest.v1+json)
  rm -rf "$work"
  [ "$name" = - ] || layout_name "$layout" "$name" "$manifest"
  printf '%s' "$manifest"
}

# layout_index LAYOUT NAME DESCRIPTOR...: an index of images, prints its descriptor.
layout_index() {
  local layout=$1 name=$2 index work
  shift 2
  work=$(mktemp "$scratch/index.XXXXXX")
  printf '{ "schemaVersion": 2,\n "mediaType": "application/vnd.oci.image.index.v1+json",\n "manifests": [%s] }\n' "$(IFS=,; echo "$*")" >"$work"
  index=$(layout_blob "$layout" "$work" application/vnd.oci.image.index.v1+json)
  layout_name "$layout" "$name" "$index"
  printf '%s' "$index"
}

# for_platform DESCRIPTOR ARCH
for_platform() { jq -c --arg a "$2" '. + {platform: {os: "linux", architecture: $a}}' <<<"$1"; }

digest_of() { jq -r .digest <<<"$1"; }

blob_file() { echo "$1/blobs/${2/://}"; } # LAYOUT DIGEST
