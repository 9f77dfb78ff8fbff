#include "tests/reports/fixture.h"

#include <sys/wait.h>
#include <unistd.h>

#include "reports/cmd.h"
#include "store/tables/dict.h"
#include "tests/support/number.h"

struct fixture
fixture_make(void)
{
    struct fixture x = {.dir = temp_dir_make()};
    struct err err;
    cr_assert_eq(tables_open(x.dir.path, TABLES_WRITE, &x.tables, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(tables_begin(x.tables, TABLES_WRITE, &x.txn, &err), ERR_OK, "%s", err.text);
    return x;
}

static uint32_t
number_of(struct fixture *x, struct dict *dict, const char *text, const char *usual)
{
    return number_text(dict, x->txn, text != NULL ? text : usual);
}

void
fixture_add(struct fixture *x, const struct calls *calls)
{
    struct dict dict = {.slots = NULL};
    struct err err;
    int64_t utc_ms;
    uint8_t key[USAGE_KEY_BYTES];
    struct usage_row row = calls->row;
    cr_assert(time_parse(str_of(calls->when), &utc_ms));
    row.calls = row.calls == 0 ? 1 : row.calls;
    struct usage_key k = {
        .organization = number_of(x, &dict, calls->organization, "acme"),
        .period = (uint32_t)(utc_ms / TIME_HOUR_MS),
        .project = number_of(x, &dict, calls->project, ""),
        .user = number_of(x, &dict, calls->user, "u1"),
        .type = number_of(x, &dict, calls->type, "chat"),
        .provider = number_of(x, &dict, calls->provider, "openai"),
        .model = number_of(x, &dict, calls->model, "gpt-4o"),
        .tier = number_of(x, &dict, calls->tier, ""),
    };
    dict_clear(&dict);
    usage_key_encode(&k, key);
    cr_assert_eq(usage_add(x->txn, TABLE_HOURLY, key, &row, &err), ERR_OK, "%s", err.text);
}

void
fixture_commit(struct fixture *x)
{
    struct err err;
    cr_assert_eq(tables_commit(x->txn, &err), ERR_OK, "%s", err.text);
    x->txn = NULL;
    tables_close(x->tables);
    x->tables = NULL;
}

void
fixture_end(struct fixture *x)
{
    tables_abort(x->txn);
    tables_close(x->tables);
    temp_dir_remove(&x->dir);
}

static char *
read_all(const char *path)
{
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f);
    char *text = NULL;
    size_t room = 0;
    if (getdelim(&text, &room, '\0', f) < 0 && text != NULL)
        text[0] = '\0';
    fclose(f);
    return text;
}

static void
run_in_child(const struct fixture *x, char *line, const char *out, const char *err)
{
    struct cli_cmd cmds[] = {cmd_report_usage, cmd_report_costs, cmd_report_export};
    const struct cli_table table = {"Reports", cmds, CLI_COUNT(cmds)};
    char *argv[32] = {(char[]){"gbill"}, (char[]){"report"}};
    int argc = 2;
    for (char *save = NULL, *word = strtok_r(line, " ", &save); word != NULL;
         word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    argv[argc++] = (char[]){"--data"};
    argv[argc++] = (char *)(uintptr_t)x->dir.path;
    if (freopen(out, "w", stdout) == NULL || freopen(err, "w", stderr) == NULL)
        _exit(99);
    int status = cli_main("gbill", "bills", &table, 1, argc, argv);
    fflush(NULL);
    _exit(status);
}

struct ran
fixture_run(const struct fixture *x, const char *line)
{
    char out[96], err[96], words[256];
    int status;
    struct ran ran = {0};
    snprintf(out, sizeof out, "%s/stdout", x->dir.path);
    snprintf(err, sizeof err, "%s/stderr", x->dir.path);
    snprintf(words, sizeof words, "%s", line);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        run_in_child(x, words, out, err);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status), "%s: killed by signal %d", line, WTERMSIG(status));
    ran.status = WEXITSTATUS(status);
    ran.out = read_all(out);
    ran.err = read_all(err);
    return ran;
}

void
ran_free(struct ran *ran)
{
    free(ran->out);
    free(ran->err);
}
