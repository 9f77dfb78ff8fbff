#include "store/net/anthropic.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/base/clock.h"
#include "store/base/hash.h"
#include "store/net/net.h"

enum {
    KEY_BYTES_MAX = 512,
    URL_BYTES_MAX = 512,
    ANSWER_BYTES_MAX = 64 * 1024,
    CONNECT_TIMEOUT_MS = 5000,
    TIMEOUT_MS = 20000,
    WAIT_FIRST_MS = 500,
    WAIT_DOUBLED_MS_MAX = 8000,
    WORD_BYTES_MAX = 48,
};

static const int64_t TOKENS_MAX = 1000000000000; /* as in an event */

struct anthropic {
    struct net *net;
    unsigned allow;
    char url[URL_BYTES_MAX];
    char key_header[KEY_BYTES_MAX + sizeof "x-api-key: "];
};

static bool
is_key(const char *key)
{
    size_t n = strlen(key);
    bool ok = n > 0 && n <= KEY_BYTES_MAX;
    for (size_t i = 0; ok && i < n; i++)
        ok = key[i] > ' ' && key[i] < 0x7f;
    return ok;
}

enum err_code
anthropic_open(const char *key, const char *base_url, struct anthropic **ret, struct err *err)
{
    static const struct net_options options = {.connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                               .timeout_ms = TIMEOUT_MS};
    bool own = base_url == NULL || base_url[0] == '\0';
    const char *base = own ? ANTHROPIC_BASE_URL_DEFAULT : base_url;
    size_t n = strlen(base);
    while (n > 0 && base[n - 1] == '/')
        n--;
    if (!is_key(key))
        return err_set(err, ERR_CONFIG,
                       ANTHROPIC_KEY_ENV " is no key: 1 to %d printable characters without spaces",
                       KEY_BYTES_MAX);
    if (n == 0 || n > URL_BYTES_MAX - sizeof "/v1/messages/count_tokens")
        return err_set(err, ERR_CONFIG,
                       ANTHROPIC_BASE_URL_ENV " is no URL such as " ANTHROPIC_BASE_URL_DEFAULT);
    struct anthropic *api = calloc(1, sizeof *api);
    if (api == NULL)
        return err_set(err, ERR_LIMIT, "no memory");
    snprintf(api->url, sizeof api->url, "%.*s/v1/messages/count_tokens", (int)n, base);
    snprintf(api->key_header, sizeof api->key_header, "x-api-key: %s", key);
    /* A gateway of one's own may stand anywhere; the provider is on the internet. */
    api->allow = own ? 0 : NET_PRIVATE | NET_LOOPBACK_HTTP;
    enum err_code code = net_open(&options, &api->net, err);
    if (code == ERR_OK)
        *ret = api;
    else
        anthropic_close(api);
    return code;
}

void
anthropic_close(struct anthropic *api)
{
    if (api == NULL)
        return;
    net_close(api->net);
    explicit_bzero(api->key_header, sizeof api->key_header);
    free(api);
}

int64_t
anthropic_wait_ms(unsigned tries, int64_t retry_after_s, uint64_t chance)
{
    return retry_after_s > ANTHROPIC_WAIT_MS_MAX / 1000
               ? ANTHROPIC_WAIT_MS_MAX + 1
               : net_wait_ms(tries, WAIT_FIRST_MS, WAIT_DOUBLED_MS_MAX, retry_after_s, chance);
}

/* The request's body; ERR_INPUT when the text is no UTF-8, which Jansson checks. */
static enum err_code
write_body(const char *model, struct str text, struct buf *body, struct err *err)
{
    if (text.size_bytes == 0)
        return err_set(err, ERR_INPUT, "there is no text to count");
    if (text.size_bytes > ANTHROPIC_BODY_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "the text has %zu bytes, a request at most %d",
                       text.size_bytes, ANTHROPIC_BODY_BYTES_MAX);
    json_t *content = json_stringn(text.data, text.size_bytes);
    if (content == NULL)
        return err_set(err, ERR_INPUT, "the text is no UTF-8");
    json_t *root = json_pack("{s:s, s:[{s:s, s:o}]}", "model", model, "messages", "role", "user",
                             "content", content);
    if (root == NULL)
        return err_set(err, ERR_INPUT, "the model's name is no UTF-8");
    size_t size = json_dumpb(root, NULL, 0, JSON_COMPACT);
    enum err_code code = ERR_OK;
    if (size > ANTHROPIC_BODY_BYTES_MAX)
        code = err_set(err, ERR_LIMIT, "the request has %zu bytes, at most %d are taken", size,
                       ANTHROPIC_BODY_BYTES_MAX);
    else if (size == 0 || !buf_reserve(body, size))
        code = err_set(err, ERR_LIMIT, "no memory for the request");
    else
        body->size_bytes = json_dumpb(root, (char *)body->data, size, JSON_COMPACT);
    json_decref(root);
    return code;
}

