#include "reports/spikes/spike_words.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/base/currency.h"
#include "store/base/time.h"
#include "store/tables/dict.h"

enum { PICO_DIGITS = 12, NAME_BYTES_MAX = 48 };

/* A name of at most so many bytes, whole characters, with an ellipsis where it was cut. */
static void
name_text(struct str name, char text[NAME_BYTES_MAX + 4])
{
    size_t size = name.size_bytes;
    if (size > NAME_BYTES_MAX) {
        size = NAME_BYTES_MAX;
        while (size > 0 && ((unsigned char)name.data[size] & 0xC0) == 0x80)
            size--;
    }
    snprintf(text, NAME_BYTES_MAX + 4, "%.*s%s", (int)size, name.data,
             size < name.size_bytes ? "…" : "");
}

void
spike_subject_text(struct tables_txn *txn, uint32_t organization,
                   const struct spike_subject *subject, char text[SPIKE_SUBJECT_BYTES])
{
    char name[NAME_BYTES_MAX + 4], provider[NAME_BYTES_MAX + 4];
    bool whole = subject->scope == SPIKE_ORGANIZATION;
    name_text(dict_text(txn, whole ? organization : subject->value), name);
    name_text(dict_text(txn, subject->provider), provider);
    if (whole)
        snprintf(text, SPIKE_SUBJECT_BYTES, "%s", name);
    else if (subject->value == 0)
        snprintf(text, SPIKE_SUBJECT_BYTES, "calls without a %s", spike_scope_name(subject->scope));
    else if (subject->scope == SPIKE_MODEL)
        snprintf(text, SPIKE_SUBJECT_BYTES, "model %s %s", provider, name);
    else
        snprintf(text, SPIKE_SUBJECT_BYTES, "%s %s", spike_scope_name(subject->scope), name);
}

uint64_t
spike_percent(money_sum actual, money_sum usual)
{
    return usual <= 0 || actual < 0 ? UINT64_MAX : (uint64_t)(actual * 100 / usual);
}

struct words {
    char *text;
    size_t used;
};

static void put(struct words *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What has no room is left out as a whole, so that no character is cut. */
static void
put(struct words *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int size = vsnprintf(w->text + w->used, SPIKE_TEXT_BYTES_MAX + 1 - w->used, fmt, ap);
    va_end(ap);
    if (size >= 0 && w->used + (size_t)size <= SPIKE_TEXT_BYTES_MAX)
        w->used += (size_t)size;
    w->text[w->used] = '\0';
}

static void
put_measure(struct words *w, const char *name, uint64_t actual, uint64_t usual)
{
    uint64_t percent = spike_percent((money_sum)actual, (money_sum)usual);
    if (percent == UINT64_MAX)
        put(w, ", %" PRIu64 " %s where none are usual", actual, name);
    else
        put(w, ", %" PRIu64 " %s (%" PRIu64 " %%)", actual, name, percent);
}

static void
put_drivers(struct words *w, struct tables_txn *txn, const struct spike *row)
{
    money_sum excess = row->actual.cost_pico - row->usual.cost_pico;
    const char *before = ". Most of it: ";
    for (int s = SPIKE_PROJECT; s < SPIKE_SCOPE_COUNT; s++) {
        const struct spike_driver *d = &row->drivers[s];
        const struct spike_subject subject = {(enum spike_scope)s, d->provider, d->value};
        char text[SPIKE_SUBJECT_BYTES];
        if (d->excess_pico <= 0 || excess <= 0 || row->subject.scope == (enum spike_scope)s)
            continue;
        money_sum part = d->excess_pico * 100 / excess;
        spike_subject_text(txn, row->organization, &subject, text);
        put(w, "%s%s (%d %%)", before, text, (int)(part > 100 ? 100 : part));
        before = ", ";
    }
}

void
spike_words(struct tables_txn *txn, struct spike *row)
{
    struct words w = {.text = row->text};
    char subject[SPIKE_SUBJECT_BYTES], actual[MONEY_TEXT_BYTES], usual[MONEY_TEXT_BYTES],
        from[TIME_TEXT_BYTES], to[TIME_TEXT_BYTES];
    int digits = currency_minor_digits(row->currency);
    uint64_t percent = spike_percent(row->actual.cost_pico, row->usual.cost_pico);
    spike_subject_text(txn, row->organization, &row->subject, subject);
    money_format_fixed(row->actual.cost_pico, PICO_DIGITS, digits, actual);
    money_format_fixed(row->usual.cost_pico, PICO_DIGITS, digits, usual);
    time_format_hour(row->from_hour, from);
    time_format_hour(row->to_hour, to);
    memset(row->text, 0, sizeof row->text);
    if (row->withdrawn)
        put(&w, "Taken back since: ");
    put(&w, "%s spent %s %s from %s:00Z to %s:00Z, where %s is usual", subject, actual,
        row->currency, from, to, usual);
    if (percent != UINT64_MAX)
        put(&w, " (%" PRIu64 " %%)", percent);
    put_measure(&w, "calls", row->actual.calls, row->usual.calls);
    put_measure(&w, "tokens", row->actual.tokens, row->usual.tokens);
    put_drivers(&w, txn, row);
    put(&w, ".%s", row->burst ? " Calls came as in a runaway loop." : "");
}
