"""The book in docs/: what SUMMARY.md, links and command blocks promise.

book.py check: every page is in SUMMARY.md once, each relative link leads somewhere, each anchor is a heading, and each block
of commands is run or says why it is not.
book.py script PAGE: the commands of a page that are run, in their order.
"""

import pathlib
import re
import sys

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
FENCE = re.compile(r"^(<!-- not run: .+ -->\n)?```(\w*)\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def plain(text):
    """Without code, in which nothing is a link."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(path):
    """What GitHub and mdBook make of the headings."""
    body = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.M | re.S)
    found = set()
    for heading in re.findall(r"^#+ (.+)$", body, re.M):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        found.add(re.sub(r"[^\w\- ]", "", heading).replace(" ", "-"))
    return found


def problems():
    pages = sorted(DOCS.rglob("*.md"))
    listed = LINK.findall((DOCS / "SUMMARY.md").read_text())
    for page in pages:
        name = str(page.relative_to(DOCS))
        if name != "SUMMARY.md" and listed.count(name) != 1:
            yield f"SUMMARY.md names {name} {listed.count(name)} times"
    for page in [*pages, DOCS.parent / "README.md", DOCS.parent / "CONTRIBUTING.md"]:
        text = page.read_text()
        for link in LINK.findall(plain(text)):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if not target.exists():
                yield f"{page.name}: {link} leads nowhere"
            elif anchor and anchor not in anchors(target):
                yield f"{page.name}: {link}: there is no such heading"
        for reason, language, body in FENCE.findall(text):
            if page.parent == DOCS and language in ("", "bash", "shell", "console"):
                yield f"{page.name}: a block says neither `sh` nor what else it is: {body[:40]!r}"


def script(page):
    blocks = FENCE.findall((DOCS / page).read_text())
    return "\n".join(body for reason, language, body in blocks if language == "sh" and not reason)


if sys.argv[1] == "check":
    found = list(problems())
    print("\n".join(found))
    sys.exit(bool(found))
elif sys.argv[1] == "pages":
    for page in sorted(DOCS.glob("*.md")):
        if script(page.name):
            print(page.name)
else:
    print(script(sys.argv[2]))
