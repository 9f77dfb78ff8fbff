/*
 * A row of the board, from whoever gave us that memory: every text that comes of it ends
 * within its room, and who is allowed has room or a reason to need none.
 */
#include <assert.h>
#include <string.h>

#include "ingest/board/judge.h"
#include "tests/fuzz/fuzz.h"

static void
check_row(const struct board_row *row)
{
    static const uint64_t amounts[] = {0, 1, 1000000, UINT64_MAX};
    for (int i = 0; i < 4 * LIMIT_DIMENSIONS; i++) {
        struct answer a;
        enum limit_dimension d = (enum limit_dimension)(i % LIMIT_DIMENSIONS);
        uint64_t units = judge_units(row, d, amounts[i / LIMIT_DIMENSIONS]);
        judge_row(row, d, amounts[i / LIMIT_DIMENSIONS], &a);
        assert(memchr(a.reason, '\0', sizeof a.reason) != NULL);
        assert(strlen(a.reason) < sizeof a.reason - 1); /* none is cut */
        assert(strlen(a.plan) <= EVENT_TEXT_BYTES_MAX);
        assert(a.upgrade == NULL || strlen(a.upgrade) <= EVENT_TEXT_BYTES_MAX);
        assert(!a.allowed || a.limit == LIMIT_UNLIMITED || row->soft[d] != 0 || units <= a.limit);
        assert(a.limit == LIMIT_UNLIMITED || answer_remaining(&a) <= a.limit);
    }
}

/* Its bytes as they are, and again where "acme" is looked for, with its key. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct board board;
    static uint64_t words[BOARD_ROW_WORDS];
    const struct str acme = {"acme", 4};
    struct board_row row;
    memset(words, 0, sizeof words);
    memcpy(words, data, size_bytes < sizeof words ? size_bytes : sizeof words);
    if (board_row_take(words, &row))
        check_row(&row);
    uint64_t key = board_key(board.secret, acme);
    size_t place = key % BOARD_SETS * BOARD_WAYS;
    board.keys[place] = key;
    board.slots[place].turn = size_bytes > sizeof words;
    words[0] = key;
    for (size_t i = 0; i < BOARD_ROW_WORDS; i++)
        board.slots[place].words[i] = words[i];
    if (!board_find(&board, acme, &row))
        return 0;
    assert(row.organization_bytes == 4 && memcmp(row.organization, "acme", 4) == 0);
    check_row(&row);
    return 0;
}
