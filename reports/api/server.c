#include "reports/api/server.h"

#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reports/api/links.h"
#include "reports/api/parcel.h"
#include "reports/api/post_stripe.h"
#include "reports/api/post_usage.h"
#include "reports/api/rates.h"
#include "reports/api/repeats.h"
#include "reports/api/workers.h"
#include "reports/dashboard/style.h"
#include "store/base/log.h"

#define PAGE_REFRESH_S "60"

enum {
    MEMORY_PER_CONNECTION = 16 * 1024,
    PATH_VALUE_BYTES = 32, /* longer ones are cut, and are of nothing then */
    FILES_MAX = 16,
    BODIES_BYTES_MAX = 64 * 1024 * 1024,
    ANSWER_S = 600, /* to take an answer */
    MS_PER_S = 1000,
    DROPPED_BYTES_MAX = 2 * 1024 * 1024,
    STOP_MS = 5000,
    STOP_STEP_MS = 20
};

struct server {
    struct server_options options;
    struct MHD_Daemon *daemon;
    struct shelf shelf;
    struct api_figures figures;
    struct repeats *repeats;
    int repeats_lock;
    struct post_stripe stripe;
    struct rates key_rates, address_rates;
    struct links links;
    struct workers workers;
    atomic_uint files; /* answers that are files, not yet taken */
    size_t body_bytes; /* of all that are not over */
    atomic_uint busy;  /* requests that are not over */
    atomic_uint slow_ended;
    atomic_uint sent; /* of which so many wait for the outlet */
};

/* A request from its head to its end. */
struct exchange {
    struct server *server;
    struct MHD_Connection *connection;
    struct link *link;
    const struct route *route;
    char organization[KEYS_ORGANIZATION_BYTES_MAX + 1], key_id[KEYS_ID_BYTES + 1];
    char allow[ROUTE_ALLOW_BYTES];
    char path_value[PATH_VALUE_BYTES];
    bool has_file;        /* counted in the server's files */
    struct answer answer; /* what goes out when it is done */
    struct rate key_rate; /* what the key has left */
    struct buf body;
    bool answered;        /* the answer is there before the body is */
    size_t dropped_bytes; /* of a body that nobody wants */
    struct parcel parcel;
    struct post_stripe_receipt receipt;
    bool sending; /* the parcel is with the outlet, the connection suspended */
    enum err_code sent;
};

static const char *
parameter(void *context, const char *name)
{
    return MHD_lookup_connection_value(context, MHD_GET_ARGUMENT_KIND, name);
}

static const char *
header(void *context, const char *name)
{
    return MHD_lookup_connection_value(context, MHD_HEADER_KIND, name);
}

/* Too many requests; false: the answer says so. */
static bool
check_rate(struct exchange *x, struct rates *rates, struct bytes who, struct rate *rate)
{
    *rate = rates_take(rates, who, clock_monotonic_ms());
    if (rate->allowed)
        return true;
    x->server->figures.throttled++;
    answer_problem(&x->answer, 429, "rate",
                   rates == &x->server->key_rates ? "the key asks too often"
                                                  : "this address asks too often",
                   "wait as long as Retry-After says; send events in batches");
    x->answer.retry_s = (unsigned)rate->retry_s;
    return false;
}

/* Asked before the key is looked at, so that it bounds guessing too; a unix socket has no address. */
static bool
check_address(struct exchange *x)
{
    enum { NETWORK_BYTES = 8 }; /* of an IPv6 address: who has one has the others of its /64 */
    struct rate rate;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *a = info != NULL ? info->client_addr : NULL;
    struct bytes who = {NULL, 0};
    if (a != NULL && a->sa_family == AF_INET) {
        const struct in_addr *in = &((const struct sockaddr_in *)(const void *)a)->sin_addr;
        who = (struct bytes){(const uint8_t *)in, sizeof *in};
    } else if (a != NULL && a->sa_family == AF_INET6) {
        const struct in6_addr *in6 = &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
        who = (struct bytes){in6->s6_addr, NETWORK_BYTES};
    }
    return who.size_bytes == 0 || check_rate(x, &x->server->address_rates, who, &rate);
}

