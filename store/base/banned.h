/*
 * store/base/banned.h - calls that do not compile here.
 *
 * Forced into every file by the build (-include).  Each has a bounded or
 * re-entrant twin: snprintf, strtoll with its end checked, time_civil().
 */
#ifndef STORE_BASE_BANNED_H
#define STORE_BASE_BANNED_H

/* The system headers must have declared them before the names are poisoned. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets strtok
#pragma GCC poison atoi atol atoll atof gmtime localtime ctime asctime mktime

#endif
