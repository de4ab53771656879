"""The limit: bare WSGI on the project's own server, its queries by hand on one lasting connection a thread."""
