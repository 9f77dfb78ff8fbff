#include "store/net/stripe.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/base/clock.h"
#include "store/base/hash.h"
#include "store/net/net.h"

enum {
    SECRET_BYTES_MAX = 255,
    URL_BYTES_MAX = 512,
    PATH_BYTES_MAX = 384,
    BASE_BYTES_MAX = URL_BYTES_MAX - PATH_BYTES_MAX,
    ANSWER_BYTES_MAX = 4 * 1024 * 1024, /* a page of a hundred invoices */
    CONNECT_TIMEOUT_MS = 10000,
    TRIES = 4,
    PAGE = 100,
    JSON_FLAGS = JSON_REJECT_DUPLICATES,
};

struct stripe {
    struct net_pool *pool;
    unsigned allow;
    bool live;
    char base[BASE_BYTES_MAX];
    char key_header[SECRET_BYTES_MAX + sizeof "Authorization: Bearer "];
    /* Of the requests at hand. */
    struct net_exchange exchanges[STRIPE_AT_ONCE_MAX];
    char urls[STRIPE_AT_ONCE_MAX][URL_BYTES_MAX];
    char keys[STRIPE_AT_ONCE_MAX][STRIPE_KEY_BYTES_MAX + sizeof "Idempotency-Key: "];
};

/* ---- forms ---- */

void
stripe_form_init(struct stripe_form *form)
{
    *form = (struct stripe_form){.failed = false};
    buf_init(&form->text, STRIPE_FORM_BYTES_MAX);
}

void
stripe_form_clear(struct stripe_form *form)
{
    buf_clear(&form->text);
}

