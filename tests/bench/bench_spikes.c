/*
 * tests/bench/bench_spikes.c - how well gbill spikes tells what is out of the ordinary.
 *
 *   bench_spikes [NAB-DIRECTORY]
 */
#include <stdio.h>

#include "tests/bench/bench_spikes.h"

enum { ORGANIZATIONS = 150, SEED = 1 };

int
main(int argc, char **argv)
{
    if (argc > 1)
        bench_spikes_nab(argv[1]);
    else
        printf("spikes  no NAB data: put the benchmark's folders, windows.json and profiles.json "
               "into ../shared/data/nab, or name their place in NAB_DIR\n");
    bench_spikes_llm(2, ORGANIZATIONS, SEED);
    bench_spikes_llm(3, ORGANIZATIONS, SEED);
    bench_spikes_llm(5, ORGANIZATIONS, SEED);
    return 0;
}
