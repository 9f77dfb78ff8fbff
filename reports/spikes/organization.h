/*
 * reports/spikes/organization.h - judge one organization: what its rows of
 * TABLE_SPIKES are now.  Reads, writes nothing.
 */
#ifndef REPORTS_SPIKES_ORGANIZATION_H
#define REPORTS_SPIKES_ORGANIZATION_H

#include "reports/spikes/burst.h"
#include "reports/spikes/episode.h"
#include "reports/spikes/spike_settings.h"

enum {
    JUDGED_HOURS = 35 * 24,     /* an event may come so late */
    HISTORY_HOURS = 8 * 7 * 24, /* before the first hour that is judged */
};

/* What is to become of a row. */
enum verdict_change { VERDICT_SAME, VERDICT_PUT, VERDICT_DELETE };

struct verdict_row {
    struct spike row;
    enum verdict_change change;
    bool stored;  /* it was there before */
    bool matched; /* its hours are a spike now too */
    bool news;    /* somebody is to be told of it */
    bool email;   /* also by mail: the organization's emailAlerts */
};

struct judging {
    /* Given. */
    struct tables_txn *txn;
    struct burst_log log;
    struct burst_minutes *bursts;
    struct spike_figures gate;
    uint64_t position; /* of the log */
    const char *currency;
    bool email; /* mails are wanted by the organization at hand */
    /* Room to work in. */
    struct series_set set;
    struct episode_finder finder;
    /* Of the organization at hand. */
    uint32_t organization;
    struct spike_settings settings;
    struct episode_rule rule;
    struct list rows; /* struct verdict_row: those stored that are judged, then new ones */
    bool behind;      /* the tables are being folded anew: nothing was judged */
};

void judging_init(struct judging *j);
void judging_clear(struct judging *j);

/*
 * Judge an organization; rows says what is to be stored.
 *
 * Errors: ERR_CORRUPT, ERR_LIMIT, those of the log.
 */
enum err_code judge_organization(struct judging *j, uint32_t organization,
                                 const struct spike_settings *settings,
                                 struct err *err) ERR_MUST_CHECK;

#endif
