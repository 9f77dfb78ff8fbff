#include "store/log/root.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/log/day.h"

/* Where the open day ends in both streams, as the root it has if it is closed. */
static enum err_code
read_day(const struct day *day, struct log_root *ret, struct day_tip tips[LOG_STREAMS],
         struct err *err)
{
    *ret = (struct log_root){.day = day->number};
    for (int s = 0; s < LOG_STREAMS; s++) {
        uint64_t frames = 0;
        enum err_code code = day_frames(day, (enum log_stream)s, &frames, err);
        if (code != ERR_OK)
            return code;
        ret->frames += frames;
    }
    enum err_code code = day_tips_read(day, tips, err);
    if (code != ERR_OK)
        return code;
    for (int s = 0; s < LOG_STREAMS; s++)
        memcpy(ret->chain[s], tips[s].chain, HASH_SHA256_BYTES);
    ret->first_seq = day->start[LOG_EVENTS].next_seq;
    ret->last_seq = tips[LOG_EVENTS].next_seq - 1;
    ret->quarantined = tips[LOG_QUARANTINE].next_seq - day->start[LOG_QUARANTINE].next_seq;
    return ERR_OK;
}

/* A day begins where the one before ended, or the log was put together from pieces. */
static enum err_code
check_start(const struct day *day, const struct day_tip tips[LOG_STREAMS], struct err *err)
{
    for (int s = 0; s < LOG_STREAMS; s++) {
        if (day->start[s].next_seq != tips[s].next_seq ||
            memcmp(day->start[s].chain, tips[s].chain, HASH_SHA256_BYTES) != 0)
            return err_set(err, ERR_CORRUPT,
                           "%s: begins at %" PRIu64 ", the day before ended at %" PRIu64
                           " or with another chain; run gbill log verify",
                           day->path, day->start[s].next_seq, tips[s].next_seq - 1);
    }
    return ERR_OK;
}

enum err_code
log_roots_read(const char *directory, struct log_roots *ret, struct err *err)
{
    int32_t *days = NULL;
    size_t count = 0;
    struct log_root last = {0};
    struct day_tip tips[LOG_STREAMS];
    *ret = (struct log_roots){.oldest_day = INT32_MIN};
    list_init(&ret->roots, sizeof last);
    enum err_code code = day_list(directory, &days, &count, err);
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        struct day day;
        code = day_open(&day, directory, days[i], false, err);
        if (code == ERR_NOT_FOUND) {
            code = ERR_OK; /* made but never used */
            continue;
        }
        if (code != ERR_OK)
            break;
        if (ret->oldest_day == INT32_MIN) {
            ret->oldest_day = day.number;
            memcpy(ret->identity, day.identity, HASH_SHA256_BYTES);
        } else {
            /* This day has begun, so the one before is closed. */
            code = check_start(&day, tips, err);
            if (code == ERR_OK && last.frames > 0 && !list_add(&ret->roots, &last))
                code = err_set(err, ERR_LIMIT, "no memory for the roots of %zu days", count);
        }
        if (code == ERR_OK)
            code = read_day(&day, &last, tips, err);
        day_close(&day);
    }
    free(days);
    return code;
}

void
log_roots_clear(struct log_roots *roots)
{
    list_clear(&roots->roots);
}
