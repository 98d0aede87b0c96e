#!/bin/bash
# Makes the certificates beside it anew, with openssl. They are good for a hundred years (but expired.crt), and their keys protect nothing.
set -euo pipefail
cd "$(dirname "$0")"

ca() { openssl req -x509 -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.crt" -subj "/CN=kisflow test $1" -days 36500 2>/dev/null; }
# signed NAME CA SUBJECT EXTENSIONS [openssl's options for its time]
signed() {
  local name=$1 by=$2 subject=$3 extensions=$4
  shift 4
  openssl req -newkey rsa:2048 -nodes -keyout "$name.key" -out "$name.csr" -subj "/CN=$subject" 2>/dev/null
  openssl x509 -req -in "$name.csr" -CA "$by.crt" -CAkey "$by.key" -set_serial "0x$(openssl rand -hex 8)" \
    -extfile <(printf '%b' "$extensions") "$@" -out "$name.crt" 2>/dev/null
  rm "$name.csr"
}

ca ca
ca other-ca
# For the name and not for the address: 127.0.0.1 is a wrong host.
signed server ca server 'subjectAltName=DNS:localhost' -days 36500
signed by-address ca by-address 'subjectAltName=IP:127.0.0.1' -days 36500
# A negative number of days is in the past.
signed expired ca expired 'subjectAltName=DNS:localhost,IP:127.0.0.1' -days -1
signed client ca client 'extendedKeyUsage=clientAuth' -days 36500
signed stranger other-ca stranger 'extendedKeyUsage=clientAuth' -days 36500
rm ca.key other-ca.key
