#include "store/base/cli.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/log.h"
#include "store/base/time.h"

static int
report(const char *program, const char *cmd_name, enum err_code code, const struct err *err)
{
    fprintf(stderr, "%s%s%s%s: %s\n", log_prefix(LOG_LEVEL_ERROR), program,
            cmd_name[0] != '\0' ? " " : "", cmd_name, err->text);
    return err_exit_status(code);
}

static void
print_cmd_help(const char *program, const struct cli_cmd *cmd)
{
    bool is_program = strcmp(program, cmd->name) == 0;
    printf("Usage: %s%s%s [OPTION]…%s%s\n\n%s", program, is_program ? "" : " ",
           is_program ? "" : cmd->name, cmd->args[0] != '\0' ? " " : "", cmd->args, cmd->help);
    conf_print_help(cmd->opts, cmd->opt_count, stdout);
}

static enum err_code
check_arg_count(const struct cli_cmd *cmd, const struct conf *conf, struct err *err)
{
    if (conf->arg_count < cmd->args_min)
        return err_set(err, ERR_USAGE, "needs %s; see --help", cmd->args);
    if (conf->arg_count > cmd->args_max)
        return err_set(err, ERR_USAGE, "unexpected argument \"%s\"; see --help",
                       conf->args[cmd->args_max]);
    return ERR_OK;
}

static int
run_cmd(const char *program, const struct cli_cmd *cmd, int argc, char **argv)
{
    struct cli cli = {.clock = clock_system()};
    struct err err = {.code = ERR_OK};
    const char *shown = strcmp(program, cmd->name) == 0 ? "" : cmd->name;
    const char *env = getenv("DEBUG_BILLING"); /* for every command: gbill run's children hear it */
    int status = 0;
    enum err_code code = conf_parse(&cli.conf, cmd->opts, cmd->opt_count, argc, argv, &err);
    if (cli.conf.help) {
        print_cmd_help(program, cmd);
        goto out;
    }
    if (code == ERR_OK && cli.conf.print_config) {
        conf_print(&cli.conf, stdout);
        goto out;
    }
    if (code == ERR_OK)
        code = check_arg_count(cmd, &cli.conf, &err);
    if (env != NULL && strcmp(env, "true") == 0)
        log_set_level(LOG_LEVEL_DEBUG);
    if (code == ERR_OK)
        code = cmd->run(&cli, &err);
    if (fflush(stdout) != 0 && code == ERR_OK)
        code = err_set(&err, ERR_IO, "cannot write to standard output");
    if (code != ERR_OK)
        status = report(program, shown, code, &err);
out:
    conf_clear(&cli.conf);
    return status;
}

/* How many words of argv name this command; 0 if they do not. */
static int
words_matched(const char *name, int argc, char **argv)
{
    int words = 0;
    for (;;) {
        size_t n = strcspn(name, " ");
        if (words == argc || strlen(argv[words]) != n || memcmp(argv[words], name, n) != 0)
            return 0;
        words++;
        if (name[n] == '\0')
            return words;
        name += n + 1;
    }
}

static void
print_help(const char *program, const char *about, const struct cli_table *tables,
           size_t table_count)
{
    printf("%s %s: %s\n\nUsage: %s COMMAND [OPTION]… [ARGUMENT]…\n", program, CLI_VERSION, about,
           program);
    for (size_t t = 0; t < table_count; t++) {
        printf("\n%s:\n", tables[t].title);
        for (size_t i = 0; i < tables[t].cmd_count; i++)
            printf("  %-18s %s\n", tables[t].cmds[i].name, tables[t].cmds[i].summary);
    }
    printf("\n\"%s COMMAND --help\" explains a command.  Exit statuses: 0 success, 2 usage,\n"
           "3 configuration, 4 input, 5 limit, 6 not found, 7 conflict, 8 busy, 9 denied,\n"
           "10 disk or kernel, 11 disk full, 12 corrupt, 13 agent or Postgres.\n",
           program);
}

