#include "ingest/cmd_agent.h"

#include "ingest/agent.h"
#include "store/base/log.h"

static const struct conf_opt opts[] = {
    CONF_ROW_DATA,
    {"socket", "GBILL_SOCKET", CONF_TEXT, "PATH", 0, 0, NULL, false,
     "unix socket to listen on (default: agent.sock in the data directory)"},
    {"status-socket", "GBILL_STATUS_SOCKET", CONF_TEXT, "PATH", 0, 0, NULL, false,
     "unix socket that gives the agent's figures (default: status.sock in the data directory)"},
    {"peers", "GBILL_PEERS", CONF_TEXT, "FILE", 0, 0, NULL, false,
     "rules: who may send, for which organizations, how fast (schemas/peers.md)"},
    {"listen", "GBILL_LISTEN", CONF_TEXT, "HOST:PORT", 0, 0, NULL, false,
     "take events over TCP too, from senders with the shared key"},
    {"shared-key-file", "GBILL_SHARED_KEY_FILE", CONF_TEXT, "FILE", 0, 0, NULL, false,
     "the key that senders over TCP must have: 16 to 1024 bytes, one line"},
    {"tls-cert", "GBILL_TLS_CERT", CONF_TEXT, "FILE", 0, 0, NULL, false,
     "certificate for TCP (PEM, with its chain); without it bytes go as they are"},
    {"tls-key", "GBILL_TLS_KEY", CONF_TEXT, "FILE", 0, 0, NULL, false,
     "the certificate's private key (PEM)"},
    {"collect", "GBILL_COLLECT", CONF_FLAG, NULL, 0, 0, "false", false,
     "keep the logs that gbill ship sends over TCP, in DIR/hosts/NAME (schemas/ship.md)"},
    {"check", NULL, CONF_FLAG, NULL, 0, 0, "false", false, "check the settings and exit (also -n)"},
    {"debug", "DEBUG_BILLING", CONF_FLAG, NULL, 0, 0, "false", false, "log every connection too"},
};

static enum err_code
run(struct cli *cli, struct err *err)
{
    struct agent_options o = {
        .data = conf_data_dir(&cli->conf),
        .socket = conf_text(&cli->conf, "socket"),
        .status = conf_text(&cli->conf, "status-socket"),
        .peers = conf_text(&cli->conf, "peers"),
        .gate = {.listen = conf_text(&cli->conf, "listen"),
                 .key_file = conf_text(&cli->conf, "shared-key-file"),
                 .tls_cert = conf_text(&cli->conf, "tls-cert"),
                 .tls_key = conf_text(&cli->conf, "tls-key")},
        .collect = conf_flag(&cli->conf, "collect"),
        .clock = cli->clock,
    };
    if (conf_flag(&cli->conf, "debug"))
        log_set_level(LOG_LEVEL_DEBUG);
    enum err_code code = agent_check(&o, err);
    if (code != ERR_OK || conf_flag(&cli->conf, "check"))
        return code;
    return agent_run(&o, err);
}

const struct cli_cmd cmd_agent = {
    .name = "gbill-agent",
    .args = "",
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = run,
    .summary = "take events from a unix socket into the log",
    .help =
        "Takes events over a unix socket, in the Fluentd forward protocol, checks them\n"
        "and appends them to the log.  An event is acknowledged after it is on the disk.\n"
        "Over TCP (--listen) a sender must show that it has the shared key; give a certificate\n"
        "where others can read the network.\n"
        "\n"
        "With --collect it also keeps the logs of other hosts, which gbill ship sends: each in\n"
        "DIR/hosts/NAME, a data directory for every gbill command (--data).\n"
        "SIGTERM stops it: what it received whole is stored and acknowledged first.\n"
        "\n"
        "Its figures, in Prometheus' text format: curl --unix-socket DIR/status.sock\n"
        "http://agent/metrics; for a person: gbill status.\n",
};
