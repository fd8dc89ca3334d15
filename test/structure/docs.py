#!/usr/bin/python3
"""The documentation holds together: every link leads to a file and a heading, every page is in the index, README stays short."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "harness"))
from report import Report

MOST_README_LINES = 120


def pages():
    return sorted(path for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def links(path):
    """(target, heading) of each relative link; code blocks left out."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S)
    return [(target, heading) for target, heading in re.findall(r"\]\(([^)#\s]*)(?:#([\w-]+))?\)", text)
            if not target.startswith(("http:", "https:"))]


def headings(path):
    """Anchors as GitHub and GitLab make them."""
    return {re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
            for line in path.read_text().splitlines() if line.startswith("#")}


def check_links():
    broken = []
    for page in pages():
        for target, heading in links(page):
            other = (page.parent / target).resolve() if target else page
            if not other.exists():
                broken.append(f"{page.relative_to(ROOT)} links to {target}, which is not there")
            elif heading and other.suffix == ".md" and heading not in headings(other):
                broken.append(f"{page.relative_to(ROOT)} links to {target}#{heading}, a heading that is not there")
    return [("; ".join(broken) or "broken links", len(broken), 0.5), ("pages read, at least 10 missing", max(0, 10 - len(pages())), 0.5)]


def check_index():
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / target).resolve() for target, _ in links(index)}
    lost = [str(page.relative_to(ROOT)) for page in pages() if (ROOT / "docs") in page.parents and page != index and page not in listed]
    return [("pages that docs/README.md does not list: " + ", ".join(lost), len(lost), 0.5)]


def check_readme():
    return [("lines of README.md", len((ROOT / "README.md").read_text().splitlines()), MOST_README_LINES)]


def main():
    report = Report("docs")
    for name, function in (("links", check_links), ("index", check_index), ("readme", check_readme)):
        report.case(name, function)
    report.close()


if __name__ == "__main__":
    main()
