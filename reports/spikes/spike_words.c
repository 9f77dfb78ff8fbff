#include "reports/spikes/spike_words.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/base/currency.h"
#include "store/base/time.h"
#include "store/tables/dict.h"

enum { PICO_DIGITS = 12, NAME_BYTES_MAX = 48, AMOUNT_TEXT_BYTES = MONEY_TEXT_BYTES + 8 };

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

/* "200.00 USD", "12 calls" */
static void
amount_text(const struct spike *row, enum spike_measure measure, const struct spike_figures *of,
            char text[AMOUNT_TEXT_BYTES])
{
    char amount[MONEY_TEXT_BYTES];
    money_sum value = spike_measure_of(of, measure);
    if (measure == SPIKE_COST) {
        money_format_fixed(value, PICO_DIGITS, currency_minor_digits(row->currency), amount);
        snprintf(text, AMOUNT_TEXT_BYTES, "%s %s", amount, row->currency);
    } else {
        snprintf(text, AMOUNT_TEXT_BYTES, "%" PRIu64 " %s", (uint64_t)value,
                 spike_measure_name(measure));
    }
}

/* What leads: all of it.  The verb is that of what is spent, or used. */
static void
put_leading(struct words *w, const struct spike *row, enum spike_measure measure)
{
    char actual[AMOUNT_TEXT_BYTES], usual[AMOUNT_TEXT_BYTES], from[TIME_TEXT_BYTES],
        to[TIME_TEXT_BYTES];
    uint64_t percent = spike_percent(spike_measure_of(&row->actual, measure),
                                     spike_measure_of(&row->usual, measure));
    amount_text(row, measure, &row->actual, actual);
    amount_text(row, measure, &row->usual, usual);
    usual[strcspn(usual, " ")] = '\0';
    time_format_hour(row->from_hour, from);
    time_format_hour(row->to_hour, to);
    put(w, " %s %s from %s:00Z to %s:00Z, where %s %s usual",
        measure == SPIKE_COST     ? "spent"
        : measure == SPIKE_TOKENS ? "used"
                                  : "made",
        actual, from, to, usual, measure == SPIKE_COST ? "is" : "are");
    if (percent != UINT64_MAX)
        put(w, " (%" PRIu64 " %%)", percent);
}

static void
put_measure(struct words *w, const struct spike *row, enum spike_measure measure)
{
    char actual[AMOUNT_TEXT_BYTES];
    uint64_t percent = spike_percent(spike_measure_of(&row->actual, measure),
                                     spike_measure_of(&row->usual, measure));
    amount_text(row, measure, &row->actual, actual);
    if (percent != UINT64_MAX)
        put(w, ", %s (%" PRIu64 " %%)", actual, percent);
    else if (measure != SPIKE_COST)
        put(w, ", %s where none are usual", actual);
    else if (row->actual.cost_pico == 0)
        put(w, ", at no known cost");
    else
        put(w, ", %s where nothing is usual", actual);
}

static void
put_drivers(struct words *w, struct tables_txn *txn, const struct spike *row,
            enum spike_measure measure, const money_sum parts[SPIKE_SCOPE_COUNT])
{
    money_sum excess = spike_measure_of(&row->actual, measure) -
                       spike_measure_of(&row->usual, measure);
    const char *before = ". Most of it: ";
    for (int s = SPIKE_PROJECT; s < SPIKE_SCOPE_COUNT; s++) {
        const struct spike_driver *d = &row->drivers[s];
        const struct spike_subject subject = {(enum spike_scope)s, d->provider, d->value};
        char text[SPIKE_SUBJECT_BYTES];
        if (parts[s] <= 0 || excess <= 0 || row->subject.scope == (enum spike_scope)s)
            continue;
        money_sum part = parts[s] * 100 / excess;
        spike_subject_text(txn, row->organization, &subject, text);
        put(w, "%s%s (%d %%)", before, text, (int)(part > 100 ? 100 : part));
        before = ", ";
    }
}

void
spike_words(struct tables_txn *txn, struct spike *row, const money_sum parts[SPIKE_SCOPE_COUNT])
{
    static const enum spike_measure told[SPIKE_MEASURES] = {SPIKE_COST, SPIKE_CALLS, SPIKE_TOKENS};
    struct words w = {.text = row->text};
    char subject[SPIKE_SUBJECT_BYTES];
    enum spike_measure leading = spike_leading(row->measures);
    spike_subject_text(txn, row->organization, &row->subject, subject);
    memset(row->text, 0, sizeof row->text);
    put(&w, "%s%s", row->withdrawn ? "Taken back since: " : "", subject);
    put_leading(&w, row, leading);
    for (int i = 0; i < SPIKE_MEASURES; i++) {
        if (told[i] != leading)
            put_measure(&w, row, told[i]);
    }
    put_drivers(&w, txn, row, leading, parts);
    put(&w, ".%s", row->burst ? " Calls came as in a runaway loop." : "");
}
