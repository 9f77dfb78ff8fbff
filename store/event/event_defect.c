#include <stdarg.h>
#include <stdio.h>

#include "store/event/event.h"

bool
event_defect_set(struct event_defect *defect, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(defect->text, sizeof defect->text, fmt, ap);
    va_end(ap);
    return false;
}
