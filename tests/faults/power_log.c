/*
 * tests/faults/power_log.c - the power is cut while the log is written.
 *
 *   power_log SEEDS [FIRST]
 *
 * A writer's run is traced (trace.h); from it every seed makes one disk as a power cut
 * may leave it (crash.h).  On each of them the log must open, hold every event that was
 * acknowledged before the cut, verify, and take the next append.  First, writers that are
 * broken on purpose must be found out, or this program could not tell.
 */
#include <dlfcn.h>
#include <ftw.h>
#include <inttypes.h>
#include <lmdb.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/base/log.h"
#include "store/base/time.h"
#include "store/log/quarantine.h"
#include "store/log/verify.h"
#include "tests/bench/workload_frame.h"
#include "tests/faults/crash.h"

enum { APPENDS = 60, SEEDS_PER_RUN = 250, BROKEN_SEEDS = 300, QUARANTINE_ROOM = 64 * 1024 };

#define START_MS ((int64_t)20781 * TIME_DAY_MS + TIME_DAY_MS / 2) /* 2026-11-24T12:00Z */

/* What keeps an acknowledged event, and how it can be left out. */
struct way {
    const char *name;
    enum trace_blind blind;
    unsigned lmdb_flags;
    bool ack_early;
};

static const struct way sound = {"the writer", TRACE_SEES_ALL, 0, false};
static const struct way broken[] = {
    {"a writer that acks before its commit", TRACE_SEES_ALL, 0, true},
    {"a writer with MDB_NOSYNC", TRACE_SEES_ALL, MDB_NOSYNC, false},
    {"a writer with MDB_NOMETASYNC", TRACE_SEES_ALL, MDB_NOMETASYNC, false},
    {"a disk that ignores flushes", TRACE_NO_FLUSHES, 0, false},
    {"a disk that ignores O_DSYNC", TRACE_NO_META_FLUSHES, 0, false},
    {"a disk that ignores flushes of directories", TRACE_NO_NAME_FLUSHES, 0, false},
};

static unsigned lmdb_flags;
static char base[64];

int
mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode)
{
    static int (*real)(MDB_env *, const char *, unsigned, mdb_mode_t);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "mdb_env_open");
    bool write = (flags & MDB_RDONLY) == 0;
    return real(env, path, flags | (write ? lmdb_flags : 0), mode);
}

static void
die(const char *what)
{
    fprintf(stderr, "power_log: %s\n", what);
    exit(1);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    return ftw->level > 0 ? remove(path) : 0;
}

/* A directory below base, empty. */
static const char *
empty_directory(const char *name, char path[96])
{
    snprintf(path, 96, "%s/%s", base, name);
    (void)mkdir(path, 0750);
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        die("cannot empty a directory");
    return path;
}

static struct log_writer *
open_log(const char *directory, struct err *err)
{
    char log[128];
    struct log_writer *w = NULL;
    snprintf(log, sizeof log, "%s/log", directory);
    return log_writer_open(log, &w, err) == ERR_OK ? w : NULL;
}

/* ---- a run ---- */

/* Where it stands: what was appended, and when. */
struct run {
    struct workload workload;
    struct workload_frame frame;
    struct buf quarantine;
    uint64_t events, quarantined;
    int64_t now_ms;
};

static void
make_parts(struct run *r, struct log_part parts[LOG_STREAMS])
{
    static const uint32_t most[] = {1, 3, 40, 400};
    uint32_t count = 1 + (uint32_t)(workload_roll(&r->workload.seed) % most[r->events % 4]);
    workload_frame_reset(&r->frame);
    for (uint32_t i = 0; i < count; i++) {
        struct workload_event e;
        r->workload.now_ms = r->now_ms;
        workload_next(&r->workload, &e);
        snprintf(e.id, sizeof e.id, "e%" PRIu64, ++r->events);
        workload_frame_add(&r->frame, &e);
    }
    parts[LOG_EVENTS] =
        (struct log_part){{r->frame.events.data, r->frame.events.size_bytes}, count};
    r->quarantine.size_bytes = 0;
    parts[LOG_QUARANTINE] = (struct log_part){.event_count = 0};
    if (workload_roll(&r->workload.seed) % 3 == 0) {
        struct quarantined q = {.reason = str_of("why"), .tag = str_of("tag")};
        r->quarantined++;
        if (!quarantine_store(&q, &r->quarantine))
            die("no memory");
        parts[LOG_QUARANTINE] =
            (struct log_part){{r->quarantine.data, r->quarantine.size_bytes}, 1};
    }
}

static void
append(struct run *r, struct log_writer *w, bool ack_early)
{
    struct log_part parts[LOG_STREAMS];
    struct err err;
    make_parts(r, parts);
    if (ack_early)
        trace_mark(r->events << 32 | r->quarantined);
    if (log_writer_append(w, r->now_ms, parts, &err) != ERR_OK)
        die(err.text);
    trace_mark(r->events << 32 | r->quarantined);
}

/* Some days of appends, with restarts between. */
static void
run(const struct way *way, uint64_t seed, struct trace *trace)
{
    static struct run r;
    char data[96];
    struct err err;
    r = (struct run){.now_ms = START_MS};
    workload_init(&r.workload, seed * 2 + 1, r.now_ms);
    workload_frame_init(&r.frame);
    buf_init(&r.quarantine, QUARANTINE_ROOM);
    lmdb_flags = way->lmdb_flags;
    trace_begin(trace, empty_directory("run", data), way->blind);
    struct log_writer *w = open_log(data, &err);
    for (int i = 0; i < APPENDS; i++) {
        if (w == NULL)
            die(err.text);
        append(&r, w, way->ack_early);
        r.now_ms += (int64_t)(workload_roll(&r.workload.seed) % (TIME_DAY_MS / 8));
        if (workload_roll(&r.workload.seed) % 20 == 0) {
            log_writer_close(w);
            w = open_log(data, &err);
        }
    }
    log_writer_close(w);
    trace_end();
    lmdb_flags = 0;
    workload_frame_clear(&r.frame);
    buf_clear(&r.quarantine);
}

