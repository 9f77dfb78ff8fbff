#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "reports/api/door.h"
#include "reports/api/rates.h"
#include "reports/api/server.h"
#include "reports/cmd.h"
#include "store/base/file.h"
#include "store/base/log.h"
#include "store/base/notify.h"
#include "store/net/stripe_sign.h"

enum { PEM_BYTES_MAX = 1024 * 1024 };

static const struct conf_opt opts[] = {
    CONF_ROW_DATA,
    {"socket", "GBILL_SOCKET", CONF_TEXT, "PATH", 0, 0, NULL, false,
     "the agent's socket (default: agent.sock in the data directory)"},
    {"listen", "GBILL_API_LISTEN", CONF_TEXT, "WHERE", 0, 0, "127.0.0.1:8080", false,
     "HOST:PORT, or the path of a unix socket"},
    {"tls-cert", "GBILL_API_TLS_CERT", CONF_TEXT, "FILE", 0, 0, NULL, false,
     "certificate chain (PEM): serve HTTPS"},
    {"tls-key", "GBILL_API_TLS_KEY", CONF_TEXT, "FILE", 0, 0, NULL, false, "its private key (PEM)"},
    {"connections", NULL, CONF_INT, "N", 1, SERVER_CONNECTIONS_MAX, "1000", false,
     "at one time; beyond that nobody is let in"},
    {"address-connections", NULL, CONF_INT, "N", 0, SERVER_CONNECTIONS_MAX, "500", false,
     "of one address at one time; 0: no limit"},
    {"timeout", NULL, CONF_INT, "SECONDS", 1, 600, "30", false,
     "for a request to come whole; a connection that takes longer is closed"},
    {"key-rate", NULL, CONF_INT, "N", 0, RATES_MAX, "500", false,
     "requests a second of one key, ten seconds' worth at once; 0: no limit"},
    {"address-rate", NULL, CONF_INT, "N", 0, RATES_MAX, "2000", false,
     "the same of one address; 0: no limit, for behind a proxy"},
    {"debug", "DEBUG_BILLING", CONF_FLAG, NULL, 0, 0, "false", false,
     "log every answer with what decided it; never a key, only its id"},
};

static enum err_code
read_pem(const struct conf *conf, const char *key, char **ret, struct err *err)
{
    struct bytes text;
    enum err_code code = file_read(conf_text(conf, key), PEM_BYTES_MAX, &text, err);
    if (code == ERR_OK)
        *ret = (char *)(uintptr_t)text.data;
    return err_wrap(err, code, "--%s", key);
}

static enum err_code
read_tls(const struct conf *conf, char **cert, char **key, struct err *err)
{
    if ((conf_text(conf, "tls-cert") == NULL) != (conf_text(conf, "tls-key") == NULL))
        return err_set(err, ERR_USAGE, "--tls-cert and --tls-key go together");
    if (conf_text(conf, "tls-cert") == NULL)
        return ERR_OK;
    enum err_code code = read_pem(conf, "tls-cert", cert, err);
    return code == ERR_OK ? read_pem(conf, "tls-key", key, err) : code;
}

/* The server's thread has all signals blocked, since it is made while they are. */
static enum err_code
serve(const struct server_options *options, const char *name, const char *listen, struct err *err)
{
    struct server *server;
    sigset_t signals;
    const struct timespec second = {.tv_sec = 1};
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    enum err_code code = server_start(options, &server, err);
    if (code != ERR_OK)
        return code;
    log_line(LOG_LEVEL_INFO, "listening", "on=%s tls=%s webhook=%s data=%s", name,
             options->tls_cert != NULL ? "yes" : "no",
             options->stripe_secrets->count > 0 ? "yes" : "no", options->data_directory);
    notify_send("READY=1");
    while (sigtimedwait(&signals, NULL, &second) < 0)
        server_tend(server);
    notify_send("STOPPING=1");
    server_stop(server);
    if (strchr(listen, '/') != NULL)
        (void)unlink(listen);
    log_line(LOG_LEVEL_INFO, "stopped", "on=%s", name);
    return ERR_OK;
}

