#include "rollup/price/price_write.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rollup/price/price.h"
#include "store/base/file.h"

static int
take_chunk(const char *chunk, size_t size_bytes, void *text)
{
    return buf_append(text, chunk, size_bytes) ? 0 : -1;
}

static bool
put_line(struct buf *text, const json_t *value)
{
    return json_dump_callback(value, take_chunk, text, JSON_ENCODE_ANY) == 0;
}

/* A list that is broken into lines: one of objects, but not what stands inside a dated row. */
static bool
is_list(const json_t *object, const json_t *value)
{
    return json_object_get(object, "recorded") == NULL && json_is_array(value) &&
           json_is_object(json_array_get(value, 0));
}

static bool put_object(struct buf *text, const json_t *object, int indent);

/* The models of a book stand as far left as the book. */
static bool
put_list(struct buf *text, const json_t *array, int indent)
{
    int inner = indent == 0 ? 0 : indent + 1;
    bool ok = buf_printf(text, "[");
    for (size_t i = 0; ok && i < json_array_size(array); i++)
        ok = buf_printf(text, "%s\n%*s", i == 0 ? "" : ",", inner, "") &&
             put_object(text, json_array_get(array, i), inner);
    return ok && buf_printf(text, indent == 0 ? "\n]" : "]");
}

/* Members one after the other, a list from a line of its own on. */
static bool
put_members(struct buf *text, const json_t *object, int indent, bool *ret_broken)
{
    json_t *o = (json_t *)(uintptr_t)object; /* Jansson's iterators change nothing */
    bool broken = false, ok = true;
    *ret_broken = false;
    for (void *it = json_object_iter(o); ok && it != NULL; it = json_object_iter_next(o, it)) {
        const json_t *value = json_object_iter_value(it);
        json_t *key = json_string(json_object_iter_key(it));
        bool first = it == json_object_iter(o), list = is_list(object, value);
        ok = key != NULL &&
             (first ||
              (list || broken ? buf_printf(text, ",\n%*s", indent, "") : buf_printf(text, ", "))) &&
             put_line(text, key) && buf_printf(text, ": ") &&
             (list ? put_list(text, value, indent) : put_line(text, value));
        json_decref(key);
        broken = list;
        *ret_broken = *ret_broken || list;
    }
    return ok;
}

static bool
put_object(struct buf *text, const json_t *object, int indent)
{
    bool broken;
    if (!json_is_object(object))
        return put_line(text, object);
    return buf_printf(text, "{") && put_members(text, object, indent + 1, &broken) &&
           (broken ? buf_printf(text, "\n%*s}", indent, "") : buf_printf(text, "}"));
}

enum err_code
price_write_text(const json_t *root, struct buf *text, struct err *err)
{
    bool broken;
    if (!buf_printf(text, "{\n") || !put_members(text, root, 0, &broken) ||
        !buf_printf(text, "\n}\n"))
        return err_set(err, ERR_LIMIT,
                       "the new book takes more than %zu MiB; import fewer providers",
                       text->cap_bytes / 1024 / 1024);
    return ERR_OK;
}

static enum err_code
put_bytes(int fd, const struct buf *text, const char *path, struct err *err)
{
    for (size_t done = 0; done < text->size_bytes;) {
        ssize_t n = write(fd, text->data + done, text->size_bytes - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(err, errno, "cannot write %s", path);
        done += (size_t)n;
    }
    return ERR_OK;
}

enum err_code
price_write_check(const struct buf *text, struct err *err)
{
    char path[64];
    int fd = memfd_create("new price book", MFD_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot make room for the new book");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    enum err_code code = put_bytes(fd, text, "the new book", err);
    struct price_book *book = NULL;
    if (code == ERR_OK)
        code = err_wrap(err, price_book_load(path, &book, err), "the new book");
    price_book_free(book);
    close(fd);
    return code;
}

enum err_code
price_write_file(const struct buf *text, const char *path, struct err *err)
{
    enum err_code code = price_write_check(text, err);
    if (code != ERR_OK)
        return code;
    return file_replace(path, 0644, (struct bytes){text->data, text->size_bytes}, err);
}
