/*
 * tests/fuzz/fuzz.h - what every fuzz target defines.
 *
 * A target aborts (assert) when a promise of a header is broken; ASan and UBSan
 * watch over the rest.  It must accept any bytes and keep no state.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Always returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

#endif
