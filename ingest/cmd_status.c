#include <time.h>
#include <unistd.h>

#include "ingest/cmd.h"
#include "ingest/overview.h"
#include "store/base/file.h"

enum { TEXT_BYTES_MAX = 512 * 1024, TEXT_MODE = 0644 };

static enum err_code
print_prometheus(const struct overview *v, const char *path, struct err *err)
{
    struct buf text;
    enum err_code code = ERR_OK;
    buf_init(&text, TEXT_BYTES_MAX);
    if (!overview_write_prometheus(v, &text))
        code = err_set(err, ERR_LIMIT, "no memory for the figures");
    else if (path != NULL)
        code = file_replace(path, TEXT_MODE, (struct bytes){text.data, text.size_bytes}, err);
    else
        fwrite(text.data, 1, text.size_bytes, stdout);
    buf_clear(&text);
    return code;
}

/* Until it is interrupted; what goes wrong is said in place, since it may pass. */
static enum err_code
watch(const struct overview_options *o, const struct clock *clock, int64_t every_s, struct err *err)
{
    struct overview looks[2];
    const struct timespec pause = {.tv_sec = (time_t)every_s};
    bool tty = isatty(STDOUT_FILENO) != 0, before = false;
    for (int i = 0; !ferror(stdout); i = 1 - i) {
        enum err_code code = overview_look(o, clock, &looks[i], err);
        if (tty)
            fputs("\033[H\033[2J", stdout);
        if (code == ERR_OK)
            overview_print(&looks[i], before ? &looks[1 - i] : NULL, stdout);
        else
            printf("%s\n", err->text);
        if (code == ERR_OK && looks[i].state != OVERVIEW_OK)
            printf("%s\n", looks[i].why.text);
        fputs(tty ? "" : "\n", stdout);
        fflush(stdout);
        if (before)
            overview_clear(&looks[1 - i]);
        before = true;
        nanosleep(&pause, NULL);
    }
    return err_set(err, ERR_IO, "cannot write to standard output");
}

static enum err_code
run(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    const char *output = conf_text(conf, "output");
    bool json = conf_flag(conf, "json"), prometheus = conf_flag(conf, "prometheus");
    int64_t every_s = conf_int(conf, "watch");
    struct overview_options o = {
        .data = conf_data_dir(conf),
        .status_socket = conf_text(conf, "status-socket"),
        .behind_s = conf_int(conf, "behind"),
        .space_s = conf_int(conf, "space") * 3600,
    };
    if (json + prometheus + (every_s > 0) > 1 || (output != NULL && !prometheus))
        return err_set(err, ERR_USAGE,
                       "--json, --prometheus and --watch exclude each other, and "
                       "--output goes with --prometheus; see --help");
    if (every_s > 0)
        return watch(&o, &cli->clock, every_s, err);
    struct overview v;
    enum err_code code = overview_look(&o, &cli->clock, &v, err);
    if (code == ERR_OK && prometheus) {
        /* The state is in the figures: a collector must not lose them over an exit status. */
        code = print_prometheus(&v, output, err);
    } else if (code == ERR_OK) {
        if (json)
            overview_print_json(&v, stdout);
        else
            overview_print(&v, NULL, stdout);
        fflush(stdout);
        code = overview_state_code(v.state);
        if (code != ERR_OK)
            code = err_set(err, code, "%s", v.why.text);
    }
    overview_clear(&v);
    return code;
}

static const struct conf_opt opts[] = {
    CONF_ROW_DATA,
    {"status-socket", "GBILL_STATUS_SOCKET", CONF_TEXT, "PATH", 0, 0, NULL, false,
     "the agent's status socket (default: status.sock in the data directory)"},
    CONF_ROW_JSON,
    {"prometheus", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "print Prometheus' text format, the agent's figures and those seen from here"},
    {"output", NULL, CONF_TEXT, "FILE", 0, 0, NULL, false,
     "--prometheus: put the text into FILE, in one step"},
    {"watch", NULL, CONF_INT, "SECONDS", 0, 3600, "0", false, "print again and again; 0: once"},
    {"behind", NULL, CONF_INT, "SECONDS", 0, 31536000, "300", false,
     "an event that is not rolled up for longer is the state behind; 0: never"},
    {"space", NULL, CONF_INT, "HOURS", 0, 8760, "24", false,
     "a disk that is full sooner is the state low_space; 0: never"},
};

const struct cli_cmd cmd_status = {
    .name = "status",
    .args = "",
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = run,
    .summary = "how agent, log, disk and jobs are",
    .help =
        "Asks the agent for its figures, and looks at the log, the disk and the tables itself.\n"
        "A rate is since the agent began, with --watch since the last look.  How long the disk\n"
        "lasts is told from what the log's newest two days take.  flush and ack times are upper\n"
        "bounds: the agent counts them in buckets that double.  flush is the time of one append\n"
        "to the log until it is on the disk, ack that from a commit's first message to its acks.\n"
        "\n"
        "The exit status says the state, the worst first:\n"
        "  13  agent_down    no agent answers\n"
        "   9  agent_hidden  this user may not ask it\n"
        "  11  disk_full     the agent waits for room, and takes nothing\n"
        "   5  low_space     the disk is full within --space hours\n"
        "   5  behind        an event waits for gbill rollup for over --behind seconds\n"
        "   0  ok\n"
        "and others as everywhere: 6 without a data directory, 12 for a log that cannot be read.\n"
        "With --prometheus the states are in the figures (gbill_agent_up …) and the exit status\n"
        "is 0: for node_exporter's textfile collector, give it --output DIR/gbill.prom.\n",
};
