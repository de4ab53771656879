"""Comments, docstrings, messages, names and documents use standard technical English."""

import io
import re
import subprocess
import tokenize

import pytest
from django.conf import settings

# {pattern: replacement}
WORDS = {
    r"told": "reported, returned",
    r"lack(s|ed|ing)?": "is missing",
    r"dear(er|est)?": "expensive",
    r"anew": "again",
    r"moments": "timestamps",
    r"deeds?": "action",
    r"at once": "concurrently, immediately",
    r"(is|are|was|were) away": "unavailable",
    r"stead": "instead",
    r"who(so|m)?ever": "a client, a user, anyone who",
    r"(tokens?|sessions?) (is|are|was) dead": "revoked",
    r"kept by": "owned by, editable by",
    r"for want of": "because there is no",
    r"one too many": "the extra one",
    r"give or take": "about",
    r"tells? whether": "return whether",
    r"touched": "accessed, read or changed",
    r"came in": "was created, received",
    r"heeds?": "supports, respects",
    r"answered [1-5][0-9]{2}": "gets a 413",
}
# The same, in product code and documents only.
PRODUCT_WORDS = {
    r"(?<!in a )moments?": "timestamp",
    r"(stays?|goes|gone|went) away": "unavailable, stopped",
    r"all the same": "anyway",
    r"knows? no": "uses no, does not support",
}
# Identifiers not to use in product code, and what to use instead.
NAMES = {
    "away": "unavailable",
    "came_in": "overview_date_field",
    "deed": "action",
    "lost": "failed, restore_note",
    "moment": "timestamp",
    "one(": "detail_query",
    "touched": "accessed_ids",
}
NOT_PRODUCT = {"tests", "faults", "benchmarks", "deploy", ".ci", "samples"}


def either(words):
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(words)})(?![^\W_])", re.IGNORECASE)


ODD, ODD_IN_PRODUCT = either(WORDS), either([*WORDS, *PRODUCT_WORDS])
SUFFIXES = (".py", ".md", ".html", ".txt", ".toml", ".ini", ".yaml", ".yml", ".conf", ".sh", ".lua", ".cfg", ".example")
PLAIN = {"Makefile", "Dockerfile", "run", "isolated.py", "with-server", "readme"}
# This file contains the patterns.
HERE = "healthcare/tests/test_prose.py"


def tracked():
    if not (settings.BASE_DIR / ".git").exists():
        pytest.skip("The tracked files are known only in a checkout.")
    listed = subprocess.run(["git", "ls-files"], cwd=settings.BASE_DIR, capture_output=True, text=True, check=True)  # noqa: S607, from the PATH
    for name in listed.stdout.splitlines():
        path = settings.BASE_DIR / name
        if name != HERE and (name.endswith(SUFFIXES) or path.name in PLAIN) and path.is_file():
            yield path


def is_product(path):
    return not NOT_PRODUCT & set(path.relative_to(settings.BASE_DIR).parts)


def prose(path):
    """Yield (line number, text); for Python files the comments, strings and names, with spaces for underscores."""
    if path.suffix != ".py":
        yield from enumerate(path.read_text().splitlines(), 1)
        return
    # Since Python 3.12 the text of an f-string has a type of its own.
    kinds = {tokenize.COMMENT, tokenize.STRING, tokenize.NAME, getattr(tokenize, "FSTRING_MIDDLE", None)}
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        # Constants include established names of settings.
        if token.type in kinds and not (token.type == tokenize.NAME and token.string.isupper()):
            text = token.string.replace("_", " ") if token.type == tokenize.NAME else token.string
            yield from enumerate(text.splitlines(), token.start[0])


def test_no_text_uses_an_odd_word():
    found = [
        f"{path.relative_to(settings.BASE_DIR)}:{number}: {match[0]!r} in {line.strip()!r}"
        for path in tracked()
        for number, line in prose(path)
        if (match := (ODD_IN_PRODUCT if is_product(path) else ODD).search(line))
    ]

    assert found == [], "\n".join(found)


def test_names_in_product_code_are_those_of_the_field():
    found = [
        f"{path.relative_to(settings.BASE_DIR)}:{token.start[0]}: {name} instead of {NAMES[name]}"
        for path in tracked()
        if path.suffix == ".py" and is_product(path)
        for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
        if token.type == tokenize.NAME
        for name in NAMES.keys() & {token.string, token.line[token.start[1] : token.end[1] + 1]}
    ]

    assert found == [], "\n".join(found)
