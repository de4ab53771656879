"""How often something may happen: counters of fixed windows, and the throttle of the whole API.

A counter is one number a key, so a request costs the same however high the rate; DRF's own throttle keeps a list of
every request's time.
"""

import ipaddress
import time
from typing import Protocol

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle


def client_address(request: HttpRequest | Request) -> str:
    """Return where a request comes from, an IPv6 one as its /64, which is what one subscriber has.

    X-Forwarded-For is believed from as many proxies as TRUSTED_PROXIES says, counted from this end; what a client
    writes into it stands further left. Where that is no address, it is who connected.
    """
    peer = address = request.META.get("REMOTE_ADDR", "")
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if settings.TRUSTED_PROXIES and len(forwarded) >= settings.TRUSTED_PROXIES:
        address = forwarded[-settings.TRUSTED_PROXIES].strip()
    try:
        parsed = ipaddress.ip_address(address)
        parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    except ValueError:
        return peer
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else str(parsed)


class Counter(Protocol):
    """Counts what happens in fixed windows of so many seconds."""

    def hit(self, key: str, seconds: int) -> tuple[int, float]:
        """Count one more; return (the count in this window, the seconds until it ends)."""

    def forget(self, key: str, seconds: int) -> None:
        """Start the window of `key` anew."""


class CacheCounter:
    """Counts in Django's cache: across processes where that is a Redis, else each process for itself."""

    def hit(self, key: str, seconds: int) -> tuple[int, float]:
        window, passed = divmod(time.time(), seconds)
        key = f"rate:{key}:{int(window)}"
        try:
            count = cache.incr(key)
        except ValueError:
            cache.add(key, 0, seconds)
            count = cache.incr(key)
        return count, seconds - passed

    def forget(self, key: str, seconds: int) -> None:
        cache.delete(f"rate:{key}:{int(time.time() // seconds)}")


class Throttle(BaseThrottle):
    """Refuse (429, with Retry-After) what comes more often than the `scope`'s rate, counted by user or by address."""

    counter: Counter = CacheCounter()

    def allow_request(self, request: Request, view: object) -> bool:
        scope = "user" if request.user.is_authenticated else "anonymous"
        return self.allow(scope, request.user.pk or client_address(request))

    def allow(self, scope: str, who: object) -> bool:
        limit, seconds = settings.RATES[scope]
        count, self.left = self.counter.hit(f"{scope}:{who}", seconds)
        return count <= limit

    def wait(self) -> float:
        return self.left
