"""The limit: plain WSGI on the project's own server, hand-written SQL on one persistent connection a thread."""
