#include <criterion/criterion.h>
#include <stdlib.h>

#include "reports/pdf/pages.h"

enum { ROW = 20, FIRST = 100, NEXT = 200, TOTALS = 60, NOTES = 30 };

static struct pages_block blocks[1000];
static size_t starts[1001];

/* Lines of a table, the totals that go with the last one, the notes. */
static size_t
break_invoice(size_t rows, int totals)
{
    for (size_t i = 0; i < rows; i++)
        blocks[i] = (struct pages_block){ROW, i + 1 == rows};
    blocks[rows] = (struct pages_block){totals, false};
    blocks[rows + 1] = (struct pages_block){NOTES, false};
    return pages_break(blocks, rows + 2, FIRST, NEXT, starts);
}

Test(reports_pages, nothing_is_one_page)
{
    cr_expect_eq(pages_break(blocks, 0, FIRST, NEXT, starts), 1);
    cr_expect_eq(starts[0], 0);
}

Test(reports_pages, a_page_that_is_exactly_full_is_one_page)
{
    /* 10 + 60 + 30 */
    blocks[0] = (struct pages_block){10, true};
    blocks[1] = (struct pages_block){TOTALS, false};
    blocks[2] = (struct pages_block){NOTES, false};
    cr_expect_eq(pages_break(blocks, 3, FIRST, NEXT, starts), 1);
    blocks[0].height = 11;
    cr_expect_eq(pages_break(blocks, 3, FIRST, NEXT, starts), 2);
    cr_expect_eq(starts[1], 2, "only the notes go over");
}

Test(reports_pages, the_totals_take_the_last_line_with_them)
{
    /* Two lines and the totals fill the first page; of three the last one goes with the totals. */
    cr_expect_eq(break_invoice(2, TOTALS), 2);
    cr_expect_eq(starts[1], 3, "the notes alone");
    cr_expect_eq(break_invoice(3, TOTALS), 2);
    cr_expect_eq(starts[1], 2);
    cr_expect_eq(break_invoice(5, TOTALS), 2);
    cr_expect_eq(starts[1], 4);
}

Test(reports_pages, a_line_more_than_a_full_page_goes_on_the_next)
{
    /* 5 on the first, 10 on each other: line 15 is the last of page 2, line 16 is on page 3. */
    break_invoice(40, TOTALS);
    cr_expect_eq(starts[1], 5);
    cr_expect_eq(starts[2], 15);
    cr_expect_eq(starts[3], 25);
}

Test(reports_pages, totals_that_no_page_can_hold_with_a_line_stand_alone)
{
    cr_expect_eq(break_invoice(3, NEXT), 3);
    cr_expect_eq(starts[1], 3);
    cr_expect_eq(starts[2], 4);
}

Test(reports_pages, a_first_page_without_room_has_nothing)
{
    blocks[0] = (struct pages_block){150, false};
    cr_expect_eq(pages_break(blocks, 1, FIRST, NEXT, starts), 2);
    cr_expect_eq(starts[1], 0);
    blocks[0].height = 500;
    blocks[1] = (struct pages_block){500, false};
    cr_expect_eq(pages_break(blocks, 2, FIRST, NEXT, starts), 3, "each has a page of its own");
    cr_expect_eq(starts[1], 0);
    cr_expect_eq(starts[2], 1);
}

/* Each block once and in order, none over the edge, and no page that could have held one more. */
Test(reports_pages, of_500_lines_of_any_height_none_is_lost_or_cut)
{
    unsigned seed = 7;
    for (int round = 0; round < 200; round++) {
        size_t count = 502;
        for (size_t i = 0; i < count; i++)
            blocks[i] = (struct pages_block){1 + rand_r(&seed) % 100, i == 499};
        size_t pages = pages_break(blocks, count, FIRST, NEXT, starts);
        cr_assert_eq(starts[0], 0);
        for (size_t p = 0; p < pages; p++) {
            size_t end = p + 1 < pages ? starts[p + 1] : count;
            int height = 0;
            cr_assert(starts[p] <= end && end <= count);
            for (size_t i = starts[p]; i < end; i++)
                height += blocks[i].height;
            int room = p == 0 ? FIRST : NEXT;
            cr_assert_leq(height, room, "page %zu", p);
            int more = end < count ? blocks[end].height : room + 1;
            if (end == 499)
                more += blocks[500].height;
            cr_assert(height + more > room, "page %zu ends too early", p);
            cr_assert_neq(end, 500, "the totals are parted from the last line");
        }
    }
}
