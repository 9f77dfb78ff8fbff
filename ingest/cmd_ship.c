#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ingest/cmd.h"
#include "ingest/gate.h"
#include "ingest/shipper.h"
#include "store/base/log.h"
#include "store/base/print.h"

static volatile sig_atomic_t stop;

static void
be_told(int signal_number)
{
    (void)signal_number;
    stop = 1;
}

static void
listen_for_signals(void)
{
    struct sigaction action = {.sa_handler = be_told};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void
show_progress(void *context, uint64_t event_seq)
{
    (void)context;
    fprintf(stderr, "\rshipped up to event %" PRIu64, event_seq);
}

static void
print_result(const char *host, const struct shipper_result *r, bool json)
{
    static const struct print_column columns[] = {
        {"host", PRINT_TEXT},     {"events", PRINT_WHOLE},          {"quarantined", PRINT_WHOLE},
        {"frames", PRINT_WHOLE},  {"bytes", PRINT_WHOLE},           {"connections", PRINT_WHOLE},
        {"lastSeq", PRINT_WHOLE}, {"lastQuarantined", PRINT_WHOLE},
    };
    struct print p;
    print_begin(&p, stdout, json ? PRINT_JSON : PRINT_TABLE, columns, CLI_COUNT(columns));
    print_text(&p, str_of(host));
    const uint64_t cells[] = {r->events, r->quarantined, r->frames, r->bytes, r->connections};
    for (size_t i = 0; i < CLI_COUNT(cells); i++)
        print_whole(&p, cells[i]);
    for (int s = 0; s < LOG_STREAMS; s++)
        print_whole(&p, r->stand[s].next_seq > 0 ? r->stand[s].next_seq - 1 : 0);
    print_end(&p);
}

static enum err_code
run(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    char name[256] = "";
    struct bytes key = {NULL, 0};
    struct shipper_result result;
    const char *host = conf_text(conf, "host"), *to = conf_text(conf, "to");
    const char *key_file = conf_text(conf, "shared-key-file");
    bool tty = isatty(STDERR_FILENO) != 0, follow = conf_flag(conf, "follow");
    if (to == NULL || key_file == NULL)
        return err_set(err, ERR_USAGE,
                       "--to HOST:PORT and --shared-key-file FILE are needed: the collector, and "
                       "the key that its --shared-key-file has too");
    if (follow && conf_flag(conf, "once"))
        return err_set(err, ERR_USAGE, "--once and --follow contradict each other: leave one out");
    if (host == NULL && gethostname(name, sizeof name - 1) == 0)
        host = name;
    enum err_code code = gate_read_key(key_file, &key, err);
    if (code != ERR_OK)
        return code;
    struct shipper_options o = {
        .data = conf_data_dir(conf),
        .wire = {.to = to,
                 .host = host != NULL ? host : "",
                 .key = key,
                 .tls_ca = conf_text(conf, "tls-ca"),
                 .stop = &stop},
        .follow = follow,
        .from_oldest = conf_flag(conf, "from-oldest"),
        .progress = tty && !follow ? show_progress : NULL,
    };
    listen_for_signals();
    code = shipper_run(&o, &result, err);
    gate_free_key(&key);
    if (o.progress != NULL)
        fputs("\r\033[K", stderr);
    if (code == ERR_OK)
        print_result(o.wire.host, &result, conf_flag(conf, "json"));
    return code;
}

static const struct conf_opt opts[] = {
    CONF_ROW_DATA,
    {"to", "GBILL_SHIP_TO", CONF_TEXT, "HOST:PORT", 0, 0, NULL, false,
     "the collector: where gbill-agent --collect listens"},
    {"shared-key-file", "GBILL_SHIP_KEY_FILE", CONF_TEXT, "FILE", 0, 0, NULL, false,
     "the collector's key, or this host's own (schemas/peers.md)"},
    {"tls-ca", "GBILL_SHIP_TLS_CA", CONF_TEXT, "FILE", 0, 0, NULL, false,
     "go over TLS, and trust the certificates that these (PEM) signed; without it bytes go as "
     "they are"},
    {"host", "GBILL_SHIP_HOST", CONF_TEXT, "NAME", 0, 0, NULL, false,
     "the name that the copy is kept under (default: the hostname)"},
    {"follow", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "go on for ever: ship what comes as it comes, reconnect when the collector was away"},
    {"once", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "ship up to where the log ends now (the default)"},
    {"from-oldest", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "let a new copy begin with the oldest day that is kept here, though older ones were pruned"},
    CONF_ROW_JSON,
};

const struct cli_cmd cmd_ship = {
    .name = "ship",
    .args = "",
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = run,
    .summary = "send this host's log to a collector, frame by frame",
    .help =
        "Sends the frames of the log, sealed days and live ones, events and quarantine, to a\n"
        "gbill-agent --collect elsewhere, which keeps them in DIR/hosts/NAME: a data directory\n"
        "with the same events, numbers, times, chain and daily roots, for every gbill command.\n"
        "\n"
        "The collector says where its copy stands, flushed, and from there it goes on: break it\n"
        "off, kill it, run it twice, nothing is lost or stored twice.  A frame is compared by its\n"
        "chain: where the copy has another history, nothing is written, exit status 7.  Days that\n"
        "were pruned here before they were shipped: exit status 6.\n"
        "\n"
        "The name is what the handshake proves.  Give each host a key of its own in the\n"
        "collector's --peers file, or whoever has the common key can name itself as it likes.\n",
};
