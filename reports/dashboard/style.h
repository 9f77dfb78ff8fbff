/*
 * reports/dashboard/style.h - how a dashboard looks: its one style element, and the
 * policy that allows this style and nothing else.
 */
#ifndef REPORTS_DASHBOARD_STYLE_H
#define REPORTS_DASHBOARD_STYLE_H

#include "reports/dashboard/html.h"

/*
 * Write the policy (a meta element that forbids scripts, pictures, fonts, frames, forms
 * and connections, and allows the style by its SHA-256) and the style element.
 *
 * Source: Content Security Policy Level 3, hash sources.
 */
void style_put(struct html *h);

/* The policy alone, for a header of HTTP. */
enum { STYLE_POLICY_BYTES = 160 };
void style_policy(char text[STYLE_POLICY_BYTES]);

#endif
