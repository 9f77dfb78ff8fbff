#include "store/net/net.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "store/net/address.h"

enum { URL_BYTES_MAX = 512, HOST_BYTES_MAX = 128 };

struct net {
    CURL *curl;
    struct net_options options;
    char *ca_file;
    char said[CURL_ERROR_SIZE]; /* curl's own words */
    /* Of the request at hand. */
    bool plain_http, check_address;
    unsigned allow;
    bool refused; /* an address was not allowed */
    struct buf *answer;
    bool answer_is_full;
    struct bytes upload; /* what is left of it */
    char host[HOST_BYTES_MAX];
};

enum err_code
net_open(const struct net_options *options, struct net **ret, struct err *err)
{
    assert(options->connect_timeout_ms > 0 && options->timeout_ms > 0);
    if (options->ca_file != NULL && access(options->ca_file, R_OK) != 0)
        return err_set(err, ERR_CONFIG, "cannot read the certificates in %s", options->ca_file);
    struct net *net = calloc(1, sizeof *net);
    if (net == NULL)
        return err_set(err, ERR_LIMIT, "no memory");
    net->options = *options;
    net->ca_file = options->ca_file != NULL ? strdup(options->ca_file) : NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        net->curl = curl_easy_init();
    if (net->curl == NULL || (options->ca_file != NULL && net->ca_file == NULL)) {
        net_close(net);
        return err_set(err, ERR_LIMIT, "no memory for curl");
    }
    *ret = net;
    return ERR_OK;
}

void
net_close(struct net *net)
{
    if (net == NULL)
        return;
    if (net->curl != NULL)
        curl_easy_cleanup(net->curl);
    free(net->ca_file);
    free(net);
}

/* Called with the address of a connection before it is made. */
static curl_socket_t
open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct net *net = context;
    (void)purpose;
    enum address_kind kind = address_kind(&address->addr);
    bool allowed = net->plain_http ? kind == ADDRESS_LOOPBACK
                                   : kind == ADDRESS_PUBLIC || (net->allow & NET_PRIVATE) != 0;
    if (net->check_address && !allowed) {
        net->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t
take_answer(char *data, size_t size, size_t count, void *context)
{
    struct net *net = context;
    size_t bytes = size * count;
    if (net->answer == NULL)
        return bytes;
    if (!buf_append(net->answer, data, bytes)) {
        net->answer_is_full = true;
        return 0; /* ends the request */
    }
    return bytes;
}

static size_t
give_upload(char *data, size_t size, size_t count, void *context)
{
    struct net *net = context;
    size_t bytes = size * count;
    if (bytes > net->upload.size_bytes)
        bytes = net->upload.size_bytes;
    if (bytes > 0)
        memcpy(data, net->upload.data, bytes);
    net->upload.data += bytes;
    net->upload.size_bytes -= bytes;
    return bytes;
}

/* What all requests share, on a handle that forgets the last one but keeps its connection. */
static bool
set_common(struct net *net, const char *url, const char *protocols)
{
    CURL *c = net->curl;
    curl_easy_reset(c);
    net->said[0] = '\0';
    net->refused = net->answer_is_full = false;
    return curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, protocols) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_ERRORBUFFER, net->said) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           /* Through a proxy the address that is checked would be the proxy's. */
           curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
           (net->ca_file == NULL ||
            curl_easy_setopt(c, CURLOPT_CAINFO, net->ca_file) == CURLE_OK) &&
           curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)net->options.connect_timeout_ms) ==
               CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)net->options.timeout_ms) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, net) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_answer) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEDATA, net) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_READFUNCTION, give_upload) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_READDATA, net) == CURLE_OK;
}

/* Scheme and host of a URL: all of it that a message may show. */
static enum err_code
read_url(struct net *net, const char *url, struct err *err)
{
    char *scheme = NULL, *host = NULL;
    CURLU *parts = curl_url();
    bool ok = parts != NULL && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK;
    bool https = ok && strcmp(scheme, "https") == 0, http = ok && strcmp(scheme, "http") == 0;
    enum err_code code = ERR_OK;
    if (!ok)
        code = err_set(err, ERR_INPUT, "the address is no URL such as https://example.com/hook");
    else if (!https && !(http && (net->allow & NET_LOOPBACK_HTTP) != 0))
        code = err_set(err, ERR_DENIED, "%s: only https is sent to, not %s", host, scheme);
    net->plain_http = http;
    snprintf(net->host, sizeof net->host, "%s", ok ? host : "");
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(parts);
    return code;
}

