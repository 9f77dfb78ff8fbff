#include "reports/api/server.h"

#include <microhttpd.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "reports/api/routes.h"
#include "store/base/log.h"

enum { MEMORY_PER_CONNECTION = 16 * 1024, STOP_MS = 5000, STOP_STEP_MS = 20 };

struct server {
    struct server_options options;
    struct MHD_Daemon *daemon;
    struct shelf shelf;
    struct api_figures figures;
    atomic_uint busy; /* requests that are not over */
};

static const char *
parameter(void *context, const char *name)
{
    return MHD_lookup_connection_value(context, MHD_GET_ARGUMENT_KIND, name);
}

/* Who asks, and may they?  False: the answer says why not. */
static bool
authorize(struct server *s, struct MHD_Connection *connection, const struct route *route,
          struct api_request *request, const struct key **ret_key, struct answer *answer)
{
    const struct keys *keys;
    struct str text;
    struct err err;
    const char *named = parameter(connection, "organizationId");
    enum err_code code = shelf_keys(&s->shelf, &keys, &err);
    if (code != ERR_OK) {
        log_line(LOG_LEVEL_ERROR, "keys_unreadable", "reason=\"%s\"", err.text);
        answer_error(answer, code, &err);
        return false;
    }
    const char *header =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    const struct key *key =
        route_bearer(header, &text) ? keys_find(keys, text, clock_now_ms(s->options.clock)) : NULL;
    *ret_key = key;
    if (key == NULL)
        answer_problem(answer, 401, "unauthorized", "no valid key was given",
                       "send Authorization: Bearer KEY; gbill key create makes one");
    else if ((key->scopes & route->scope) != route->scope)
        answer_problem(answer, 403, "scope", "the key is not for this",
                       "use a key whose scopes allow it");
    else if (named == NULL)
        answer_problem(answer, 400, "organization_missing", "organizationId is missing",
                       "name it in the query");
    else if (strcmp(named, key->organization) != 0)
        answer_problem(answer, 403, "organization", "the key is another organization's",
                       "use a key of the organization that is named");
    else
        request->organization = key->organization;
    return request->organization != NULL;
}

static void
find_answer(struct server *s, struct MHD_Connection *connection, const char *method,
            const char *path, struct answer *answer)
{
    struct api_request request = {.shelf = &s->shelf,
                                  .clock = s->options.clock,
                                  .figures = &s->figures,
                                  .parameter = parameter,
                                  .context = connection};
    struct err err;
    bool known;
    const struct key *key = NULL;
    const struct route *route = route_find(method, path, &known);
    if (route == NULL && known)
        answer_problem(answer, 405, "method", "this path has no such method",
                       "see /api/billing/openapi.json");
    else if (route == NULL)
        answer_problem(answer, 404, "path", "there is no such path",
                       "see /api/billing/openapi.json");
    else if (route->scope == 0 || authorize(s, connection, route, &request, &key, answer)) {
        enum err_code code = route->answer(&request, answer, &err);
        if (code != ERR_OK)
            answer_error(answer, code, &err);
        if (answer->status == 500)
            log_line(LOG_LEVEL_ERROR, "failed", "path=%s reason=\"%s\"", path, err.text);
    }
    if (s->options.debug)
        log_line(LOG_LEVEL_INFO, "answered", "method=%s path=%s key=%s status=%u", method,
                 route != NULL ? route->path : "-", key != NULL ? key->id : "-", answer->status);
}

static enum MHD_Result
send_answer(struct MHD_Connection *connection, struct answer *answer)
{
    if (!answer_end(answer)) {
        answer_clear(answer);
        return MHD_NO;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(answer->size_bytes, answer->text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        answer_clear(answer);
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, "Content-Type", answer->type);
    (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (answer->status == 401)
        (void)MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
    if (answer->status == 405)
        (void)MHD_add_response_header(response, "Allow", "GET");
    enum MHD_Result queued = MHD_queue_response(connection, answer->status, response);
    MHD_destroy_response(response);
    return queued;
}

/* The first call of a request has its head; no route takes a body, so the answer goes at once. */
static enum MHD_Result
handle(void *context, struct MHD_Connection *connection, const char *path, const char *method,
       const char *version, const char *data, size_t *data_bytes, void **state)
{
    struct server *s = context;
    struct answer answer;
    (void)version, (void)data, (void)data_bytes;
    *state = s;
    s->busy++;
    s->figures.requests++;
    if (!answer_begin(&answer))
        return MHD_NO;
    find_answer(s, connection, method, path, &answer);
    s->figures.answers[answer.status / 100]++;
    return send_answer(connection, &answer);
}

static void
completed(void *context, struct MHD_Connection *connection, void **state,
          enum MHD_RequestTerminationCode how)
{
    struct server *s = context;
    (void)connection, (void)how;
    if (*state != NULL)
        s->busy--;
    *state = NULL;
}

static enum err_code
start_daemon(struct server *s, struct err *err)
{
    const struct server_options *o = &s->options;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_TURBO;
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
        MHD_OPTION_ARRAY, o->tls_cert != NULL ? tls : &tls[2], MHD_OPTION_END);
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
    s->options = *options;
    enum err_code code = shelf_open(&s->shelf, options->data_directory, err);
    if (code == ERR_OK)
        code = start_daemon(s, err);
    if (code != ERR_OK) {
        close(options->listen_fd);
        shelf_close(&s->shelf);
        free(s);
        return code;
    }
    *ret = s;
    return ERR_OK;
}

void
server_stop(struct server *server)
{
    MHD_socket listener = MHD_quiesce_daemon(server->daemon);
    for (int waited_ms = 0; server->busy > 0 && waited_ms < STOP_MS; waited_ms += STOP_STEP_MS)
        poll(NULL, 0, STOP_STEP_MS);
    MHD_stop_daemon(server->daemon);
    if (listener != MHD_INVALID_SOCKET)
        close(listener);
    shelf_close(&server->shelf);
    free(server);
}
