#include "replay_file.h"

#include <criterion/criterion.h>
#include <unistd.h>

#include "store/event/mp.h"

char replay_file_path[64];
struct err err;

void
replay_file_write_bytes(const char *text, size_t size_bytes)
{
    snprintf(replay_file_path, sizeof replay_file_path, "/tmp/gbill-replay-XXXXXX");
    int fd = mkstemp(replay_file_path);
    cr_assert(fd >= 0);
    cr_assert_eq(write(fd, text, size_bytes), (ssize_t)size_bytes);
    close(fd);
}

void
replay_file_write(const char *text)
{
    replay_file_write_bytes(text, strlen(text));
}

void
replay_file_remove(void)
{
    if (replay_file_path[0] != '\0')
        unlink(replay_file_path);
}

struct replay *
replay_file_open(const char *text, const struct replay_options *options)
{
    struct replay *r = NULL;
    replay_file_write(text);
    cr_assert_eq(replay_open(&r, replay_file_path, options, &err), ERR_OK, "%s", err.text);
    return r;
}

/* The record's value under a key, as text for comparing; "" if absent. */
const char *
replay_file_field(struct bytes record, const char *name)
{
    static char text[100];
    struct mp m = mp_of(record);
    struct mp_value head, key, v;
    text[0] = '\0';
    cr_assert(mp_read(&m, &head) && head.type == MP_MAP);
    for (uint32_t i = 0; i < head.count; i++) {
        cr_assert(mp_read(&m, &key) && key.type == MP_STR);
        struct mp peek = m;
        cr_assert(mp_read(&peek, &v) && mp_skip(&m));
        if (!str_is(mp_str(&key), name))
            continue;
        if (v.type == MP_STR)
            snprintf(text, sizeof text, "%.*s", STR_ARG(mp_str(&v)));
        else if (v.type == MP_UINT)
            snprintf(text, sizeof text, "%llu", (unsigned long long)v.u);
        else
            snprintf(text, sizeof text, "<type %d, %u>", v.type, v.count);
    }
    return text;
}

struct replay_event
replay_file_next(struct replay *r)
{
    struct replay_event e;
    cr_assert_eq(replay_next(r, &e, &err), ERR_OK, "%s", err.text);
    cr_assert_not(e.end);
    return e;
}

void
replay_file_expect_bad(struct replay *r, const char *line, const char *says)
{
    struct replay_event e;
    cr_assert_eq(replay_next(r, &e, &err), ERR_INPUT);
    cr_expect_not_null(strstr(err.text, line), "%s", err.text);
    cr_expect_not_null(strstr(err.text, says), "%s", err.text);
}

void
replay_file_expect_end(struct replay *r)
{
    struct replay_event e;
    cr_assert_eq(replay_next(r, &e, &err), ERR_OK, "%s", err.text);
    cr_expect(e.end);
    replay_close(r);
}
