"""Content negotiation: parsers by exact media type; responses are JSON unless the client asks for CSV."""

import re
from collections.abc import Iterable

from rest_framework import negotiation
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.settings import api_settings

FORMAT: str = api_settings.URL_FORMAT_OVERRIDE
# A weight, or 0: https://www.rfc-editor.org/rfc/rfc9110#section-12.4.2.
_WEIGHT = re.compile(r"q=([01](?:\.[0-9]{0,3})?)")


class ContentNegotiation(negotiation.BaseContentNegotiation):
    """Choose the view's first renderer unless `Accept` names another one and prefers it."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        # DRF would also accept `*/*` as JSON.
        media_type = request.content_type.partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == media_type), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        default, *others = renderers
        accept = request.META.get("HTTP_ACCEPT", "").lower() if others else ""
        for renderer in others:
            if renderer.media_type in accept and prefers(accept, renderer.media_type, default.media_type):
                return renderer, renderer.media_type
        return default, default.media_type


def prefers(accept: str, media_type: str, default: str) -> bool:
    """Return whether `accept`, in lower case, prefers `media_type` to `default`, or equals the weight of `*/*`."""
    weights = {}
    for item in accept.split(","):
        name, *parameters = map(str.strip, item.split(";"))
        found = next(filter(None, map(_WEIGHT.fullmatch, parameters)), None)
        weights[name] = float(found[1]) if found else 1.0
    weight = weights.get(media_type, 0.0)
    if default in weights:
        return weight > weights[default]
    return weight > 0 and weight >= weights.get("*/*", 0.0)


def select_format(request: Request, renderers: Iterable[BaseRenderer]) -> None:
    """Select the renderer named by the query parameter `format`, if given; raise ValidationError if it is unknown."""
    given = request.query_params.get(FORMAT)
    if given is not None:
        by_format = {renderer.format: renderer for renderer in renderers}
        if given not in by_format:
            raise ValidationError({FORMAT: [f"Must be one of {', '.join(by_format)}."]})
        request.accepted_renderer = by_format[given]
        request.accepted_media_type = by_format[given].media_type
