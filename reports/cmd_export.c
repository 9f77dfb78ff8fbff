#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "reports/cmd.h"
#include "reports/export.h"
#include "store/base/file.h"
#include "store/base/utf8.h"
#include "store/tables/cursor.h"

enum what { WHAT_USAGE, WHAT_COSTS, WHAT_FOCUS, WHATS };

static const char *const whats[WHATS] = {"usage", "costs", "focus"};

enum { FORMATS = 2, FILE_MODE = 0640 };

static const char *const formats[FORMATS] = {"csv", "jsonl"};

static const struct conf_opt opts[] = {
    {"what", NULL, CONF_TEXT, "ROWS", 0, 0, "usage", false,
     "usage or costs by the hour, or focus: lines of invoices by FOCUS 1.2"},
    {"format", NULL, CONF_TEXT, "FORMAT", 0, 0, "csv", false,
     "csv (RFC 4180), or jsonl: one JSON object a line"},
    {"org", NULL, CONF_TEXT, "ID", 0, 0, NULL, false, "only this organization (default: all)"},
    {"from", NULL, CONF_TEXT, "TIME", 0, 0, NULL, false,
     "the first hour: 2026-11, 2026-11-24 or 2026-11-24T08:00Z (default: all)"},
    {"to", NULL, CONF_TEXT, "TIME", 0, 0, NULL, false,
     "the first hour no longer exported, written as in --from (default: all)"},
    {"output", NULL, CONF_TEXT, "FILE", 0, 0, "-", false,
     "this file, whole or not at all; -: standard output"},
    {"spreadsheet", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "csv: put a ' before texts that a spreadsheet would run as a formula"},
    {"issuer", "GBILL_ISSUER", CONF_TEXT, "NAME", 0, 0, NULL, false,
     "focus: who sends the invoices (default: the seller of --parties)"},
    {"service", "GBILL_SERVICE", CONF_TEXT, "NAME", 0, 0, NULL, false,
     "focus: what is sold (default: the issuer's name)"},
    {"drafts", NULL, CONF_FLAG, NULL, 0, 0, "false", false,
     "focus: invoices that are not final too"},
    CONF_ROW_PARTIES,
    CONF_ROW_DATA,
};

struct request {
    enum what what;
    bool drafts;
    struct usage_range range;
    struct parties *parties;
    struct export_names names;
    const char *path; /* NULL: standard output */
};

static enum err_code
pick(const struct conf *conf, const char *key, const char *const *words, int count, int *ret,
     struct err *err)
{
    const char *given = conf_text(conf, key);
    for (int i = 0; i < count; i++) {
        if (strcmp(given, words[i]) == 0) {
            *ret = i;
            return ERR_OK;
        }
    }
    return err_set(err, ERR_USAGE, "--%s %s is unknown; it is one of %s, %s%s%s", key, given,
                   words[0], words[1], count > 2 ? ", " : "", count > 2 ? words[2] : "");
}

/* A name is the operator's to give: none is made up here. */
static enum err_code
read_names(const struct conf *conf, struct request *r, struct err *err)
{
    const char *issuer = conf_text(conf, "issuer"), *service = conf_text(conf, "service");
    enum err_code code = parties_load(conf_text(conf, "parties"), &r->parties, err);
    if (code != ERR_OK)
        return code;
    if (issuer == NULL)
        issuer = parties_seller(r->parties).name;
    if (issuer == NULL || *issuer == '\0')
        return err_set(
            err, ERR_USAGE,
            "--what focus needs a seller in --parties FILE, or --issuer NAME: FOCUS names "
            "in every row who sends the invoice");
    service = service == NULL || *service == '\0' ? issuer : service;
    if (!utf8_text_ok((const uint8_t *)issuer, strlen(issuer)) ||
        !utf8_text_ok((const uint8_t *)service, strlen(service)))
        return err_set(err, ERR_USAGE, "--issuer and --service must be UTF-8 without controls");
    r->names = (struct export_names){str_of(issuer), str_of(service), r->parties};
    return ERR_OK;
}

static enum err_code
read_request(const struct conf *conf, struct request *r, struct export *x, struct err *err)
{
    const char *path = conf_text(conf, "output");
    int what = 0, format = 0;
    enum err_code code = pick(conf, "what", whats, WHATS, &what, err);
    if (code == ERR_OK)
        code = pick(conf, "format", formats, FORMATS, &format, err);
    if (code == ERR_OK)
        code = usage_range_read(conf_text(conf, "org"), conf_text(conf, "from"),
                                conf_text(conf, "to"), &r->range, err);
    if (code == ERR_OK && what == WHAT_FOCUS)
        code = read_names(conf, r, err);
    r->what = (enum what)what;
    r->drafts = conf_flag(conf, "drafts");
    r->path = strcmp(path, "-") == 0 ? NULL : path;
    x->form = format == 0 ? PRINT_CSV : PRINT_JSON_LINES;
    x->defuse = conf_flag(conf, "spreadsheet");
    x->tty = isatty(STDERR_FILENO) != 0;
    return code;
}

