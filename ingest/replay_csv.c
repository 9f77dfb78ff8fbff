#include "ingest/replay_csv.h"

#include <assert.h>

bool
replay_csv_init(struct replay_csv *csv, size_t record_bytes_max)
{
    *csv = (struct replay_csv){0};
    buf_init(&csv->text, record_bytes_max);
    /* All at once: the cells point into it, so it must never move. */
    return buf_reserve(&csv->text, record_bytes_max);
}

void
replay_csv_clear(struct replay_csv *csv)
{
    buf_clear(&csv->text);
    *csv = (struct replay_csv){0};
}

static void
keep(struct replay_csv *csv, const uint8_t *data, size_t size_bytes)
{
    bool has_room = buf_append(&csv->text, data, size_bytes);
    assert(has_room); /* unquoting only shortens */
}

/* From behind the opening quote to behind the closing one; NULL: there is none. */
static const uint8_t *
take_quoted(struct replay_csv *csv, const uint8_t *p, const uint8_t *end)
{
    while (p < end) {
        const uint8_t *quote = memchr(p, '"', (size_t)(end - p));
        if (quote == NULL)
            return NULL;
        keep(csv, p, (size_t)(quote - p));
        p = quote + 1;
        if (p == end || *p != '"')
            return p;
        keep(csv, p, 1);
        p++;
    }
    return NULL;
}

static const uint8_t *
take_plain(struct replay_csv *csv, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *comma = memchr(p, ',', (size_t)(end - p));
    const uint8_t *stop = comma != NULL ? comma : end;
    keep(csv, p, (size_t)(stop - p));
    return stop;
}

const char *
replay_csv_split(struct replay_csv *csv, struct bytes record)
{
    const uint8_t *p = record.data, *end = p + record.size_bytes;
    csv->text.size_bytes = 0;
    csv->count = 0;
    assert(record.size_bytes <= csv->text.cap_bytes);
    for (;;) {
        size_t start = csv->text.size_bytes;
        if (csv->count == REPLAY_CSV_CELLS_MAX)
            return "the line has more than 256 fields";
        if (p < end && *p == '"') {
            p = take_quoted(csv, p + 1, end);
            if (p == NULL)
                return "a quote is opened and never closed";
            if (p < end && *p != ',')
                return "there is text behind a closing quote";
        } else {
            p = take_plain(csv, p, end);
            if (memchr(csv->text.data + start, '"', csv->text.size_bytes - start) != NULL)
                return "there is a quote inside a field that does not begin with one";
        }
        csv->cells[csv->count++] =
            (struct str){(const char *)csv->text.data + start, csv->text.size_bytes - start};
        if (p == end)
            return NULL;
        p++; /* the comma */
    }
}
