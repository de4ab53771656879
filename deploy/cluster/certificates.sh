#!/bin/sh
# Issue the certificate of one machine: certificates.sh FOLDER NAME ADDRESS...
# The first call creates the certificate authority: copy ca.crt to every machine, ca.key to none.
set -eu
folder=$1 name=$2
shift 2
mkdir -p "$folder" && cd "$folder"
umask 077

if [ ! -e ca.key ]; then
  openssl req -x509 -days 3650 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=Healthcare cluster" \
    -addext keyUsage=critical,keyCertSign,cRLSign -keyout ca.key -out ca.crt 2>/dev/null
fi

# Every machine is both a TLS server and a TLS client.
extensions=$(printf '%s\n' basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature \
  extendedKeyUsage=serverAuth,clientAuth authorityKeyIdentifier=keyid \
  "subjectAltName=DNS:$name,IP:127.0.0.1$(printf ',IP:%s' "$@")")
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$name" \
  -keyout "$name.key" -out "$name.csr" 2>/dev/null
echo "$extensions" | openssl x509 -req -days 730 -in "$name.csr" -CA ca.crt -CAkey ca.key -CAcreateserial \
  -extfile /dev/stdin -out "$name.crt" 2>/dev/null
rm "$name.csr"
chmod 644 ca.crt "$name.crt"