static enum err_code
write_failed(const struct request *r, const struct export *x, int error, struct err *err)
{
    const char *name = r->path != NULL ? r->path : "standard output";
    if (error == EPIPE)
        return err_set(err, ERR_IO, "%s: its reader is gone, with %" PRIu64 " rows made so far",
                       name, x->print.rows);
    return err_set_errno(err, error, "cannot write %s", name);
}

static void
say(const struct request *r, const struct export *x, const struct export_counts *counts,
    uint64_t position)
{
    const char *name = cmd_report_export.name;
    fprintf(stderr, "gbill %s: %" PRIu64 " rows", name, x->print.rows);
    if (r->what == WHAT_FOCUS)
        fprintf(stderr, " of %" PRIu64 " invoices", counts->invoices);
    fprintf(stderr, ", as of log position %" PRIu64 "\n", position);
    if (counts->drafts > 0)
        fprintf(stderr,
                "gbill %s: left out %" PRIu64 " invoices that are not final; see --drafts\n", name,
                counts->drafts);
    if (counts->voided > 0)
        fprintf(stderr, "gbill %s: left out %" PRIu64 " void invoices\n", name, counts->voided);
    if (r->what == WHAT_COSTS && x->unpriced > 0)
        fprintf(stderr,
                "gbill %s: warning: %" PRIu64 " calls have no price and are in no cost; see gbill "
                "report costs --by provider,model\n",
                name, x->unpriced);
}

static enum err_code
export_rows(const struct request *r, struct export *x, struct tables_txn *txn, struct err *err)
{
    struct export_counts counts = {0};
    struct file_draft draft = {.out = NULL};
    uint64_t position = cursor_get(txn).seq;
    enum err_code code = ERR_OK;
    if (r->path != NULL)
        code = file_draft_begin(&draft, r->path, FILE_MODE, err);
    if (code != ERR_OK)
        return code;
    x->out = r->path != NULL ? draft.out : stdout;
    if (r->what == WHAT_FOCUS)
        code = export_focus(x, txn, &r->range, &r->names, r->drafts, &counts, err);
    else
        code = export_usage(x, txn, &r->range,
                            r->what == WHAT_USAGE ? USAGE_PRINT_USAGE : USAGE_PRINT_COSTS, err);
    if (code == ERR_OK && x->print.error == 0 && fflush(x->out) != 0)
        x->print.error = errno;
    if (code == ERR_OK && x->print.error != 0)
        code = write_failed(r, x, x->print.error, err);
    if (code == ERR_OK && r->path != NULL)
        code = file_draft_keep(&draft, err);
    file_draft_drop(&draft);
    if (code == ERR_OK)
        say(r, x, &counts, position);
    return code;
}

static enum err_code
run_export(struct cli *cli, struct err *err)
{
    struct request r = {.what = WHAT_USAGE};
    struct export x = {.out = NULL};
    struct tables *tables = NULL;
    struct tables_txn *txn = NULL;
    enum err_code code = read_request(&cli->conf, &r, &x, err);
    if (code == ERR_OK)
        code = tables_open(conf_data_dir(&cli->conf), TABLES_READ, &tables, err);
    signal(SIGPIPE, SIG_IGN); /* a reader that goes away is an error like others */
    if (code == ERR_OK)
        code = tables_begin(tables, TABLES_READ, &txn, err);
    if (code == ERR_OK)
        code = export_rows(&r, &x, txn, err);
    tables_abort(txn);
    tables_close(tables);
    parties_free(r.parties);
    return code;
}

const struct cli_cmd cmd_report_export = {
    .name = "report export",
    .args = "",
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = run_export,
    .summary = "all rows for other programs: usage, costs, invoices by FOCUS 1.2",
    .help = "Streams rows as CSV or JSON lines, whatever their number, in little memory.  All of\n"
            "them show the tables at one moment; how many there were, and the log position of\n"
            "that moment, is said on stderr.  schemas/export.md explains every column.\n"
            "\n"
            "  usage   one row for each hour, organization, project, user, type, provider, model\n"
            "          and service tier: the columns of gbill report usage\n"
            "  costs   the same with what the calls cost, exactly; what has no price has no cost\n"
            "  focus   one row for each line of the invoices that begin in the range.  The rows\n"
            "          of an invoice add up to it, which is checked.  Drafts are left out unless\n"
            "          --drafts is given, void invoices always\n"
            "\n"
            "CSV has the bytes that apps sent.  Open it in a spreadsheet only if it was made with\n"
            "--spreadsheet: a name such as =HYPERLINK(…) would be run.\n"
            "\n"
            "Examples: gbill report export --org acme --from 2026-11 --to 2026-12 -o november.csv\n"
            "          gbill report export --what focus --issuer 'Acme Inc' --format jsonl\n",
};
