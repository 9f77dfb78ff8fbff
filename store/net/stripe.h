/*
 * store/net/stripe.h - Stripe's API: requests in its form, its answers, and what to do when
 * there is none.
 *
 * No message holds the key; what Stripe says of a key that it refuses is not repeated, since
 * it quotes part of it.
 *
 * Source: Stripe API reference, "Authentication", "Idempotent requests", "Errors",
 * "Pagination", "Versioning", as of 2026-10-28; what is tried again is what its own client
 * libraries try again.  What is asked: schemas/stripe.md.
 */
#ifndef STORE_NET_STRIPE_H
#define STORE_NET_STRIPE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "store/base/bytes.h"
#include "store/base/err.h"

#define STRIPE_KEY_ENV "STRIPE_SECRET_KEY"
#define STRIPE_PUBLISHABLE_ENV "STRIPE_PUBLISHABLE_KEY"
#define STRIPE_BASE_URL_ENV "STRIPE_API_BASE"
#define STRIPE_BASE_URL_DEFAULT "https://api.stripe.com"
#define STRIPE_API_VERSION "2026-10-28.endive"

enum {
    STRIPE_AT_ONCE_MAX = 16, /* requests at one time; Stripe's own limit is some 100 a second */
    STRIPE_FORM_BYTES_MAX = 64 * 1024,
    STRIPE_KEY_BYTES_MAX = 255, /* of an Idempotency-Key */
    STRIPE_SAYS_BYTES = 256,
    STRIPE_CODE_BYTES = 64,
    STRIPE_WAIT_FIRST_MS = 500,
    STRIPE_WAIT_MAX_MS = 8000,
};

/* ---- what is sent ---- */

/* A body of application/x-www-form-urlencoded; names keep their brackets. */
struct stripe_form {
    struct buf text;
    bool failed; /* something found no room */
};

void stripe_form_init(struct stripe_form *form);
void stripe_form_clear(struct stripe_form *form);
void stripe_form_text(struct stripe_form *form, const char *name, struct str value);
void stripe_form_int(struct stripe_form *form, const char *name, int64_t value);
/* "currency", which Stripe writes small; code: three capital letters. */
void stripe_form_currency(struct stripe_form *form, const char *code);

/* ---- the API ---- */

struct stripe; /* of one thread */

/*
 * Make ready to ask; sends nothing.
 *
 *   key       STRIPE_SECRET_KEY's value, copied; NULL or empty: ERR_CONFIG says how to set it
 *   public_key  STRIPE_PUBLISHABLE_KEY's value: only its mode is looked at; NULL: not known
 *   base_url  https://host, or http://127.0.0.1:port; NULL or empty: Stripe's own
 *   timeout_ms  > 0: for a request as a whole, answer included
 *   ret       stripe_close() it
 *
 * Errors: ERR_CONFIG a key or the URL is not of that form, or the two keys are not of one
 * mode; ERR_LIMIT out of memory.
 */
enum err_code stripe_open(const char *key, const char *public_key, const char *base_url,
                          int64_t timeout_ms, struct stripe **ret, struct err *err) ERR_MUST_CHECK;
void stripe_close(struct stripe *stripe); /* NULL is fine */

/* Is the key of live mode, in which money moves? */
bool stripe_is_live(const struct stripe *stripe);

enum stripe_outcome {
    STRIPE_OK,
    STRIPE_AGAIN,   /* may pass: no answer, 409, 429, 5xx; the same again is safe */
    STRIPE_REFUSED, /* the same again would be refused again */
    STRIPE_DENIED,  /* the key is not accepted (401, 403) */
};

struct stripe_ask {
    const char *method, *path;   /* "POST", "/v1/customers"; a query belongs to the path */
    struct bytes body;           /* of a POST */
    const char *idempotency_key; /* of a POST: printable ASCII */
    /* Filled by the asking: */
    enum stripe_outcome outcome;
    bool unknown; /* STRIPE_AGAIN: it may have been carried out */
    long status;  /* 0: there was no answer */
    int64_t retry_after_s;
    json_t *answer;               /* of STRIPE_OK, an object: json_decref() it; else NULL */
    char code[STRIPE_CODE_BYTES]; /* of the error, "resource_missing"; empty: none */
    char says[STRIPE_SAYS_BYTES]; /* in words: "400 resource_missing: No such customer" */
};

/* Ask all at one time, each once.  count: at most STRIPE_AT_ONCE_MAX. */
void stripe_ask(struct stripe *stripe, struct stripe_ask *asks, size_t count);

/*
 * Ask one thing, again while it may pass, four times in all and at most a minute or two.
 *
 *   ask  its answer is the caller's, where ERR_OK
 *
 * Errors: ERR_PEER it did not pass; ERR_NOT_FOUND 404; ERR_DENIED the key; ERR_INPUT refused
 * for another reason.
 */
enum err_code stripe_ask_patiently(struct stripe *stripe, struct stripe_ask *ask,
                                   struct err *err) ERR_MUST_CHECK;

/*
 * Call visit for each object of a list, page by page.
 *
 *   path   "/v1/invoices?customer=cus_1"; pages and their size are added
 *   visit  object is borrowed; an error of it ends the walk
 */
enum err_code stripe_list(struct stripe *stripe, const char *path,
                          enum err_code (*visit)(void *context, const json_t *object,
                                                 struct err *err),
                          void *context, struct err *err) ERR_MUST_CHECK;

/* ---- an answer's parts ---- */

/* A text of an object, or of its metadata; empty where there is none.  Borrowed. */
const char *stripe_text(const json_t *object, const char *name);
const char *stripe_metadata(const json_t *object, const char *name);
/* A whole number; 0 where there is none. */
int64_t stripe_int(const json_t *object, const char *name);
/* The id of what is named by its id or stands there itself; empty where there is none. */
const char *stripe_ref(const json_t *object, const char *name);

#endif
