/*
 * ingest/complaints.h - lines about refused peers, so few that nobody can fill the
 * journal with them: one a second for each reason and peer, with the count of
 * those held back.
 */
#ifndef INGEST_COMPLAINTS_H
#define INGEST_COMPLAINTS_H

#include <stddef.h>
#include <stdint.h>

enum {
    COMPLAINTS_ROWS = 64, /* of one second; what is beyond is counted as "others" */
    COMPLAINTS_WHO_BYTES = 72,
};

struct complaint {
    const char *reason; /* a fixed text: the pointer is its name */
    char who[COMPLAINTS_WHO_BYTES];
    uint64_t held_back; /* since the last line */
    int64_t next_ms;    /* monotonic: when the next line may be written */
};

/* All zero is empty. */
struct complaints {
    struct complaint rows[COMPLAINTS_ROWS];
    uint64_t held_back; /* in all */
    uint64_t others_held_back;
    int64_t others_next_ms;
};

/*
 * Write "event=rejected", now or within a second.
 *
 *   who     key=value: "uid=1000"
 *   reason  a fixed text
 */
void complaints_tell(struct complaints *c, const char *who, const char *reason, int64_t now_ms);

/* When complaints_on_time() has something to write; 0: nothing is held back. */
int64_t complaints_due_ms(const struct complaints *c);

void complaints_on_time(struct complaints *c, int64_t now_ms);

#endif
