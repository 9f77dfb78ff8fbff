/*
 * store/base/cli.h - a program is a table of commands.
 *
 * Each folder offers its commands as an array of struct cli_cmd; gbill.c joins
 * them.  A cmd_x.c parses, opens, calls, prints and closes; no domain logic.
 * Results go to stdout, messages to stderr, the exit status comes from err.h.
 */
#ifndef STORE_BASE_CLI_H
#define STORE_BASE_CLI_H

#include <stddef.h>

#include "store/base/clock.h"
#include "store/base/conf.h"
#include "store/base/err.h"

#define CLI_VERSION "0.1.0"

struct cli {
    struct conf conf;
    struct clock clock;
};

struct cli_cmd {
    const char *name; /* "rollup" or "log stat" */
    const char *args; /* "FILE…" for the usage line, or "" */
    size_t args_min, args_max;
    const struct conf_opt *opts;
    size_t opt_count;
    enum err_code (*run)(struct cli *cli, struct err *err);
    const char *summary; /* one line, for the list of commands */
    const char *help;    /* what --help teaches; ends in a newline */
};

#define CLI_COUNT(array) (sizeof(array) / sizeof(array)[0])

/* A folder's commands. */
struct cli_table {
    const char *title; /* "The log" */
    const struct cli_cmd *cmds;
    size_t cmd_count;
};

/*
 * Run a program of many commands: find the command, parse, run, report.
 *
 * Returns the exit status for main().
 */
int cli_main(const char *program, const char *about, const struct cli_table *tables,
             size_t table_count, int argc, char **argv);

/* The same for a program that is one command. */
int cli_main_single(const struct cli_cmd *cmd, int argc, char **argv);

#endif
