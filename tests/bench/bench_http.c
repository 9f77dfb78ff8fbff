/*
 * bench_http: the least that an HTTP server on libmicrohttpd can do, with gbill api's own
 * settings: what comes is read, and the same 1,200 bytes go out.  Prints its port; ends with
 * its standard input.
 */
#include <microhttpd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BODY_BYTES = 1200, CONNECTION_BYTES = 16 * 1024, CONNECTIONS = 1000 };

static char body[BODY_BYTES];

static enum MHD_Result
handle(void *context, struct MHD_Connection *connection, const char *path, const char *method,
       const char *version, const char *data, size_t *data_bytes, void **state)
{
    (void)context, (void)path, (void)method, (void)version, (void)data;
    bool first = *state == NULL;
    *state = body;
    if (*data_bytes > 0) {
        *data_bytes = 0;
        return MHD_YES;
    }
    if (first) /* an answer to the head alone would close the connection */
        return MHD_YES;
    struct MHD_Response *r =
        MHD_create_response_from_buffer(sizeof body, body, MHD_RESPMEM_PERSISTENT);
    (void)MHD_add_response_header(r, "Content-Type", "application/json");
    enum MHD_Result queued = MHD_queue_response(connection, 200, r);
    MHD_destroy_response(r);
    return queued;
}

int
main(void)
{
    char byte;
    memset(body, 'x', sizeof body);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, handle, NULL,
        MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_END);
    if (daemon == NULL)
        return 1;
    printf("%u\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
    MHD_stop_daemon(daemon);
    return 0;
}
