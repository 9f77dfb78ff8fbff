#include "store/postgres/publish_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY_BYTES = 16, NUMBER_TEXT_BYTES = 24 };

static const struct bytes memory_key = {(const uint8_t *)"publish", 7};

struct publish_memory
publish_memory_get(struct tables_txn *txn)
{
    struct bytes v;
    if (!tables_get(txn, TABLE_META, memory_key, &v) || v.size_bytes != MEMORY_BYTES)
        return (struct publish_memory){0};
    return (struct publish_memory){get_le64(v.data), get_le64(v.data + 8)};
}

enum err_code
publish_memory_put(struct tables_txn *txn, const struct publish_memory *memory, struct err *err)
{
    uint8_t v[MEMORY_BYTES];
    put_le64(v, memory->settled);
    put_le64(v + 8, memory->attempted);
    return tables_put(txn, TABLE_META, memory_key, (struct bytes){v, sizeof v}, err);
}

static enum err_code
check_schema(struct pg *pg, struct err *err)
{
    PGresult *result = NULL;
    enum err_code code = pg_query(pg,
                                  "SELECT coalesce(max(version), 0) FROM "
                                  "billing.schema_migrations",
                                  NULL, 0, "read billing.schema_migrations", &result, err);
    if (code != ERR_OK)
        return code;
    long version = strtol(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    if (version < PUBLISH_SCHEMA_VERSION)
        return err_set(err, ERR_NOT_FOUND,
                       "the schema billing has version %ld, this gbill needs %d; run gbill migrate",
                       version, PUBLISH_SCHEMA_VERSION);
    if (version > PUBLISH_SCHEMA_VERSION)
        return err_set(err, ERR_CONFLICT,
                       "the schema billing has version %ld, this gbill knows %d; publish with the "
                       "newer gbill that migrated it",
                       version, PUBLISH_SCHEMA_VERSION);
    return ERR_OK;
}

static void
copy_field(const PGresult *result, int row, int column, char text[HASH_SHA256_TEXT_BYTES])
{
    snprintf(text, HASH_SHA256_TEXT_BYTES, "%s", PQgetvalue(result, row, column));
}

enum err_code
publish_state_get(struct pg *pg, const struct cursor *cursor, struct publish_state *ret,
                  struct err *err)
{
    enum err_code code = check_schema(pg, err);
    if (code != ERR_OK)
        return code;
    PGresult *result = NULL;
    code = pg_query(pg,
                    "SELECT log_identity, version, log_position, log_chain, price_book FROM "
                    "billing.publish_state",
                    NULL, 0, "read billing.publish_state", &result, err);
    if (code != ERR_OK)
        return code;
    char identity[HASH_SHA256_TEXT_BYTES];
    struct publish_state state = {0};
    hash_hex(cursor->log_identity, HASH_SHA256_BYTES, identity);
    for (int i = 0; i < PQntuples(result); i++) {
        if (strcmp(PQgetvalue(result, i, 0), identity) != 0) {
            state.foreign = true;
            continue;
        }
        state.known = true;
        state.version = strtoull(PQgetvalue(result, i, 1), NULL, 10);
        state.position = strtoull(PQgetvalue(result, i, 2), NULL, 10);
        copy_field(result, i, 3, state.chain);
        copy_field(result, i, 4, state.price_book);
    }
    PQclear(result);
    *ret = state;
    return ERR_OK;
}

enum err_code
publish_state_put(struct pg *pg, const struct cursor *cursor, uint64_t version, struct err *err)
{
    char identity[HASH_SHA256_TEXT_BYTES], chain[HASH_SHA256_TEXT_BYTES];
    char price_book[HASH_SHA256_TEXT_BYTES];
    char version_text[NUMBER_TEXT_BYTES], position[NUMBER_TEXT_BYTES];
    hash_hex(cursor->log_identity, HASH_SHA256_BYTES, identity);
    hash_hex(cursor->chain, HASH_SHA256_BYTES, chain);
    hash_hex(cursor->price_book, HASH_SHA256_BYTES, price_book);
    snprintf(version_text, sizeof version_text, "%" PRIu64, version);
    snprintf(position, sizeof position, "%" PRIu64, cursor->seq);
    const char *const values[] = {identity, version_text, position, chain, price_book};
    enum err_code code = pg_query(pg, "DELETE FROM billing.publish_state WHERE log_identity <> $1",
                                  values, 1, "write billing.publish_state", NULL, err);
    if (code != ERR_OK)
        return code;
    return pg_query(pg,
                    "INSERT INTO billing.publish_state (log_identity, version, log_position, "
                    "log_chain, price_book, published_at) VALUES ($1, $2, $3, $4, $5, now()) "
                    "ON CONFLICT (log_identity) DO UPDATE SET (version, log_position, log_chain, "
                    "price_book, published_at) = ROW(excluded.version, excluded.log_position, "
                    "excluded.log_chain, excluded.price_book, excluded.published_at)",
                    values, 5, "write billing.publish_state", NULL, err);
}