/* Who asks, and may they?  False: the answer says why not. */
static bool
authorize(struct exchange *x)
{
    struct server *s = x->server;
    struct answer *answer = &x->answer;
    const struct keys *keys;
    struct str text;
    struct err err;
    char password[ROUTE_PASSWORD_BYTES];
    const char *named = parameter(x->connection, "organizationId");
    enum err_code code = shelf_keys(&s->shelf, &keys, &err);
    if (code != ERR_OK) {
        log_line(LOG_LEVEL_ERROR, "keys_unreadable", "reason=\"%s\"", err.text);
        answer_error(answer, code, &err);
        return false;
    }
    const char *sent = header(x->connection, "Authorization");
    bool given = route_bearer(sent, &text) ||
                 (x->route->caller == ROUTE_BROWSER && route_password(sent, password, &text));
    const struct key *key = given ? keys_find(keys, text, clock_now_ms(s->options.clock)) : NULL;
    if (key == NULL) {
        answer_problem(answer, 401, "unauthorized", "no valid key was given",
                       x->route->caller == ROUTE_BROWSER
                           ? "sign in with a key as the password; gbill key create makes one"
                           : "send Authorization: Bearer KEY; gbill key create makes one");
        return false;
    }
    memcpy(x->key_id, key->id, sizeof x->key_id);
    memcpy(x->organization, key->organization, sizeof x->organization);
    if (!check_rate(x, &s->key_rates, (struct bytes){(const uint8_t *)key->id, KEYS_ID_BYTES},
                    &x->key_rate))
        return false;
    if ((key->scopes & x->route->scope) != x->route->scope)
        answer_problem(answer, 403, "scope", "the key is not for this",
                       "use a key whose scopes allow it");
    else if (named == NULL && x->route->body_bytes_max == 0 && x->route->caller == ROUTE_PROGRAM)
        answer_problem(answer, 400, "organization_missing", "organizationId is missing",
                       "name it in the query");
    else if (named != NULL && strcmp(named, key->organization) != 0)
        answer_problem(answer, 403, "organization", "the key is another organization's",
                       "use a key of the organization that is named");
    else
        return true;
    return false;
}

/* Let the route answer, by what there is of the request. */
static void
find_answer(struct exchange *x)
{
    struct server *s = x->server;
    struct err err;
    const struct api_request request = {
        .shelf = &s->shelf,
        .clock = s->options.clock,
        .figures = &s->figures,
        .organization = x->organization[0] != '\0' ? x->organization : NULL,
        .key_id = x->key_id[0] != '\0' ? x->key_id : NULL,
        .parameter = parameter,
        .header = header,
        .context = x->connection,
        .path_value = x->path_value,
        .body = {x->body.data, x->body.size_bytes},
        .parcel = &x->parcel,
        .repeats = s->repeats,
        .stripe = &s->stripe,
        .receipt = &x->receipt,
    };
    enum err_code code = x->route->answer(&request, &x->answer, &err);
    if (code != ERR_OK)
        answer_error(&x->answer, code, &err);
    if (x->answer.status == 500)
        log_line(LOG_LEVEL_ERROR, "failed", "path=%s reason=\"%s\"", x->route->path, err.text);
}

/* draft-ietf-httpapi-ratelimit-headers-10; a request is a unit. */
static void
add_rate(struct exchange *x, struct MHD_Response *response)
{
    char text[80];
    uint64_t per_second = x->server->key_rates.per_second;
    if (per_second == 0 || x->key_id[0] == '\0')
        return;
    snprintf(text, sizeof text, "\"key\";q=%" PRIu64 ";w=%d", per_second * RATES_BURST_S,
             RATES_BURST_S);
    (void)MHD_add_response_header(response, "RateLimit-Policy", text);
    snprintf(text, sizeof text, "\"key\";r=%" PRIu64 ";t=%" PRIu64, x->key_rate.left,
             x->key_rate.retry_s);
    (void)MHD_add_response_header(response, "RateLimit", text);
}

/* What is the answer's becomes the response's. */
static struct MHD_Response *
make_response(struct answer *answer)
{
    struct MHD_Response *response = NULL;
    struct stat st;
    if (answer->file == NULL) {
        response = MHD_create_response_from_buffer(answer->size_bytes, answer->text,
                                                   MHD_RESPMEM_MUST_FREE);
        if (response != NULL)
            answer->text = NULL;
        return response;
    }
    int fd = dup(fileno(answer->file));
    if (fd >= 0 && fstat(fd, &st) == 0)
        response = MHD_create_response_from_fd64((uint64_t)st.st_size, fd);
    if (response == NULL && fd >= 0)
        close(fd);
    return response;
}

/* A page is live: the browser asks for it again.  401 makes it ask for a key. */
static void
add_page(const struct answer *answer, struct MHD_Response *response)
{
    char policy[STYLE_POLICY_BYTES];
    if (answer->status == 401)
        (void)MHD_add_response_header(
            response, "WWW-Authenticate",
            "Basic realm=\"gbill: a key is the password, any name\", charset=\"UTF-8\"");
    if (answer->status != 200)
        return;
    style_policy(policy);
    (void)MHD_add_response_header(response, "Content-Security-Policy", policy);
    (void)MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    (void)MHD_add_response_header(response, "Refresh", PAGE_REFRESH_S);
}

