"""What every start checks beside the settings themselves."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.cache import cache
from django.core.checks import Error


def redis_answers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Error]:
    """Ask the Redis of CACHE_URL once; one that goes away later is a 503."""
    if not settings.CACHE_URL:
        return []
    from redis.exceptions import RedisError

    try:
        cache.get("anything")
    except RedisError as error:
        return [Error(f"CACHE_URL names a Redis that does not serve: {error}", id="healthcare.E001")]
    return []
