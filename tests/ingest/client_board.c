#include "tests/ingest/client_board.h"

#include "ingest/client/client.h"

const struct board *
client_board(const struct gbill *client)
{
    return client->local.board;
}
