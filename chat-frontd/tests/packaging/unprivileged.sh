# Usage: sh unprivileged.sh DIR BIN_DIR
# Runs DIR/start as a container without privileges runs it: one user, no capabilities, no new privileges, a read-only
# root file system, and a volume of its own in DIR/run. The programs of BIN_DIR appear in DIR/bin. Lets a client send a
# message, prints what was seen, and stops. Must be root, in namespaces of its own for mounts and processes.
set -eu
mount -t tmpfs -o mode=700,uid=990,gid=990 tmpfs "$1/run"
mount --bind "$2" "$1/bin"
mount -o remount,bind,ro /
export PATH="$1/bin:$PATH" CHAT_RUN_DIR="$1/run"
# shellcheck disable=SC2016
exec setpriv --reuid 990 --regid 990 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all sh -eu -c '
    "$1/start" 2>"$1/run/log" &
    container=$!
    tries=0
    until chat-frontd --status >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || { cat "$1/run/log"; exit 1; }
        sleep 0.1
    done
    sed -n "s/^\(Uid\|CapEff\|CapBnd\|NoNewPrivs\):\t\([0-9a-f]*\).*/\1 \2/p" "/proc/$container/status"
    sed -n "s/^[^ ]* \/ [^ ]* \(r[ow]\),.*/root \1/p" /proc/self/mounts | tail -n 1
    printf "%s\n" ann y secret secret ann secret "send ann hello" logout | chat-client
    kill -TERM "$container"
    wait "$container"
    echo stopped' sh "$1"
