"""Reasons for a 400 that an OpenAPI document cannot express."""

import re

import schemathesis

STORED = r"already exists|exists already|already assigned|There is no |You have no |This is not your current"
CONFIGURED = r"password is too|entirely numeric|too common"
# Text of invisible characters only; a cursor is opaque; one parameter cannot require another.
BEYOND_A_SCHEMA = r"may not be blank|Not a cursor of this list|cursor needs the limit"
EXPLAINED = re.compile(f"{STORED}|{CONFIGURED}|{BEYOND_A_SCHEMA}")


@schemathesis.check
def only_refused_for_what_the_document_cannot_tell(ctx, response, case):
    """Find validation rules of the API that its document does not mention."""
    if response.status_code == 400 and case.meta and case.meta.generation.mode.is_positive:
        for name, messages in response.json().items():
            if not EXPLAINED.search(str(messages)):
                raise AssertionError(f"The document allows a value that the API refuses: {name}: {messages}")
