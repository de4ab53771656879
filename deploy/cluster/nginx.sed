# Adapt deploy/nginx.conf to the cluster: sed -f deploy/cluster/nginx.sed deploy/nginx.conf
# Forward to HAProxy on every app machine instead of the local app.
s/^\( *\)server 127.0.0.1:8000;/\1server 10.0.0.21:8001 max_fails=1 fail_timeout=1s;\n\1server 10.0.0.22:8001 max_fails=1 fail_timeout=1s;/