static enum MHD_Result
send_answer(struct exchange *x)
{
    char text[16];
    struct answer *answer = &x->answer;
    links_turn(&x->server->links, x->link, true, clock_monotonic_ms());
    x->server->figures.answers[answer->status / 100]++;
    log_decision(
        "answered",
        "path=%s method=%s key=%s org=\"%s\" scope=%u body_bytes=%zu events=%zu key_left=%" PRIu64
        " status=%u code=%s",
        x->route != NULL ? x->route->path : "-", x->route != NULL ? x->route->method : "-",
        x->key_id[0] != '\0' ? x->key_id : "-", x->organization,
        x->route != NULL ? x->route->scope : 0, x->body.size_bytes, x->parcel.items.count,
        x->key_rate.left, answer->status, answer->code != NULL ? answer->code : "-");
    if (!answer_end(answer))
        return MHD_NO;
    struct MHD_Response *response = make_response(answer);
    if (response == NULL)
        return MHD_NO;
    (void)MHD_add_response_header(response, "Content-Type", answer->type);
    (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (x->route != NULL && x->route->caller == ROUTE_BROWSER)
        add_page(answer, response);
    else if (answer->status == 401)
        (void)MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
    if (answer->status == 405)
        (void)MHD_add_response_header(response, "Allow", x->allow);
    snprintf(text, sizeof text, "%u", answer->retry_s);
    if (answer->retry_s > 0)
        (void)MHD_add_response_header(response, "Retry-After", text);
    add_rate(x, response);
    enum MHD_Result queued = MHD_queue_response(x->connection, answer->status, response);
    MHD_destroy_response(response);
    return queued;
}

/* May a body come?  False: the answer says why not. */
static bool
check_body_head(struct exchange *x)
{
    static const char json[] = "application/json";
    const char *type = header(x->connection, "Content-Type");
    const char *length = header(x->connection, "Content-Length");
    size_t type_bytes = type != NULL ? strcspn(type, "; \t") : 0;
    if (x->route->caller != ROUTE_STRIPE &&
        (type_bytes != sizeof json - 1 || strncasecmp(type, json, type_bytes) != 0))
        answer_problem(&x->answer, 415, "content_type", "the body is not application/json",
                       "send JSON, with Content-Type: application/json");
    else if (length != NULL && strtoull(length, NULL, 10) > x->route->body_bytes_max)
        answer_problem(&x->answer, 413, "body", "the body is too large",
                       "send less at a time; schemas/openapi.json has the limit");
    else
        return true;
    return false;
}

/* On a worker; the connection, and so the exchange, waits for it. */
static void
answer_slowly(void *context)
{
    struct exchange *x = context;
    struct server *s = x->server;
    find_answer(x);
    MHD_resume_connection(x->connection); /* x may be gone from here on */
    s->sent--;
}

static void
hand_to_worker(struct exchange *x)
{
    struct server *s = x->server;
    x->answered = true;
    if (x->route->weight == ROUTE_FILE) {
        x->has_file = true;
        s->files++;
    }
    s->sent++;
    links_turn(&s->links, x->link, true, clock_monotonic_ms());
    MHD_suspend_connection(x->connection);
    if (s->files <= FILES_MAX && workers_add(&s->workers, answer_slowly, x))
        return;
    answer_problem(&x->answer, 503, "busy", "too many long questions are under way", "ask again");
    x->answer.retry_s = 1;
    MHD_resume_connection(x->connection);
    s->sent--;
}

/*
 * There is an answer by the head alone; it goes out when handle() is called at the request's end.
 * Sent at once it would end the connection, and reset it under who is sending a body already.
 */
static enum MHD_Result
answer_head(struct exchange *x)
{
    const char *length = header(x->connection, "Content-Length");
    uint64_t size = length != NULL ? strtoull(length, NULL, 10) : 0;
    if (size > DROPPED_BYTES_MAX || header(x->connection, "Expect") != NULL)
        return send_answer(x);
    x->answered = true;
    return MHD_YES;
}

/* The head is there.  What needs no body has its answer now. */
static enum MHD_Result
begin(struct exchange *x, const char *method, const char *path)
{
    const char *value;
    if (!check_address(x))
        return answer_head(x);
    x->route = route_find(method, path, &value, x->allow);
    snprintf(x->path_value, sizeof x->path_value, "%s", value);
    if (x->route == NULL && x->allow[0] != '\0')
        answer_problem(&x->answer, 405, "method", "this path has no such method",
                       "see /api/billing/openapi.json");
    else if (x->route == NULL)
        answer_problem(&x->answer, 404, "path", "there is no such path",
                       "see /api/billing/openapi.json");
    else if (x->route->scope == 0 || authorize(x)) {
        if (x->route->weight != ROUTE_LIGHT) {
            hand_to_worker(x);
            return MHD_YES;
        }
        if (x->route->body_bytes_max == 0)
            find_answer(x);
        else if (check_body_head(x))
            return MHD_YES; /* the body comes next */
    }
    return answer_head(x);
}

/* A piece of the body; what is too much is read for a while, so that the answer gets through. */
static enum MHD_Result
take_body(struct exchange *x, const char *data, size_t *data_bytes)
{
    struct server *s = x->server;
    size_t size = *data_bytes;
    *data_bytes = 0;
    if (!x->answered && x->dropped_bytes == 0 &&
        x->body.size_bytes + size <= x->route->body_bytes_max &&
        s->body_bytes + size <= BODIES_BYTES_MAX && buf_append(&x->body, data, size)) {
        s->body_bytes += size;
        return MHD_YES;
    }
    x->dropped_bytes += size;
    return x->dropped_bytes <= DROPPED_BYTES_MAX ? MHD_YES : MHD_NO;
}

/* From the outlet's thread; the connection, and so the exchange, waits for it. */
static void
parcel_sent(void *context, enum err_code code, const struct err *err)
{
    struct exchange *x = context;
    struct server *s = x->server;
    if (code != ERR_OK)
        log_line(LOG_LEVEL_ERROR, "not_acknowledged", "path=%s reason=\"%s\"", x->route->path,
                 err->text);
    x->sent = code;
    MHD_resume_connection(x->connection); /* x may be gone from here on */
    s->sent--;
}

/* The body is whole: answer, or send the events that it makes. */
static enum MHD_Result
answer_body(struct exchange *x)
{
    struct err err;
    if (x->answered)
        return send_answer(x);
    if (x->dropped_bytes > 0 && x->body.size_bytes + x->dropped_bytes <= x->route->body_bytes_max) {
        answer_problem(&x->answer, 503, "bodies", "too many large bodies are under way",
                       "send it again, and smaller");
        x->answer.retry_s = 1;
    } else if (x->dropped_bytes > 0)
        answer_problem(&x->answer, 413, "body", "the body is too large",
                       "send less at a time; schemas/openapi.json has the limit");
    else
        find_answer(x);
    if (x->parcel.items.count == 0)
        return send_answer(x);
    x->sending = true;
    links_turn(&x->server->links, x->link, true, clock_monotonic_ms());
    x->server->sent++;
    MHD_suspend_connection(x->connection);
    enum err_code code = parcel_send(&x->parcel, x->server->options.outlet, parcel_sent, x, &err);
    if (code != ERR_OK)
        parcel_sent(x, code, &err);
    return MHD_YES;
}

static enum MHD_Result
finish(struct exchange *x)
{
    post_stripe_settle(&x->server->stripe, x->server->repeats, &x->receipt, x->sent == ERR_OK);
    if (x->sent != ERR_OK) {
        answer_problem(&x->answer, 503, "agent", "the events are not known to be stored",
                       "send the same request again, with the same ids or Idempotency-Key: what "
                       "was stored already counts once");
        x->answer.retry_s = 1;
    }
    return send_answer(x);
}

/* Called with the head, with each piece of the body, with none at its end, and after a pause. */
static enum MHD_Result
handle(void *context, struct MHD_Connection *connection, const char *path, const char *method,
       const char *version, const char *data, size_t *data_bytes, void **state)
{
    struct server *s = context;
    struct exchange *x = *state;
    (void)version;
    if (x != NULL)
        return *data_bytes > 0 ? take_body(x, data, data_bytes)
               : x->sending    ? finish(x)
                               : answer_body(x);
    x = calloc(1, sizeof *x);
    if (x == NULL || !answer_begin(&x->answer)) {
        free(x);
        return MHD_NO;
    }
    x->server = s;
    x->connection = connection;
    x->link =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    buf_init(&x->body, POST_USAGE_BYTES_MAX);
    parcel_init(&x->parcel);
    *state = x;
    s->busy++;
    s->figures.requests++;
    s->figures.slow_ended = s->slow_ended;
    return begin(x, method, path);
}

static void
completed(void *context, struct MHD_Connection *connection, void **state,
          enum MHD_RequestTerminationCode how)
{
    struct server *s = context;
    struct exchange *x = *state;
    (void)connection, (void)how;
    *state = NULL;
    if (x == NULL)
        return;
    links_turn(&s->links, x->link, false, clock_monotonic_ms());
    s->files -= x->has_file ? 1 : 0;
    s->body_bytes -= x->body.size_bytes;
    answer_clear(&x->answer);
    buf_clear(&x->body);
    parcel_clear(&x->parcel);
    free(x);
    s->busy--;
}

static void
came_or_went(void *context, struct MHD_Connection *connection, void **socket_context,
             enum MHD_ConnectionNotificationCode what)
{
    struct server *s = context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        *socket_context = links_add(&s->links, fd, clock_monotonic_ms());
    } else {
        links_remove(&s->links, *socket_context);
        *socket_context = NULL;
    }
}

