# Many replicas: an S3 server, Redis, replicas of ours and a balancer before them. Sourced after lib.sh, never run.
# shellcheck shell=bash

s3_key=torture-access s3_secret=torture-secret-key s3_bucket=registry

replica_ports=() replica_pids=() # by the replica's number, from 1

# prepare_replicas: what has to be there before the rest.
prepare_replicas() {
  need_packages curl redis-server haproxy python3
  PATH=$("$here/tools" minio):$PATH
}

# start_minio: sets $s3_port; the bucket is made.
start_minio() {
  s3_port=$(free_port)
  # No browser, no call home; its home is the scratch directory too.
  HOME=$scratch MINIO_ROOT_USER=$s3_key MINIO_ROOT_PASSWORD=$s3_secret MINIO_BROWSER=off MINIO_UPDATE=off MINIO_CALLHOME_ENABLE=off \
    minio server --quiet --address "127.0.0.1:$s3_port" "$scratch/minio" >"$scratch/minio.log" 2>&1 &
  pids+=($!)
  if ! until_true 60 curl -fsS -o /dev/null "http://127.0.0.1:$s3_port/minio/health/ready"; then
    tail -n 20 "$scratch/minio.log" >&2
    die "MinIO did not come up"
  fi
  # It says that it is ready a moment before it takes a bucket.
  until_true 20 curl -fsS --aws-sigv4 aws:amz:us-east-1:s3 --user "$s3_key:$s3_secret" -X PUT "http://127.0.0.1:$s3_port/$s3_bucket" ||
    die "the bucket could not be made"
}

# start_fault_proxy ARGUMENTS...: stands before the S3 server; sets $fault_port, $fault_pid and $fault_stats.
start_fault_proxy() {
  fault_port=$(free_port)
  fault_stats=$scratch/faults.json
  /usr/bin/python3 -B "$here/fault-proxy.py" "$fault_port" "$s3_port" --stats "$fault_stats" "$@" 2>"$scratch/fault-proxy.log" &
  fault_pid=$!
  pids+=("$fault_pid")
  until_true 20 test -s "$fault_stats" || die "the fault proxy did not come up"
}

# redis_command: sets the array $redis and $redis_port. In memory only: a Redis that is killed has lost every lock.
redis_command() {
  redis_port=$(free_port)
  redis=(redis-server --bind 127.0.0.1 --port "$redis_port" --dir "$scratch" --save "" --appendonly no --daemonize no)
}

start_redis() {
  redis_command
  "${redis[@]}" >"$scratch/redis.log" 2>&1 &
  pids+=($!)
  until_true 20 redis-cli -p "$redis_port" ping || die "Redis did not come up"
}

# replica_config N S3_PORT: writes $scratch/replica-N.toml and sets replica_ports[N].
# Redis is left out where $redis_port is empty: one replica alone, on S3.
replica_config() {
  replica_head "$1" >"$scratch/replica-$1.toml"
  cat >>"$scratch/replica-$1.toml" <<TOML
[storage.s3]
access_key_id = "$s3_key"
secret_key = "$s3_secret"
endpoint = "http://127.0.0.1:$2"
bucket = "$s3_bucket"
region = "us-east-1"
TOML
  [ -n "${redis_port:-}" ] || return 0
  cat >>"$scratch/replica-$1.toml" <<TOML
[lock_store.redis]
url = "redis://127.0.0.1:$redis_port"
ttl = "${lock_ttl:-10s}"
key_prefix = "${lock_prefix:-locks:}"
[cache_store.redis]
url = "redis://127.0.0.1:$redis_port"
key_prefix = "cache:"
TOML
}

# replica_config_in_directory N ROOT: the same for a directory, where locks are files.
replica_config_in_directory() {
  replica_head "$1" >"$scratch/replica-$1.toml"
  printf '[storage.fs]\nroot_dir = "%s"\n' "$2" >>"$scratch/replica-$1.toml"
}

replica_head() {
  replica_ports[$1]=$(free_port)
  cat <<TOML
[server]
bind_address = "127.0.0.1"
port = ${replica_ports[$1]}
[repository."*"]
${repository_settings:-}
[repository."*".access_policy]
default_allow = true
TOML
}

# start_replica N: as replica_config has it; sets replica_pids[N].
start_replica() {
  "$(our_binary)" -c "$scratch/replica-$1.toml" server >>"$scratch/replica-$1.log" 2>&1 &
  replica_pids[$1]=$!
  pids+=($!)
  # A start on S3 without Redis takes some seconds.
  if ! until_true 60 curl -fsS -o /dev/null "http://127.0.0.1:${replica_ports[$1]}/v2/"; then
    tail -n 20 "$scratch/replica-$1.log" >&2
    die "replica $1 did not come up"
  fi
}

# stop_replica N: it must drain and leave with 0.
stop_replica() {
  registry_pid=${replica_pids[$1]}
  registry_log=$scratch/replica-$1.log
  stop_registry ours
}

# start_balancer PORT...: each request to the next replica; bodies pass as they come. Only what no replica has taken is
# tried again elsewhere: a connection that was refused. Sets $balancer.
start_balancer() {
  local port n=0 own
  own=$(free_port)
  balancer=127.0.0.1:$own
  {
    cat <<CFG
global
  maxconn 1000
defaults
  mode http
  timeout connect 2s
  timeout client 90s
  timeout server 90s
  retries 3
  option redispatch 1
  retry-on conn-failure
frontend registry
  bind $balancer
  default_backend replicas
backend replicas
  balance roundrobin
  option httpchk GET /v2/
  default-server check inter 300ms fall 2 rise 1
CFG
    for port in "$@"; do
      n=$((n + 1))
      echo "  server replica-$n 127.0.0.1:$port"
    done
  } >"$scratch/haproxy.cfg"
  /usr/sbin/haproxy -db -f "$scratch/haproxy.cfg" >"$scratch/haproxy.log" 2>&1 &
  pids+=($!)
  until_true 20 curl -sS -o /dev/null "http://$balancer/v2/" || { cat "$scratch/haproxy.log" >&2; die "the balancer did not come up"; }
}
