/*
 * tests/bench/bench_verify.c - how fast gbill log verify reads, sealed days and others,
 * beside what one core of this machine hashes.
 *
 *   bench_verify GBILL DIRECTORY [FRAMES]
 *
 * DIRECTORY must be there: a log is made in it twice, and sealed once.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/base/clock.h"
#include "store/base/hash.h"
#include "store/log/seal.h"
#include "tests/bench/child.h"
#include "tests/bench/workload_frame.h"

enum { DAY = 20781, FRAME_EVENTS = 2000, ROUNDS = 5, HASHED_BYTES = 64 << 20 };

static double
sha256_rate(void)
{
    uint8_t digest[HASH_SHA256_BYTES], *data = calloc(1, HASHED_BYTES);
    double best = 0;
    for (int round = 0; data != NULL && round < ROUNDS; round++) {
        struct bytes all = {data, HASHED_BYTES};
        int64_t start = clock_monotonic_ns();
        hash_sha256(&all, 1, digest);
        double rate = HASHED_BYTES * 1e9 / (double)(clock_monotonic_ns() - start);
        best = rate > best ? rate : best;
    }
    free(data);
    return best;
}

/* Bytes of events a second, of its own CPU or on the clock: the best of some runs of the program. */
static double
verify_rate(const char *gbill, const char *directory, const char *threads, bool cpu,
            uint64_t raw_bytes)
{
    const char *argv[] = {gbill, "log", "verify", "--data", directory, "--threads", threads, NULL};
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct child_cost cost = child_run(argv);
        double rate = (double)raw_bytes / (cpu ? cost.cpu_s : cost.wall_s);
        best = rate > best ? rate : best;
    }
    return best;
}

static void
bench(const char *gbill, const char *directory, const char *name, uint64_t raw_bytes, double hash)
{
    double one = verify_rate(gbill, directory, "1", true, raw_bytes);
    double all = verify_rate(gbill, directory, "0", false, raw_bytes);
    printf("verify %s   %.0f MB/s of events on one core, %.0f MB/s on all   (goal >= 500)\n", name,
           one / 1e6, all / 1e6);
    printf("ratio  that on all / SHA-256 on one core (%.0f MB/s)   %.2f\n", hash / 1e6, all / hash);
}

int
main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_verify GBILL DIRECTORY [FRAMES]\n");
        return 2;
    }
    unsigned frames = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 1000;
    char frames_data[512], sealed_data[512], log[520];
    struct log_sealed sealed;
    struct err err;
    snprintf(frames_data, sizeof frames_data, "%s/frames", argv[2]);
    snprintf(sealed_data, sizeof sealed_data, "%s/sealed", argv[2]);
    snprintf(log, sizeof log, "%s/log", sealed_data);
    workload_log_make(frames_data, DAY, frames, 1, FRAME_EVENTS);
    workload_log_make(sealed_data, DAY, frames, 1, FRAME_EVENTS);
    if (log_seal_day(log, DAY, &sealed, &err) != ERR_OK) {
        fprintf(stderr, "bench_verify: %s\n", err.text);
        return 1;
    }
    double hash = sha256_rate();
    bench(argv[1], frames_data, "days as they came", sealed.raw_bytes, hash);
    bench(argv[1], sealed_data, "sealed days", sealed.raw_bytes, hash);
    return 0;
}
