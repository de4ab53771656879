"""What no OpenAPI document can tell: why a request of the right form may still be refused."""

import re

import schemathesis

STORED = r"already exists|exists already|already assigned|There is no |You have no |This is not your current"
CONFIGURED = r"password is too|entirely numeric|too common"
# Text of nothing but invisible characters; a cursor is opaque, and one parameter cannot require another.
BEYOND_A_SCHEMA = r"may not be blank|Not a cursor of this list|cursor needs the limit"
EXPLAINED = re.compile(f"{STORED}|{CONFIGURED}|{BEYOND_A_SCHEMA}")


@schemathesis.check
def only_refused_for_what_the_document_cannot_tell(ctx, response, case):
    """Find the rules of form that the API has and its document has not."""
    if response.status_code == 400 and case.meta and case.meta.generation.mode.is_positive:
        for name, messages in response.json().items():
            if not EXPLAINED.search(str(messages)):
                raise AssertionError(f"The document allows what is refused: {name}: {messages}")
