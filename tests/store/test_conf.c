#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/base/conf.h"

static const struct conf_opt opts[] = {
    {"batch", "GBILL_TEST_BATCH", CONF_INT, "events", 1, 1000, "500", false, "size of a batch"},
    {"name", NULL, CONF_TEXT, "NAME", 0, 0, NULL, false, "a name"},
    {"token", "GBILL_TEST_TOKEN", CONF_TEXT, "TEXT", 0, 0, NULL, true, "a secret"},
    CONF_ROW_JSON,
};
enum { OPTS = sizeof opts / sizeof opts[0] };

static struct conf conf;
static struct err err;

static enum err_code
parse(int argc, const char *const *argv)
{
    conf_clear(&conf);
    return conf_parse(&conf, opts, OPTS, argc, (char *const *)(uintptr_t)argv, &err);
}

#define PARSE(...)                                                            \
    parse((int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)), \
          (const char *const[]){__VA_ARGS__})

/* A config file that is gone from the directory but can still be opened. */
static void
write_file(char path[32], const char *text)
{
    memcpy(path, "/tmp/gbill-conf-XXXXXX", 23);
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

Test(store_conf, flag_beats_environment_beats_file_beats_default)
{
    char path[32];
    write_file(path, "# comment\n\n  batch = 7 \r\nname=a = b\njson = true\n");
    cr_assert_eq(PARSE("one"), ERR_OK);
    cr_assert_eq(conf_int(&conf, "batch"), 500);
    cr_assert_null(conf_text(&conf, "name"));
    cr_assert_not(conf_flag(&conf, "json"));
    cr_assert_eq(PARSE("--config", path), ERR_OK, "%s", err.text);
    cr_assert_eq(conf_int(&conf, "batch"), 7);
    cr_assert_str_eq(conf_text(&conf, "name"), "a = b");
    cr_assert(conf_flag(&conf, "json"));
    setenv("GBILL_TEST_BATCH", "8", 1);
    cr_assert_eq(PARSE("--config", path), ERR_OK);
    cr_assert_eq(conf_int(&conf, "batch"), 8);
    cr_assert_eq(PARSE("--batch=9", "--config", path), ERR_OK);
    cr_assert_eq(conf_int(&conf, "batch"), 9);
    cr_assert_eq(PARSE("--batch", "9", "--json=false"), ERR_OK);
    cr_assert_eq(conf_int(&conf, "batch"), 9);
    conf_clear(&conf);
    unlink(path);
}

Test(store_conf, arguments_and_options_mix_until_two_dashes)
{
    cr_assert_eq(PARSE("a", "--json", "-", "--", "--batch", "-x"), ERR_OK);
    cr_assert_eq(conf.arg_count, 4u);
    cr_assert_str_eq(conf.args[1], "-");
    cr_assert_str_eq(conf.args[2], "--batch");
    cr_assert_eq(PARSE("--help", "--print-config"), ERR_OK);
    cr_assert(conf.help && conf.print_config);
}

Test(store_conf, a_wrong_command_line_is_a_usage_error_that_names_it)
{
    cr_assert_eq(PARSE("--bacth", "5"), ERR_USAGE);
    cr_assert_not_null(strstr(err.text, "--bacth"));
    cr_assert_eq(PARSE("-b"), ERR_USAGE);
    cr_assert_eq(PARSE("--batch"), ERR_USAGE);
    cr_assert_not_null(strstr(err.text, "events"), "%s", err.text);
    cr_assert_eq(PARSE("--config"), ERR_USAGE);
    cr_assert_eq(PARSE("--"
                       "=5"),
                 ERR_USAGE);
    cr_assert_eq(PARSE("1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14",
                       "15", "16", "17"),
                 ERR_USAGE);
}

Test(store_conf, a_wrong_value_names_its_source_and_its_limits)
{
    static const char *const bad[] = {"", "0", "1001", "5x", "99999999999999999999", "1.5"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(PARSE("--batch", bad[i]), ERR_CONFIG, "%s", bad[i]);
        cr_assert_not_null(strstr(err.text, "batch"));
    }
    setenv("GBILL_TEST_BATCH", "1001", 1);
    cr_assert_eq(PARSE("x"), ERR_CONFIG);
    cr_assert_not_null(strstr(err.text, "GBILL_TEST_BATCH"));
    cr_assert_not_null(strstr(err.text, "1 to 1000 events"), "%s", err.text);
    setenv("GBILL_TEST_BATCH", "", 1);
    cr_assert_eq(PARSE("x"), ERR_OK, "an empty variable is not set");
    cr_assert_eq(PARSE("--json=maybe"), ERR_CONFIG);
}

Test(store_conf, a_wrong_file_names_its_line)
{
    char path[32];
    write_file(path, "batch = 5\nbtach = 6\n");
    cr_assert_eq(PARSE("--config", path), ERR_CONFIG);
    cr_assert_not_null(strstr(err.text, ":2:"), "%s", err.text);
    unlink(path);
    write_file(path, "batch = 5\nbatch = many\n");
    cr_assert_eq(PARSE("--config", path), ERR_CONFIG);
    cr_assert_not_null(strstr(err.text, "line 2"), "%s", err.text);
    unlink(path);
    write_file(path, "batch\n");
    cr_assert_eq(PARSE("--config", path), ERR_CONFIG);
    unlink(path);
    cr_assert_eq(PARSE("--config", path), ERR_NOT_FOUND);
    conf_clear(&conf);
}

Test(store_conf, what_is_printed_parses_back_and_shows_no_secret)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    cr_assert_eq(PARSE("--batch", "42", "--name", "x y", "--token", "hunter2", "--json"), ERR_OK);
    conf_print(&conf, out);
    fclose(out);
    cr_assert_null(strstr(text, "hunter2"));
    char path[32];
    write_file(path, text);
    cr_assert_eq(PARSE("--config", path), ERR_OK, "%s", err.text);
    cr_assert_eq(conf_int(&conf, "batch"), 42);
    cr_assert_str_eq(conf_text(&conf, "name"), "x y");
    cr_assert(conf_flag(&conf, "json"));
    conf_clear(&conf);
    unlink(path);
    free(text);
}

Test(store_conf, help_names_every_option_with_its_variable)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    conf_print_help(opts, OPTS, out);
    fclose(out);
    for (size_t i = 0; i < OPTS; i++) {
        cr_assert_not_null(strstr(text, opts[i].key));
        cr_assert_not_null(strstr(text, opts[i].help));
        cr_assert(opts[i].env == NULL || strstr(text, opts[i].env) != NULL);
    }
    free(text);
}
