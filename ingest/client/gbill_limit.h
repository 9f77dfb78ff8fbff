/*
 * gbill_limit.h - libgbill: may this organization do it, now?  gbill-agent answers
 * from the organization's plan, what it has used, and what is reserved.
 *
 *     struct gbill_limit_question q = {
 *         .organization_id = "acme", .tokens = 1200, .max_tokens = 4000};
 *     gbill_limit_reserve(client, &q, 100, &answer, &err);     before the call
 *     ... call the model, if the code is GBILL_OK and answer.allowed ...
 *     usage.hold = answer.hold;  gbill_track(client, &usage, &err);     after it
 *
 * The event that names the reservation ends it and counts the actual use in one
 * step; a call that was not made gives it back with gbill_limit_release().
 *
 * Promises, beside those of gbill.h for threads and forks:
 *   - An answer is the agent's.  Without one the call fails: nothing is guessed.
 *   - A check is answered from memory that the agent shares with clients of its machine
 *     which may ask about every organization: in a microsecond, without a system call,
 *     the same answer in every field.  Runs of gbill limits and gbill budgets show in it
 *     a tenth of a second later.  Of an agent that was killed, or hangs, it may be as it
 *     was for one second; after that the agent is asked, and the call fails.
 *   - No call waits longer than its timeout_ms.  Callers do not wait for one
 *     another: each has a connection while it asks, up to 8 are kept for the next.
 *   - A call that failed may be made again: a reservation with the same hold is the
 *     same one, and is over after its life if the answer to it was lost.
 *
 * What the fields are: schemas/live.md.
 */
#ifndef GBILL_LIMIT_H
#define GBILL_LIMIT_H

#include "gbill_tokens.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GBILL_UNLIMITED UINT64_MAX

enum { GBILL_TEXT_BYTES = 65, GBILL_REASON_BYTES = 512 };

/* Zero is the default of all but organization_id.  Texts are borrowed during the call. */
struct gbill_limit_question {
    const char *organization_id; /* 1 to 64 bytes; needed */
    const char *action;          /* "ai", "project", "document", "member"; NULL: "ai" */
    uint64_t tokens;             /* "ai": input and output, as they are estimated; 0: 1 */
    const char *hold;            /* the reservation, 1 to 64 bytes; NULL: a new UUID */
    uint32_t life_ms;            /* of a reservation: 1 to 3,600,000; 0: 60,000 */

    /*
     * "ai": a text to be sent, counted here as model counts it and added to tokens and max_tokens, which
     * are then those of the answer alone.  Where the model's tokenizer is not public every byte counts as
     * a token: never too little.  NULL: tokens says all.
     */
    const char *text;
    size_t text_bytes;
    const char *model;
    struct gbill_tokens *counter; /* gbill_tokens_open(); needed with text, as is model */

    /*
     * "ai": of a reservation, the most that the call can use, input and the max_tokens that the provider is
     * given.  It is let in if tokens fit, and counts for all others with max_tokens.  So what goes beyond
     * the limit is never more than by how much one call was larger than its own tokens, whatever the number
     * of calls at one time.  At least tokens; 0: tokens are the most.
     */
    uint64_t max_tokens;
};

/* Texts are NUL-terminated, "" for none. */
struct gbill_limit_answer {
    bool allowed; /* may it be done?  Of a reservation: is it held? */
    bool known;   /* false: gbill limits has not run yet, and nothing is allowed */
    char state[16];
    char reason[GBILL_REASON_BYTES]; /* in words, with what there is to upgrade to */
    uint64_t used, held;             /* in this period; reserved: credits, or things */
    uint64_t limit, remaining;       /* GBILL_UNLIMITED: there is none */
    int64_t reset_at_utc_ms;         /* when credits begin anew; 0: never */
    char plan[GBILL_TEXT_BYTES];
    char upgrade_to[GBILL_TEXT_BYTES];               /* of a refusal: the plan that has more */
    uint64_t requests_per_minute, tokens_per_minute; /* of the plan; GBILL_UNLIMITED */
    uint64_t position;           /* of the log, that the plan's standing is of */
    uint64_t expires_in_ms;      /* of a reservation that is held */
    char hold[GBILL_TEXT_BYTES]; /* as asked, or the new one */
};

/*
 * Ask whether it may be done.  Nothing is reserved: another caller may be first.  The
 * first questions of a client, and the first about an organization, go to the agent.
 *
 *   timeout_ms  at least 1; of an agent on the same machine 100 is plenty
 *   ret_answer  filled with GBILL_OK only
 *
 * GBILL_OK: the agent answered; whether it is allowed is in the answer.
 *
 * Errors: nothing is known, and the caller decides; a later call connects anew.
 *   GBILL_PEER    nobody listens there (at once), the agent ended meanwhile, or did
 *                 not answer in time
 *   GBILL_DENIED  the agent's socket is not for this user
 *   GBILL_INPUT   the question is wrong, or of an organization that this user may
 *                 not write for; the agent's words
 *   GBILL_IO      no descriptor, or no random numbers for an id
 *   GBILL_USAGE   timeout_ms is 0, or the client belongs to another process
 */
GBILL_API enum gbill_code gbill_limit_check(struct gbill *client,
                                            const struct gbill_limit_question *question,
                                            uint32_t timeout_ms,
                                            struct gbill_limit_answer *ret_answer,
                                            struct gbill_err *err) GBILL_MUST_CHECK;

/*
 * Ask the same, and if it is allowed have it reserved, so that nobody else gets it.
 * Repeated with the same hold it is the same reservation, also if that has ended
 * (state "ended", not allowed).
 *
 * Errors as gbill_limit_check().  After GBILL_PEER it may be held until its life is
 * over: ask again with the same hold, or release it; without one of its own a
 * caller can do neither.
 */
GBILL_API enum gbill_code gbill_limit_reserve(struct gbill *client,
                                              const struct gbill_limit_question *question,
                                              uint32_t timeout_ms,
                                              struct gbill_limit_answer *ret_answer,
                                              struct gbill_err *err) GBILL_MUST_CHECK;

/*
 * Give a reservation back unused.  Twice is harmless, and so is one that is over.
 *
 *   question  hold is needed; action, tokens, max_tokens and life_ms are ignored
 *
 * Errors as gbill_limit_check(), and GBILL_INPUT without a hold.
 */
GBILL_API enum gbill_code gbill_limit_release(struct gbill *client,
                                              const struct gbill_limit_question *question,
                                              uint32_t timeout_ms,
                                              struct gbill_limit_answer *ret_answer,
                                              struct gbill_err *err) GBILL_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