static enum err_code
fail(struct net *net, CURLcode result, struct err *err)
{
    const char *words = net->said[0] != '\0' ? net->said : curl_easy_strerror(result);
    if (net->answer_is_full)
        return err_set(err, ERR_LIMIT, "%s: the answer is longer than %zu bytes", net->host,
                       net->answer->cap_bytes);
    if (net->refused && net->plain_http)
        return err_set(err, ERR_DENIED, "%s: http is sent to this machine only; use https",
                       net->host);
    if (net->refused)
        return err_set(err, ERR_DENIED,
                       "%s: its address is not of the public internet, which is not allowed",
                       net->host);
    if (result == CURLE_OUT_OF_MEMORY)
        return err_set(err, ERR_LIMIT, "%s: no memory for the request", net->host);
    return err_set(err, ERR_PEER, "%s: %s", net->host, words);
}

/* The headers as curl's list; false out of memory. */
static enum err_code
make_headers(const struct net_request *r, struct curl_slist **ret, struct err *err)
{
    /* No "Expect: 100-continue": it costs a round trip, and some receivers hang on it. */
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; list != NULL && i < NET_HEADERS_MAX && r->headers[i] != NULL; i++) {
        if (strpbrk(r->headers[i], "\r\n") != NULL) {
            curl_slist_free_all(list);
            return err_set(err, ERR_INPUT, "header %zu of the request breaks its line", i + 1);
        }
        struct curl_slist *longer = curl_slist_append(list, r->headers[i]);
        if (longer == NULL)
            curl_slist_free_all(list);
        list = longer;
    }
    *ret = list;
    return list != NULL ? ERR_OK : err_set(err, ERR_LIMIT, "no memory for the request");
}

static bool
set_request(struct net *net, const struct net_request *r, struct curl_slist *headers)
{
    CURL *c = net->curl;
    return set_common(net, r->url, "http,https") &&
           curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_USERAGENT, "gbill") == CURLE_OK &&
           /* A POST without a body says that it has none. */
           ((r->body.size_bytes == 0 && strcmp(r->method, "POST") != 0) ||
            (curl_easy_setopt(c, CURLOPT_POSTFIELDS,
                              r->body.size_bytes > 0 ? (const char *)r->body.data : "") ==
                 CURLE_OK &&
             curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.size_bytes) ==
                 CURLE_OK)) &&
           curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method) == CURLE_OK;
}

/* Make the handle ready for a request; finish() it, also after an error. */
static enum err_code
prepare(struct net *net, const struct net_request *request, struct buf *body,
        struct curl_slist **ret_headers, struct err *err)
{
    *ret_headers = NULL;
    net->allow = request->allow;
    net->check_address = true;
    enum err_code code = read_url(net, request->url, err);
    if (code == ERR_OK)
        code = make_headers(request, ret_headers, err);
    if (code != ERR_OK)
        return code;
    buf_init(body, request->answer_bytes_max);
    net->answer = body;
    return set_request(net, request, *ret_headers)
               ? ERR_OK
               : err_set(err, ERR_LIMIT, "%s: no memory for the request", net->host);
}

