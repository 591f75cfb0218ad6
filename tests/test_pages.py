"""Every page of the documentation: links that lead somewhere, lines that fit."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(path for path in ROOT.rglob("*.md") if not any(part.startswith(".") for part in path.parts))
GENERATED = "## Results\n"  # of the benchmarks, which write the lines below it

each_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def prose(path: Path) -> str:
    """A page without its code blocks."""
    return re.sub(r"```.*?```", "", path.read_text(), flags=re.S)


def anchors(path: Path) -> set[str]:
    """What a link to a heading of this page may end in, after the #."""
    headings = re.findall(r"^#+ (.*)$", prose(path), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(path: Path) -> list[str]:
    """The links of a page to files or headings that are not there."""
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", prose(path)):
        link = "".join(target)
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        aim = (path.parent / file).resolve() if file else path
        if not aim.exists() or (anchor and anchor not in anchors(aim)):
            dead.append(link)
    return dead


@each_page
def test_links_lead_to_files_and_headings(path: Path) -> None:
    assert dead_links(path) == []


@each_page
def test_pages_are_linked_not_named_as_code(path: Path) -> None:
    assert re.findall(r"`[\w/.]*\w\.md`", prose(path)) == []


@each_page
def test_lines_have_at_most_120_columns(path: Path) -> None:
    text = re.sub(r"<img.*?>", "", path.read_text().partition(GENERATED)[0], flags=re.S)
    assert [line for line in text.splitlines() if len(line) > 120 and not line.startswith(("|", "!["))] == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A heading, or two\n[a](#a-heading-or-two) [b](#another) [c](page.md) [d](gone.md)\n")
    assert dead_links(page) == ["#another", "gone.md"]
