#!/bin/sh
# Runs a PostgreSQL server of its own, in a folder of its own, for as long as standard input is
# open: whoever started it may end in any way, the server is stopped and its folder deleted.
#
#   postgres.sh FOLDER PORT [SETTING=VALUE ...]
#
# Prints "ready" once it answers. A line "kill" on standard input kills the server as a power cut
# would, "start" starts it again, "revive" does so if it ended by itself, "promote" makes a standby
# the primary, "pid" asks for its first process, "run SQL" runs a statement and answers with its last
# value, "dump" makes a backup of the database postgres and "load" puts it back, "said TEXT" counts
# the lines of its log with a text; each is answered with a line. With STANDBY_OF=PORT it is a
# standby of the server there.
# It needs the binaries of a distribution, and no service of theirs: on Debian,
# `apt-get install postgresql`.
set -u
folder=$1 port=$2
shift 2

bin=
for one in /usr/lib/postgresql/*/bin; do
  [ -x "$one/initdb" ] && [ -x "$one/postgres" ] && bin=$one
done
if [ -z "$bin" ]; then
  found=$(command -v initdb) && bin=$(dirname "$found")
fi
if [ -z "$bin" ]; then
  echo "PostgreSQL is missing: apt-get install postgresql (./test does it)" >&2
  exit 1
fi

# The server refuses to run as root.
as() { "$@"; }
if [ "$(id -u)" = 0 ]; then
  as() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
  mkdir -p "$folder" && chmod 711 "$folder" && mkdir "$folder/server" &&
    chown postgres: "$folder/server" || exit 1
else
  mkdir -p "$folder/server" || exit 1
fi
cd "$folder/server" || exit 1

if [ -n "${STANDBY_OF:-}" ]; then
  as "$bin/pg_basebackup" -h 127.0.0.1 -p "$STANDBY_OF" -U postgres -D data -R -c fast --no-sync \
    >init.log 2>&1 || { cat init.log >&2; exit 1; }
else
  as "$bin/initdb" -D data -A trust -U postgres -E UTF8 --locale=C.UTF-8 --no-sync \
  --no-instructions >init.log 2>&1 || { cat init.log >&2; exit 1; }
fi
{
  echo "listen_addresses = '127.0.0.1'"
  echo "port = $port"
  echo "unix_socket_directories = ''"
  echo "max_connections = 300"
  echo "shared_buffers = 64MB"
  echo "max_prepared_transactions = 8"
  echo "logging_collector = off"
  for setting in "$@"; do echo "$setting"; done
} >settings
as sh -c 'cat settings >>data/postgresql.conf' || exit 1

# Starts the server and waits until it answers; `setpriv` puts itself in its place.
start() {
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid=postgres --regid=postgres --init-groups \
      "$bin/postgres" -D data >>server.log 2>&1 </dev/null &
  else
    "$bin/postgres" -D data >>server.log 2>&1 </dev/null &
  fi
  pid=$!
  tries=0
  until "$bin/pg_isready" -q -h 127.0.0.1 -p "$port"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 600 ] || ! kill -0 "$pid" 2>/dev/null; then
      cat server.log >&2
      return 1
    fi
    sleep 0.05
  done
}

# The same after it ended: what is left of its children may still be in the way.
start_again() {
  tries=0
  until start 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -gt 20 ] && { cat server.log >&2; end; exit 1; }
    sleep 0.1
  done
}

# Nothing of it is needed any more, so it need not put anything in order.
end() {
  kill -QUIT "$pid" 2>/dev/null
  wait "$pid"
  cd / && rm -rf "$folder"
}

start || { end; exit 1; }
echo ready
while read -r line; do
  case "$line" in
    kill)
      # Its children end when they notice; the next start waits for them.
      kill -KILL "$pid"
      wait "$pid" 2>/dev/null
      echo killed
      ;;
    promote)
      as "$bin/pg_ctl" promote -D data -w >promote.log 2>&1 || { cat promote.log >&2; end; exit 1; }
      echo promoted
      ;;
    pid) echo "$pid" ;;
    "run "*)
      told=$("$bin/psql" -XAtq -h 127.0.0.1 -p "$port" -U postgres -c "${line#run }" 2>&1)
      echo "$told" | tail -n 1
      ;;
    dump | load)
      set -- -h 127.0.0.1 -p "$port" -U postgres
      if [ "$line" = dump ]; then
        set -- "$bin/pg_dump" "$@" -Fc -f "$folder/dump" postgres
      else
        set -- "$bin/pg_restore" "$@" --clean --if-exists --single-transaction -d postgres \
          "$folder/dump"
      fi
      "$@" >"$folder/dump.log" 2>&1 || { cat "$folder/dump.log" >&2; end; exit 1; }
      echo done
      ;;
    "said "*) grep -c -e "${line#said }" server.log ;;
    start)
      start_again
      echo ready
      ;;
    revive)
      # Who ends in order, if only because there is no room, takes this file away.
      tries=0
      until "$bin/pg_isready" -q -h 127.0.0.1 -p "$port" || [ "$tries" -gt 600 ]; do
        tries=$((tries + 1))
        [ -e data/postmaster.pid ] || start_again
        sleep 0.05
      done
      echo ready
      ;;
  esac
done
end
