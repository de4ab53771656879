"""Follow the pages of a list of patients."""

import re

from django.urls import reverse

PATIENTS = reverse("patients-list")
ORDERINGS = [sign + name for name in ("id", "name", "age", "created_at") for sign in ("", "-")]


def pages(client, path):
    """Return the pages of a list, following its Link headers."""
    found = []
    while path:
        response = client.get(path)
        found.append(response.json())
        link = response.headers.get("Link")
        path = re.fullmatch(r'<http://testserver(/.+)>; rel="next"', link)[1] if link else None
        assert len(found) < 20
    return found
