"""The documentation names only existing files and targets, and its commands work in any shell."""

import re
import subprocess

import pytest
from django.conf import settings

ROOT = settings.BASE_DIR
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
MAKEFILE = (ROOT / "Makefile").read_text()
# Created by the reader.
OWN = {".env", ".venv", "db.sqlite3", "deploy/.env", "deploy/tls"}
TOP = {path.name for path in ROOT.iterdir()}
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def text_of(page):
    return (ROOT / page).read_text()


def anchors(page):
    """Return the anchors that Markdown renderers generate for a page's headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_a_heading(page):
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text_of(page))):
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        if "://" not in target and not (file.exists() and (not anchor or anchor in anchors(file))):
            broken.append(target)

    assert broken == []


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_is_named_exists(page):
    named = re.findall(r"`([\w.-]+(?:/[\w.-]+)*/?)`", FENCE.sub("", text_of(page)))
    paths = {name for name in named if name.partition("/")[0] in TOP and ("/" in name or "." in name)}

    assert [path for path in sorted(paths - OWN) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_target_of_make_that_is_named_exists(page):
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))

    named = set(re.findall(r"(?:^|`)(?:[A-Z_]+=\S+ )*make ([a-z-]+)", text_of(page), re.MULTILINE))

    assert named - targets == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_row_of_a_table_has_as_many_cells_as_its_header(page):
    uneven = []
    for table in re.findall(r"(?:^\|.*\|\n)+", FENCE.sub("", text_of(page)), re.MULTILINE):
        rows = [re.sub(r"\\\||`[^`]*`", "", row).count("|") for row in table.splitlines()]
        uneven += [row for row, cells in zip(table.splitlines(), rows, strict=True) if cells != rows[0]]

    assert uneven == []


@pytest.mark.parametrize("page", PAGES)
def test_commands_work_in_every_shell(page):
    # zsh accepts no comments at its prompt; a $ prompt or output between the lines cannot be pasted.
    for block in [body for language, body in FENCE.findall(text_of(page)) if language == "sh"]:
        assert re.findall(r"^\s*#.*|^\$ .*|\s# .*$", block, re.MULTILINE) == []
        parsed = subprocess.run(["/bin/sh", "-n"], input=block, capture_output=True, text=True, check=False)
        assert parsed.stderr == ""


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_its_language(page):
    assert [body for language, body in FENCE.findall(text_of(page)) if not language] == []


def test_the_readme_has_about_1000_words():
    assert 900 <= len(text_of("README.md").split()) <= 1200
