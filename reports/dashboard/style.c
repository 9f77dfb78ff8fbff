#include "reports/dashboard/style.h"

#include <stdio.h>
#include <string.h>

#include "store/base/base64.h"
#include "store/base/hash.h"

/* A literal has at most 4095 bytes (C11, 5.2.4.1), so there is one for each part. */
static const char *const parts[] = {
    /* Colours.  All text has a contrast of 4.5 or more to what it stands on. */
    ":root{color-scheme:light dark;--page:#f4f6f8;--card:#fff;--ink:#17202b;--soft:#566273;"
    "--line:#dfe4ea;--base:#8c97a5;--main:#1f5fae;--main-pale:#8fb3dd;--band:#1f5fae33;"
    "--budget:#9a4d00;--spike:#b3261e;--good:#17683a;--warn:#8a5300;--bad:#b3261e;"
    "--s0:#edf0f3;--s1:#cfe0f3;--s2:#9dc0e6;--s3:#6298d2;--s4:#2f6db8;--s5:#123f7a}\n"
    "@media screen and (prefers-color-scheme:dark){:root{--page:#0f141a;--card:#182029;"
    "--ink:#e6ebf1;--soft:#a4b0be;--line:#2c3743;--base:#6f7c8b;--main:#6fa8ec;"
    "--main-pale:#3c5f8b;--band:#6fa8ec33;--budget:#f0a658;--spike:#ff8f85;--good:#74c997;"
    "--warn:#f0b45f;--bad:#ff8f85;--s0:#222c37;--s1:#1f3a5a;--s2:#275485;--s3:#3576b8;"
    "--s4:#66a0e0;--s5:#b9d8fb}}\n",

    /* The page. */
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--page);color:var(--ink);line-height:1.5;"
    "font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}\n"
    "main{max-width:1120px;margin:0 auto;padding:32px 16px}\n"
    "h1{font-size:1.9rem;line-height:1.2;margin:0;overflow-wrap:anywhere}\n"
    "h2{font-size:1.1rem;line-height:1.3;margin:0}\n"
    "h3{font-size:1rem;line-height:1.35;margin:0}\n"
    "p{margin:0}\n"
    ".kind,.when,.hint,.note,footer{color:var(--soft);font-size:.875rem}\n"
    ".kind{letter-spacing:.06em;text-transform:uppercase;font-size:.75rem;font-weight:600}\n"
    ".lead{font-size:1.1rem;max-width:46em;margin:20px 0 0}\n"
    ".note{border-left:3px solid var(--warn);padding-left:10px;margin-top:12px;max-width:46em}\n"
    ".tiles{display:grid;gap:12px;margin:24px 0;"
    "grid-template-columns:repeat(auto-fit,minmax(min(100%,205px),1fr))}\n"
    ".tile,.card{background:var(--card);border:1px solid var(--line);border-radius:8px}\n"
    ".tile{padding:14px 16px}\n"
    ".tile dt{color:var(--soft);font-size:.8125rem}\n"
    ".tile dd{margin:0}\n"
    ".figure{font-size:1.5rem;line-height:1.25;overflow-wrap:anywhere;font-weight:600;font-variant-numeric:tabular-nums}\n"
    ".unit{font-size:.875rem;font-weight:400;color:var(--soft)}\n"
    ".tile .hint{display:block;font-size:.8125rem;line-height:1.35;margin-top:3px}\n"
    ".state{font-weight:600}.good{color:var(--good)}.warn{color:var(--warn)}"
    ".bad{color:var(--bad)}\n"
    ".card{padding:18px 16px;margin:0 0 16px;min-width:0}\n"
    ".row{display:grid;gap:0 16px;"
    "grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr))}\n"
    "footer{margin-top:24px;max-width:60em;overflow-wrap:anywhere}\n",

    /* Pictures. */
    "svg{overflow:visible}\n"
    ".plot{display:block;width:100%;font-size:12px;fill:var(--ink)}\n"
    ".axes{width:calc(100% - 60px);margin:22px 8px 32px 52px}\n"
    ".hours{width:calc(100% - 60px);margin:14px 20px 30px 40px}\n"
    ".parts{margin:14px 0 6px;font-size:13px}\n"
    ".plot text{font-variant-numeric:tabular-nums}\n"
    ".axes text,.hours text{fill:var(--soft)}\n"
    ".end{text-anchor:end}.mid{text-anchor:middle}\n"
    ".plot .soft{fill:var(--soft)}\n"
    ".grid{stroke:var(--line)}.base{stroke:var(--base)}\n"
    ".bar{fill:var(--main)}.now{fill:var(--main-pale)}.track{fill:var(--s0)}\n"
    ".mark path{fill:var(--spike)}\n"
    ".lines *{vector-effect:non-scaling-stroke;fill:none;stroke-width:2.5px;"
    "stroke-linejoin:round}\n"
    ".lines .band{fill:var(--band);stroke:none}\n"
    ".spent{stroke:var(--main)}\n"
    ".outlook{stroke:var(--main);stroke-dasharray:5 4}\n"
    ".budget{stroke:var(--budget);stroke-width:2px;stroke-dasharray:2 3}\n"
    ".axes .budget-label{fill:var(--budget);font-weight:600;paint-order:stroke;"
    "stroke:var(--card);stroke-width:4px;stroke-linejoin:round}\n"
    ".hours rect{stroke:var(--card);stroke-width:2px}\n"
    ".s0{fill:var(--s0)}.s1{fill:var(--s1)}.s2{fill:var(--s2)}.s3{fill:var(--s3)}"
    ".s4{fill:var(--s4)}.s5{fill:var(--s5)}\n"
    ".key{display:flex;flex-wrap:wrap;gap:2px 16px;margin:6px 0 0;padding:0;list-style:none;"
    "font-size:.8125rem;color:var(--soft)}\n"
    ".key li{display:flex;align-items:center;gap:6px}\n"
    ".key svg{width:22px;height:12px;flex:none}.key .shades{width:70px}\n",

    /* Figures, spikes, advice. */
    "summary{cursor:pointer;color:var(--main);font-size:.875rem;width:max-content;"
    "padding:4px 0}\n"
    "summary:focus-visible,.figures:focus-visible{outline:2px solid var(--main);"
    "outline-offset:2px}\n"
    ".figures{overflow-x:auto;margin-top:6px}\n"
    "@media screen{details:not([open])+.figures{display:none}}\n"
    "table{border-collapse:collapse;width:100%;font-size:.8125rem;"
    "font-variant-numeric:tabular-nums}\n"
    "caption{text-align:left;color:var(--soft);padding:0 0 4px}\n"
    "th,td{padding:4px 0 4px 14px;text-align:right;white-space:nowrap;"
    "border-top:1px solid var(--line);vertical-align:top}\n"
    "th:first-child{padding-left:0;text-align:left;position:sticky;left:0;"
    "background:var(--card)}\n"
    ".word{text-align:left}\n"
    "tbody th{font-weight:400}tfoot th,tfoot td{font-weight:600}\n"
    "tbody th bdi{display:inline-block;max-width:22em;white-space:normal;overflow-wrap:anywhere}\n"
    "thead th{border-top:0;color:var(--soft);font-weight:600}\n"
    ".list{list-style:none;margin:10px 0 0;padding:0}\n"
    ".list li{padding:12px 0;border-top:1px solid var(--line)}\n"
    ".list li:first-child{border-top:0;padding-top:2px}\n"
    ".list p{max-width:52em;overflow-wrap:anywhere}\n"
    ".list .hint{margin-top:2px}\n"
    ".head{display:flex;flex-wrap:wrap;gap:2px 16px;justify-content:space-between;"
    "align-items:baseline}\n"
    ".head h3{min-width:0;overflow-wrap:anywhere}\n"
    ".sum{font-weight:600;font-variant-numeric:tabular-nums}\n",

    /* Paper. */
    "@page{margin:14mm}\n"
    "@media print{:root{color-scheme:light}body{background:#fff;font-size:11pt}main{max-width:none;padding:0 1px}"
    "*{print-color-adjust:exact;-webkit-print-color-adjust:exact}"
    ".card{border:0;border-top:1px solid var(--line);border-radius:0;padding:12px 0}"
    ".tile{border-radius:0}.top,.tile,.list li,tr{break-inside:avoid}"
    "h2,h3{break-after:avoid}details{display:none}tfoot{display:table-row-group}"
    ".figures{overflow:visible}table{font-size:8pt}th,td{padding-left:8px}"
    ".row{display:block}.tiles{grid-template-columns:repeat(auto-fit,minmax(30%,1fr))}}\n",
};

static void
digest(char text[64])
{
    struct bytes all[sizeof parts / sizeof parts[0]];
    uint8_t sha256[HASH_SHA256_BYTES];
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        all[i] = (struct bytes){(const uint8_t *)parts[i], strlen(parts[i])};
    hash_sha256(all, sizeof parts / sizeof parts[0], sha256);
    base64_encode((struct bytes){sha256, sizeof sha256}, text);
}

void
style_policy(char text[STYLE_POLICY_BYTES])
{
    char base64[64];
    digest(base64);
    snprintf(text, STYLE_POLICY_BYTES,
             "default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'",
             base64);
}

void
style_put(struct html *h)
{
    char policy[STYLE_POLICY_BYTES];
    style_policy(policy);
    html_printf(h, "<meta http-equiv=\"Content-Security-Policy\" content=\"%s\">\n<style>", policy);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        html_put(h, parts[i]);
    html_put(h, "</style>\n");
}
