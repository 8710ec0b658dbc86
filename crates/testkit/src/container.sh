# Runs a server for as long as somebody uses it; the command of the container of container.rs.
# $1 seconds to linger for another user, $2 the lock that every user shares, then settings of the server.
linger=$1 lock=$2
shift 2
docker-entrypoint.sh postgres "$@" &
server=$!

# Runs SQL at the server of this container, over its socket.
ask() { psql --username=postgres --quiet --tuples-only --no-align --no-psqlrc; }

idle=0
while sleep 1 && kill -0 "$server" 2>/dev/null; do
    case $(echo "SELECT pg_try_advisory_lock($lock);" | ask 2>/dev/null) in
    t) idle=$((idle + 1)) ;;
    f) idle=0 ;;
    esac
    [ "$idle" -ge "$linger" ] || continue
    # Ends the server while it holds the lock: whoever comes now waits for it, and is turned away.
    ask <<END
SELECT pg_try_advisory_lock($lock) AS unused \gset
\if :unused
\! kill -INT $server
SELECT pg_sleep(60);
\endif
END
done
wait
