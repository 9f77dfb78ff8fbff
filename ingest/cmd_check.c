#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ingest/cmd.h"
#include "ingest/listen.h"
#include "store/base/file.h"
#include "store/base/time.h"
#include "store/event/event.h"
#include "store/event/pack.h"

/* A question to the agent and its answer: schemas/live.md. */

enum { ASK_BYTES_MAX = 4096, ASK_TIMEOUT_S = 5 };

static const char chunk[] = "gbill check";

static void
pack_text(msgpack_packer *pk, const char *text)
{
    msgpack_pack_str_with_body(pk, text, strlen(text));
}

static void
pack_pair(msgpack_packer *pk, const char *key, const char *text)
{
    pack_text(pk, key);
    if (text != NULL)
        pack_text(pk, text);
    else
        msgpack_pack_nil(pk);
}

static void
pack_question(const struct conf *conf, struct buf *out)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, pack_to_buf);
    msgpack_pack_array(&pk, 4);
    pack_text(&pk, "gbill.live");
    msgpack_pack_int(&pk, 0);
    msgpack_pack_map(&pk, 6);
    pack_pair(&pk, "op",
              conf_flag(conf, "reserve")   ? "reserve"
              : conf_flag(conf, "release") ? "release"
                                           : "check");
    pack_pair(&pk, "organizationId", conf_text(conf, "org"));
    pack_pair(&pk, "action", conf_text(conf, "action"));
    pack_pair(&pk, "hold", conf_text(conf, "hold"));
    pack_text(&pk, "tokens");
    msgpack_pack_int64(&pk, conf_int(conf, "tokens"));
    pack_text(&pk, "lifeMs");
    msgpack_pack_int64(&pk, conf_int(conf, "life") * 1000);
    msgpack_pack_map(&pk, 1);
    pack_pair(&pk, "chunk", chunk);
}

static enum err_code
dial(const char *path, int *ret_fd, struct err *err)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const struct timeval wait = {.tv_sec = ASK_TIMEOUT_S};
    enum err_code code = listen_check_path(path, err);
    if (code != ERR_OK)
        return code;
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot make a socket");
    *ret_fd = fd;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    if (connect(fd, (const struct sockaddr *)&a, sizeof a) == 0)
        return ERR_OK;
    if (errno == EACCES || errno == EPERM)
        return err_set(err, ERR_DENIED, "may not ask the agent at %s: run as its user or as root",
                       path);
    return err_set(err, ERR_PEER,
                   "no agent answers at %s: %s; start gbill-agent, or name another --data or "
                   "--socket",
                   path, strerror(errno));
}

