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
    static const char *const names[] = {"input", "cache_read", "cache_write", "cache_write_1h",
                                        "output"};
    return names[which];
}
