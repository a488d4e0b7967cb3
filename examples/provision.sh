#!/bin/sh
# A provisioner for `tradewind infra --provision-exec NAME=/path/to/provision.sh`: starts the three Managers of an
# implementation on this host and waits for them when they are taken away again. One for Nomad, Kubernetes or Ansible
# has the same form: submit a job named after the implementation, which does nothing if there is one; and delete it.
# This one is for a group whose members all run on this host: whoever leads asks it on his own host.
# The contract is docs/protocol/scale.md.
set -eu
TRADEWIND=${TRADEWIND:-tradewind}
PLACE=${PLACE:-/var/lib/tradewind/provisioned}

told=$(cat)
# Names and addresses have no quotes in them; where `jq` is there, `jq -r .op` reads better. What stands behind `join` is
# the operator's own and must not be taken for one of these.
before=${told%%\"join\":*}
of() { printf '%s' "$before" | sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p'; }
op=$(of op)
implementation=$(of implementation)
location=$(of location)
join=$(printf '%s' "$told" | sed -n 's/.*"join":\[\([^]]*\)\].*/\1/p' | tr -d '"')
home=$PLACE/$implementation

case $op in
provision)
    mkdir -p "$home"
    for kind in broker-manager market-manager trader-manager; do
        # Asked twice, also at once, or killed half-way before: what runs already holds its directory and is left alone;
        # a second one that was started beside it ends by itself.
        if [ -e "$home/released" ] || pgrep -f -- "--data $home/$kind( |$)" >/dev/null; then continue; fi
        # A session of its own: it outlives this script and the member that runs it.
        setsid "$TRADEWIND" $kind --implementation "$implementation" --location "$location" \
            --members "$join" --capacity "${CAPACITY:-1000}" --data "$home/$kind" \
            </dev/null >>"$home/$kind.log" 2>&1 &
    done
    ;;
release)
    # Whoever is asked to start it later, starts nothing more.
    mkdir -p "$home"
    touch "$home/released"
    # Managers that were dropped end by themselves. One that never checked in is asked to, and then made to.
    tries=0
    while pids=$(pgrep -f -- "--data $home/"); do
        tries=$((tries + 1))
        case $tries in 50) kill $pids ;; 100) kill -9 $pids ;; esac
        sleep 0.1
    done
    ;;
*)
    echo "{\"version\":1,\"ok\":false,\"why\":\"$op is not known\"}"
    exit 0
    ;;
esac
echo '{"version":1,"ok":true}'
