#include "store/event/event.h"

static const char *const kind_names[EVENT_KINDS] = {
    [EVENT_USAGE] = "usage",
    [EVENT_RESOURCE] = "resource",
    [EVENT_SUBSCRIPTION] = "subscription",
    [EVENT_BUDGET] = "budget",
    [EVENT_ADJUSTMENT] = "adjustment",
    [EVENT_PAYMENT] = "payment",
    [EVENT_VOID] = "void",
    [EVENT_FEEDBACK] = "feedback",
    [EVENT_ACT] = "act",
    [EVENT_STRIPE] = "stripe",
};

const char *
event_kind_name(enum event_kind kind)
{
    return kind_names[kind];
}

bool
event_kind_find(struct str name, enum event_kind *ret_kind)
{
    for (int k = EVENT_USAGE; k < EVENT_KINDS; k++) {
        if (str_is(name, kind_names[k])) {
            *ret_kind = (enum event_kind)k;
            return true;
        }
    }
    return false;
}

const char *
event_resource_type_name(enum event_resource_type type)
{
    static const char *const names[] = {"project", "document", "member"};
    return names[type];
}

const char *
event_class_name(enum event_class which)
{
    static const char *const names[EVENT_CLASSES] = {
        [EVENT_INPUT] = "input",
        [EVENT_CACHE_READ] = "cache_read",
        [EVENT_CACHE_WRITE] = "cache_write",
        [EVENT_CACHE_WRITE_1H] = "cache_write_1h",
        [EVENT_OUTPUT] = "output",
        [EVENT_INPUT_AUDIO] = "input_audio",
        [EVENT_CACHE_READ_AUDIO] = "cache_read_audio",
        [EVENT_OUTPUT_AUDIO] = "output_audio",
        [EVENT_INPUT_IMAGE] = "input_image",
        [EVENT_CACHE_READ_IMAGE] = "cache_read_image",
        [EVENT_OUTPUT_IMAGE] = "output_image",
    };
    return names[which];
}

const char *
event_fee_name(enum event_fee which)
{
    static const char *const names[EVENT_FEES] = {
        [EVENT_WEB_SEARCH] = "web_search",
        [EVENT_WEB_FETCH] = "web_fetch",
        [EVENT_FILE_SEARCH] = "file_search",
        [EVENT_CODE_SESSION] = "code_session",
    };
    return names[which];
}
