// tests/bench/bench_rollup.js - gbill rollup against DuckDB on the same events, in one run.
//
//   NODE_PATH=<where npm installed @duckdb/node-api> node bench_rollup.js BIN WORK EVENTS REPEATS
//
// WORK holds what bench_make wrote: full/, half/, events.csv.  The engines run REPEATS times, in turn,
// and the best of each counts, since neighbours on the machine only ever make a run slower.  The sums
// of both must agree to the last token and pico, or this fails.
"use strict";
const { DuckDBInstance } = require("@duckdb/node-api");
const { execFileSync } = require("child_process");
const fs = require("fs");
const path = require("path");

const [bin, work] = process.argv.slice(2, 4);
const [events, repeats] = process.argv.slice(4).map(Number);
const book_path = path.join(__dirname, "../../schemas/prices.json");
const parquet = path.join(work, "events.parquet");
const FIRST_EVENT = Date.parse("2026-11-20T23:00Z"); // so old may bench_make's late events be
const KEY = "org, project, user_id, type, provider, model, tier";
const SUMS = ["calls", "failed", "unpriced", "input", "cache_read", "output", "latency_us",
  "cost_pico"];
const CLASSES = ["input", "cache_read", "output"];

// Ways to count each (org, id) once, the first by sequence.  The goal is set against the first, the
// plain way to say it; the others are the fastest that were found.
const DEDUPES = {
  "distinct on": `select distinct on (org, id) * from '${parquet}' order by org, id, seq`,
  "row_number": `select * from '${parquet}'
    qualify row_number() over (partition by org, id order by seq) = 1`,
  "min(seq)": `select * from '${parquet}'
    where seq in (select min(seq) from '${parquet}' group by org, id)`,
};

// "2.5" dollars per million tokens are 2,500,000 picos per token.
function pico(rate) {
  const [whole, decimals = ""] = rate.split(".");
  return BigInt(whole + decimals.padEnd(6, "0"));
}

// A rate per (provider, model, tier as the event names it).  schemas/prices.md has more rules than
// this day needs: no row changes in it, and no request of these reaches a band.
function price_rows() {
  const rows = [];
  for (const model of JSON.parse(fs.readFileSync(book_path, "utf8")).models) {
    const last = {};
    for (const row of model.prices) {
      if (row.from === null || Date.parse(row.from) <= FIRST_EVENT) last[row.tier] = row;
    }
    for (const [tier, row] of Object.entries(last)) {
      const rates = CLASSES.map((c) => row.rates[c] ?? last.standard?.rates[c]);
      const texts = rates.map((r) => (r === undefined ? "null" : pico(r).toString()));
      const word = tier === "standard" ? "" : tier;
      rows.push(`('${model.provider}', '${model.model}', '${word}', ${texts})`);
    }
  }
  return rows;
}

async function with_duckdb(use) {
  const instance = await DuckDBInstance.create(":memory:"); // a file was slower in every query
  const duckdb = await instance.connect();
  try {
    return await use(duckdb);
  } finally {
    duckdb.closeSync();
    instance.closeSync();
  }
}

async function make_parquet() {
  const texts = ["id", "org", "user_id", "project", "type", "provider", "model", "tier"];
  const counts = ["time_ms", "input", "cache_read", "output", "latency_ms", "failed"];
  const columns = ["'seq': 'BIGINT'", ...texts.map((name) => `'${name}': 'VARCHAR'`),
    ...counts.map((name) => `'${name}': 'BIGINT'`)];
  await with_duckdb((duckdb) => duckdb.run(`copy (
      select seq, id, org, user_id, project, type, provider, model, coalesce(tier, '') as tier,
             epoch_ms(time_ms) as time, input, cache_read, output, latency_ms, failed = 1 as failed
      from read_csv('${path.join(work, "events.csv")}', header = false, auto_detect = false,
                    columns = {${columns}}))
    to '${parquet}' (format parquet, compression zstd)`));
}

async function sums_of(duckdb, table) {
  const columns = SUMS.map((name) => `sum(${name})::hugeint::varchar`);
  const rows = await duckdb.runAndReadAll(`select count(*)::varchar, ${columns} from ${table}`);
  const [count, ...values] = rows.getRows()[0];
  return Object.fromEntries([["rows", count], ...SUMS.map((name, i) => [name, values[i]])]);
}