static enum err_code
start_daemon(struct server *s, struct err *err)
{
    const struct server_options *o = &s->options;
    /* Not epoll: libmicrohttpd 0.9.75 then loses connections when exactly 128 are ready at once. */
    unsigned flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME;
    struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)o->tls_cert},
                                   {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)o->tls_key},
                                   {MHD_OPTION_END, 0, NULL}};
    if (o->tls_cert != NULL)
        flags |= MHD_USE_TLS;
    s->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, handle, s, MHD_OPTION_LISTEN_SOCKET, o->listen_fd,
        MHD_OPTION_CONNECTION_LIMIT, o->connections_max, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        o->address_connections_max, MHD_OPTION_CONNECTION_TIMEOUT, o->timeout_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_PER_CONNECTION,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED, completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, came_or_went, s, MHD_OPTION_ARRAY,
        o->tls_cert != NULL ? tls : &tls[2], MHD_OPTION_END);
    if (s->daemon != NULL)
        return ERR_OK;
    return o->tls_cert != NULL
               ? err_set(err, ERR_CONFIG,
                         "cannot start the server; see that certificate and key are PEM and go "
                         "together")
               : err_set(err, ERR_IO, "cannot start the server: no memory or no descriptors");
}

enum err_code
server_start(const struct server_options *options, struct server **ret, struct err *err)
{
    struct server *s = calloc(1, sizeof *s);
    if (s == NULL) {
        close(options->listen_fd);
        return err_set(err, ERR_LIMIT, "no memory");
    }
    uint64_t secret = 0;
    s->options = *options;
    s->stripe.secrets = options->stripe_secrets;
    s->repeats_lock = -1;
    links_init(&s->links);
    enum err_code code = getrandom(&secret, sizeof secret, 0) == (ssize_t)sizeof secret
                             ? ERR_OK
                             : err_set(err, ERR_IO, "the kernel gives no random bytes");
    rates_init(&s->key_rates, options->key_rate, secret);
    rates_init(&s->address_rates, options->address_rate, secret);
    if (code == ERR_OK)
        code = shelf_open(&s->shelf, options->data_directory, err);
    if (code == ERR_OK)
        code = repeats_open(options->data_directory, &s->repeats, &s->repeats_lock, err);
    struct err why;
    enum err_code started = workers_start(&s->workers, &why);
    if (code == ERR_OK && started != ERR_OK)
        code = err_set(err, started, "%s", why.text);
    if (code == ERR_OK)
        code = start_daemon(s, err);
    if (code != ERR_OK) {
        workers_stop(&s->workers);
        close(options->listen_fd);
        shelf_close(&s->shelf);
        repeats_close(s->repeats, s->repeats_lock);
        links_clear(&s->links);
        free(s);
        return code;
    }
    *ret = s;
    return ERR_OK;
}

void
server_tend(struct server *server)
{
    unsigned ended = links_end_slow(&server->links, clock_monotonic_ms(),
                                    (int64_t)server->options.timeout_s * MS_PER_S,
                                    (int64_t)ANSWER_S * MS_PER_S);
    server->slow_ended += ended;
}

void
server_stop(struct server *server)
{
    MHD_socket listener = MHD_quiesce_daemon(server->daemon);
    for (int waited_ms = 0; server->sent > 0 || (server->busy > 0 && waited_ms < STOP_MS);
         waited_ms += STOP_STEP_MS)
        poll(NULL, 0, STOP_STEP_MS);
    workers_stop(&server->workers);
    MHD_stop_daemon(server->daemon);
    if (listener != MHD_INVALID_SOCKET)
        close(listener);
    shelf_close(&server->shelf);
    repeats_close(server->repeats, server->repeats_lock);
    links_clear(&server->links);
    free(server);
}
