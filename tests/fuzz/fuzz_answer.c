/*
 * An answer about limits, from whoever listens there: every text of the struct ends
 * within it, and what says nothing of "allowed" is none.
 */
#include <assert.h>
#include <string.h>

#include "ingest/client/limit_message.h"
#include "tests/fuzz/fuzz.h"

static void
ends(const char *text, size_t room_bytes)
{
    assert(memchr(text, '\0', room_bytes) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct gbill_limit_answer a;
    struct err err;
    enum err_code code = limit_message_read((struct bytes){data, size_bytes}, &a, &err);
    assert(code == ERR_OK || code == ERR_INPUT || code == ERR_PEER);
    if (code != ERR_OK)
        return 0;
    ends(a.state, sizeof a.state);
    ends(a.reason, sizeof a.reason);
    ends(a.plan, sizeof a.plan);
    ends(a.upgrade_to, sizeof a.upgrade_to);
    assert(memmem(data, size_bytes, "allowed", 7) != NULL);
    return 0;
}
