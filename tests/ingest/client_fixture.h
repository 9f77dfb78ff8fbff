/*
 * tests/ingest/client_fixture.h - one client of libgbill against a fake agent, for
 * the suites that test it.
 */
#ifndef TESTS_INGEST_CLIENT_FIXTURE_H
#define TESTS_INGEST_CLIENT_FIXTURE_H

#include "fake_agent.h"
#include "ingest/client/gbill.h"

extern struct fake *fake;
extern struct gbill *client;
extern struct gbill_err why;
extern const struct gbill_usage call; /* what client_track() reports */

/* .init and .fini of a suite. */
void client_setup(void);
void client_teardown(void);

/* Open the client, with the fake agent's path filled in. */
void client_open(struct gbill_options options);
void client_close(void);

/* The fake agent in this mode, and the client. */
void client_start(enum fake_mode mode, struct gbill_options options);

/* Usage events with the ids e-<first> ...; all must be taken. */
enum gbill_code client_track(unsigned n);
void client_track_many(unsigned first, unsigned count);

void client_flush(void); /* GBILL_OK within 20 s */
struct gbill_check client_check(void);

/* Wait until so many events are acknowledged, or are in the spill file; 10 s at most. */
void client_await_acked(uint64_t count);
void client_await_spilled(uint64_t count);

/* e-0 to e-<count - 1> arrived, each once: in this order; in whatever order. */
void client_expect_in_order(size_t count);
void client_expect(size_t count);

#endif
