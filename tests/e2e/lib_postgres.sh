# tests/e2e/lib_postgres.sh - a private Postgres for one test; source it, do not run it.
#
#   pg_start DIR   make a cluster in DIR (which must not exist) and start it, on a unix socket in
#                  DIR only; sets PG_SOCKET and PG_URL (superuser "postgres", database "postgres").
#                  The database "secret" wants a password, every other one trusts the socket.
#   pg_stop DIR    stop it; DIR stays for its log
#   pg_create NAME [OPTIONS]   createdb; prints the URL of the new database
#   pg_sql URL SQL             run SQL, print unaligned rows
#
# Postgres does not run as root: then it runs as the user postgres.

pg_bin() {
    if command -v pg_config >/dev/null && [ -x "$(pg_config --bindir)/initdb" ]; then
        pg_config --bindir
        return
    fi
    for dir in /usr/lib/postgresql/*/bin; do
        [ -x "$dir/initdb" ] && found=$dir
    done
    if [ -z "${found:-}" ]; then
        echo "no Postgres server is installed (Debian: postgresql)" >&2
        return 1
    fi
    echo "$found"
}

pg_as_owner() {
    if [ "$(id -u)" = 0 ]; then
        (cd / && exec runuser -u postgres -- "$@")
    else
        "$@"
    fi
}

# pg_init DIR: the cluster, not started.  fsync is off: a test does not outlive the machine.
pg_init() {
    PG_BIN=$(pg_bin) || return 1
    mkdir "$1" && chmod 755 "$1" || return 1
    [ "$(id -u)" != 0 ] || chown postgres "$1" || return 1
    pg_as_owner "$PG_BIN/initdb" -D "$1/data" -U postgres --auth=trust -E UTF8 --locale=C \
        --no-sync >"$1/initdb.log" 2>&1 || { cat "$1/initdb.log" >&2; return 1; }
    pg_as_owner tee "$1/data/pg_hba.conf" >/dev/null <<'HBA'
local secret all scram-sha-256
local all    all trust
HBA
    pg_as_owner tee -a "$1/data/postgresql.conf" >/dev/null <<CONF
listen_addresses = ''
unix_socket_directories = '$1'
fsync = off
full_page_writes = off
autovacuum = off
max_connections = 40
shared_buffers = 32MB
CONF
}

pg_start() {
    pg_init "$1" || return 1
    pg_as_owner "$PG_BIN/pg_ctl" -D "$1/data" -l "$1/postgres.log" -s -w -t 30 start || {
        cat "$1/postgres.log" >&2
        return 1
    }
    PG_SOCKET=$1
    PG_URL="postgresql:///postgres?host=$1&user=postgres"
}

pg_stop() {
    PG_BIN=$(pg_bin) || return 1
    pg_as_owner "$PG_BIN/pg_ctl" -D "$1/data" -s -m immediate -w -t 30 stop
}

pg_create() {
    name=$1
    shift
    createdb -h "$PG_SOCKET" -U postgres "$@" "$name" || return 1
    echo "postgresql:///$name?host=$PG_SOCKET&user=postgres"
}

pg_sql() {
    psql -X -q -A -t -v ON_ERROR_STOP=1 "$1" -c "$2"
}
