# Stops a cluster and removes its folder when nobody holds on to it any more.
# $1 the cluster's folder, $2 seconds to linger for another user, $3 where it may be announced
# (empty: nowhere). Standard input is a pipe whose other ends are held by the users: it ends with the
# last of them, however they end.
trap '' HUP INT TERM
folder=$1 linger=$2 shared=$3

cat >/dev/null
if [ "$linger" -gt 0 ]; then
    # Everybody who joins writes a byte, so bytes read after the pause mean that somebody came.
    while sleep "$linger" && [ -n "$(cat)" ]; do :; done
fi
[ "$(cat "$shared/current" 2>/dev/null)" = "$folder" ] && rm -rf "$shared"
# Waits for those who joined while the announcement was taken back; nobody can join after it.
cat >/dev/null

# The number in the file may by now belong to another process: the command line must name us.
running() {
    pid=$(head -n 1 "$folder/data/postmaster.pid" 2>/dev/null) && [ -n "$pid" ] || return 1
    if [ -d /proc/self ]; then
        grep -qF "$folder" "/proc/$pid/cmdline" 2>/dev/null
    else
        ps -o args= -p "$pid" | grep -qF "$folder"
    fi
}
for signal in INT QUIT KILL; do
    running && kill -s "$signal" "$pid" 2>/dev/null
    tries=0
    while [ "$tries" -lt 100 ] && running; do
        sleep 0.1
        tries=$((tries + 1))
    done
done

# Processes of a server that was killed, or an interrupted initdb, may still write for a moment.
tries=0
until rm -rf "$folder" 2>/dev/null || [ "$tries" -ge 50 ]; do
    sleep 0.2
    tries=$((tries + 1))
done
[ ! -e "$folder" ]
