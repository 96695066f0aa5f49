#!/usr/bin/env bash
# installed.sh DEB DIRECTORY PORT: in name spaces of its own, installs the package on a copy of this machine, uses it as its
# user, changes its configuration, installs it again, removes it and purges it.
set -euo pipefail
deb=$1 port=$3

mount --make-rprivate /
mount -t tmpfs none "$2"
mkdir "$2"/{written,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$2/written,workdir=$2/work" "$2/root"
root=$2/root
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
# No service manager runs there, and nothing of the host is to be reached.
mount -t tmpfs none "$root/run"
mount -t tmpfs none "$root/tmp"
cp "$deb" "$root/tmp/package.deb"
in_it() { chroot "$root" env PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
expect() { [ "$1" = "$2" ] || { echo "$3: $1, expected $2"; exit 1; }; }

in_it dpkg --purge simple-registry
in_it dpkg -i /tmp/package.deb
in_it id simple-registry
in_it simple-registry version
in_it simple-registry -c /etc/simple-registry/config.toml check-config >/dev/null
expect "$(in_it stat -c '%U %a' /etc/simple-registry/config.toml)" "root 644" "the configuration"
in_it test -s /usr/share/man/man1/simple-registry.1.gz

# systemd makes the state directory for the unit, and runs it so.
grep -q '^User=simple-registry' "$root/lib/systemd/system/simple-registry.service"
in_it install -d -o simple-registry -g simple-registry -m 750 /var/lib/simple-registry
sed -i "0,/^#port = .*/s//port = $port/" "$root/etc/simple-registry/config.toml"
grep -q "^port = $port" "$root/etc/simple-registry/config.toml"
serve() {
  # `exec`: what is stopped by its number is the server itself, and not a shell that waits for it.
  exec chroot "$root" setpriv --reuid=simple-registry --regid=simple-registry --clear-groups --no-new-privs /usr/bin/simple-registry -c /etc/simple-registry/config.toml server &
  server=$!
  for _ in $(seq 200); do curl -sS -o /dev/null "http://127.0.0.1:$port/v2/" 2>/dev/null && return; sleep 0.05; done
  echo "it does not answer"
  exit 1
}
serve
curl -sS -o /dev/null -w '%{http_code}\n' "http://127.0.0.1:$port/v2/" | grep -E '^(200|401)$'
kill "$server"
wait "$server" || true

# An upgrade keeps what was changed, and what was pushed.
echo mine >"$root/var/lib/simple-registry/mine"
in_it dpkg -i /tmp/package.deb
grep -q "^port = $port" "$root/etc/simple-registry/config.toml"
serve
kill "$server"
wait "$server" || true

in_it dpkg --remove simple-registry
in_it test ! -e /usr/bin/simple-registry
grep -q "^port = $port" "$root/etc/simple-registry/config.toml"
in_it dpkg --purge simple-registry
in_it test ! -e /etc/simple-registry/config.toml
expect "$(cat "$root/var/lib/simple-registry/mine")" mine "what was pushed, after a purge"
if in_it dpkg -s simple-registry >/dev/null 2>&1; then echo "still known"; exit 1; fi
echo "run as $(in_it id -un simple-registry): installed, upgraded, removed and purged"
