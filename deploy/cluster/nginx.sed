# Turns deploy/nginx.conf into the cluster's: sed -f deploy/cluster/nginx.sed deploy/nginx.conf
# HAProxy of every app machine, instead of the app on this one.
s/^\( *\)server 127.0.0.1:8000;/\1server 10.0.0.21:8001 max_fails=1 fail_timeout=1s;\n\1server 10.0.0.22:8001 max_fails=1 fail_timeout=1s;/
