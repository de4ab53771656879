"""How gunicorn serves the project: https://gunicorn.org/reference/settings/."""

from gunicorn.workers.gthread import ThreadWorker


class Worker(ThreadWorker):
    """Threads that, told to stop, also answer whoever the kernel let in before the port closed.

    The stock worker leaves them in the listener's queue, lets more join them, and resets them all when it ends.
    """

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                for _ in range(self.cfg.backlog):
                    self.accept(listener)
                listener.close()


worker_class = Worker
# A long list keeps a thread until its client has read it.
threads = 16
# Longer than nginx keeps its connections to us (60 s), so that it is never the one to write into a closed one.
keepalive = 75
# Seconds, after SIGTERM, for requests in flight.
graceful_timeout = 30
# The project believes X-Forwarded-* as TRUSTED_PROXIES says; gunicorn would believe whoever is on this machine.
forwarded_allow_ips = ""
# As much as nginx takes.
limit_request_line = 8190
# Nobody commands it but by signals.
control_socket_disable = True
