/*
 * ingest/replay_azure.h - the Azure LLM inference traces as usage events.
 *
 * A trace has three columns: TIMESTAMP (UTC), ContextTokens, GeneratedTokens.
 * The tokens become inputTokens and outputTokens exactly; nothing is added or
 * dropped, so the sums of the events are the sums of the columns.
 *
 * Who called, and what, the trace does not say.  A seeded rule assigns it.  Let D
 * be the SHA-256 of the text "<seed>:<line number>:" and the line's bytes without
 * its line end; D[a..b] are its bytes a to b as a big-endian number:
 *
 *   id              D[0..15] as 32 hexadecimal digits (the rule of all formats)
 *   organizationId  org-01 to org-12; the k-th has weight 27720/k of 86021 in all:
 *                   the first whose running sum exceeds D[16..19] mod 86021
 *   userId          <organization>-user-01 ...: 24/k + 1 of them (rounded down),
 *                   by D[20..21] mod that number
 *   projectId       none if D[22] < 51 (a fifth), else <organization>-project-1 to
 *                   -4, by D[23] mod 4
 *   type            D[24] mod 10: 0 to 4 generation, 5 to 7 chat, 8 and 9 summarization
 *   provider, model D[25..26] mod 100 in the table of replay_azure_models
 *   serviceTier     batch if D[27] < 26 (a tenth), else none
 *
 * The traces are from 2023, but the agent takes events of the last 35 days: the
 * times are moved by a whole number of days.  By default the first day becomes the
 * 1st of the current UTC month, or of the month before if the trace would not
 * else lie wholly in the past; so it stays where it is while the month lasts.
 *
 * Source of the format: github.com/Azure/AzurePublicDataset.
 */
#ifndef INGEST_REPLAY_AZURE_H
#define INGEST_REPLAY_AZURE_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/replay_csv.h"
#include "ingest/replay_record.h"
#include "store/base/err.h"
#include "store/base/hash.h"

struct replay_azure_model {
    const char *provider, *model;
    uint32_t weight; /* percent */
};

enum { REPLAY_AZURE_MODEL_COUNT = 7 };

/* Models that the price book has, with and without batch. */
extern const struct replay_azure_model replay_azure_models[REPLAY_AZURE_MODEL_COUNT];

/* Which column holds what. */
struct replay_azure_columns {
    size_t time, context, generated;
};

/* Find the columns in the header row; false when one is missing, and defect names it. */
bool replay_azure_header(const struct replay_csv *header, struct replay_azure_columns *ret,
                         struct replay_defect *defect) __attribute__((warn_unused_result));

/*
 * Make the event of one row.
 *
 *   row         has all the columns
 *   digest      D as above
 *   id          the event's id
 *   record      begun; the pairs are added
 *   ret_utc_ms  the time as the trace has it, not moved
 *
 * False, and defect filled, when a cell is no time or no whole number.
 */
bool replay_azure_row(const struct replay_azure_columns *columns, const struct replay_csv *row,
                      const uint8_t digest[HASH_SHA256_BYTES], const char *id,
                      struct replay_record *record, int64_t *ret_utc_ms,
                      struct replay_defect *defect) __attribute__((warn_unused_result));

/* From when to when the calls of some traces go. */
struct replay_azure_span {
    bool any; /* there was a row with a time */
    int64_t first_utc_ms, last_utc_ms;
};

/*
 * Widen span by the times in a file; rows that cannot be read are left for later.
 *
 * Errors: those of replay_lines_open() and replay_lines_next(); ERR_INPUT when the
 * header lacks a column.
 */
enum err_code replay_azure_scan(const char *path, struct replay_azure_span *span,
                                struct err *err) ERR_MUST_CHECK;

/*
 * By how many days to move what spans from first to last.
 *
 *   start_day  the day that the first day becomes; negative: the default rule
 *
 * Errors: ERR_LIMIT when some of it would then be older than the agent accepts, or
 * lie in the future.
 */
enum err_code replay_azure_place(const struct replay_azure_span *span, int64_t start_day,
                                 int64_t now_utc_ms, int64_t *ret_days,
                                 struct err *err) ERR_MUST_CHECK;

#endif
