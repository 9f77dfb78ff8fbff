#include "reports/api/body.h"

#include <string.h>

/* Jansson calls itself for each level, up to 2,048: too many for what an event may have. */
static bool
is_too_deep(struct bytes body)
{
    bool quoted = false;
    int depth = 0;
    for (size_t i = 0; i < body.size_bytes; i++) {
        uint8_t c = body.data[i];
        if (quoted) {
            if (c == '\\')
                i++;
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > BODY_DEPTH_MAX)
                return true;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return false;
}

bool
body_read(struct bytes body, json_t **ret, struct answer *answer)
{
    json_error_t error;
    char text[sizeof error.text + 80];
    if (is_too_deep(body)) {
        answer_problem(answer, 400, "json", "the body is nested deeper than 32 levels",
                       "send what schemas/event.md describes");
        return false;
    }
    *ret = json_loadb((const char *)body.data, body.size_bytes, JSON_REJECT_DUPLICATES, &error);
    if (*ret == NULL) {
        snprintf(text, sizeof text, "the body is no JSON: %s (line %d, column %d)", error.text,
                 error.line, error.column);
        answer_problem(answer, 400, "json", text, "send one JSON object");
        return false;
    }
    if (json_is_object(*ret))
        return true;
    json_decref(*ret);
    answer_problem(answer, 400, "json", "the body is no JSON object", "send one JSON object");
    return false;
}

static bool
names_other(const json_t *object, const char *organization)
{
    const json_t *named = json_object_get(object, "organizationId");
    const char *text = json_string_value(named);
    return named != NULL && !json_is_null(named) &&
           (text == NULL || strcmp(text, organization) != 0);
}

bool
body_organization_ok(const json_t *object, const char *organization, struct answer *answer)
{
    const json_t *events = json_object_get(object, "events");
    bool other = names_other(object, organization);
    for (size_t i = 0; i < json_array_size(events); i++)
        other = other || names_other(json_array_get(events, i), organization);
    if (other)
        answer_problem(answer, 403, "organization", "the key is another organization's",
                       "use a key of the organization that is named");
    return !other;
}
