from time import time
from typing import Any

from django.core.management import BaseCommand, call_command
from django.db import connection

from accounts.models import AttemptWindow
from healthcare.db.names import described


class Command(BaseCommand):
    help = "Delete expired tokens, sessions and attempt counters. Run it every night."

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("flushexpiredtokens")
        call_command("clearsessions")
        count, _ = AttemptWindow.objects.filter(ends_at__lte=int(time())).delete()
        self.stdout.write(f"Deleted expired tokens, sessions and {count} counters from {described(connection)}.")
