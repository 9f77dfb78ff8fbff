/* tests/ingest/client_board.h - the board that a client has, apart from what is in its state. */
#ifndef TESTS_INGEST_CLIENT_BOARD_H
#define TESTS_INGEST_CLIENT_BOARD_H

#include "ingest/board/board.h"
#include "ingest/client/gbill.h"

const struct board *client_board(const struct gbill *client); /* NULL: none */

#endif