/* The type of the answer's error, if it looks like one ("rate_limit_error"); else empty. */
static void
read_error_type(const struct buf *answer, char word[WORD_BYTES_MAX])
{
    json_t *root = json_loadb((const char *)answer->data, answer->size_bytes, 0, NULL);
    const char *type = json_string_value(json_object_get(json_object_get(root, "error"), "type"));
    size_t n = type != NULL ? strspn(type, "abcdefghijklmnopqrstuvwxyz_") : 0;
    bool is_word = n > 0 && type[n] == '\0' && n < WORD_BYTES_MAX - 3;
    snprintf(word, WORD_BYTES_MAX, is_word ? ", %s" : "%s", is_word ? type : "");
    json_decref(root);
}

static enum err_code
read_count(const struct buf *answer, int64_t *ret_tokens, struct err *err)
{
    json_t *root = json_loadb((const char *)answer->data, answer->size_bytes, 0, NULL);
    const json_t *count = json_object_get(root, "input_tokens");
    int64_t tokens = json_is_integer(count) ? json_integer_value(count) : -1;
    json_decref(root);
    if (tokens < 0 || tokens > TOKENS_MAX)
        return err_set(err, ERR_PEER, "the answer has no input_tokens that are a count");
    *ret_tokens = tokens;
    return ERR_OK;
}

static bool
may_pass(long status)
{
    return status == 408 || status == 409 || status == 429 || status >= 500;
}

static enum err_code
judge(const char *model, const struct net_answer *answer, int64_t *ret_tokens, struct err *err)
{
    char type[WORD_BYTES_MAX];
    if (answer->status == 200)
        return read_count(&answer->body, ret_tokens, err);
    read_error_type(&answer->body, type);
    switch (answer->status) {
    case 401:
    case 403:
        return err_set(err, ERR_DENIED, "the key is not accepted (HTTP %ld%s); check %s",
                       answer->status, type, ANTHROPIC_KEY_ENV);
    case 404:
        return err_set(err, ERR_NOT_FOUND, "it knows no model %.128s (HTTP 404%s)", model, type);
    case 413:
        return err_set(err, ERR_LIMIT, "the text is too long for it (HTTP 413%s)", type);
    default:
        break;
    }
    bool is_ours = answer->status >= 400 && !may_pass(answer->status);
    return err_set(err, is_ours ? ERR_INPUT : ERR_PEER, "it refuses the count (HTTP %ld%s)",
                   answer->status, type);
}

/* One try; ret_wait_ms: how long to rest before the next, 0 where none can help. */
static enum err_code
ask(struct anthropic *api, const struct net_request *request, const char *model, unsigned tries,
    int64_t *ret_tokens, int64_t *ret_wait_ms, struct err *err)
{
    struct net_answer answer = {0};
    int64_t now_ns = clock_monotonic_ns();
    enum err_code code = net_http(api->net, request, &answer, err);
    bool again = code == ERR_PEER || may_pass(answer.status);
    if (code == ERR_OK)
        code = judge(model, &answer, ret_tokens, err);
    *ret_wait_ms =
        again ? anthropic_wait_ms(tries, answer.retry_after_s, hash_mem(&now_ns, sizeof now_ns))
              : 0;
    if (*ret_wait_ms > ANTHROPIC_WAIT_MS_MAX)
        code = err_wrap(err, code, "asks to be tried again in %lld seconds",
                        (long long)answer.retry_after_s);
    buf_clear(&answer.body);
    return code;
}

static void
rest(int64_t ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

enum err_code
anthropic_count_tokens(struct anthropic *api, const char *model, struct str text,
                       int64_t *ret_tokens, struct err *err)
{
    struct buf body;
    int64_t wait_ms = 0;
    unsigned tries = 0;
    buf_init(&body, ANTHROPIC_BODY_BYTES_MAX);
    enum err_code code = write_body(model, text, &body, err);
    if (code != ERR_OK)
        goto out;
    const struct net_request request = {
        .method = "POST",
        .url = api->url,
        .allow = api->allow,
        .headers = {api->key_header, "anthropic-version: 2023-06-01",
                    "content-type: application/json", "accept: application/json"},
        .body = {body.data, body.size_bytes},
        .answer_bytes_max = ANSWER_BYTES_MAX,
    };
    do {
        rest(wait_ms);
        code = ask(api, &request, model, ++tries, ret_tokens, &wait_ms, err);
    } while (wait_ms > 0 && wait_ms <= ANTHROPIC_WAIT_MS_MAX && tries < ANTHROPIC_TRIES);
    if (tries > 1)
        code = err_wrap(err, code, "tried %u times", tries);
out:
    buf_clear(&body);
    return err_wrap(err, code, "count_tokens");
}
