#!/bin/bash
# Makes what compose.yaml mounts: bareos/ (by ../bareos/setup.sh) and secrets/. Run it as root; again, it keeps passwords.
#
#   S3_URL=https://BUCKET.s3.REGION.amazonaws.com S3_KEY_FILE=/root/s3-key MAIL_TO=backup@example.com \
#       SMTP_SERVER=smtp.example.com ./prepare.sh APP.PEM
#
# APP.PEM: certificate and key of the app registration (examples/tenant/). Names of hosts are those of the services.
set -euo pipefail
cd "$(dirname "$0")"
[ $# -eq 1 ] && [ -r "$1" ] || {
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
umask 077
FD_ADDRESS=filedaemon SD_ADDRESS=storage SMTP_HOST=mail:2525 ../bareos/setup.sh bareos
mkdir -p secrets
cp "$1" secrets/app.pem
for name in catalog-password console-password; do
    [ -e "secrets/$name" ] || openssl rand -hex 24 > "secrets/$name"
done
[ -e secrets/msmtprc ] || cat > secrets/msmtprc << END
# See msmtp(1): your mail server, and an account there if it wants one.
defaults
tls on
tls_starttls on
account default
host ${SMTP_SERVER:-smtp.example.com}
port 587
from ${MAIL_TO:-backup@example.com}
# auth on
# user backup
# password secret
END
if [ "$(id -u)" -eq 0 ]; then
    chown -R 990:990 bareos secrets
    # PostgreSQL reads its own as its own user.
    chmod 0640 secrets/catalog-password && chgrp 999 secrets/catalog-password
else
    echo "prepare.sh: as root: chown -R 990:990 bareos secrets; chgrp 999 secrets/catalog-password (mode 0640)" >&2
fi
echo "prepare.sh: now fill in config.yaml, then: docker compose up -d --build"
