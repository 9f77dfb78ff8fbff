/*
 * A log of a sealed day and an open one is checked by one thread and by four, whole and
 * with a byte flipped here and there: both must say the same.  Built and run with
 * ThreadSanitizer, which ends it when two threads meet without a lock.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/base/time.h"
#include "store/log/check.h"
#include "store/log/seal.h"
#include "tests/bench/workload_frame.h"
#include "tests/support/tree_remove.h"

/* The closed day is two blocks. */
enum {
    CLOSED_FRAMES = 44,
    OPEN_FRAMES = 8,
    FRAMES = CLOSED_FRAMES + OPEN_FRAMES,
    FRAME_EVENTS = 1000,
    FLIPS = 2,
    DAY = 20781
};

static void
fail(const char *what, const char *why)
{
    fprintf(stderr, "verify_threads: %s: %s\n", what, why);
    exit(1);
}

/* All that a check says, as text. */
struct said {
    char text[1 << 14];
    size_t size_bytes;
    uint64_t events;
};

static void
say(struct said *s, const char *line)
{
    int n = snprintf(s->text + s->size_bytes, sizeof s->text - s->size_bytes, "%s\n", line);
    s->size_bytes += (size_t)n;
    if (s->size_bytes >= sizeof s->text)
        fail("a check", "it says too much");
}

static void
see_fault(void *context, const struct log_fault *f)
{
    char line[512];
    snprintf(line, sizeof line, "%s stream %d frame %" PRIu64 " lost %" PRIu64 "-%" PRIu64 ": %s",
             f->path, (int)f->stream, f->frame, f->lost_from, f->lost_to, f->text);
    say(context, line);
}

static void
see_checked(void *context, const struct log_checked *c)
{
    struct said *s = context;
    char line[256], chain[HASH_SHA256_TEXT_BYTES];
    hash_hex(c->chain, sizeof c->chain, chain);
    snprintf(line, sizeof line, "day %d sealed %d: %" PRIu64 " events, %" PRIu64 " frames, %s",
             (int)c->day, c->sealed, c->events, c->frames, chain);
    say(s, line);
    s->events += c->events;
}

static uint64_t
check(const char *directory, unsigned threads, struct said *ret)
{
    struct err err;
    uint64_t faults;
    memset(ret, 0, sizeof *ret);
    const struct log_check c = {.directory = directory,
                                .threads = threads,
                                .context = ret,
                                .fault = see_fault,
                                .checked = see_checked};
    if (log_check(&c, &faults, &err) != ERR_OK)
        fail("check", err.text);
    return faults;
}

/* One thread and four on the same bytes; how many faults both tell. */
static uint64_t
check_twice(const char *directory, struct said *ret)
{
    static struct said four;
    uint64_t faults = check(directory, 1, ret);
    if (check(directory, 4, &four) != faults || strcmp(ret->text, four.text) != 0) {
        fprintf(stderr, "one thread:\n%sfour:\n%s", ret->text, four.text);
        fail("verdicts", "they differ");
    }
    return faults;
}

/* Turn one bit over, and on a second call back. */
static void
flip(const char *path, off_t at)
{
    uint8_t byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || pread(fd, &byte, 1, at) != 1)
        fail("flip", path);
    byte ^= 4;
    if (pwrite(fd, &byte, 1, at) != 1)
        fail("flip", path);
    close(fd);
}

int
main(void)
{
    static struct said said;
    char data[] = "/tmp/gbill-verify-XXXXXX", directory[64], day[TIME_TEXT_BYTES], sealed[128];
    struct log_sealed result;
    struct err err;
    struct stat st;
    unsigned told = 0;
    if (mkdtemp(data) == NULL)
        fail("mkdtemp", data);
    workload_log_make(data, DAY, CLOSED_FRAMES, OPEN_FRAMES, FRAME_EVENTS);
    snprintf(directory, sizeof directory, "%s/log", data);
    if (log_seal_day(directory, DAY, &result, &err) != ERR_OK)
        fail("seal", err.text);
    if (check_twice(directory, &said) != 0 || said.events != FRAMES * FRAME_EVENTS)
        fail("a whole log", said.text);
    time_format_day(DAY, day);
    snprintf(sealed, sizeof sealed, "%s/%s.sealed.mdb", directory, day);
    if (stat(sealed, &st) != 0)
        fail("the sealed day", sealed);
    for (int i = 1; i <= FLIPS; i++) {
        off_t at = st.st_size / (FLIPS + 1) * i;
        flip(sealed, at);
        told += check_twice(directory, &said) > 0;
        flip(sealed, at);
    }
    if (told == 0)
        fail("flipped bits", "they are not seen");
    if (tree_remove(data) != 0)
        fail("remove", data);
    printf(
        "%d events, sealed and not: one thread and four say the same, %u of %d flipped bits told\n",
        FRAMES * FRAME_EVENTS, told, FLIPS);
    return 0;
}
