#include "ingest/complaints.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/base/log.h"

#define COMPLAINTS_EVERY_MS ((int64_t)1000)

static void
write_line(struct complaints *c, struct complaint *row, int64_t now_ms)
{
    log_line(LOG_LEVEL_WARN, "rejected", "%s reason=\"%s\" count=%" PRIu64, row->who, row->reason,
             row->held_back);
    c->held_back -= row->held_back;
    row->held_back = 0;
    row->next_ms = now_ms + COMPLAINTS_EVERY_MS;
}

/* Its row, or one that is free by now, or NULL. */
static struct complaint *
row_of(struct complaints *c, const char *who, const char *reason, int64_t now_ms)
{
    struct complaint *free_row = NULL;
    for (size_t i = 0; i < COMPLAINTS_ROWS; i++) {
        struct complaint *row = &c->rows[i];
        if (row->reason == reason && strcmp(row->who, who) == 0)
            return row;
        if (row->held_back == 0 && row->next_ms <= now_ms)
            free_row = row;
    }
    if (free_row != NULL) {
        *free_row = (struct complaint){.reason = reason};
        snprintf(free_row->who, sizeof free_row->who, "%s", who);
    }
    return free_row;
}

void
complaints_tell(struct complaints *c, const char *who, const char *reason, int64_t now_ms)
{
    struct complaint *row = row_of(c, who, reason, now_ms);
    c->held_back++;
    if (row == NULL) {
        if (c->others_held_back++ == 0)
            c->others_next_ms = now_ms + COMPLAINTS_EVERY_MS;
        return;
    }
    row->held_back++;
    if (row->next_ms <= now_ms)
        write_line(c, row, now_ms);
}

int64_t
complaints_due_ms(const struct complaints *c)
{
    int64_t due = c->others_held_back > 0 ? c->others_next_ms : 0;
    if (c->held_back == 0)
        return 0;
    for (size_t i = 0; i < COMPLAINTS_ROWS; i++) {
        const struct complaint *row = &c->rows[i];
        if (row->held_back > 0 && (due == 0 || row->next_ms < due))
            due = row->next_ms;
    }
    return due;
}

void
complaints_on_time(struct complaints *c, int64_t now_ms)
{
    if (c->held_back == 0)
        return;
    for (size_t i = 0; i < COMPLAINTS_ROWS; i++) {
        if (c->rows[i].held_back > 0 && c->rows[i].next_ms <= now_ms)
            write_line(c, &c->rows[i], now_ms);
    }
    if (c->others_held_back == 0 || now_ms < c->others_next_ms)
        return;
    log_line(LOG_LEVEL_WARN, "rejected", "others=true count=%" PRIu64, c->others_held_back);
    c->held_back -= c->others_held_back;
    c->others_held_back = 0;
}