enum err_code
cmd_api_serve(struct cli *cli, const struct outlet *outlet, struct err *err)
{
    const struct conf *conf = &cli->conf;
    const char *listen = conf_text(conf, "listen");
    char name[128], *cert = NULL, *key = NULL;
    struct stripe_sign_secrets stripe = {.count = 0};
    int fd = -1;
    bool open = false;
    if (conf_flag(conf, "debug"))
        log_set_level(LOG_LEVEL_DEBUG);
    enum err_code code = stripe_sign_take(&stripe, err);
    if (code == ERR_OK)
        code = read_tls(conf, &cert, &key, err);
    if (code == ERR_OK)
        code = door_open(listen, &fd, name, &open, err);
    if (code == ERR_OK && open && cert == NULL)
        log_line(LOG_LEVEL_WARN, "plaintext",
                 "on=%s hint=\"keys cross the network as they are: give --tls-cert and --tls-key, "
                 "or stand behind a proxy that has TLS\"",
                 name);
    if (code == ERR_OK) {
        const struct server_options options = {
            .data_directory = conf_data_dir(conf),
            .listen_fd = fd,
            .connections_max = (unsigned)conf_int(conf, "connections"),
            .address_connections_max = (unsigned)conf_int(conf, "address-connections"),
            .key_rate = (uint64_t)conf_int(conf, "key-rate"),
            .address_rate = (uint64_t)conf_int(conf, "address-rate"),
            .timeout_s = (unsigned)conf_int(conf, "timeout"),
            .tls_cert = cert,
            .tls_key = key,
            .clock = &cli->clock,
            .outlet = outlet,
            .stripe_secrets = &stripe,
        };
        code = serve(&options, name, listen, err);
    }
    stripe_sign_clear(&stripe);
    free(cert);
    free(key);
    return code;
}

const struct cli_cmd cmd_api = {
    .name = "api",
    .args = "",
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = NULL, /* gbill.c: it knows an outlet */
    .summary =
        "serve what an organization may see over HTTP, and take its usage, in the foreground",
    .help =
        "Under /api/billing: GET limits, GET and POST usage, GET usage/export (CSV), dashboard,\n"
        "optimization, invoices and invoices/NUMBER, GET and PUT budget, POST stripe/webhook, and\n"
        "openapi.json, the whole description; beside them /health and /metrics.  Until SIGTERM, which lets requests finish.\n"
        "\n"
        "Who asks sends Authorization: Bearer KEY, with a key of gbill key create, and names the\n"
        "key's own organization:\n"
        "\n"
        "  gbill key create --org acme --scopes read >key\n"
        "  gbill api &\n"
        "  curl -H \"Authorization: Bearer $(cat key)\" \\\n"
        "      'http://127.0.0.1:8080/api/billing/limits?organizationId=acme&action=ai_request'\n"
        "\n"
        "A browser that opens / asks for a name and a password: any name, and the key.  It shows\n"
        "the page of gbill report dashboard of the key's organization, anew every minute.\n"
        "\n"
        "What is posted goes to gbill-agent, and success is answered once it is on its disk; while\n"
        "there is no agent the answer is 503.  A request that is sent again with the same ids, or\n"
        "the same Idempotency-Key, counts once.\n"
        "\n"
        "POST stripe/webhook is for Stripe, which needs no key: with the endpoint's secret in\n" STRIPE_SIGN_ENV
        " (several by blanks or commas, while one replaces the other) what\n"
        "Stripe signs with it becomes events; without it the answer is 503.  See gbill stripe verify.\n"
        "\n"
        "Answers come from the tables, as the last gbill rollup and gbill limits left them; gbill\n"
        "run keeps both going.  Errors are problem+json with a code, what is wrong and the remedy.\n",
};
