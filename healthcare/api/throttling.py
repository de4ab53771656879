"""DRF throttles with fixed-window counters: one number per key, so that the rate does not affect their cost."""

import ipaddress
import logging
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from threading import BoundedSemaphore, Lock
from typing import Any, NamedTuple, Protocol

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle, SimpleRateThrottle

log = logging.getLogger("healthcare.throttling")

# A subscriber has at least an IPv6 /64, often a /56, and a company a /48. All three are counted, with different limits.
# https://www.ripe.net/publications/docs/ripe-690/
IPV6_LIMITS = {64: 1, 56: 2, 48: 4}
# Seconds.
REDIS_TIMEOUT = 0.25


class Source(NamedTuple):
    """An address or network that requests come from, and the factor by which its limit exceeds that of an address."""

    network: str
    factor: int


def client_address(request: HttpRequest | Request) -> str:
    """Return the address of the client.

    Behind TRUSTED_PROXIES proxies it is that entry of X-Forwarded-For, counted from the right; a client can forge only
    entries further left. If the entry is not an address, the peer's address is used.
    """
    peer = request.META.get("REMOTE_ADDR", "")
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if settings.TRUSTED_PROXIES and len(forwarded) >= settings.TRUSTED_PROXIES:
        return parsed(forwarded[-settings.TRUSTED_PROXIES]) or parsed(peer) or peer
    return parsed(peer) or peer


def parsed(text: str) -> str | None:
    """Return an address in canonical form, without the port that some gateways add, or None if it is invalid."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


@lru_cache(maxsize=4096)
def sources_of(address: str) -> list[Source]:
    """Return the sources that count for an address: itself, or its IPv6 networks, the narrowest first."""
    if ":" not in address or not parsed(address):
        return [Source(address, 1)]
    networks = ((ipaddress.ip_network((address, prefix), strict=False), IPV6_LIMITS[prefix]) for prefix in IPV6_LIMITS)
    return [Source(str(network), factor) for network, factor in networks]


class Addition(NamedTuple):
    """Add `amount` to the counter `key`, whose window has this many seconds."""

    key: str
    amount: int
    seconds: int


class Count(NamedTuple):
    """The value of a counter, and the seconds until its window ends."""

    number: int
    left: float


class Counter(Protocol):
    """Counts in fixed windows, none longer than the seconds of its additions."""

    def add(self, additions: Sequence[Addition]) -> list[Count]: ...


class SharedCounter(Counter, Protocol):
    """A counter that all processes share and that can be reset."""

    def forget(self, keys: Iterable[str]) -> None: ...


class CacheCounter:
    """Counts in Django's cache."""

    def add(self, additions: Sequence[Addition]) -> list[Count]:
        return [self._add(*addition) for addition in additions]

    def _add(self, key: str, amount: int, seconds: int) -> Count:
        window, passed = divmod(time.time(), seconds)
        key = f"rate:{key}:{int(window)}"
        try:
            number = cache.incr(key, amount)
        except ValueError:
            cache.add(key, 0, seconds)
            number = cache.incr(key, amount)
        return Count(number, seconds - passed)