/* Ask and hear one whole value. */
static enum err_code
ask(int fd, const char *path, struct bytes question, uint8_t room[ASK_BYTES_MAX], struct bytes *ret,
    struct err *err)
{
    struct mp_scan scan = {.depth = 0};
    size_t have = 0;
    if (send(fd, question.data, question.size_bytes, MSG_NOSIGNAL) != (ssize_t)question.size_bytes)
        return err_set(err, ERR_PEER, "the agent at %s: %s", path, strerror(errno));
    for (;;) {
        ssize_t n = recv(fd, room + have, ASK_BYTES_MAX - have, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set(err, ERR_PEER,
                           "the agent at %s did not answer: is it of this version of gbill?", path);
        have += (size_t)n;
        size_t size;
        enum mp_scan_result is = mp_scan(&scan, room, have, ASK_BYTES_MAX, &size);
        if (is == MP_SCAN_WHOLE) {
            *ret = (struct bytes){room, size};
            return ERR_OK;
        }
        if (is == MP_SCAN_BAD)
            return err_set(err, ERR_PEER, "what answers at %s is no gbill-agent", path);
    }
}

static void
print_json_text(struct str text)
{
    putchar('"');
    for (size_t i = 0; i < text.size_bytes; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void
print_value(const struct mp_value *v)
{
    if (v->type == MP_STR)
        print_json_text(mp_str(v));
    else if (v->type == MP_BOOL)
        fputs(v->b ? "true" : "false", stdout);
    else if (v->type == MP_UINT)
        printf("%" PRIu64, v->u);
    else
        fputs("null", stdout);
}

struct reply {
    bool allowed, known;
    struct str reason, error;
};

/* The answer's pairs behind the ack, as JSON if wanted. */
static bool
see_reply(struct bytes bytes, bool json, struct reply *ret)
{
    struct mp m = mp_of(bytes);
    struct mp_value head, key, v;
    *ret = (struct reply){.known = false};
    if (!mp_read(&m, &head) || head.type != MP_MAP)
        return false;
    for (uint32_t i = 0; i < head.count; i++) {
        if (!mp_read(&m, &key) || key.type != MP_STR || !mp_read(&m, &v))
            return false;
        struct str name = mp_str(&key);
        if (str_is(name, "allowed"))
            ret->allowed = v.type == MP_BOOL && v.b;
        if (str_is(name, "known"))
            ret->known = v.type == MP_BOOL && v.b;
        if (str_is(name, "reason") && v.type == MP_STR)
            ret->reason = mp_str(&v);
        if (str_is(name, "error") && v.type == MP_STR)
            ret->error = mp_str(&v);
        if (!json || i == 0)
            continue;
        fputs(i == 1 ? "{" : ",", stdout);
        print_json_text(name);
        putchar(':');
        print_value(&v);
    }
    if (json)
        puts("}");
    return true;
}

static enum err_code
check_options(const struct conf *conf, struct err *err)
{
    bool reserve = conf_flag(conf, "reserve"), ends = conf_flag(conf, "release");
    if (conf_text(conf, "org") == NULL)
        return err_set(err, ERR_USAGE, "--org ORGANIZATION is needed; see --help");
    if (reserve && ends)
        return err_set(err, ERR_USAGE, "--reserve and --release exclude each other");
    if ((reserve || ends) != (conf_text(conf, "hold") != NULL))
        return err_set(err, ERR_USAGE,
                       "--hold ID goes with --reserve or --release, and they with it");
    return ERR_OK;
}

static enum err_code
run(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    bool json = conf_flag(conf, "json");
    char path[FILE_PATH_BYTES_MAX];
    uint8_t room[ASK_BYTES_MAX];
    struct buf question;
    struct bytes answer = {NULL, 0};
    struct reply reply = {.known = false};
    int fd = -1;
    buf_init(&question, ASK_BYTES_MAX);
    enum err_code code = check_options(conf, err);
    if (code == ERR_OK && conf_text(conf, "socket") != NULL)
        snprintf(path, sizeof path, "%s", conf_text(conf, "socket"));
    else if (code == ERR_OK)
        code = file_path(path, conf_data_dir(conf), "agent.sock", err);
    if (code == ERR_OK)
        pack_question(conf, &question);
    if (code == ERR_OK)
        code = dial(path, &fd, err);
    if (code == ERR_OK)
        code =
            ask(fd, path, (struct bytes){question.data, question.size_bytes}, room, &answer, err);
    if (code == ERR_OK && !see_reply(answer, json, &reply))
        code = err_set(err, ERR_PEER, "what answers at %s is no gbill-agent", path);
    if (code == ERR_OK && reply.error.size_bytes > 0)
        code =
            err_set(err, ERR_INPUT, "the agent refuses the question: %.*s", STR_ARG(reply.error));
    else if (code == ERR_OK && !reply.allowed)
        code = err_set(err, reply.known ? ERR_LIMIT : ERR_NOT_FOUND, "%.*s", STR_ARG(reply.reason));
    else if (code == ERR_OK && !json)
        printf("%s%s%.*s\n", conf_flag(conf, "release") ? "released" : "allowed",
               reply.reason.size_bytes > 0 ? ": " : "", STR_ARG(reply.reason));
    if (fd >= 0)
        close(fd);
    buf_clear(&question);
    return code;
}

static const struct conf_opt opts[] = {
    CONF_ROW_DATA,
    {"socket", "GBILL_SOCKET", CONF_TEXT, "PATH", 0, 0, NULL, false,
     "the agent's socket (default: agent.sock in the data directory)"},
    {"org", NULL, CONF_TEXT, "ORGANIZATION", 0, 0, NULL, false, "who asks; needed"},
    {"action", NULL, CONF_TEXT, "ACTION", 0, 0, "ai", false,
     "what it wants: ai (a request), project, document or member (one more)"},
    {"tokens", NULL, CONF_INT, "N", 0, 1000000000000, "1", false,
     "ai: tokens of the request, input and output"},
    {"reserve", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "if it is allowed, keep it for this caller until it is settled, released or over"},
    {"release", NULL, CONF_FLAG, NULL, 0, 0, "false", false, "give a reservation back unused"},
    {"hold", NULL, CONF_TEXT, "ID", 0, 0, NULL, false,
     "the reservation's id, of the caller's choice; the same again is the same reservation"},
    {"life", NULL, CONF_INT, "SECONDS", 1, 3600, "60", false, "--reserve: it is over after this"},
    CONF_ROW_JSON,
};

const struct cli_cmd cmd_check = {
    .name = "check",
    .args = "",
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = run,
    .summary = "ask the agent: may this organization do it now?",
    .help = "The agent answers from the last run of gbill limits, what it has taken since, and\n"
            "what is reserved.  A refusal has the reason, what is used, reserved and left, when\n"
            "it begins anew, and the plan to upgrade to; --json prints all of it.\n"
            "\n"
            "A reservation ends when the event of its actual use names it (field hold), when it\n"
            "is released, or when its life is over.\n"
            "\n"
            "Exit status: 0 allowed, 5 refused, 6 nothing is known yet (run gbill limits), 13 no\n"
            "agent answers.\n",
};
