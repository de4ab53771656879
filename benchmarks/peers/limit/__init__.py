"""The limit: plain WSGI on the project's server, with hand-written SQL and one persistent connection per thread."""
