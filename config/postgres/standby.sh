#!/bin/sh
# The standby of the compose stack: copies the primary once, then follows it. Its slot and its name are `standby`.
set -eu
volume=${STANDBY_VOLUME:-/var/lib/postgresql/data}
primary=${STANDBY_PRIMARY:-host=db sslmode=verify-full sslrootcert=/run/secrets/ca_crt}
PGDATA=$volume/pgdata
export PGDATA
if [ ! -d "$PGDATA" ]; then
    PGPASSWORD=$(cat "${STANDBY_PASSWORD_FILE:-/run/secrets/db_standby}")
    export PGPASSWORD
    primary="$primary user=anju_standby application_name=standby"
    # A copy that was cut short has left files behind, and its slot.
    rm -rf "$volume/copying"
    create=--create-slot
    found=$(psql "$primary dbname=anju" -Atc "SELECT 1 FROM pg_replication_slots WHERE slot_name = 'standby'")
    [ -z "$found" ] || create=
    pg_basebackup --dbname="$primary" --pgdata="$volume/copying" --wal-method=stream --checkpoint=fast \
        --write-recovery-conf --slot=standby $create
    mv "$volume/copying" "$PGDATA"
    unset PGPASSWORD
fi
exec postgres -c config_file=/etc/postgresql/postgresql.conf "$@"