/* Is it the first word of several commands, as "log" is? */
static bool
is_group(const struct cli_cmd *cmd, const char *word)
{
    size_t n = strlen(word);
    return strncmp(cmd->name, word, n) == 0 && cmd->name[n] == ' ';
}

/* What "gbill log --help" shows; false where no command begins with the word. */
static bool
print_group_help(const char *program, const struct cli_table *tables, size_t table_count,
                 const char *word)
{
    bool any = false;
    for (size_t t = 0; t < table_count; t++) {
        for (size_t i = 0; i < tables[t].cmd_count; i++) {
            const struct cli_cmd *cmd = &tables[t].cmds[i];
            if (!is_group(cmd, word))
                continue;
            if (!any)
                printf("Usage: %s %s COMMAND [OPTION]… [ARGUMENT]…\n\n", program, word);
            any = true;
            printf("  %-18s %s\n", cmd->name, cmd->summary);
        }
    }
    if (any)
        printf("\n\"%s %s COMMAND --help\" explains a command.\n", program, word);
    return any;
}

/* "log" alone, or "log foo": name what could follow. */
static enum err_code
unknown_command(const struct cli_table *tables, size_t table_count, int argc, char **argv,
                struct err *err)
{
    char follow[512] = "";
    size_t used = 0;
    for (size_t t = 0; t < table_count; t++) {
        for (size_t i = 0; i < tables[t].cmd_count; i++) {
            const struct cli_cmd *cmd = &tables[t].cmds[i];
            if (strncmp(cmd->name, argv[0], strlen(argv[0])) != 0 || used >= sizeof follow)
                continue;
            int put = snprintf(follow + used, sizeof follow - used, "%s\"%s\"",
                               used > 0 ? ", " : "", cmd->name);
            used += put > 0 ? (size_t)put : 0;
        }
    }
    bool second = argc > 1 && argv[1][0] != '-';
    return used > 0 ? err_set(err, ERR_USAGE, "\"%s%s%s\" is no command; did you mean %s?", argv[0],
                              second ? " " : "", second ? argv[1] : "", follow)
                    : err_set(err, ERR_USAGE, "unknown command \"%s\"; see --help", argv[0]);
}

static bool
asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

/* The command that argv names and how many words do so; NULL: none. */
static const struct cli_cmd *
find_cmd(const struct cli_table *tables, size_t table_count, int argc, char **argv, int *ret_words)
{
    for (size_t t = 0; t < table_count; t++) {
        for (size_t i = 0; i < tables[t].cmd_count; i++) {
            *ret_words = words_matched(tables[t].cmds[i].name, argc, argv);
            if (*ret_words > 0)
                return &tables[t].cmds[i];
        }
    }
    return NULL;
}

int
cli_main(const char *program, const char *about, const struct cli_table *tables, size_t table_count,
         int argc, char **argv)
{
    bool help = argc > 1 && asks_for_help(argv[1]);
    int from = help ? 2 : 1, words = 0; /* "help log stat" is "log stat --help" */
    if (argc <= from) {
        print_help(program, about, tables, table_count);
        return help ? 0 : err_exit_status(ERR_USAGE);
    }
    if (strcmp(argv[from], "--version") == 0) {
        printf("%s %s\n", program, CLI_VERSION);
        return 0;
    }
    const struct cli_cmd *cmd = find_cmd(tables, table_count, argc - from, argv + from, &words);
    if (cmd != NULL && help) {
        print_cmd_help(program, cmd);
        return 0;
    }
    if (cmd != NULL)
        return run_cmd(program, cmd, argc - from - words, argv + from + words);
    help = help || (argc > from + 1 && asks_for_help(argv[from + 1]));
    if (help && print_group_help(program, tables, table_count, argv[from]))
        return 0;
    struct err err;
    enum err_code code = unknown_command(tables, table_count, argc - from, argv + from, &err);
    return report(program, "", code, &err);
}

int
cli_main_single(const struct cli_cmd *cmd, int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        printf("%s %s\n", cmd->name, CLI_VERSION);
        return 0;
    }
    return run_cmd(cmd->name, cmd, argc - 1, argv + 1);
}
