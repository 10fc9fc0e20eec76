#!/bin/bash
# examples/compose: prepared in a folder of its own, then looked at by linters of others. No engine runs here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R "$here/../../examples" "$work/"
echo "certificate and key" > "$work/app.pem"
S3_URL=https://bucket.s3.eu-central-1.amazonaws.com MAIL_TO=somebody@example.com \
    bash "$work/examples/compose/prepare.sh" "$work/app.pem" > "$work/told" 2>&1 || { cat "$work/told"; exit 1; }
# Nothing secret is readable for others, and a second run keeps the passwords.
find "$work/examples/compose/secrets" "$work/examples/compose/bareos/passwords" -type f -perm /007 | { ! grep .; }
before=$(cat "$work/examples/compose/secrets/"* "$work/examples/compose/bareos/passwords" | sha256sum)
S3_URL=https://bucket.s3.eu-central-1.amazonaws.com bash "$work/examples/compose/prepare.sh" "$work/app.pem" > "$work/told" 2>&1
[ "$before" = "$(cat "$work/examples/compose/secrets/"* "$work/examples/compose/bareos/passwords" | sha256sum)" ]
for script in start.sh prepare.sh; do bash -n "$here/../../examples/compose/$script"; done
cp "$here/compose/package.json" "$here/compose/package-lock.json" "$here/compose/check.mjs" "$work/"
cd "$work"
npm ci --no-audit --no-fund --loglevel=error
node check.mjs "$work/examples/compose"
