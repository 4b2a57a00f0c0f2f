#!/bin/sh
# Makes what belongs to a site and to nobody else: the folder site/ with secrets, certificates and first settings, and
# the file .env. Nothing that is there already is changed: run it again after an upgrade, and only what is new is added.
#
#   sudo config/compose/prepare.sh --public anju.example.org --broker mqtt.example.org [--broker 192.0.2.7]
#
# --public NAME   the name under which people and providers reach the proxy (https://NAME)
# --broker NAME   a name or address under which devices reach the broker; may be repeated
#
# As root: PostgreSQL takes only a key that belongs to its own account or to root. ANJU names the program that stands for
# `anju`; without it, the image makes the certificates.
set -eu
umask 077
cd "$(dirname "$0")/../.."
here=$PWD
site=${ANJU_SITE:-$here/site}
env_file=${ANJU_ENV_FILE:-$here/.env}
group=10001
broker_account=1883

die() {
    printf 'prepare.sh: %s\n' "$1" >&2
    exit 2
}

public=
brokers=
while [ $# -gt 0 ]; do
    case $1 in
        --public) public=${2:-} ;;
        --broker) brokers="$brokers ${2:-}" ;;
        *) die "$1 is no option; right would be --public NAME --broker NAME" ;;
    esac
    [ $# -ge 2 ] || die "$1 needs a name"
    case $2 in
        '' | *[!A-Za-z0-9.:-]*) die "$2 is no name of a host" ;;
    esac
    shift 2
done
[ -n "$public" ] || die "--public is missing: the name under which people and providers reach the proxy"
[ -n "$brokers" ] || die "--broker is missing: a name under which devices reach the broker"
[ "$(id -u)" -eq 0 ] || die "run it as root: it gives files to the accounts of the containers"
command -v openssl >/dev/null || die "openssl is missing"

anju() {
    if [ -n "${ANJU:-}" ]; then
        "$ANJU" "$@"
    else
        docker run --rm --network none --user 0:0 --volume "$site:$site" "anju:${ANJU_VERSION:-0.1.0}" "$@"
    fi
}

folder() { # NAME MODE OWNER
    mkdir -p "$site/$1"
    chown "$3:$group" "$site/$1"
    chmod "$2" "$site/$1"
}

# A file of the site from standard input, for root and its group; one that is there stays as it is.
put() { # NAME
    if [ -e "$site/$1" ]; then
        cat >/dev/null
        return
    fi
    cat >"$site/$1.new"
    [ -s "$site/$1.new" ] || die "$1 would be empty"
    chown "0:$group" "$site/$1.new"
    chmod 640 "$site/$1.new"
    mv "$site/$1.new" "$site/$1"
    printf 'made %s\n' "$site/$1"
}

secret() { # NAME: 32 random bytes, letters and digits only, since some become part of an address
    openssl rand -hex 32 | put "secrets/$1"
}

certificate() { # NAME HOST...
    if [ ! -e "$site/tls/$1.crt" ]; then
        name=$1
        shift
        names=
        for host in "$@"; do names="$names --server $host"; done
        # shellcheck disable=SC2086 # one word each
        anju device credentials authority "$site/authority" $names >/dev/null
        put "tls/$name.key" <"$site/authority/server.key"
        put "tls/$name.crt" <"$site/authority/server.crt"
        rm -f "$site/authority/server.key" "$site/authority/server.crt"
    fi
}

mkdir -p "$site"
chmod 711 "$site"
folder secrets 750 0
folder tls 750 0
folder providers 2750 0
folder authority 700 0
# The operator's container writes the broker's accounts, the broker reads them: both are in the group.
folder accounts 2770 "$group"
folder broker 700 "$broker_account"

# shellcheck disable=SC2086 # one word each
certificate broker broker $brokers
certificate db db db-standby
certificate proxy "$public"

for login in owner ingest rules alerts probe keep operator dashboards standby; do
    secret "db_$login"
done
for stage in ingest rules alerts probe keep operator; do
    echo "postgresql://anju_${stage}_login:$(cat "$site/secrets/db_$stage")@db:5432/anju?sslmode=verify-full&sslrootcert=/run/secrets/ca_crt" |
        put "secrets/database_url_$stage"
done
echo "postgresql://anju:$(cat "$site/secrets/db_owner")@db:5432/anju?sslmode=verify-full&sslrootcert=/run/secrets/ca_crt" |
    put secrets/database_url_owner
for name in link_secret operators_token grafana_admin_password grafana_secret_key; do
    secret "$name"
done

put office.conf <config/proxy/office.conf
put alertmanager.yml <config/alertmanager/alertmanager.yml
for name in anju.env ingest.toml telling.toml; do
    put "$name" <"config/compose/$name"
done
if [ ! -e "$env_file" ]; then
    echo "ANJU_PUBLIC_URL=https://$public" >"$env_file"
    chmod 644 "$env_file"
    printf 'made %s\n' "$env_file"
fi
