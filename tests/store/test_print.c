#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>

#include "store/base/print.h"

static const struct print_column columns[] = {
    {"organization", PRINT_TEXT}, {"calls", PRINT_WHOLE}, {"cost", PRINT_AMOUNT}};

/* Two rows, one of them as unpleasant as names get. */
static char *
printed(enum print_form form, size_t rows)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    struct print p;
    print_begin(&p, out, form, columns, 3);
    if (rows > 0) {
        print_text(&p, str_of("acme"));
        print_whole(&p, 18446744073709551615u);
        print_amount(&p, "0.0000000225");
    }
    if (rows > 1) {
        print_text(&p, str_of("b\xc3\xabta, \"x\"\n\x1b[31m"));
        print_whole(&p, 7);
        print_amount(&p, "-12.50");
    }
    print_end(&p);
    fclose(out);
    return text;
}

Test(store_print, csv_is_rfc_4180)
{
    char *text = printed(PRINT_CSV, 2);
    cr_assert_str_eq(text, "organization,calls,cost\r\n"
                           "acme,18446744073709551615,0.0000000225\r\n"
                           "\"b\xc3\xabta, \"\"x\"\"\n\x1b[31m\",7,-12.50\r\n");
    free(text);
}

Test(store_print, json_parses_and_keeps_money_out_of_doubles)
{
    json_error_t error;
    char *text = printed(PRINT_JSON, 2);
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    /* 2^64-1 is beyond Jansson's integers, so read the second row alone. */
    cr_assert_null(root);
    free(text);
    text = printed(PRINT_JSON, 2);
    char *row = strstr(text, "},\n{") + 3;
    row[strcspn(row, "\n]")] = '\0';
    root = json_loads(row, JSON_REJECT_DUPLICATES, &error);
    cr_assert_not_null(root, "%s", error.text);
    cr_assert_str_eq(json_string_value(json_object_get(root, "organization")),
                     "b\xc3\xabta, \"x\"\n\x1b[31m");
    cr_assert_eq(json_integer_value(json_object_get(root, "calls")), 7);
    cr_assert_str_eq(json_string_value(json_object_get(root, "cost")), "-12.50");
    json_decref(root);
    free(text);
}

Test(store_print, no_rows_are_still_a_document)
{
    char *text = printed(PRINT_JSON, 0);
    json_t *root = json_loads(text, 0, NULL);
    cr_assert(json_is_array(root) && json_array_size(root) == 0);
    json_decref(root);
    free(text);
    text = printed(PRINT_CSV, 0);
    cr_assert_str_eq(text, "organization,calls,cost\r\n");
    free(text);
    text = printed(PRINT_TABLE, 0);
    cr_assert_str_eq(text, "organization  calls  cost\n");
    free(text);
}

Test(store_print, a_table_lines_up_and_keeps_control_characters_off_the_terminal)
{
    char *text = printed(PRINT_TABLE, 2);
    cr_assert_str_eq(text, "organization                    calls          cost\n"
                           "acme             18446744073709551615  0.0000000225\n"
                           "b\xc3\xabta, \"x\"??[31m                     7        -12.50\n");
    free(text);
}

Test(store_print, a_table_without_room_ends_at_a_whole_row_and_says_so)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    struct print p;
    print_begin(&p, out, PRINT_TABLE, columns, 2);
    p.cells.cap_bytes = 20;
    for (int i = 0; i < 5; i++) {
        print_text(&p, str_of("acme"));
        print_whole(&p, 7);
    }
    print_end(&p);
    fclose(out);
    cr_assert_not_null(strstr(text, "cut after 2 of 5 rows"), "%s", text);
    free(text);
}

Test(store_print, json_lines_are_an_object_each_and_know_null)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    struct print p;
    print_begin(&p, out, PRINT_JSON_LINES, columns, 3);
    print_text(&p, str_of("b\xc3\xab"));
    print_whole(&p, 100);
    print_null(&p);
    print_text(&p, str_of("a\xc3\xab\xff\\b\nc"));
    print_null(&p);
    print_amount(&p, "1.5");
    print_end(&p);
    fclose(out);
    cr_assert_str_eq(
        text,
        "{\"organization\":\"b\xc3\xab\",\"calls\":100,\"cost\":null}\n"
        "{\"organization\":\"a\xc3\xab\\ufffd\\\\b\\u000ac\",\"calls\":null,\"cost\":\"1.5\"}\n");
    free(text);
}

