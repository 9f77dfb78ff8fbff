/*
 * bench_tokens - tokens counted in a second, and what is the worst to count.
 *
 *   bench_tokens ENCODINGS ENCODING TEXT_FILE
 *
 * Prints the best of several rounds each: of the file, of one long piece of one character or of random
 * bytes, which may take ten times as long as text at most; opening the encoding, and the memory of all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "store/base/clock.h"
#include "store/base/file.h"
#include "store/tokens/tokens.h"

enum { ROUNDS = 7, WORST_BYTES = 1000000 };

static const struct encoding *encoding;
static struct tokens_work work;
static struct err err;

static void
check(enum err_code code)
{
    if (code != ERR_OK) {
        fprintf(stderr, "bench_tokens: %s\n", err.text);
        exit(1);
    }
}

/* Seconds for one count, the best of the rounds. */
static double
best_s(struct bytes text, uint64_t *tokens)
{
    double best = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        int64_t from = clock_monotonic_ns();
        check(tokens_count(encoding, &work, text, TOKENS_SPECIAL_TEXT, tokens, &err));
        double s = (double)(clock_monotonic_ns() - from) / 1e9;
        best = s < best ? s : best;
    }
    return best;
}

static double
one_worst(const char *what, struct bytes text, double prose_mb_s)
{
    uint64_t tokens;
    double mb_s = (double)text.size_bytes / best_s(text, &tokens) / 1e6;
    printf("  1 MB of %-15s %8.1f MB/s   %5.2f of text\n", what, mb_s, mb_s / prose_mb_s);
    return mb_s / prose_mb_s;
}

int
main(int argc, char **argv)
{
    struct encodings encodings;
    struct bytes text;
    uint64_t tokens = 0;
    double open_ms = 1e9;
    if (argc != 4)
        return 2;
    check(file_read(argv[3], TOKENS_TEXT_BYTES_MAX, &text, &err));
    for (int i = 0; i < ROUNDS; i++) {
        int64_t from = clock_monotonic_ns();
        check(encodings_open(&encodings, argv[1], &err));
        check(encodings_find(&encodings, str_of(argv[2]), &encoding, &err));
        double ms = (double)(clock_monotonic_ns() - from) / 1e6;
        open_ms = ms < open_ms ? ms : open_ms;
        if (i + 1 < ROUNDS)
            encodings_close(&encodings);
    }
    tokens_work_init(&work);
    double s = best_s(text, &tokens), mb_s = (double)text.size_bytes / s / 1e6;
    printf("%s of %.1f MB of documentation, one thread\n", argv[2], (double)text.size_bytes / 1e6);
    printf("  gbill                   %8.1f MB/s   %6.2f M tokens/s\n", mb_s,
           (double)tokens / s / 1e6);
    static const struct {
        const char *what;
        uint8_t byte;
    } runs[] = {{"one letter", 'a'}, {"spaces", ' '}, {"lines", '\n'}, {"=", '='},
                {"-", '-'},          {"digits", '1'}, {"0xff", 0xff}};
    uint8_t *worst = malloc(WORST_BYTES);
    if (worst == NULL)
        return 1;
    double least = 1e9, now;
    for (size_t i = 0; i <= sizeof runs / sizeof runs[0]; i++) {
        if (i == sizeof runs / sizeof runs[0]) {
            for (size_t at = 0; at < WORST_BYTES; at += 250)
                if (getrandom(worst + at, 250, 0) != 250)
                    return 1;
            now = one_worst("random bytes", (struct bytes){worst, WORST_BYTES}, mb_s);
        } else {
            memset(worst, runs[i].byte, WORST_BYTES);
            now = one_worst(runs[i].what, (struct bytes){worst, WORST_BYTES}, mb_s);
        }
        least = now < least ? now : least;
    }
    printf("  the worst of these is %.2f of text's speed (goal: 0.10)\n", least);
    printf(
        "  opening it, checksum included, %.2f ms (goal: below 5); the file of all encodings %.1f MiB (goal: 32)\n",
        open_ms, (double)encodings.size_bytes / 1048576);
    printf("gbill_tokens_per_s %.0f\n", (double)tokens / s);
    return 0;
}
