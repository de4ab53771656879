"""DRF throttles that count in fixed windows: one number per key, so a request costs the same at any rate."""

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

# A subscriber has an IPv6 /64 at least, often a /56, a company a /48. Each is counted, wider ones with higher limits.
# https://www.ripe.net/publications/docs/ripe-690/
IPV6_LIMITS = {64: 1, 56: 2, 48: 4}
# Seconds; a Redis that takes longer to count is as good as none.
REDIS_TIMEOUT = 0.25


class Source(NamedTuple):
    """An address or network that requests come from, and how many times the limit of one address it may use."""

    network: str
    factor: int


def client_address(request: HttpRequest | Request) -> str:
    """Return the address that a request comes from.

    X-Forwarded-For is trusted for as many proxies as TRUSTED_PROXIES says, counted from the right; whatever the client
    wrote into it is further left. Where that entry is no address, it is the peer's.
    """
    peer = request.META.get("REMOTE_ADDR", "")
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if settings.TRUSTED_PROXIES and len(forwarded) >= settings.TRUSTED_PROXIES:
        return parsed(forwarded[-settings.TRUSTED_PROXIES]) or parsed(peer) or peer
    return parsed(peer) or peer


def parsed(text: str) -> str | None:
    """Return an address in its canonical form, without the port that some gateways add, or None."""
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
    """Return what an address counts as: itself, or its IPv6 networks, the narrowest first."""
    if ":" not in address or not parsed(address):
        return [Source(address, 1)]
    networks = ((ipaddress.ip_network((address, prefix), strict=False), IPV6_LIMITS[prefix]) for prefix in IPV6_LIMITS)
    return [Source(str(network), factor) for network, factor in networks]


class Addition(NamedTuple):
    """Add `amount` to the counter `key`, whose window is of so many seconds."""

    key: str
    amount: int
    seconds: int


class Count(NamedTuple):
    """How much a counter has, and the seconds until its window ends."""

    number: int
    left: float


class Counter(Protocol):
    """Counts in fixed windows. A window starts with its first addition and is never longer than its seconds."""

    def add(self, additions: Sequence[Addition]) -> list[Count]: ...


class SharedCounter(Counter, Protocol):
    """A counter that all processes share, and that can start again."""

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
    """Return a client that gives up after REDIS_TIMEOUT."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Redis.from_url(
        url, socket_timeout=REDIS_TIMEOUT, socket_connect_timeout=REDIS_TIMEOUT, retry=Retry(NoBackoff(), 0)
    )


class RedisCounter:
    """Counts in Redis, and in `fallback` while Redis does not answer; without a fallback, nothing is counted then.

    A frozen Redis must not hold the threads of the process: few may wait for it at a time, each for REDIS_TIMEOUT,
    and after a failure nobody asks it for PAUSE seconds.
    """

    PAUSE = 5
    CONCURRENT = 4
    # Shared: all counters use the same Redis.
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
        """Return the answers, or None where Redis does not give them."""
        from redis.exceptions import RedisError

        if time.monotonic() < RedisCounter._paused_until or not self._asking.acquire(timeout=REDIS_TIMEOUT / 5):
            return None
        try:
            return commands.execute()
        except RedisError:
            if time.monotonic() >= RedisCounter._paused_until:
                log.exception("Redis does not answer: general rates are off, log-ins are counted in the database")
            RedisCounter._paused_until = time.monotonic() + self.PAUSE
            return None
        finally:
            self._asking.release()


class WindowThrottle(SimpleRateThrottle):
    """DRF's SimpleRateThrottle, which would store the time of every request, with counters instead."""

    counter: Counter = RedisCounter(settings.CACHE_URL) if settings.CACHE_URL else CacheCounter()
    scope: str
    num_requests: int
    duration: int

    def get_rate(self) -> Any:
        # DRF reads the rates when the class is made; this way they follow the settings in tests.
        return api_settings.DEFAULT_THROTTLE_RATES[self.scope]

    @staticmethod
    @lru_cache
    def parse_rate(rate: str) -> tuple[int, int]:
        """Return (requests, seconds) of a rate such as `20/minute`; DRF would parse it at every request."""
        number, period = rate.split("/")
        return int(number), {"s": 1, "m": 60, "h": 3600, "d": 86400}[period[0]]

    def get_sources(self, request: Any, view: object) -> list[Source]:
        """Return whom the request counts for; none where this throttle is not about it."""
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
    """Requests of one address that are of no user."""

    scope = "anon"

    def get_sources(self, request: Request, view: object) -> list[Source]:
        return [] if request.user.is_authenticated else super().get_sources(request, view)


class ConcurrencyThrottle(BaseThrottle):
    """Bound the concurrent requests of one user in this process, so that threads are left for others.

    A request counts until its response is closed, streamed ones too; `ApiMiddleware` sees to that.
    """

    _lock = Lock()
    _at_work: dict[int, int] = {}

    def allow_request(self, request: Any, view: object) -> bool:
        user_id = request.user.pk
        if user_id is None:
            return True
        with self._lock:
            if self._at_work.get(user_id, 0) >= settings.USER_CONCURRENT_REQUESTS:
                return False
            self._at_work[user_id] = self._at_work.get(user_id, 0) + 1
        request._request.release = partial(self._release, user_id)
        return True

    def wait(self) -> float:
        return 1

    @classmethod
    def _release(cls, user_id: int) -> None:
        with cls._lock:
            left = cls._at_work.pop(user_id, 1) - 1
            if left:
                cls._at_work[user_id] = left
