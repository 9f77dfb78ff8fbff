/*
 * tests/bench/bench_spikes.h - how well gbill spikes tells what is out of the ordinary:
 * the product's own detector and rule, with its own settings.
 */
#ifndef TESTS_BENCH_SPIKES_H
#define TESTS_BENCH_SPIKES_H

#include <stdbool.h>
#include <stdint.h>

/* Score the detector on the series of the Numenta Anomaly Benchmark below a directory. */
void bench_spikes_nab(const char *directory);

/*
 * Score the rule on made-up spending with harm at so many times the usual, for each seed
 * and all of them together.
 *
 *   priced  false: no model has a price, so that only calls and tokens can tell
 */
void bench_spikes_llm(double times, bool priced, const uint64_t *seeds, int count);

#endif