function run_duckdb(dedupe) {
  return with_duckdb(async (duckdb) => {
    await duckdb.run("create table prices (provider varchar, model varchar, tier varchar, " +
      "input_pico bigint, cache_read_pico bigint, output_pico bigint)");
    await duckdb.run(`insert into prices values ${price_rows()}`);
    const cpu = process.cpuUsage(), start = process.hrtime.bigint();
    await duckdb.run(`create table hourly as
      select date_trunc('hour', time) as hour, ${KEY}, count(*) as calls,
             count(*) filter (failed) as failed, count(*) filter (input_pico is null) as unpriced,
             sum(input) as input, sum(cache_read) as cache_read, sum(output) as output,
             sum(latency_ms * 1000) as latency_us,
             sum(input * input_pico + cache_read * cache_read_pico + output * output_pico) as cost_pico
      from (${DEDUPES[dedupe]}) left join prices using (provider, model, tier) group by all`);
    await duckdb.run(`create table monthly as
      select date_trunc('month', hour) as month, ${KEY},
             ${SUMS.map((name) => `sum(${name}) as ${name}`)} from hourly group by all`);
    const wall_s = Number(process.hrtime.bigint() - start) / 1e9, used = process.cpuUsage(cpu);
    return { wall_s, cpu_s: (used.user + used.system) / 1e6,
      hourly: await sums_of(duckdb, "hourly"), monthly: await sums_of(duckdb, "monthly") };
  });
}

function run_gbill(which) {
  return JSON.parse(execFileSync(path.join(bin, "tests/bench_rollup"),
    [path.join(bin, "gbill"), path.join(work, which), book_path], { encoding: "utf8" }));
}

function check_same(name, a, b) {
  for (const table of ["hourly", "monthly"]) {
    for (const sum of ["rows", ...SUMS]) {
      if (a[table][sum] !== b[table][sum])
        throw new Error(`${table}.${sum}: gbill has ${a[table][sum]}, ` +
          `DuckDB (${name}) has ${b[table][sum]}`);
    }
  }
}

function best(runs) {
  const least = (measure) => Math.min(...runs.map((run) => run[measure]));
  return { wall_s: least("wall_s"), cpu_s: least("cpu_s") };
}

function print_run(name, run) {
  console.log(`${name.padEnd(28)} ${run.wall_s.toFixed(2).padStart(7)} s wall ` +
    `${run.cpu_s.toFixed(2).padStart(7)} s CPU   ${Math.round(events / run.wall_s)} events/s`);
}

async function main() {
  await make_parquet();
  const runs = { half: [], full: [] };
  for (const dedupe of Object.keys(DEDUPES)) runs[dedupe] = [];
  for (let i = 0; i < repeats; i++) {
    for (const which of ["half", "full"]) runs[which].push(run_gbill(which));
    for (const dedupe of Object.keys(DEDUPES)) {
      const run = await run_duckdb(dedupe);
      check_same(dedupe, runs.full[i], run);
      runs[dedupe].push(run);
    }
  }
  const full = best(runs.full), half = best(runs.half), sums = runs.full[0].hourly;
  console.log(`rollup ${events} events, ${events - Number(sums.calls)} duplicates, ` +
    `${sums.rows} hourly rows, ${sums.cost_pico} picos: the same in both, best of ${repeats}`);
  print_run("gbill", full);
  for (const dedupe of Object.keys(DEDUPES)) print_run(`DuckDB, ${dedupe}`, best(runs[dedupe]));
  console.log(`rollup ${(events / full.cpu_s).toFixed(0)} events/s/core   (goal >= 1000000)`);
  const ratios = (measure) => {
    const [distinct_on, ...others] = Object.keys(DEDUPES)
      .map((dedupe) => (best(runs[dedupe])[measure] / full[measure]).toFixed(2));
    return `${distinct_on}, against the other two ${others.join(", ")}`;
  };
  console.log(`ratio  gbill / DuckDB, events per second      ${ratios("wall_s")}   (goal >= 4)`);
  console.log(`ratio  gbill / DuckDB, events per CPU second  ${ratios("cpu_s")}`);
  const mib = Math.max(...runs.full.map((run) => run.anonymous_mib));
  console.log(`rollup anonymous memory, at most ${mib} MiB   (goal <= 512)`);
  console.log(`ratio  time of all / of the first half  ${(full.wall_s / half.wall_s).toFixed(2)} wall, ` +
    `${(full.cpu_s / half.cpu_s).toFixed(2)} CPU   (goal <= 2.1)`);
}

main().catch((error) => {
  console.error(`bench_rollup: ${error.message}`);
  process.exit(1);
});