def redis_client(url: str) -> Any:
    """Return a client without retries whose time-out is REDIS_TIMEOUT."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Redis.from_url(
        url, socket_timeout=REDIS_TIMEOUT, socket_connect_timeout=REDIS_TIMEOUT, retry=Retry(NoBackoff(), 0)
    )


class RedisCounter:
    """Counts in Redis, or in `fallback` while Redis is unavailable; without a fallback, nothing is counted then.

    A frozen Redis must not block all threads of the process: at most CONCURRENT threads wait for it, each for
    REDIS_TIMEOUT, and after a failure it is not used for PAUSE seconds.
    """

    PAUSE = 5
    CONCURRENT = 4
    # Class attributes, because all counters use the same Redis.
    _asking = BoundedSemaphore(CONCURRENT)
    _paused_until = 0.0

    def __init__(self, url: str, fallback: SharedCounter | None = None) -> None:
        self._fallback = fallback
        self._redis = redis_client(url)

    def add(self, additions: Sequence[Addition]) -> list[Count]:
        commands = self._redis.pipeline()
        for key, amount, seconds in additions:
            commands.set(f"rate:{key}", 0, nx=True, ex=seconds)
            commands.incrby(f"rate:{key}", amount)
            commands.pttl(f"rate:{key}")
        answers = self._execute(commands)
        if answers is not None:
            return [Count(*pair) for pair in zip(answers[1::3], [ms / 1000 for ms in answers[2::3]], strict=True)]
        return self._fallback.add(additions) if self._fallback else [Count(0, 0)] * len(additions)

    def forget(self, keys: Iterable[str]) -> None:
        keys = list(keys)
        self._execute(self._redis.pipeline().delete(*(f"rate:{key}" for key in keys)))
        if self._fallback:
            self._fallback.forget(keys)

    def _execute(self, commands: Any) -> list[Any] | None:
        """Return the replies, or None if Redis is unavailable."""
        from redis.exceptions import RedisError

        if time.monotonic() < RedisCounter._paused_until or not self._asking.acquire(timeout=REDIS_TIMEOUT / 5):
            return None
        try:
            return commands.execute()
        except RedisError:
            if time.monotonic() >= RedisCounter._paused_until:
                log.exception("Redis is unavailable: general rates are off, log-ins are counted in the database")
            RedisCounter._paused_until = time.monotonic() + self.PAUSE
            return None
        finally:
            self._asking.release()


class WindowThrottle(SimpleRateThrottle):
    """DRF's SimpleRateThrottle with counters; DRF's own stores the time of every request."""

    counter: Counter = RedisCounter(settings.CACHE_URL) if settings.CACHE_URL else CacheCounter()
    scope: str
    num_requests: int
    duration: int

    def get_rate(self) -> Any:
        # DRF reads the rates when the class is created; tests change them later.
        return api_settings.DEFAULT_THROTTLE_RATES[self.scope]

    @staticmethod
    @lru_cache
    def parse_rate(rate: str) -> tuple[int, int]:
        """Return (requests, seconds) of a rate such as `20/minute`; DRF would parse it at every request."""
        number, period = rate.split("/")
        return int(number), {"s": 1, "m": 60, "h": 3600, "d": 86400}[period[0]]

    def get_sources(self, request: Any, view: object) -> list[Source]:
        """Return the sources that the request counts for; none if this throttle does not apply to it."""
        return sources_of(client_address(request))

    def allow_request(self, request: Any, view: object) -> bool:
        sources = self.get_sources(request, view)
        if not sources:
            return True
        counts = self.counter.add([Addition(f"{self.scope}:{name}", 1, self.duration) for name, _ in sources])
        counted = zip(counts, sources, strict=True)
        self.left = [count.left for count, source in counted if count.number > self.num_requests * source.factor]
        return not self.left

    def wait(self) -> float:
        return max(self.left)


class UserRateThrottle(WindowThrottle):
    """Requests of one user."""

    scope = "user"

    def get_sources(self, request: Request, view: object) -> list[Source]:
        return [Source(str(request.user.pk), 1)] if request.user.is_authenticated else []


class AnonRateThrottle(WindowThrottle):
    """Unauthenticated requests of one address."""

    scope = "anon"

    def get_sources(self, request: Request, view: object) -> list[Source]:
        return [] if request.user.is_authenticated else super().get_sources(request, view)


class ConcurrencyThrottle(BaseThrottle):
    """Limit the concurrent requests of one user in this process, so that other users find free threads.

    A request counts until its response, streamed or not, is closed; `ApiMiddleware` releases it.
    """

    _lock = Lock()
    _running: dict[int, int] = {}

    def allow_request(self, request: Any, view: object) -> bool:
        user_id = request.user.pk
        if user_id is None:
            return True
        with self._lock:
            if self._running.get(user_id, 0) >= settings.USER_CONCURRENT_REQUESTS:
                return False
            self._running[user_id] = self._running.get(user_id, 0) + 1
        request._request.release = partial(self._release, user_id)
        return True

    def wait(self) -> float:
        return 1

    @classmethod
    def _release(cls, user_id: int) -> None:
        with cls._lock:
            left = cls._running.pop(user_id, 1) - 1
            if left:
                cls._running[user_id] = left
