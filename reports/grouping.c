#include "reports/grouping.h"

#include <string.h>

#include "store/base/bytes.h"
#include "store/base/time.h"

static const struct {
    const char *word, *title;
    bool is_time;
} dimensions[DIMENSIONS] = {
#define GROUPING_ROW(name, word, title, is_time) {word, title, is_time},
    GROUPING_DIMENSIONS(GROUPING_ROW)
#undef GROUPING_ROW
};

static struct str
trimmed(const char *text, size_t size_bytes)
{
    while (size_bytes > 0 && *text == ' ') {
        text++;
        size_bytes--;
    }
    while (size_bytes > 0 && text[size_bytes - 1] == ' ')
        size_bytes--;
    return (struct str){text, size_bytes};
}

static enum err_code
add_word(struct grouping *g, struct str word, struct err *err)
{
    size_t d = 0;
    while (d < DIMENSIONS && !str_is(word, dimensions[d].word) &&
           !str_is(word, dimensions[d].title))
        d++;
    if (d == DIMENSIONS)
        return err_set(err, ERR_USAGE, "--by: \"%.*s\" is no column to group by; name any of %s",
                       STR_ARG(word), GROUPING_WORDS);
    for (size_t i = 0; i < g->count; i++) {
        if (g->by[i] == (enum dimension)d)
            return err_set(err, ERR_USAGE, "--by names %s twice; name it once", dimensions[d].word);
    }
    g->by[g->count++] = (enum dimension)d;
    return ERR_OK;
}

enum err_code
grouping_parse(const char *text, struct grouping *ret, struct err *err)
{
    struct grouping g = {.count = 0};
    enum err_code code = ERR_OK;
    for (const char *p = text; code == ERR_OK && p != NULL;) {
        const char *comma = strchr(p, ',');
        size_t n = comma != NULL ? (size_t)(comma - p) : strlen(p);
        code = add_word(&g, trimmed(p, n), err);
        p = comma != NULL ? comma + 1 : NULL;
    }
    if (code == ERR_OK)
        *ret = g;
    return code;
}

const char *
dimension_word(enum dimension dimension)
{
    return dimensions[dimension].word;
}

const char *
dimension_title(enum dimension dimension)
{
    return dimensions[dimension].title;
}

bool
dimension_is_time(enum dimension dimension)
{
    return dimensions[dimension].is_time;
}

uint32_t
dimension_of(enum dimension dimension, const struct usage_key *hourly)
{
    switch (dimension) {
    case DIMENSION_ORG:
        return hourly->organization;
    case DIMENSION_HOUR:
        return hourly->period;
    case DIMENSION_DAY:
        return hourly->period / 24;
    case DIMENSION_MONTH:
        return (uint32_t)time_month(hourly->period * TIME_HOUR_MS);
    case DIMENSION_PROJECT:
        return hourly->project;
    case DIMENSION_USER:
        return hourly->user;
    case DIMENSION_TYPE:
        return hourly->type;
    case DIMENSION_PROVIDER:
        return hourly->provider;
    case DIMENSION_MODEL:
        return hourly->model;
    case DIMENSION_TIER:
        return hourly->tier;
    case DIMENSIONS:
        break;
    }
    return 0;
}
