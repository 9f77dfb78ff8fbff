/*
 * store/base/conf.h - settings, declared once.
 *
 * One table row per setting feeds the flag (--key VALUE), the environment
 * variable, the line in a --config file (key = value), --help and
 * --print-config, whose output is a config file.  Precedence: flag,
 * environment, config file, default.  -o stands for --output where a table has it.
 */
#ifndef STORE_BASE_CONF_H
#define STORE_BASE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "store/base/err.h"

enum conf_type {
    CONF_TEXT,
    CONF_INT,  /* whole number in min to max */
    CONF_FLAG, /* --key; "true" or "false" in a file or the environment */
};

struct conf_opt {
    const char *key;
    const char *env; /* NULL: no environment variable */
    enum conf_type type;
    const char *unit; /* "PATH", "ms": stands for the value in --help; NULL for a flag */
    int64_t min, max; /* CONF_INT only */
    const char *def;  /* NULL: not set */
    bool secret;      /* never shown */
    const char *help;
};

enum { CONF_OPTS_MAX = 32, CONF_ARGS_MAX = 16 };

struct conf_value {
    const char *text; /* NULL: not set */
    int64_t number;   /* CONF_INT: the value; CONF_FLAG: 0 or 1 */
};

/* Filled by conf_parse(); texts are borrowed from argv, environ and file_text. */
struct conf {
    const struct conf_opt *opts;
    size_t opt_count;
    struct conf_value values[CONF_OPTS_MAX];
    const char *args[CONF_ARGS_MAX]; /* what is not an option, in order */
    size_t arg_count;
    bool help, print_config;
    char *file_text; /* of --config, or NULL */
};

/* The rows that nearly every command has. */
/* clang-format off */
#define CONF_ROW_DATA                                                                   \
    {"data", "GBILL_DATA", CONF_TEXT, "DIR", 0, 0, NULL, false,                         \
     "data directory (default: /var/lib/gbill for root, else ./gbill-data)"}
#define CONF_ROW_JSON                                                                   \
    {"json", NULL, CONF_FLAG, NULL, 0, 0, "false", false, "print JSON for programs"}
/* clang-format on */

/*
 * Parse a command line against a table.
 *
 *   opts       borrowed, opt_count <= CONF_OPTS_MAX rows
 *   argc/argv  borrowed, without the program's and the command's names
 *   conf       filled; conf_clear() it, also after an error
 *
 * Errors: ERR_USAGE (unknown option, missing value), ERR_CONFIG (a value out of
 * its range, from wherever it came), and those of reading the --config file.
 */
enum err_code conf_parse(struct conf *conf, const struct conf_opt *opts, size_t opt_count, int argc,
                         char *const *argv, struct err *err) ERR_MUST_CHECK;
void conf_clear(struct conf *conf);

/* Values by key; the key must be in the table. */
const char *conf_text(const struct conf *conf, const char *key); /* NULL: not set */
int64_t conf_int(const struct conf *conf, const char *key);
bool conf_flag(const struct conf *conf, const char *key);

/* The data directory: as set, else by who runs us. */
const char *conf_data_dir(const struct conf *conf);

/* The part of --help that lists the options; the effective settings as a file. */
void conf_print_help(const struct conf_opt *opts, size_t opt_count, FILE *out);
void conf_print(const struct conf *conf, FILE *out);

#endif
