#!/bin/sh
# The service's own accounts at the broker: of ingest, and of the probe. Run it once, after prepare.sh: it starts the
# database, brings it to this release's schema, and writes what ingest and probe log in with into site/secrets.
#
# COMPOSE names the program that stands for `docker compose`.
set -eu
umask 077
cd "$(dirname "$0")/../.."
site=${ANJU_SITE:-$PWD/site}

operator() {
    if [ -n "${COMPOSE:-}" ]; then
        "$COMPOSE" run --rm -T operator "$@"
    else
        docker compose run --rm -T operator "$@"
    fi
}

account() { # FILE ADDRESS NAME OPTION...
    file=$site/secrets/$1
    address=$2
    name=$3
    shift 3
    if [ -e "$file" ]; then
        return
    fi
    issued=$(operator device credentials issue "$name" "$@" --json --out /etc/mosquitto/anju)
    password=$(echo "$issued" | sed -n 's/.*"password": *"\([^"]*\)".*/\1/p')
    if [ -z "$password" ]; then
        echo "accounts.sh: no account $name was issued" >&2
        exit 1
    fi
    echo "mqtts://$name:$password@$address" >"$file.new"
    chown 0:10001 "$file.new"
    chmod 640 "$file.new"
    mv "$file.new" "$file"
    printf 'made %s\n' "$file"
}

account mqtt_url_ingest broker:8885 ingest --ingest
account mqtt_url_probe broker:8883 anju-probe