Test(store_print, a_null_is_an_empty_cell_of_csv)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    struct print p;
    print_begin(&p, out, PRINT_CSV, columns, 3);
    print_null(&p);
    print_null(&p);
    print_null(&p);
    print_end(&p);
    fclose(out);
    cr_assert_str_eq(text, "organization,calls,cost\r\n,,\r\n");
    free(text);
}

Test(store_print, a_text_that_a_spreadsheet_would_run_is_defused_where_that_is_asked_for)
{
    static const struct {
        const char *text, *plain, *defused;
    } cases[] = {
        {"=1+1", "=1+1", "\"'=1+1\""}, {"+1", "+1", "\"'+1\""},
        {"-2", "-2", "\"'-2\""},       {"@SUM(A1)", "@SUM(A1)", "\"'@SUM(A1)\""},
        {"\t=1", "\t=1", "\"'\t=1\""}, {"=\"x\"", "\"=\"\"x\"\"\"", "\"'=\"\"x\"\"\""},
        {"a=1", "a=1", "a=1"},         {"", "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int defuse = 0; defuse < 2; defuse++) {
            char *text = NULL, want[128];
            size_t size;
            FILE *out = open_memstream(&text, &size);
            struct print p;
            print_begin(&p, out, PRINT_CSV, columns, 3);
            p.defuse = defuse != 0;
            print_text(&p, str_of(cases[i].text));
            print_whole(&p, 1);
            print_amount(&p, "-12.50"); /* a number is none */
            print_end(&p);
            fclose(out);
            snprintf(want, sizeof want, "organization,calls,cost\r\n%s,1,-12.50\r\n",
                     defuse != 0 ? cases[i].defused : cases[i].plain);
            cr_expect_str_eq(text, want);
            free(text);
        }
    }
}

/* As snprintf(), of what is known to fit. */
static size_t __attribute__((format(printf, 3, 4)))
snprintf_fits(char *to, size_t room, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(to, room, fmt, args);
    va_end(args);
    cr_assert(n >= 0 && (size_t)n < room);
    return (size_t)n;
}

/* Rows of every length, so that a cell of every kind meets the buffer's end. */
Test(store_print, rows_beyond_the_buffer_are_whole)
{
    enum { ROWS = 4000, LONG = 3 * PRINT_BUFFER_BYTES };
    char *text = NULL, *wide = malloc(LONG + 1), *want = malloc(ROWS * 80 + LONG + 200), *to = want;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    struct print p;
    memset(wide, 'w', LONG);
    wide[LONG] = '\0';
    print_begin(&p, out, PRINT_CSV, columns, 3);
    to += snprintf_fits(to, 200, "organization,calls,cost\r\n");
    for (unsigned i = 0; i < ROWS; i++) {
        char name[32];
        snprintf(name, sizeof name, "%.*s,\"", (int)(i % 23), wide);
        print_text(&p, str_of(name));
        print_whole(&p, (uint64_t)i * 1000003);
        print_amount(&p, "0.25");
        to += snprintf_fits(to, 80, "\"%.*s,\"\"\",%llu,0.25\r\n", (int)(i % 23), wide,
                            (unsigned long long)i * 1000003);
    }
    print_text(&p, (struct str){wide, LONG});
    print_whole(&p, 1);
    print_null(&p);
    to += snprintf_fits(to, LONG + 100, "%s,1,\r\n", wide);
    print_end(&p);
    fclose(out);
    cr_assert_eq(p.rows, ROWS + 1);
    cr_assert_eq(p.bytes, size);
    cr_assert(strcmp(text, want) == 0);
    free(text);
    free(wide);
    free(want);
}

Test(store_print, a_stream_that_fails_is_remembered)
{
    FILE *out = fopen("/dev/full", "w");
    struct print p;
    setvbuf(out, NULL, _IONBF, 0);
    print_begin(&p, out, PRINT_CSV, columns, 3);
    for (int i = 0; i < 2 * PRINT_BUFFER_BYTES / 8; i++) {
        print_text(&p, str_of("acme"));
        print_whole(&p, 1);
        print_null(&p);
    }
    cr_expect_eq(p.error, ENOSPC);
    print_end(&p);
    cr_expect_eq(p.error, ENOSPC);
    fclose(out);
}
