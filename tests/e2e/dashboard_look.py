#!/usr/bin/env python3
"""dashboard_look.py FILE [MORE...] - look at a dashboard in Chromium as a person would: on a phone and a
wide screen, light and dark, and on paper; at more of them on a phone.  Says what is wrong; ends with 1
if anything is."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from browser import Browser  # noqa: E402

# Run in the page: what sticks out, texts of pictures that lie on one another, texts too pale to read.
LOOK = r"""(() => {
  const wrong = [], width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width)
    wrong.push('the page is ' + document.documentElement.scrollWidth + ' wide on ' + width);
  const shown = e => e.checkVisibility() && !e.closest('.figures') && !e.closest('title');
  for (const e of document.querySelectorAll('body *')) {
    const r = e.getBoundingClientRect();
    if (shown(e) && r.width > 0 && (r.right > width + 1 || r.left < -1))
      wrong.push(e.tagName + ' "' + e.textContent.slice(0, 30) + '" lies from ' + r.left + ' to ' + r.right);
  }
  for (const svg of document.querySelectorAll('svg.plot')) {
    const texts = [...svg.querySelectorAll('text')].map(t => [t, t.getBoundingClientRect()]);
    texts.forEach(([a, p], i) => texts.slice(i + 1).forEach(([b, q]) => {
      if (p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 3 && q.top < p.bottom - 3)
        wrong.push('"' + a.textContent + '" and "' + b.textContent + '" lie on one another');
    }));
  }
  const paint = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = (color, below) => {
    paint.fillStyle = below; paint.fillRect(0, 0, 1, 1);
    paint.fillStyle = color; paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = c => {
    const [r, g, b] = c.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  let texts = 0;
  for (const e of document.querySelectorAll('body *')) {
    if (!e.checkVisibility() || e.closest('title') ||
        ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim() !== ''))
      continue;
    let behind = e;
    while (behind && getComputedStyle(behind).backgroundColor === 'rgba(0, 0, 0, 0)')
      behind = behind.parentElement;
    const style = getComputedStyle(e), below = behind ? getComputedStyle(behind).backgroundColor : '#fff';
    const color = e.closest('svg') ? style.fill : style.color;
    const a = light(rgb(color, below)), b = light(rgb(below, '#fff'));
    const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    texts++;
    if (contrast < 4.5)
      wrong.push('"' + e.textContent.slice(0, 30) + '" has a contrast of ' + contrast.toFixed(2));
  }
  if (texts < 10) wrong.push('only ' + texts + ' texts were looked at');
  return wrong;
})()"""
HIDDEN = "[...document.querySelectorAll('.figures')].filter(e => !e.checkVisibility()).length"
wrong = []


def say(where, *words):
    wrong.append(f"{where}: " + " ".join(map(str, words)))


def named(page, where):
    """What assistive technology is told of."""
    told = page.accessible()
    images = [name for role, name in told if role in ("image", "img", "graphics-document")]
    pictures = page.value("document.querySelectorAll('svg.plot').length")
    if len(images) != pictures or not all(len(name) > 20 for name in images):
        say(where, pictures, "pictures, but these names:", images)
    tables = [name for role, name in told if role == "table"]
    if len(tables) != page.value("document.querySelectorAll('table').length") or "" in tables:
        say(where, "tables without a name:", tables)
    if sum(role == "heading" for role, _ in told) < 2 or not any(role == "main" for role, _ in told):
        say(where, "no headings or no main:", told[:20])


def look(browser, path, width, scheme):
    where = f"{os.path.basename(path)}, {width} {scheme}"
    page = browser.open("file://" + path, width, scheme=scheme)
    for line in page.value(LOOK):
        say(where, line)
    figures = page.value("document.querySelectorAll('.figures').length")
    if page.value(HIDDEN) != figures:
        say(where, "tables are shown before anybody asks")
    page.value("document.querySelectorAll('details').forEach(d => d.open = true)")
    if page.value(HIDDEN) != 0:
        say(where, "tables that do not open")
    for line in page.value(LOOK):
        say(where + ", open", line)
    if page.value("document.documentElement.scrollWidth") > width:
        say(where, "an open table widens the page")
    if scheme == "light":
        named(page, where)
    dark = page.value("getComputedStyle(document.body).backgroundColor")
    if page.requests != ["file://" + path]:
        say(where, "asked for", page.requests)
    if page.complaints:
        say(where, page.complaints)
    return dark


def forbids(browser, path):
    """The policy does what it says: a script, a picture and a style that get in do nothing."""
    with tempfile.NamedTemporaryFile("w", suffix=".html", dir=os.path.dirname(path)) as bad:
        with open(path) as text:
            bad.write(text.read().replace("</main>", "<p id=in style='position:fixed'>in</p><img src=x.png>"
                                          "<script>document.title = 'run'</script></main>"))
        bad.flush()
        page = browser.open("file://" + bad.name, 800)
        if page.value("document.title") == "run" or not page.complaints:
            say(path, "a script ran")
        if page.value("getComputedStyle(document.getElementById('in')).position") != "static":
            say(path, "a style attribute was taken")
        if page.requests[1:] and page.blocked != ["csp"]:
            say(path, "a picture was asked for")


def paper(browser, path):
    page = browser.open("file://" + path, 800, scheme="dark", media="")
    with tempfile.TemporaryDirectory() as home:
        page.pdf(home + "/x.pdf")
        text = subprocess.run(["pdftotext", "-layout", home + "/x.pdf", "-"], capture_output=True, text=True,
                              check=True).stdout
    captions = page.value("[...document.querySelectorAll('caption')].map(c => c.textContent)")
    for caption in captions:
        if caption not in text:
            say(path, f"on paper there is no table \"{caption}\"")
    if "Exact figures" in text:
        say(path, "paper has what can only be clicked")
    page.call("Emulation.setEmulatedMedia", media="print",
              features=[{"name": "prefers-color-scheme", "value": "dark"}])
    if page.value("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)":
        say(path, "paper is not white")
    for line in page.value(LOOK):
        if "contrast" in line:
            say(path + " on paper", line)


with Browser() as chromium:
    first = sys.argv[1]
    backgrounds = {(scheme, look(chromium, first, width, scheme)) for width in (390, 1200)
                   for scheme in ("light", "dark")}
    if len(backgrounds) != 2 or len({b for _, b in backgrounds}) != 2:
        say(first, "light and dark look the same:", backgrounds)
    paper(chromium, first)
    forbids(chromium, first)
    for file in sys.argv[2:]:
        look(chromium, file, 390, "light")
    # What looks can see.
    with tempfile.NamedTemporaryFile("w", suffix=".html") as bad:
        bad.write("<!DOCTYPE html><title>x</title><p style='color:#999;background:#fff'>pale</p>"
                  "<p style='width:2000px;background:red'>wide</p>" + "<p>more</p>" * 9 +
                  "<svg class=plot width=100 height=50><text x=2 y=20>one</text><text x=9 y=22>two</text></svg>")
        bad.flush()
        seen = " ".join(chromium.open("file://" + bad.name, 390).value(LOOK))
        for part in ("pale", "wide", "lie on one another"):
            if part not in seen:
                say("looks", f"do not see what is {part}: {seen}")
print("\n".join(wrong))
sys.exit(1 if wrong else 0)
