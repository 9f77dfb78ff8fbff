#include "ingest/agent_check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ingest/listen.h"
#include "ingest/peers.h"

static enum err_code
socket_path(const struct agent_options *o, const char *given, const char *name,
            char path[FILE_PATH_BYTES_MAX], struct err *err)
{
    enum err_code code = given == NULL ? file_path(path, o->data, name, err) : ERR_OK;
    if (code == ERR_OK && given != NULL)
        snprintf(path, FILE_PATH_BYTES_MAX, "%s", given);
    return code == ERR_OK ? listen_check_path(given != NULL ? given : path, err) : code;
}

enum err_code
agent_socket_path(const struct agent_options *o, char path[FILE_PATH_BYTES_MAX], struct err *err)
{
    return socket_path(o, o->socket, "agent.sock", path, err);
}

enum err_code
agent_status_path(const struct agent_options *o, char path[FILE_PATH_BYTES_MAX], struct err *err)
{
    return socket_path(o, o->status, "status.sock", path, err);
}

/* Those that say who may send. */
static enum err_code
check_files(const struct agent_options *o, struct err *err)
{
    struct gate gate;
    struct peers peers;
    enum err_code code = gate_open(&gate, &o->gate, err);
    gate_close(&gate);
    if (code == ERR_OK) {
        code = peers_open(&peers, o->peers, err);
        peers_close(&peers);
    }
    return code;
}

enum err_code
agent_check(const struct agent_options *options, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX];
    struct stat st;
    if (options->collect && options->gate.listen == NULL)
        return err_set(err, ERR_CONFIG,
                       "--collect needs --listen HOST:PORT: logs are shipped over TCP only");
    enum err_code code = agent_socket_path(options, path, err);
    if (code == ERR_OK)
        code = agent_status_path(options, path, err);
    if (code == ERR_OK)
        code = check_files(options, err);
    if (code != ERR_OK)
        return code;
    if (stat(options->data, &st) == 0) {
        if (!S_ISDIR(st.st_mode))
            return err_set(err, ERR_CONFLICT, "%s is there but is not a directory", options->data);
        if (access(options->data, W_OK | X_OK) != 0)
            return err_set_errno(err, errno, "cannot write to data directory %s", options->data);
        return ERR_OK;
    }
    /* It will be made: its parent must be there. */
    size_t n = strlen(options->data);
    while (n > 1 && options->data[n - 1] == '/')
        n--;
    while (n > 0 && options->data[n - 1] != '/')
        n--;
    char parent[FILE_PATH_BYTES_MAX];
    snprintf(parent, sizeof parent, "%.*s", n > 0 ? (int)n : 1, n > 0 ? options->data : ".");
    if (access(parent, W_OK | X_OK) != 0)
        return err_set_errno(err, errno, "cannot make data directory %s in %s", options->data,
                             parent);
    return ERR_OK;
}
