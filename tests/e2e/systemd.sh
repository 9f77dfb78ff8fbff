#!/usr/bin/env bash
# gbill run tells a service manager how it is, and its lines have priorities in the journal.  The
# units as cmake --install puts them: systemd understands them, their exposure is what OPERATIONS.md
# says, and the agent's restart rules name the exit statuses that no restart mends.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${GBILL_BIN:?set GBILL_BIN to the build directory}
dir=$(mktemp -d /tmp/gbill-systemd-XXXXXX)
trap 'rm -rf "$dir"' EXIT
fail() { echo "FAIL: $*" >&2; exit 1; }

# A manager: hears a run that cannot do anything, for there is no data, and says what it heard.
cat >"$dir/manager.py" <<'PY'
import os, signal, socket, subprocess, sys, threading
directory, command = sys.argv[1], sys.argv[2:]
heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
heard.bind("\0gbill-manager-%d" % os.getpid())
heard.settimeout(20)
journal = open(directory + "/journal", "w")
st = os.fstat(journal.fileno())
child = subprocess.Popen(command, stderr=journal, env=dict(os.environ, WATCHDOG_USEC="200000",
    NOTIFY_SOCKET="@gbill-manager-%d" % os.getpid(), JOURNAL_STREAM="%d:%d" % (st.st_dev, st.st_ino)))
print(heard.recv(4096).split(b"\n")[0].decode())
print(heard.recv(4096).decode())
print(heard.recv(4096).decode())
child.send_signal(signal.SIGTERM)
while not (last := heard.recv(4096)).startswith(b"STOPPING"):
    pass
print(last.split(b"\n")[0].decode())
print(child.wait(20))
PY
env -u DATABASE_URL python3 "$dir/manager.py" "$dir" "$bin/gbill" run --data "$dir/none" >"$dir/heard" ||
    fail "gbill run: heard $(tr '\n' ' ' <"$dir/heard")"
[ "$(tr '\n' ' ' <"$dir/heard")" = 'READY=1 WATCHDOG=1 WATCHDOG=1 STOPPING=1 0 ' ] ||
    fail "gbill run: heard $(tr '\n' ' ' <"$dir/heard")"
grep -q '^<6>.*event=running' "$dir/journal" && grep -q '^<4>.*event=job_failed' "$dir/journal" &&
    grep -q '^<3>gbill rollup: ' "$dir/journal" && ! grep -vq '^<[346]>' "$dir/journal" ||
    fail "priorities: $(cat "$dir/journal")"

command -v systemd-analyze >/dev/null ||
    { echo "gbill run tells how it is; the units are skipped: systemd-analyze is not installed (Debian: systemd)"; exit 0; }
DESTDIR=$dir cmake --install "$bin" >/dev/null
units=$(dirname "$(find "$dir" -name gbill-agent.service)")
prefix=${units%/lib/systemd/system}
prefix=${prefix#"$dir"}
for file in bin/gbill sbin/gbill-agent share/gbill/prices.json share/gbill/plans.json lib/sysusers.d/gbill.conf \
    lib/systemd/system/gbill-{agent,jobs,publish,notify,stripe,ship,api}.service lib/systemd/system/gbill-{jobs,publish,notify,stripe}.timer \
    lib/systemd/system/gbill.service; do
    [ -s "$dir$prefix/$file" ] || fail "$prefix/$file is not installed"
done

# systemd looks for the programs under /: name them where they lie.  What it says of other units of
# this machine is not ours.
mkdir "$dir/here"
for unit in "$units"/*; do
    sed "s|^ExecStart=$prefix|ExecStart=$dir$prefix|" "$unit" >"$dir/here/${unit##*/}"
done
verify() { SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no --recursive-errors=no "$@" 2>&1 | grep -E 'gbill' || true; }
said=$(verify "$dir"/here/*)
[ -z "$said" ] || fail "systemd-analyze verify: $said"
echo "Restart=somehow" >>"$dir/here/gbill.service"
[ -n "$(verify "$dir/here/gbill.service")" ] || fail "systemd-analyze verify does not see a wrong line"

# exposure UNIT TENTHS: as OPERATIONS.md says
exposure() {
    local said
    said=$(systemd-analyze security --no-pager --offline=true --threshold="$2" "$units/$1" 2>&1) ||
        fail "$1 is exposed more than $2 tenths: $(tail -1 <<<"$said")"
    tail -1 <<<"$said" | sed 's/^[^A-Za-z]*//'
}
exposure gbill-agent.service 4
exposure gbill.service 11
exposure gbill-jobs.service 2
exposure gbill-publish.service 11
exposure gbill-notify.service 11
exposure gbill-stripe.service 11
exposure gbill-ship.service 11
exposure gbill-api.service 11
! systemd-analyze security --offline=true --threshold=3 "$units/gbill-agent.service" >/dev/null 2>&1 ||
    fail "systemd-analyze security does not judge"

# The timers leave none of gbill run's jobs out.
jobs=$(sed -nE '/^static const struct schedule_job jobs/,/^};/s/^ *\{\{([^}]*)\}.*/\1/p' gbill.c | tr -d '",')
[ "$(wc -l <<<"$jobs")" -ge 5 ] || fail "cannot find the jobs in gbill.c: $jobs"
while read -r job; do
    grep -qx "ExecStart=$prefix/bin/gbill $job" "$units"/gbill-{jobs,publish,notify,stripe}.service ||
        fail "gbill $job is run by gbill run, but by no timer"
done <<<"$jobs"

# What the table of errors says no retry can help, and is not ours to crash with (1) nor the disk (10).
wanted=$(sed -nE 's/^ +X\(([A-Z_]+), ([0-9]+), false,.*/\2/p' store/base/err.h | grep -vxE '0|1|10' | tr '\n' ' ')
grep -qx "RestartPreventExitStatus=${wanted% }" "$units/gbill-agent.service" ||
    fail "RestartPreventExitStatus is not \"${wanted% }\", the errors that a retry cannot help"
if command -v systemd-sysusers >/dev/null; then
    mkdir -p "$dir/etc" "$dir/usr/lib/sysusers.d"
    cp "$dir$prefix/lib/sysusers.d/gbill.conf" "$dir/usr/lib/sysusers.d/"
    systemd-sysusers --root="$dir" gbill.conf >/dev/null 2>&1 ||
        fail "systemd-sysusers does not take gbill.conf"
    grep -q '^gbill:' "$dir/etc/passwd" || fail "no user gbill was made"
fi
echo "the units are installed, understood, closed, and restart what a restart mends"
