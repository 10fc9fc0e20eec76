#!/bin/bash
# Writes the configuration of this folder with your five values in it. Nothing of an existing Bareos is changed but the
# files that are named m365-* (and, where the table in README.md says so, bareos-dir.conf of a file or storage daemon).
#
#   examples/bareos/setup.sh [--tenant NAME [--instance]] [--variant parts|always-incremental|dplcompat]... [FOLDER]
#
# FOLDER (default ./bareos) is what you copy to /etc/bareos of Director, storage daemon and file daemon. A second tenant
# (m365stage@NAME.service): run it again with --tenant NAME --instance, into the same FOLDER. The same run always gives
# the same files: passwords are made once and kept in FOLDER/passwords (or set FD_PASSWORD and SD_PASSWORD to those that
# your daemons have already).
set -euo pipefail

# The five values. Change them here, or set them in the environment.
: "${FD_ADDRESS:=stage.example.com}"                    # where m365stage and the file daemon run
: "${SD_ADDRESS:=storage.example.com}"                  # where the storage daemon runs
: "${S3_URL:=https://m365-backup.s3.eu-central-1.amazonaws.com}"   # BUCKET.HOST[:PORT]; http for a local S3
: "${S3_KEY_FILE:=}"                                    # a file (chmod 600) with "ACCESS_KEY SECRET_KEY"; empty: you fill them in
: "${MAIL_TO:=backup@example.com}"                      # who is told when something is wrong

# Rarely changed.
: "${DIRECTOR:=bareos-dir}" "${CATALOG:=MyCatalog}" "${SMTP_HOST:=localhost}"

here=$(cd "$(dirname "$0")" && pwd)
stop() {
    echo "setup.sh: $*" >&2
    exit 2
}
tenant=contoso instance='' variants=() folder=''
while [ $# -gt 0 ]; do
    case $1 in
        --tenant | --variant)
            [ $# -ge 2 ] || stop "$1 needs a value"
            if [ "$1" = --tenant ]; then tenant=$2; else variants+=("$2"); fi
            shift
            ;;
        --instance) instance=yes ;;
        -h | --help)
            sed -n '2,11s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        -*) stop "unknown option $1; see --help" ;;
        *) folder=$1 ;;
    esac
    shift
