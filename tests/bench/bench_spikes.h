/*
 * tests/bench/bench_spikes.h - how well gbill spikes tells what is out of the ordinary:
 * the product's own detector and rule, with its own settings.
 */
#ifndef TESTS_BENCH_SPIKES_H
#define TESTS_BENCH_SPIKES_H

#include <stdint.h>

/* Score the detector on the series of the Numenta Anomaly Benchmark below a directory. */
void bench_spikes_nab(const char *directory);

/* Score the rule on made-up spending with harm at so many times the usual. */
void bench_spikes_llm(double times, int organizations, uint64_t seed);

#endif
