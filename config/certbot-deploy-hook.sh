#!/bin/sh
# Copies a renewed certificate to Headwater. Install it as /etc/letsencrypt/renewal-hooks/deploy/headwater: certbot runs it
# as root, with the directory of the new files in RENEWED_LINEAGE. The server reads the new files without a restart.
#   HEADWATER_LINEAGE    the directory of the certificate to copy, if certbot manages several
#   HEADWATER_TLS_DIR    the directory for the copies, as in production.yaml
#   HEADWATER_TLS_GROUP  the group that may read them
set -eu

: "${RENEWED_LINEAGE:?expected the directory with fullchain.pem and privkey.pem, which certbot sets}"
lineage=${HEADWATER_LINEAGE:-$RENEWED_LINEAGE}
directory=${HEADWATER_TLS_DIR:-/etc/headwater/tls}
group=${HEADWATER_TLS_GROUP:-headwater}

[ "$lineage" = "$RENEWED_LINEAGE" ] || exit 0
install -d -m 0750 -g "$group" "$directory"
# Each file is renamed into place, so that the server never reads half a file. It uses the new pair when both files fit.
for file in privkey.pem fullchain.pem; do
  install -m 0640 -g "$group" "$lineage/$file" "$directory/.$file.new"
  mv "$directory/.$file.new" "$directory/$file"
done
