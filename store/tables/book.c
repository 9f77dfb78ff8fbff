#include "store/tables/book.h"

#include <stdlib.h>

#include "store/base/file.h"
#include "store/base/json.h"

bool
book_get(struct tables_txn *txn, const uint8_t sha256[HASH_SHA256_BYTES], struct bytes *ret)
{
    return tables_get(txn, TABLE_BOOKS, (struct bytes){sha256, HASH_SHA256_BYTES}, ret);
}

enum err_code
book_keep(struct tables_txn *txn, const char *path, const uint8_t sha256[HASH_SHA256_BYTES],
          struct err *err)
{
    struct bytes text = {0}, kept;
    uint8_t now[HASH_SHA256_BYTES];
    if (book_get(txn, sha256, &kept))
        return ERR_OK;
    enum err_code code = file_read(path, JSON_FILE_BYTES_MAX, &text, err);
    if (code != ERR_OK)
        return code;
    hash_sha256(&text, 1, now);
    if (memcmp(now, sha256, sizeof now) != 0)
        code = err_set(err, ERR_CONFLICT, "%s: was replaced while it was in use; run again", path);
    else
        code = tables_put(txn, TABLE_BOOKS, (struct bytes){sha256, HASH_SHA256_BYTES}, text, err);
    free((void *)(uintptr_t)text.data);
    return code;
}
