"""The status page of a running service in a browser, as a person sees it."""

import os

from browser import Browser
from cases import scenario
from harness import check
from running import before, hook, readiness, serving, wait_until

TOKEN = "a-token-for-the-browser-only"
HEADING = "document.querySelector('#verdict h2')?.innerText"


def pictures():
    """Where screenshots go, if somebody wants to look at them."""
    return os.environ.get("M365STAGE_SCREENSHOTS")


def look(browser, name):
    """The page in three sizes and both themes: nothing is cut off at the side, everything can be read."""
    for width, dark in ((1280, False), (1280, True), (360, False)):
        browser.size(width, dark=dark)
        overflow = browser.value("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        check(overflow <= 0, f"{name}: {overflow} pixels are cut off at {width}")
        poor = browser.value(CONTRAST)
        check(not poor, f"{name}: hard to read{' in the dark' if dark else ''}: {poor}")
        if pictures():
            browser.screenshot(os.path.join(pictures(), f"{name}-{width}{'-dark' if dark else ''}.png"))
    browser.size(1280)


# Texts whose colour differs from their background by less than WCAG's 4.5 to 1.
CONTRAST = """(() => {
  const parts = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = parts(c).slice(0, 3).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (parts(c).length < 4 || parts(c)[3] > 0) return c; } return 'rgb(255, 255, 255)'; };
  return [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() &&
      [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())).filter(e => {
    const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
    return (a + .05) / (b + .05) < 4.5; }).map(e => e.tagName + ' ' + e.innerText.slice(0, 40));
})()"""


def focused(browser):
    return browser.value("document.activeElement.id || document.activeElement.tagName")


def sign_in(browser, url):
    """By keyboard: the wrong token first, then the right one."""
    browser.open(url)
    browser.wait_for("!document.querySelector('#sign-in').hidden", "the page asks for a token")
    look(browser, "sign-in")
    for text in ("wrong-token-for-the-page", TOKEN):
        for _ in range(5):
            if focused(browser) == "token":
                break
            browser.press("Tab")
        check(focused(browser) == "token", f"Tab does not lead to the token but to {focused(browser)}")
        browser.write(text)
        browser.press("Enter")
        if text != TOKEN:
            browser.wait_for("document.querySelector('#sign-in-error').innerText", "a wrong token is refused")
    browser.wait_for("document.querySelector('#sign-in').hidden", "the right token is taken")
    # The browser tells of each refusal; nothing else may be wrong.
    browser.complaints = [c for c in browser.complaints if "401" not in c]


def is_healthy(browser, w):
    browser.wait_for(f"{HEADING} === 'Everything is staged'", "the page says that all is well")
    check("100 %" in browser.text("#facts"), f"no coverage: {browser.text('#facts')}")
    check(browser.text("#connection") == "live", f"the connection is {browser.text('#connection')}")
    look(browser, "healthy")
    user = w.stage.rows("SELECT key FROM container WHERE key LIKE 'users/%' ORDER BY key")[0][0]
    browser.value("document.querySelector('#search').focus()")
    browser.write(user.split("/")[1][:4])
    browser.wait_for("document.querySelectorAll('#containers tr:not(.head)').length === 1", "the search finds one")
    check(user in browser.text("#containers"), f"the search finds {browser.text('#containers')}")
    browser.press("Tab")
    check(focused(browser) != "search", "Tab does not leave the search")
    browser.value("document.querySelector('#search').value = ''")


def shows_lease(browser, w):
    before(w.stage, "4711", "--max-age", "1h")
    browser.wait_for("document.querySelector('[data-list=leases]').innerText.includes('4711')", "the lease is shown")
    check("nightly" in browser.text("[data-list=leases]"), "the job's name is not shown")
    hook(w.stage, "after-job", "--jobid", "4711", "--status", "OK")
    hook(w.stage, "job-ended", "--jobid", "4711", "--status", "OK")
    browser.wait_for("!document.querySelector('[data-list=leases]').innerText.includes('4711')", "it is gone again")
    browser.wait_for("document.querySelector('[data-list=jobs]').innerText.includes('saved')", "the job is saved")


def shows_owed(browser, w):
    item = next(i for i in w.sim.expected() if i["type"] == "file" and i["drive_name"] == "OneDrive")
    w.sim.op("malware", drive=item["drive"], id=item["id"], on=True)
    w.stage.sync()
    browser.wait_for(f"{HEADING} === 'Staged, but look at this'", "the page says that something is owed")
    check("1 item owed" in browser.text("#verdict"), f"the verdict says {browser.text('#verdict')}")
    check("malware" in browser.text("[data-list=failing]"), f"not why: {browser.text('[data-list=failing]')}")
    look(browser, "owed")
    w.sim.op("malware", drive=item["drive"], id=item["id"], on=False)


def shows_guard(browser, w):
    drive = next(i["drive"] for i in w.sim.expected() if i["drive_name"] == "OneDrive")
    for item in w.sim.expected():
        if item["drive"] == drive and len(item["names"]) == 1:
            w.sim.op("delete", drive=drive, id=item["id"])
    w.stage.sync()
    browser.wait_for(f"{HEADING} === 'A backup must not run now'", "the page says that a backup must not run")
    check("m365stage guard approve users/" in browser.text("[data-list=guard]"), "not what a person can do")
    look(browser, "held")
    for row in w.stage.rows("SELECT key FROM container WHERE guard_held>0"):
        w.stage.run("guard", "approve", row[0])
    browser.wait_for(f"{HEADING} !== 'A backup must not run now'", "it is seen that they are approved")


def shows_trouble(browser, w, service):
    w.sim.post("auth", refuse=7000222, expire_all=True)
    w.stage.sync()
    browser.wait_for(f"{HEADING} === 'A backup must not run now'", "the page says that a backup must not run")
    check("7000222" in browser.text("#verdict"), f"not why: {browser.text('#verdict')}")
    look(browser, "trouble")
    w.sim.post("auth", refuse=0)
    w.stage.sync()
    browser.wait_for(f"{HEADING} !== 'A backup must not run now'", "it is seen that it works again")
    service.stop()
    browser.wait_for("document.querySelector('#connection').className === 'lost'", "the page says that it is cut off")
    look(browser, "lost")
    browser.complaints = [c for c in browser.complaints if "ERR_" not in c]  # what the browser itself says of that
    service.start()
    browser.wait_for("document.querySelector('#connection').innerText === 'live'", "it connects again by itself", longest=40)


@scenario
def status_page(options):
    """a person opens the status page in Chromium: healthy, owed, held, in trouble, cut off; keyboard, phone, dark"""
    with serving(options, "page", "--users", 3, "--sites", 1, "--files-per-drive", 12, "--specials", 0, sync={"interval": "1h"},
                 guard={"max_deleted_share": 0.2, "min_deleted_items": 5}, token=TOKEN) as (w, service):
        with Browser() as browser:
            sign_in(browser, f"http://127.0.0.1:{service.port}/")
            wait_until(lambda: readiness(w.stage)[0] == 200, "the first pass", longest=60)
            is_healthy(browser, w)
            shows_lease(browser, w)
            shows_owed(browser, w)
            shows_guard(browser, w)
            shows_trouble(browser, w, service)
            foreign = [u for u in browser.requests if not u.startswith((f"http://127.0.0.1:{service.port}/", "data:", "about:"))]
            check(not foreign, f"it asks others: {foreign[:5]}")
            check(not any(TOKEN in u for u in browser.requests), "the token is in an address")
            check(not browser.complaints, f"the browser complains: {browser.complaints[:5]}")
