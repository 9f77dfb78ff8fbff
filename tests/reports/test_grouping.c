#include <criterion/criterion.h>
#include <string.h>

#include "reports/grouping.h"

Test(reports_grouping, columns_keep_the_order_they_are_named_in)
{
    struct grouping g;
    struct err err;
    cr_assert_eq(grouping_parse("model, org ,day", &g, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(g.count, 3);
    cr_assert_eq(g.by[0], DIMENSION_MODEL);
    cr_assert_eq(g.by[1], DIMENSION_ORG);
    cr_assert_eq(g.by[2], DIMENSION_DAY);
}

Test(reports_grouping, a_word_and_its_column_title_mean_the_same)
{
    for (int d = 0; d < DIMENSIONS; d++) {
        struct grouping word, title;
        struct err err;
        cr_assert_eq(grouping_parse(dimension_word((enum dimension)d), &word, &err), ERR_OK);
        cr_assert_eq(grouping_parse(dimension_title((enum dimension)d), &title, &err), ERR_OK);
        cr_assert_eq(word.by[0], (enum dimension)d);
        cr_assert_eq(title.by[0], (enum dimension)d);
    }
}

Test(reports_grouping, every_dimension_at_once_is_allowed)
{
    struct grouping g;
    struct err err;
    cr_assert_eq(
        grouping_parse("org,hour,day,month,project,user,type,provider,model,tier", &g, &err),
        ERR_OK, "%s", err.text);
    cr_assert_eq(g.count, DIMENSIONS);
}

Test(reports_grouping, a_wrong_word_names_all_right_ones)
{
    static const char *const wrong[] = {"week", "Org", "org,,day", "",       "org,",
                                        ",",    " ",   "organ",    "org day"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct grouping g = {.count = 77};
        struct err err;
        cr_assert_eq(grouping_parse(wrong[i], &g, &err), ERR_USAGE, "\"%s\"", wrong[i]);
        cr_assert_eq(g.count, 77, "\"%s\" wrote a result", wrong[i]);
        for (int d = 0; d < DIMENSIONS; d++)
            cr_assert_not_null(strstr(err.text, dimension_word((enum dimension)d)), "%s", err.text);
    }
}

Test(reports_grouping, a_column_named_twice_is_refused)
{
    struct grouping g;
    struct err err;
    cr_assert_eq(grouping_parse("org,day,organizationId", &g, &err), ERR_USAGE);
    cr_assert_str_eq(err.text, "--by names org twice; name it once");
}