static enum err_code
finish(struct net *net, CURLcode result, struct net_answer *answer, struct err *err)
{
    curl_off_t retry_after_s = 0;
    struct curl_header *header;
    if (result != CURLE_OK)
        return fail(net, result, err);
    curl_easy_getinfo(net->curl, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_getinfo(net->curl, CURLINFO_RETRY_AFTER, &retry_after_s);
    answer->retry_after_s = retry_after_s > 0 ? retry_after_s : 0;
    if (curl_easy_header(net->curl, "Stripe-Should-Retry", 0, CURLH_HEADER, -1, &header) ==
        CURLHE_OK)
        answer->should_retry = strcmp(header->value, "true") == 0    ? 1
                               : strcmp(header->value, "false") == 0 ? -1
                                                                     : 0;
    return ERR_OK;
}

enum err_code
net_http(struct net *net, const struct net_request *request, struct net_answer *ret,
         struct err *err)
{
    struct curl_slist *headers;
    struct net_answer answer = {0};
    enum err_code code = prepare(net, request, &answer.body, &headers, err);
    if (code == ERR_OK)
        code = finish(net, curl_easy_perform(net->curl), &answer, err);
    if (code == ERR_OK)
        *ret = answer;
    else
        buf_clear(&answer.body);
    net->answer = NULL;
    curl_slist_free_all(headers);
    return code;
}

/* ---- several at one time ---- */

struct net_pool {
    CURLM *multi;
    size_t count;
    struct net *nets[NET_POOL_MAX];
    struct curl_slist *headers[NET_POOL_MAX];
};

enum err_code
net_pool_open(const struct net_options *options, size_t count, struct net_pool **ret,
              struct err *err)
{
    enum err_code code = ERR_OK;
    assert(count > 0 && count <= NET_POOL_MAX);
    struct net_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return err_set(err, ERR_LIMIT, "no memory");
    while (code == ERR_OK && pool->count < count) {
        code = net_open(options, &pool->nets[pool->count], err);
        pool->count += code == ERR_OK ? 1 : 0;
    }
    if (code == ERR_OK && (pool->multi = curl_multi_init()) == NULL)
        code = err_set(err, ERR_LIMIT, "no memory for curl");
    if (code == ERR_OK)
        *ret = pool;
    else
        net_pool_close(pool);
    return code;
}

void
net_pool_close(struct net_pool *pool)
{
    if (pool == NULL)
        return;
    for (size_t i = 0; i < pool->count; i++)
        net_close(pool->nets[i]);
    if (pool->multi != NULL)
        curl_multi_cleanup(pool->multi);
    free(pool);
}

/* Until all that were added have ended; what each came to is told by curl's messages. */
static void
run_multi(struct net_pool *pool, struct net_exchange *exchanges, size_t count)
{
    int running = 1, left;
    CURLMcode result = CURLM_OK;
    while (result == CURLM_OK && running > 0) {
        result = curl_multi_perform(pool->multi, &running);
        if (result == CURLM_OK && running > 0)
            result = curl_multi_poll(pool->multi, NULL, 0, 1000, NULL);
    }
    for (CURLMsg *m; (m = curl_multi_info_read(pool->multi, &left)) != NULL;) {
        for (size_t i = 0; m->msg == CURLMSG_DONE && i < count; i++) {
            if (pool->nets[i]->curl == m->easy_handle)
                exchanges[i].code =
                    finish(pool->nets[i], m->data.result, &exchanges[i].answer, &exchanges[i].err);
        }
    }
}

void
net_pool_run(struct net_pool *pool, struct net_exchange *exchanges, size_t count)
{
    bool added[NET_POOL_MAX] = {false};
    assert(count <= pool->count);
    for (size_t i = 0; i < count; i++) {
        struct net_exchange *e = &exchanges[i];
        e->answer = (struct net_answer){0};
        e->code = prepare(pool->nets[i], &e->request, &e->answer.body, &pool->headers[i], &e->err);
        added[i] = e->code == ERR_OK &&
                   curl_multi_add_handle(pool->multi, pool->nets[i]->curl) == CURLM_OK;
        /* Until its end is told: */
        if (e->code == ERR_OK)
            e->code = err_set(&e->err, ERR_PEER, "%s: no answer", pool->nets[i]->host);
    }
    run_multi(pool, exchanges, count);
    for (size_t i = 0; i < count; i++) {
        if (added[i])
            curl_multi_remove_handle(pool->multi, pool->nets[i]->curl);
        if (exchanges[i].code != ERR_OK)
            buf_clear(&exchanges[i].answer.body);
        pool->nets[i]->answer = NULL;
        curl_slist_free_all(pool->headers[i]);
    }
}

int64_t
net_wait_ms(unsigned tries, int64_t first_ms, int64_t max_ms, int64_t retry_after_s,
            uint64_t chance)
{
    int64_t wait_ms = first_ms, asked_ms = retry_after_s * 1000;
    for (unsigned i = 1; i < tries && wait_ms < max_ms; i++)
        wait_ms *= 2;
    if (wait_ms > max_ms)
        wait_ms = max_ms;
    wait_ms -= wait_ms * (int64_t)(chance % 251) / 1000;
    return wait_ms > asked_ms ? wait_ms : asked_ms;
}

static bool
set_mail(struct net *net, const struct net_mail *m, const char *url, struct curl_slist *to)
{
    CURL *c = net->curl;
    char from[URL_BYTES_MAX];
    snprintf(from, sizeof from, "<%s>", m->from);
    return set_common(net, url, "smtp,smtps") &&
           curl_easy_setopt(c, CURLOPT_UPLOAD, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_USE_SSL,
                            (long)(m->security == NET_STARTTLS ? CURLUSESSL_ALL
                                                               : CURLUSESSL_NONE)) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_MAIL_FROM, from) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_MAIL_RCPT, to) == CURLE_OK &&
           (m->user == NULL || curl_easy_setopt(c, CURLOPT_USERNAME, m->user) == CURLE_OK) &&
           (m->password == NULL || curl_easy_setopt(c, CURLOPT_PASSWORD, m->password) == CURLE_OK);
}

enum err_code
net_mail(struct net *net, const struct net_mail *mail, struct err *err)
{
    char url[URL_BYTES_MAX], to[URL_BYTES_MAX];
    snprintf(url, sizeof url, "%s://%s:%lld", mail->security == NET_TLS ? "smtps" : "smtp",
             mail->host, (long long)mail->port);
    snprintf(to, sizeof to, "<%s>", mail->to);
    snprintf(net->host, sizeof net->host, "%s", mail->host);
    struct curl_slist *list = curl_slist_append(NULL, to);
    if (list == NULL)
        return err_set(err, ERR_LIMIT, "%s: no memory for the mail", mail->host);
    net->check_address = false;
    net->answer = NULL;
    net->upload = mail->message;
    CURLcode result = set_mail(net, mail, url, list) ? curl_easy_perform(net->curl)
                                                     : CURLE_OUT_OF_MEMORY;
    curl_slist_free_all(list);
    return result == CURLE_OK ? ERR_OK : fail(net, result, err);
}
