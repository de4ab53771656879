"""E-mails to users, sent by a separate thread, so that neither delays nor failures affect the response."""

import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import send_mail
from django.db import connection
from django.template.loader import render_to_string
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from accounts import throttling
from accounts.models import User
from healthcare.api.throttling import Addition
from healthcare.db.functions import fold

log = logging.getLogger("healthcare.mail")

# E-mails waiting for the thread; any more are dropped and logged.
WAITING = 100
# E-mails to one address per hour.
HOURLY = 5

sender = ThreadPoolExecutor(1, "mail")
waiting = BoundedSemaphore(WAITING)


def send_password_reset(email: str) -> None:
    """Send the user with `email`, if there is one, a link to set a new password; return immediately."""
    if not waiting.acquire(blocking=False):
        log.error("too many e-mails are waiting: one was dropped")
        return
    sender.submit(_send_password_reset, email)


def _send_password_reset(email: str) -> None:
    try:
        user = User.objects.filter_by_email(email).filter(is_active=True).first()
        if not user or not user.has_usable_password():
            return
        digest = hashlib.sha256(fold(email).encode()).hexdigest()[:32]
        (sent,) = throttling.shared_counter.add([Addition(f"reset:{digest}", 1, 3600)])
        if sent.number > HOURLY:
            log.warning("too many password resets for one e-mail: one was dropped", extra={"data": {"user": user.pk}})
            return
        uid, token = urlsafe_base64_encode(force_bytes(user.pk)), default_token_generator.make_token(user)
        link = settings.PASSWORD_RESET_URL.format(uid=uid, token=token)
        message = render_to_string("accounts/password_reset.txt", {"uid": uid, "token": token, "link": link})
        send_mail("Set a new password", message, None, [user.email])
    except Exception:  # nothing else handles exceptions of this thread
        log.exception("an e-mail was not sent")
    finally:
        connection.close()
        waiting.release()
