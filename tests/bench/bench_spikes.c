/*
 * tests/bench/bench_spikes.c - how well gbill spikes tells what is out of the ordinary.
 *
 *   bench_spikes NAB-DIRECTORY|- [SEED…]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench_spikes.h"

enum { SEEDS_MAX = 32 };

/* None of them was looked at while the rule was made. */
static const uint64_t fresh[] = {101, 102, 103, 104, 105};

int
main(int argc, char **argv)
{
    uint64_t seeds[SEEDS_MAX];
    int count = argc - 2 < SEEDS_MAX ? argc - 2 : SEEDS_MAX;
    for (int i = 0; i < count; i++)
        seeds[i] = strtoull(argv[i + 2], NULL, 10);
    if (count < 1) {
        count = (int)(sizeof fresh / sizeof fresh[0]);
        memcpy(seeds, fresh, sizeof fresh);
    }
    if (argc > 1 && strcmp(argv[1], "-") != 0)
        bench_spikes_nab(argv[1]);
    else
        printf("spikes  no NAB data: put the benchmark's folders, windows.json and profiles.json "
               "into ../shared/data/nab, or name their place in NAB_DIR\n");
    bench_spikes_llm(3, true, seeds, count);
    bench_spikes_llm(3, false, seeds, count);
    bench_spikes_llm(2, true, seeds, 1);
    bench_spikes_llm(5, true, seeds, 1);
    return 0;
}