static void
put_encoded(struct stripe_form *form, struct str text, const char *kept)
{
    for (size_t i = 0; i < text.size_bytes && !form->failed; i++) {
        uint8_t c = (uint8_t)text.data[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     (c != 0 && strchr(kept, c) != NULL);
        form->failed = plain ? !buf_append(&form->text, &c, 1)
                             : !buf_printf(&form->text, "%%%02X", c);
    }
}

void
stripe_form_text(struct stripe_form *form, const char *name, struct str value)
{
    if (form->text.size_bytes > 0 && !form->failed)
        form->failed = !buf_append(&form->text, "&", 1);
    put_encoded(form, str_of(name), "-._~[]");
    if (!form->failed)
        form->failed = !buf_append(&form->text, "=", 1);
    put_encoded(form, value, "-._~");
}

void
stripe_form_int(struct stripe_form *form, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    stripe_form_text(form, name, str_of(text));
}

void
stripe_form_currency(struct stripe_form *form, const char *code)
{
    char small[4];
    snprintf(small, sizeof small, "%s", code);
    for (char *c = small; *c != '\0'; c++)
        *c = (char)(*c - 'A' + 'a');
    stripe_form_text(form, "currency", str_of(small));
}

/* ---- opening ---- */

/* "sk_live_…" has kinds "sk", "rk"; false: it is no such key. */
static bool
read_mode(const char *key, const char *kinds, bool *ret_live)
{
    size_t n = strlen(key);
    bool ok = n > 8 && n <= SECRET_BYTES_MAX && key[2] == '_' && strchr(kinds, key[0]) != NULL &&
              key[1] == 'k' &&
              (strncmp(key + 3, "live_", 5) == 0 || strncmp(key + 3, "test_", 5) == 0);
    for (size_t i = 0; ok && i < n; i++)
        ok = key[i] > ' ' && key[i] < 0x7f;
    *ret_live = ok && key[3] == 'l';
    return ok;
}

static enum err_code
check_keys(const char *key, const char *public_key, bool *ret_live, struct err *err)
{
    bool public_live;
    if (key == NULL || key[0] == '\0')
        return err_set(err, ERR_CONFIG,
                       STRIPE_KEY_ENV " is not set; put the account's secret key into the "
                                      "environment (Stripe's dashboard, Developers, API keys)");
    if (!read_mode(key, "sr", ret_live))
        return err_set(err, ERR_CONFIG,
                       STRIPE_KEY_ENV " is no secret key; one begins with sk_test_, sk_live_, "
                                      "rk_test_ or rk_live_");
    if (public_key == NULL || public_key[0] == '\0')
        return ERR_OK;
    if (!read_mode(public_key, "p", &public_live))
        return err_set(err, ERR_CONFIG,
                       STRIPE_PUBLISHABLE_ENV " is no publishable key; one begins with pk_test_ "
                                              "or pk_live_");
    return public_live == *ret_live
               ? ERR_OK
               : err_set(err, ERR_CONFIG,
                         STRIPE_KEY_ENV " is of %s mode, " STRIPE_PUBLISHABLE_ENV " of %s mode",
                         *ret_live ? "live" : "test", public_live ? "live" : "test");
}

enum err_code
stripe_open(const char *key, const char *public_key, const char *base_url, int64_t timeout_ms,
            struct stripe **ret, struct err *err)
{
    const struct net_options options = {.connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                        .timeout_ms = timeout_ms};
    bool own = base_url == NULL || base_url[0] == '\0', live = false;
    const char *base = own ? STRIPE_BASE_URL_DEFAULT : base_url;
    size_t n = strlen(base);
    while (n > 0 && base[n - 1] == '/')
        n--;
    enum err_code code = check_keys(key, public_key, &live, err);
    if (code != ERR_OK)
        return code;
    if (n == 0 || n >= BASE_BYTES_MAX)
        return err_set(err, ERR_CONFIG,
                       STRIPE_BASE_URL_ENV " is no URL such as " STRIPE_BASE_URL_DEFAULT);
    struct stripe *stripe = calloc(1, sizeof *stripe);
    if (stripe == NULL)
        return err_set(err, ERR_LIMIT, "no memory");
    stripe->live = live;
    /* A double of one's own may stand anywhere; Stripe is on the internet. */
    stripe->allow = own ? 0 : NET_PRIVATE | NET_LOOPBACK_HTTP;
    snprintf(stripe->base, sizeof stripe->base, "%.*s", (int)n, base);
    snprintf(stripe->key_header, sizeof stripe->key_header, "Authorization: Bearer %s", key);
    code = net_pool_open(&options, STRIPE_AT_ONCE_MAX, &stripe->pool, err);
    if (code == ERR_OK)
        *ret = stripe;
    else
        stripe_close(stripe);
    return code;
}

void
stripe_close(struct stripe *stripe)
{
    if (stripe == NULL)
        return;
    net_pool_close(stripe->pool);
    explicit_bzero(stripe->key_header, sizeof stripe->key_header);
    free(stripe);
}

bool
stripe_is_live(const struct stripe *stripe)
{
    return stripe->live;
}

/* ---- answers ---- */

const char *
stripe_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

const char *
stripe_metadata(const json_t *object, const char *name)
{
    return stripe_text(json_object_get(object, "metadata"), name);
}

int64_t
stripe_int(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

const char *
stripe_ref(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_object(value) ? stripe_text(value, "id") : stripe_text(object, name);
}

/* A word of the answer's that a message may show. */
static void
take_word(const char *word, char *ret, size_t room)
{
    size_t n = strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_");
    snprintf(ret, room, "%s", word[n] == '\0' && n < room ? word : "");
}

/* Its words on one line, cut to room. */
static void
take_words(const char *text, char *ret, size_t room)
{
    snprintf(ret, room, "%s", text);
    for (char *c = ret; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
    }
}

static void
read_error(struct stripe_ask *ask, const json_t *root)
{
    char words[STRIPE_SAYS_BYTES - 96];
    const json_t *error = json_object_get(root, "error");
    take_word(stripe_text(error, "code"), ask->code, sizeof ask->code);
    if (ask->code[0] == '\0')
        take_word(stripe_text(error, "type"), ask->code, sizeof ask->code);
    take_words(stripe_text(error, "message"), words, sizeof words);
    if (ask->outcome == STRIPE_DENIED || words[0] == '\0')
        snprintf(ask->says, sizeof ask->says, "%ld %s", ask->status, ask->code);
    else
        snprintf(ask->says, sizeof ask->says, "%ld %s: %s", ask->status, ask->code, words);
}

/* What a status means for who asked. */
static enum stripe_outcome
judge(const struct net_answer *answer)
{
    long status = answer->status;
    if (status >= 200 && status < 300)
        return STRIPE_OK;
    if (status == 401 || status == 403)
        return STRIPE_DENIED;
    if (answer->should_retry != 0)
        return answer->should_retry > 0 ? STRIPE_AGAIN : STRIPE_REFUSED;
    return status == 408 || status == 409 || status == 429 || status >= 500 ? STRIPE_AGAIN
                                                                            : STRIPE_REFUSED;
}

static void
read_exchange(struct stripe_ask *ask, struct net_exchange *e)
{
    if (e->code != ERR_OK) {
        bool is_peer = e->code == ERR_PEER || e->code == ERR_LIMIT;
        ask->outcome = is_peer ? STRIPE_AGAIN : STRIPE_REFUSED;
        ask->unknown = is_peer;
        take_words(e->err.text, ask->says, sizeof ask->says);
        return;
    }
    json_t *root =
        json_loadb((const char *)e->answer.body.data, e->answer.body.size_bytes, JSON_FLAGS, NULL);
    ask->status = e->answer.status;
    ask->retry_after_s = e->answer.retry_after_s;
    ask->outcome = judge(&e->answer);
    ask->unknown = ask->outcome == STRIPE_AGAIN && ask->status != 429;
    if (ask->outcome == STRIPE_OK && json_is_object(root)) {
        snprintf(ask->says, sizeof ask->says, "%ld", ask->status);
        ask->answer = json_incref(root);
    } else if (ask->outcome == STRIPE_OK) {
        ask->outcome = STRIPE_AGAIN;
        ask->unknown = true;
        snprintf(ask->says, sizeof ask->says, "%ld, but the answer is no JSON object", ask->status);
    } else {
        read_error(ask, root);
    }
    json_decref(root);
    buf_clear(&e->answer.body);
}

/* ---- asking ---- */

static const char form_header[] = "Content-Type: application/x-www-form-urlencoded";
static const char version_header[] = "Stripe-Version: " STRIPE_API_VERSION;

void
stripe_ask(struct stripe *stripe, struct stripe_ask *asks, size_t count)
{
    struct net_exchange *exchanges = stripe->exchanges;
    char(*urls)[URL_BYTES_MAX] = stripe->urls, *key;
    assert(count <= STRIPE_AT_ONCE_MAX);
    for (size_t i = 0; i < count; i++) {
        struct stripe_ask *a = &asks[i];
        bool posts = strcmp(a->method, "POST") == 0;
        assert(strlen(a->path) < PATH_BYTES_MAX && (!posts || a->idempotency_key != NULL));
        snprintf(urls[i], sizeof urls[i], "%s%s", stripe->base, a->path);
        key = stripe->keys[i];
        snprintf(key, sizeof stripe->keys[i], "Idempotency-Key: %s",
                 posts ? a->idempotency_key : "none");
        exchanges[i] =
            (struct net_exchange){.request = {.method = a->method,
                                              .url = urls[i],
                                              .allow = stripe->allow,
                                              .headers = {stripe->key_header, version_header,
                                                          form_header, posts ? key : NULL},
                                              .body = a->body,
                                              .answer_bytes_max = ANSWER_BYTES_MAX}};
        a->unknown = false;
        a->status = a->retry_after_s = 0;
        a->answer = NULL;
        a->code[0] = a->says[0] = '\0';
    }
    net_pool_run(stripe->pool, exchanges, count);
    for (size_t i = 0; i < count; i++)
        read_exchange(&asks[i], &exchanges[i]);
}

static void
rest(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

enum err_code
stripe_ask_patiently(struct stripe *stripe, struct stripe_ask *ask, struct err *err)
{
    for (unsigned tries = 1;; tries++) {
        int64_t now_ns = clock_monotonic_ns();
        stripe_ask(stripe, ask, 1);
        int64_t wait_ms = net_wait_ms(tries, STRIPE_WAIT_FIRST_MS, STRIPE_WAIT_MAX_MS,
                                      ask->retry_after_s, hash_mem(&now_ns, sizeof now_ns));
        if (ask->outcome != STRIPE_AGAIN || tries == TRIES || wait_ms > 60000)
            break;
        rest(wait_ms);
    }
    switch (ask->outcome) {
    case STRIPE_OK:
        return ERR_OK;
    case STRIPE_DENIED:
        return err_set(err, ERR_DENIED,
                       "Stripe does not accept the key in " STRIPE_KEY_ENV
                       " (%s); check it in Stripe's dashboard, and that it may do this",
                       ask->says);
    case STRIPE_AGAIN:
        return err_set(err, ERR_PEER, "Stripe: %s", ask->says);
    case STRIPE_REFUSED:
        break;
    }
    return err_set(err, ask->status == 404 ? ERR_NOT_FOUND : ERR_INPUT, "Stripe: %s", ask->says);
}

enum err_code
stripe_list(struct stripe *stripe, const char *path,
            enum err_code (*visit)(void *context, const json_t *object, struct err *err),
            void *context, struct err *err)
{
    char page[PATH_BYTES_MAX], last[128] = "";
    bool more = true;
    enum err_code code = ERR_OK;
    while (code == ERR_OK && more) {
        struct stripe_ask ask = {.method = "GET", .path = page};
        snprintf(page, sizeof page, "%s%climit=%d%s%s", path, strchr(path, '?') != NULL ? '&' : '?',
                 PAGE, last[0] != '\0' ? "&starting_after=" : "", last);
        code = stripe_ask_patiently(stripe, &ask, err);
        const json_t *data = json_object_get(ask.answer, "data");
        size_t count = json_array_size(data);
        for (size_t i = 0; code == ERR_OK && i < count; i++)
            code = visit(context, json_array_get(data, i), err);
        more = json_is_true(json_object_get(ask.answer, "has_more")) && count > 0;
        if (more)
            snprintf(last, sizeof last, "%s", stripe_text(json_array_get(data, count - 1), "id"));
        more = more && last[0] != '\0';
        json_decref(ask.answer);
    }
    return code;
}
