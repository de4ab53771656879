import time

from django.core.mail.backends.dummy import EmailBackend as DummyBackend


class EmailBackend(DummyBackend):
    """Take longer than a request is allowed to."""

    def send_messages(self, email_messages):
        time.sleep(1.5)
        return super().send_messages(email_messages)
