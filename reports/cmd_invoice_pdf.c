#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "billing/cmd_shared.h"
#include "billing/invoice_pick.h"
#include "billing/parties.h"
#include "reports/cmd.h"
#include "reports/invoice_sheet.h"
#include "store/base/file.h"

enum {
    TEXTS_BYTES_MAX = 256 * 1024 * 1024,
    PDF_BYTES_MAX = 256 * 1024 * 1024,
    FILE_MODE = 0640,
    NAMED_MAX = 8, /* characters without a font, on one line of stderr */
};

static const struct conf_opt opts[] = {
    CONF_ROW_DATA,
    INVOICE_PICK_ROWS,
    {"output", NULL, CONF_TEXT, "FILE", 0, 0, NULL, false, "the PDF; - for standard output"},
    CONF_ROW_PARTIES,
};

/* ---- drawing ---- */

/* The program's own RUNPATH says where the module lies. */
static enum err_code
load_drawing(pdf_draw_fn **ret, struct err *err)
{
    void *module = dlopen("gbill-pdf.so", RTLD_NOW | RTLD_LOCAL);
    void *function = module != NULL ? dlsym(module, "pdf_draw") : NULL;
    if (function == NULL) {
        const char *why = dlerror();
        return err_set(err, ERR_NOT_FOUND,
                       "cannot load what draws PDFs: %s; install gbill-pdf.so where cmake "
                       "--install puts it, and libpangocairo-1.0-0",
                       why != NULL ? why : "no pdf_draw in gbill-pdf.so");
    }
    /* ISO C knows no way from one kind of pointer to the other; POSIX has the same size for both. */
    memcpy(ret, &function, sizeof *ret);
    return ERR_OK;
}

static void
add_utf8(char text[5], uint32_t c)
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    text[n] = '\0';
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        text[i] = (char)(0x80 | (c & 0x3f));
    text[0] = (char)(leads[n] | c);
}

/* One line for each package that would help. */
static void
warn_of_missing(const struct pdf_missing *m)
{
    bool said[PDF_MISSING_MAX] = {false};
    for (size_t i = 0; i < m->count; i++) {
        size_t count = 0;
        if (said[i])
            continue;
        fputs("gbill invoice pdf: warning: no installed font has", stderr);
        for (size_t k = i; k < m->count; k++) {
            char text[5];
            if (strcmp(m->of[k].package, m->of[i].package) != 0)
                continue;
            said[k] = true;
            add_utf8(text, m->of[k].character);
            if (count++ < NAMED_MAX)
                fprintf(stderr, "%s %s (U+%04" PRIX32 ")", count > 1 ? "," : "", text,
                        m->of[k].character);
        }
        if (count > NAMED_MAX || m->more)
            fputs(" and others", stderr);
        fprintf(stderr, "; boxes are drawn instead: apt-get install %s\n", m->of[i].package);
    }
}

/* ---- the file ---- */

static enum err_code
check_output(const char *path, struct err *err)
{
    struct stat st;
    if (path == NULL)
        return err_set(err, ERR_USAGE, "needs -o FILE (- for standard output); see --help");
    if (strcmp(path, "-") == 0)
        return isatty(STDOUT_FILENO) ? err_set(err, ERR_USAGE,
                                               "a PDF is nothing for a terminal; write -o FILE, or "
                                               "redirect standard output")
                                     : ERR_OK;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return err_set(err, ERR_USAGE,
                       "-o %s: is there and is no regular file; name a file, or - for standard "
                       "output",
                       path);
    return ERR_OK;
}

static enum err_code
write_output(const char *path, struct bytes pdf, struct err *err)
{
    if (strcmp(path, "-") != 0)
        return err_wrap(err, file_replace(path, FILE_MODE, pdf, err),
                        "no PDF was written (free space or name another place with -o)");
    if (fwrite(pdf.data, 1, pdf.size_bytes, stdout) != pdf.size_bytes || fflush(stdout) != 0)
        return err_set(err, ERR_IO, "cannot write the PDF to standard output");
    return ERR_OK;
}

static enum err_code
draw(const struct pdf_sheet *sheet, const char *path, struct err *err)
{
    pdf_draw_fn *draw_sheet = NULL;
    struct pdf_missing missing;
    struct buf pdf;
    buf_init(&pdf, PDF_BYTES_MAX);
    enum err_code code = load_drawing(&draw_sheet, err);
    if (code == ERR_OK)
        code = draw_sheet(sheet, &pdf, &missing, err);
    if (code == ERR_OK)
        code = write_output(path, (struct bytes){pdf.data, pdf.size_bytes}, err);
    if (code == ERR_OK)
        warn_of_missing(&missing);
    buf_clear(&pdf);
    return code;
}

static enum err_code
run(struct cli *cli, struct err *err)
{
    const struct conf *conf = &cli->conf;
    const char *path = conf_text(conf, "output");
    struct tables *tables = NULL;
    struct tables_txn *txn = NULL;
    struct parties *parties = NULL;
    struct invoice invoice;
    struct pdf_sheet sheet;
    struct arena texts;
    arena_init(&texts, TEXTS_BYTES_MAX);
    enum err_code code = check_output(path, err);
    if (code == ERR_OK)
        code = parties_load(conf_text(conf, "parties"), &parties, err);
    if (code == ERR_OK)
        code = invoice_pick(conf, &tables, &txn, &invoice, err);
    if (code == ERR_OK)
        code = invoice_sheet_make(txn, &invoice, parties, &texts, &sheet, err);
    cmd_shared_close(tables, txn); /* drawing takes its time, and needs no tables */
    if (code == ERR_OK)
        code = draw(&sheet, path, err);
    parties_free(parties);
    arena_clear(&texts);
    return code;
}

const struct cli_cmd cmd_invoice_pdf = {
    .name = "invoice pdf",
    .args = "",
    .opts = opts,
    .opt_count = CLI_COUNT(opts),
    .run = run,
    .summary = "write one invoice as a PDF, for a person to read, print and keep",
    .help =
        "gbill invoice pdf --number 17 -o invoice-17.pdf\n"
        "gbill invoice pdf --org acme --month 2026-11 -o -   >draft.pdf\n\n"
        "A4, as many pages as it takes; its text can be searched and copied.  The seller, the\n"
        "customers' names and addresses, terms of payment and a footer come from the file of\n"
        "--parties (schemas/parties.md); without it the page names the organization's id and no\n"
        "seller.  A draft is marked as one on every page.  The same invoice with the same file\n"
        "and fonts gives the same bytes.  Characters that no installed font has are named on\n"
        "stderr, with the package that has them.  The file is written whole or not at all.\n",
};