done
folder=${folder:-bareos}
[[ $tenant =~ ^[A-Za-z0-9-]{1,40}$ ]] || stop "a tenant's name is made of letters, digits and hyphens: '$tenant'"
[[ $S3_URL =~ ^(https?)://([^./]+)\.([^/]+)$ ]] || stop "S3_URL must look like https://BUCKET.HOST: '$S3_URL'"
if [ -n "$instance" ]; then
    : "${STAGE_ROOT:=/var/lib/m365stage-$tenant}" "${STAGE_CONFIG:=/etc/m365stage/$tenant/config.yaml}"
else
    : "${STAGE_ROOT:=/var/lib/m365stage}" "${STAGE_CONFIG:=/etc/m365stage/config.yaml}"
fi
scheme=${BASH_REMATCH[1]} bucket=${BASH_REMATCH[2]} host=${BASH_REMATCH[3]}
region=us-east-1
if [[ $host =~ ^s3[.-]([a-z0-9-]+)\.amazonaws\.com$ ]]; then region=${BASH_REMATCH[1]}; fi
access=ACCESS-KEY secret=SECRET-KEY
if [ -n "$S3_KEY_FILE" ]; then
    read -r access secret < "$S3_KEY_FILE" || stop "cannot read two words from $S3_KEY_FILE"
    [ -n "$secret" ] || stop "$S3_KEY_FILE must hold two words: the access key and the secret key"
fi

umask 077
mkdir -p "$folder"
passwords=$folder/passwords
if [ ! -e "$passwords" ]; then
    for name in FD SD CONSOLE; do
        given=${name}_PASSWORD
        printf '%s %s\n' "$name" "${!given:-$(openssl rand -base64 33)}"
    done > "$passwords"
fi
password() { sed -n "s/^$1 //p" "$passwords"; }

# rules: what is replaced in every file. Longer names first; the values are no patterns.
rules=()
rule() {
    local from=${1//./\\.} to=${2//\\/\\\\}
    to=${to//&/\\&}
    rules+=(-e "s|$from|${to//|/\\|}|g")
}
rule stage.example.com "$FD_ADDRESS"
rule storage.example.com "$SD_ADDRESS"
rule backup@example.com "$MAIL_TO"
rule FD-PASSWORD "$(password FD)"
rule SD-PASSWORD "$(password SD)"
rule CONSOLE-PASSWORD "$(password CONSOLE)"
rule s3.eu-central-1.amazonaws.com "$host"
rule eu-central-1 "$region"
rule "use_https = true" "use_https = $([ "$scheme" = https ] && echo true || echo false)"
rule "use_https = True" "use_https = $([ "$scheme" = https ] && echo True || echo False)"
rule bucket=m365-backup "bucket=$bucket"
rule ACCESS-KEY "$access"
rule SECRET-KEY "$secret"
rule bareos-dir.conf "$DIRECTOR.conf"
rule "Name = bareos-dir" "Name = $DIRECTOR"
rule MyCatalog "$CATALOG"
rule "bsmtp -h localhost" "bsmtp -h $SMTP_HOST"
rule /var/lib/m365stage "$STAGE_ROOT"
rule /etc/m365stage/config.yaml "$STAGE_CONFIG"
rule m365-contoso "m365-$tenant"
rule "of contoso" "of $tenant"

# write ROOT FILE: the file with the values in it, under the tenant's name, in FOLDER.
write() {
    local source=$1/$2 target=$folder/${2//contoso/$tenant}
    target=${target//bareos-dir.conf/$DIRECTOR.conf}
    mkdir -p "$(dirname "$target")"
    sed "${rules[@]}" "$source" > "$target"
    if [ -x "$source" ]; then chmod 755 "$target"; else chmod 640 "$target"; fi
}
# write_all ROOT
write_all() {
    local name
    while read -r name; do
        # A device has one profile; the local one is an example to look at.
        if [[ $name != *-local.profile ]]; then write "$1" "$name"; fi
    done < <(cd "$1" && find bareos-*.d scripts -type f 2> /dev/null | LC_ALL=C sort)
}
write_all "$here"
write "$here" bconsole.conf
mv "$folder/bconsole.conf" "$folder/m365-operator.conf"
for variant in "${variants[@]}"; do
    [ -d "$here/variants/$variant" ] || stop "there is no variant '$variant': parts, always-incremental or dplcompat"
    write_all "$here/variants/$variant"
    case $variant in
        parts | always-incremental)
            rm -f "$folder/bareos-dir.d/job/m365-$tenant.conf"
            # The drill and the verification look at one job: the files of users, or the always incremental one.
            part=$([ "$variant" = parts ] && echo onedrive || echo always)
            sed -i "s/Job To Verify = .*/Job To Verify = m365-$tenant-$part/" "$folder/bareos-dir.d/job/m365-$tenant-verify.conf"
            if [ "$variant" = parts ]; then
                sed -i -E "s/FileSet = .*/FileSet = m365-$tenant-$part/; s#(m365-drill [^ ]* [^ ]*) m365-$tenant #\\1 m365-$tenant-$part #" \
                    "$folder/bareos-dir.d/job/m365-$tenant"-{drill,restore,verify}.conf
                rm -f "$folder/bareos-dir.d/fileset/m365-$tenant.conf"
            fi
            ;;
        dplcompat)
            write "$here/variants/dplcompat" m365-s3cfg
            rm -rf "$folder/bareos-sd.d/device/droplet"
            ;;
    esac
done
# One operator for all tenants of the folder: their jobs and FileSets are its own.
# acl DIRECTIVE KIND KEY: the directive lists what KEY says in the resources of KIND.
acl() {
    local all
    all=$(sed -nE "s/^ *$3 = ([A-Za-z0-9/-]+).*/\1/p" "$folder/bareos-dir.d/$2"/*.conf | LC_ALL=C sort -u | paste -sd , | sed 's/,/, /g')
    sed -i "s|^\( *$1 ACL = \).*|\1$all|" "$folder/bareos-dir.d/profile/m365-operator.conf"
}
acl Job job Name
acl FileSet fileset Name
acl Schedule schedule Name
acl Storage storage Name
acl Pool pool Name
acl Where job Where
[ -n "$S3_KEY_FILE" ] || echo "setup.sh: put the keys of the bucket in place of ACCESS-KEY and SECRET-KEY in $folder/bareos-sd.d"
echo "written to $folder: tenant $tenant. What goes where: examples/bareos/README.md"
