#!/bin/sh
# Gives Headwater the certificate that certbot has renewed: installed as /etc/letsencrypt/renewal-hooks/deploy/headwater,
# it is run as root with the directory of the new files in RENEWED_LINEAGE. The server notices and needs no restart.
#   HEADWATER_LINEAGE    the one that is meant, where certbot keeps several certificates
#   HEADWATER_TLS_DIR    where the copies go, as production.yaml names them
#   HEADWATER_TLS_GROUP  who may read them
set -eu

: "${RENEWED_LINEAGE:?expected the directory with fullchain.pem and privkey.pem, which certbot sets}"
lineage=${HEADWATER_LINEAGE:-$RENEWED_LINEAGE}
directory=${HEADWATER_TLS_DIR:-/etc/headwater/tls}
group=${HEADWATER_TLS_GROUP:-headwater}

[ "$lineage" = "$RENEWED_LINEAGE" ] || exit 0
install -d -m 0750 -g "$group" "$directory"
# Renamed into place, so that no half a file is ever read. Until both are there, the server keeps the pair it has.
for file in privkey.pem fullchain.pem; do
  install -m 0640 -g "$group" "$lineage/$file" "$directory/.$file.new"
  mv "$directory/.$file.new" "$directory/$file"
done
