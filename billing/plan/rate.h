/*
 * billing/plan/rate.h - what a charge comes to for a quantity.
 *
 * The quantity is the whole period's, so parts of a period are differences of
 * cumulative values: a package that two parts share is charged once.
 *
 * Order: conversion (per, round), free units, price, discount, maximum, minimum.
 * Source: schemas/plans.md, "Charges".
 */
#ifndef BILLING_PLAN_RATE_H
#define BILLING_PLAN_RATE_H

#include "billing/plan/exact.h"
#include "billing/plan/plan.h"

#define RATE_QUANTITY_ONE ((money_sum)1000000000000)

/*
 * Rate a charge.
 *
 *   quantity_pico  in 10^-12 of the meter's unit, >= 0; for METER_COST picos of the
 *                  plan's currency; not looked at for a flat charge
 *   calls          the calls that it came from; percentage alone looks at them
 *   ret            of the plan's currency; a flat charge's is a whole period's
 *
 * Returns false where the amount does not fit 127 bits of yoctos.
 */
bool rate_charge(const struct plan_charge *charge, money_sum quantity_pico, uint64_t calls,
                 struct exact *ret) __attribute__((warn_unused_result));

/* The quantity behind conversion and free units: what is charged for. */
bool rate_quantity(const struct plan_charge *charge, money_sum quantity_pico, money_sum *ret_pico)
    __attribute__((warn_unused_result));

#endif
