/*
 * reports/optimize/survey.h - all counted calls of some weeks, by organization, provider,
 * model and type, and what each lever would have saved of each group.
 *
 * Two walks over the log.  The first sums and decides: which levers save more than they
 * cost in a group, which groups come from a machine, which model to try.  The second
 * gives every call to the one lever that saves most of it, so that the shares of all
 * levers never exceed the bill.
 */
#ifndef REPORTS_OPTIMIZE_SURVEY_H
#define REPORTS_OPTIMIZE_SURVEY_H

#include "reports/optimize/lever.h"
#include "store/tables/dict.h"

enum {
    SURVEY_GROUPS_MAX = 1 << 18,     /* beyond it, types that are new are one type */
    SURVEY_CALLS_MIN = 20,           /* of a group, before its kind of call is judged */
    SURVEY_MACHINE_GAPS_MIN = 50,    /* as evenly as a machine: so many gaps, which */
    SURVEY_MACHINE_PERCENT = 5,      /* differ by no more than this (standard deviation) */
    SURVEY_MODEL_PERCENT = 80,       /* another model is tried if it costs at most so much */
    SURVEY_FAILED_POINTS = 2,        /* and fails at most so many of a hundred calls more */
    SURVEY_REASONING_GROUPS_MIN = 3, /* of an organization, for what is usual */
    SURVEY_REASONING_PERCENT = 150,  /* of the usual part is unusual */
};

/*
 * Dictionary numbers, big-endian: the memcmp order is by organization first.  Type 0
 * stands for those beyond SURVEY_GROUPS_MAX: who makes one up for each call costs no
 * memory.
 */
struct survey_key {
    uint8_t organization[4], provider[4], model[4], type[4];
};

struct survey_group {
    uint32_t index; /* in survey.groups */
    uint64_t calls, unpriced_calls, failed_calls;
    money_sum cost_pico;
    uint64_t output, reasoning; /* tokens */
    int64_t last_ms;
    uint64_t gaps;
    money_sum gap_sum, gap_squares; /* ms */
    uint64_t simple_calls;          /* lever_is_simple() */
    uint64_t simple_tokens[EVENT_CLASSES];
    /* Decided after the first walk. */
    uint32_t off;   /* bit 1 << lever: another one is better, or it costs more than it saves */
    uint32_t model; /* dictionary: to try; 0: none */
    uint32_t reasoning_permille;
    uint64_t model_calls, model_failed_calls; /* that the organization has of it */
    bool model_same_type, machine;
};

/* What a lever has to say of a group. */
struct survey_lever {
    uint64_t calls, strong_calls; /* that it saves something of */
    uint64_t tokens;
    money_sum cost_pico;            /* of those calls */
    money_sum gain_pico, loss_pico; /* of all calls; both >= 0 */
    money_sum largest_pico;         /* of gain: where no other lever saves more */
};

struct survey_options {
    const char *data_directory;
    struct tables_txn *txn; /* of one moment for both walks */
    const struct price_book *prices;
    int64_t from_ms, to_ms;                                           /* event time */
    void (*progress)(void *context, uint64_t seq, uint64_t last_seq); /* may be NULL */
    void *context;
};

struct survey {
    const struct survey_options *options;
    struct map groups; /* struct survey_key -> struct survey_group */
    struct map levers; /* group index and lever -> struct survey_lever */
    struct dict dict;
    struct lever_walk walk;
    uint64_t calls;
};

void survey_init(struct survey *s);
void survey_clear(struct survey *s);

/*
 * Look at all calls.
 *
 *   s        initialized, used once
 *   options  kept until survey_clear()
 *
 * Errors: those of calls_walk(), but that there is no log: then there are no groups;
 * ERR_LIMIT out of memory.
 */
enum err_code survey_run(struct survey *s, const struct survey_options *options,
                         struct err *err) ERR_MUST_CHECK;

/* What a lever has to say of a group; NULL: nothing, or it is off. */
const struct survey_lever *survey_lever_of(const struct survey *s, const struct survey_group *group,
                                           enum lever lever);

/* gain - loss; largest - loss, at least 0. */
money_sum survey_saving(const struct survey_lever *lever);
money_sum survey_share(const struct survey_lever *lever);

#endif
