#include <criterion/criterion.h>
#include <jansson.h>
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
