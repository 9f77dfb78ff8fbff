/*
 * ingest/client_err.h - what the client library says, as an error of a command.
 */
#ifndef INGEST_CLIENT_ERR_H
#define INGEST_CLIENT_ERR_H

#include "ingest/client/gbill.h"
#include "store/base/err.h"

/* The same exit status and text; ERR_OK for GBILL_OK. */
enum err_code client_err(enum gbill_code code, const struct gbill_err *from,
                         struct err *err) ERR_MUST_CHECK;

#endif
