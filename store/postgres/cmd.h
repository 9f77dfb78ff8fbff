/*
 * store/postgres/cmd.h - the commands of this folder, for the table in gbill.c.
 */
#ifndef STORE_POSTGRES_CMD_H
#define STORE_POSTGRES_CMD_H

#include "store/base/cli.h"

extern const struct cli_cmd cmd_migrate, cmd_publish;

/* The rows that both have. */
#define CMD_ROW_DATABASE                                                          \
    {                                                                             \
        "database", "DATABASE_URL", CONF_TEXT, "URL", 0, 0, NULL, true,           \
            "where Postgres is; in the environment nobody else sees its password" \
    }
#define CMD_ROW_LOCK_WAIT                                               \
    {                                                                   \
        "lock-wait-s", NULL, CONF_INT, "SECONDS", 1, 3600, "10", false, \
            "how long to wait for another publish or migrate to end"    \
    }

#endif
