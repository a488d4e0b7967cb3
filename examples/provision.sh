#!/bin/sh
# A provisioner for `tradewind infra --provision-exec NAME=/path/to/provision.sh`: starts the three Managers of an
# implementation on this host and waits for them when they are taken away again. One for Nomad, Kubernetes or Ansible
# has the same form: submit a job named after the implementation, which does nothing if there is one; and delete it.
# The contract is docs/protocol/scale.md.
set -eu
TRADEWIND=${TRADEWIND:-tradewind}
PLACE=${PLACE:-/var/lib/tradewind/provisioned}

told=$(cat)
# Names and addresses have no quotes in them; where `jq` is there, `jq -r .op` reads better.
of() { printf '%s' "$told" | sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p'; }
op=$(of op)
implementation=$(of implementation)
location=$(of location)
join=$(printf '%s' "$told" | sed -n 's/.*"join":\[\([^]]*\)\].*/\1/p' | tr -d '"')
home=$PLACE/$implementation

case $op in
provision)
    mkdir -p "$PLACE"
    # Asked twice, also at once, for the same request: whoever makes the directory starts them.
    if mkdir "$home" 2>/dev/null; then
        for kind in broker-manager market-manager trader-manager; do
            # A session of its own: it outlives this script and the member that runs it.
            setsid "$TRADEWIND" $kind --implementation "$implementation" --location "$location" \
                --members "$join" --capacity "${CAPACITY:-1000}" --data "$home/$kind" \
                </dev/null >>"$home/$kind.log" 2>&1 &
            echo $! >>"$home/pids"
        done
    fi
    ;;
release)
    # Managers that were dropped end by themselves. One that never checked in is asked to.
    for pid in $(cat "$home/pids" 2>/dev/null); do
        mine() { tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q -- "--data $home/"; }
        tries=0
        while mine; do
            tries=$((tries + 1))
            if [ $tries = 50 ]; then kill "$pid"; fi
            sleep 0.1
        done
    done
    ;;
*)
    echo "{\"version\":1,\"ok\":false,\"why\":\"$op is not known\"}"
    exit 0
    ;;
esac
echo '{"version":1,"ok":true}'