/* ---- the judge ---- */

static enum err_code
check_id(void *context, uint64_t seq, const struct event *event, struct err *err)
{
    char want[32];
    (void)context;
    snprintf(want, sizeof want, "e%" PRIu64, seq);
    if (!str_equal(event->id, str_of(want)))
        return err_set(err, ERR_CORRUPT, "number %" PRIu64 " is the event %.*s", seq,
                       STR_ARG(event->id));
    return ERR_OK;
}

static bool
verifies(const char *directory, struct err *err)
{
    const struct log_watch watch = {.event = check_id};
    char log[128];
    snprintf(log, sizeof log, "%s/log", directory);
    return log_verify(log, LOG_EVENTS, &watch, err) == ERR_OK &&
           log_verify(log, LOG_QUARANTINE, &(struct log_watch){.context = NULL}, err) == ERR_OK;
}

/* Does a log that the cut left keep what was promised, and go on?  If not, err says why. */
static bool
judge(const char *directory, uint64_t mark, struct err *err)
{
    static struct run r;
    bool good = false;
    struct log_part parts[LOG_STREAMS];
    struct log_writer *w = open_log(directory, err);
    if (w == NULL)
        return false;
    uint64_t events = log_writer_next_seq(w, LOG_EVENTS) - 1;
    uint64_t quarantined = log_writer_next_seq(w, LOG_QUARANTINE) - 1;
    r = (struct run){.events = events, .now_ms = START_MS + 30 * TIME_DAY_MS};
    workload_init(&r.workload, 1, r.now_ms);
    workload_frame_init(&r.frame);
    buf_init(&r.quarantine, QUARANTINE_ROOM);
    if (events < mark >> 32 || quarantined < (mark & UINT32_MAX)) {
        err_set(err, ERR_CORRUPT,
                "lost: %" PRIu64 " of %" PRIu64 " events and %" PRIu64 " of %" PRIu64
                " quarantined are there",
                events, mark >> 32, quarantined, mark & UINT32_MAX);
        goto out;
    }
    if (events + quarantined > 0 && !verifies(directory, err))
        goto out;
    make_parts(&r, parts);
    good = log_writer_append(w, r.now_ms, parts, err) == ERR_OK && verifies(directory, err);
out:
    log_writer_close(w);
    workload_frame_clear(&r.frame);
    buf_clear(&r.quarantine);
    return good;
}

/* How far the cutting is, in memory that outlives the process that does it. */
struct progress {
    uint64_t next, failures;
};

static void
cut_one(const struct trace *trace, uint64_t seed, struct progress *p, bool tell)
{
    char image[96];
    struct err err = {.code = ERR_OK};
    size_t cut;
    uint64_t mark = crash_write(trace, seed, empty_directory("image", image), &cut);
    if (judge(image, mark, &err))
        return;
    p->failures++;
    if (tell)
        fprintf(stderr, "seed %" PRIu64 ", cut at operation %zu of %zu: %s\n", seed, cut,
                trace->count, err.text);
}

/* All seeds up to end that cut the run of the next one. */
static void
cut_run(const struct way *way, uint64_t end, struct progress *p, bool tell)
{
    struct trace trace;
    uint64_t number = p->next / SEEDS_PER_RUN;
    run(way, number, &trace);
    for (; p->next < end && p->next / SEEDS_PER_RUN == number; p->next++) {
        cut_one(&trace, p->next, p, tell);
        if (!tell && p->failures > 0)
            return;
    }
}

/*
 * How many of the seeds fail; says so of each when told to, else the first is enough.  In processes of their own,
 * since LMDB answers what a broken writer left with SIGBUS.
 */
static uint64_t
cut_power(const struct way *way, uint64_t first, uint64_t seeds, bool tell)
{
    struct progress *p =
        mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        die("no memory");
    p->next = first;
    while (p->next < first + seeds && (tell || p->failures == 0)) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0) {
            cut_run(way, first + seeds, p, tell);
            _exit(0);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid)
            die("cannot fork or wait");
        if (status != 0) {
            p->failures++;
            if (tell)
                fprintf(stderr, "seed %" PRIu64 ": ended with status %d\n", p->next, status);
            p->next++;
        }
    }
    uint64_t failures = p->failures;
    munmap(p, sizeof *p);
    return failures;
}

int
main(int argc, char **argv)
{
    uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 0, failures = 0;
    log_set_level(LOG_LEVEL_ERROR);
    /* A log's buffers, opened thousands of times: keep their pages. */
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    snprintf(base, sizeof base, "/dev/shm/gbill-power-XXXXXX");
    if (mkdtemp(base) == NULL) {
        snprintf(base, sizeof base, "/tmp/gbill-power-XXXXXX");
        if (mkdtemp(base) == NULL)
            die("cannot make a directory in /tmp");
    }
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        if (cut_power(&broken[i], 0, BROKEN_SEEDS, false) == 0) {
            fprintf(stderr, "power_log: %s was not found out in %d cuts\n", broken[i].name,
                    BROKEN_SEEDS);
            failures++;
        }
    }
    failures += cut_power(&sound, first, seeds, true);
    char path[96];
    empty_directory("run", path);
    empty_directory("image", path);
    nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    (void)remove(base);
    printf("%" PRIu64 " power cuts, %" PRIu64 " failures\n", seeds, failures);
    return failures == 0 ? 0 : 1;
}
