#!/bin/bash
# Registers m365stage in a tenant by the Azure CLI: one app that may read, for backups, and one that may write, for restores.
# Each gets a certificate of its own, whose key stays in FOLDER; Microsoft gets the public part alone.
#
#   az login --allow-no-subscriptions          as an administrator who may consent for the tenant
#   examples/tenant/register.sh [--kinds onedrive,sharepoint,mail,...] [--no-restore] [FOLDER]
#
# Kinds: those of permissions.tsv; "sharing" is who may do what with a file, and needs full control of all sites. Default: all
# but that. FOLDER (default ./credentials) is what goes to /etc/m365stage/credentials/. By PowerShell instead: register.ps1.
# Follows Microsoft's documentation; it could not be run against a real tenant by those who wrote it.
set -euo pipefail

table=$(dirname "$0")/permissions.tsv
kinds=onedrive,sharepoint,groups,mail,calendar,contacts,tasks restore=yes folder=credentials
stop() {
    echo "register.sh: $*" >&2
    exit 2
}
while [ $# -gt 0 ]; do
    case $1 in
        --kinds)
            kinds=${2:?--kinds needs a list}
            shift
            ;;
        --no-restore) restore=no ;;
        -h | --help)
            sed -n '2,10s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        -*) stop "unknown option $1; see --help" ;;
        *) folder=$1 ;;
    esac
    shift
done
command -v az > /dev/null || stop "the Azure CLI (az) is not installed"
graph=00000003-0000-0000-c000-000000000000 # Microsoft Graph itself, the same in every tenant

# permissions KIND backup|restore
permissions() {
    local line
    line=$(grep -P "^$1\t" "$table") || stop "there is no kind '$1'; see $table"
    if [ "$2" = backup ]; then cut -f2 <<< "$line"; else cut -f3 <<< "$line"; fi
}

# certificate FILE: key and certificate in FILE.pem (0600), the certificate alone in FILE.crt.
certificate() {
    if [ ! -e "$1.pem" ]; then
        (umask 077 && openssl req -x509 -newkey rsa:3072 -sha256 -days 365 -nodes -subj /CN=m365stage \
            -keyout "$1.key" -out "$1.crt" 2> /dev/null && cat "$1.crt" "$1.key" > "$1.pem" && rm "$1.key")
    fi
}

# register NAME FILE backup|restore: an app with the permissions of all kinds; its id on standard output.
register() {
    local app role permission wanted
    certificate "$folder/$2"
    app=$(az ad app list --display-name "$1" --query '[0].appId' -o tsv)
    if [ -z "$app" ]; then
        app=$(az ad app create --display-name "$1" --sign-in-audience AzureADMyOrg --query appId -o tsv)
        az ad sp create --id "$app" > /dev/null
    fi
    az ad app credential reset --id "$app" --cert "@$folder/$2.crt" --append > /dev/null
    wanted=$(for kind in ${kinds//,/ }; do permissions "$kind" "$3" | tr ' ' '\n'; done | sort -u)
    for permission in $wanted; do
        role=$(az ad sp show --id "$graph" --query "appRoles[?value=='$permission'].id | [0]" -o tsv)
        [ -n "$role" ] || stop "Microsoft Graph has no permission $permission"
        az ad app permission add --id "$app" --api "$graph" --api-permissions "$role=Role" > /dev/null
    done
    az ad app permission admin-consent --id "$app" > /dev/null
    echo "$app"
}

for kind in ${kinds//,/ }; do permissions "$kind" backup > /dev/null; done
(umask 077 && mkdir -p "$folder")
backup=$(register m365stage app backup)
echo "app:"
echo "  client_id: $backup"
echo "  certificate_file: \${CREDENTIALS_DIRECTORY}/app.pem"
if [ "$restore" = yes ]; then
    writer=$(register m365stage-restore restore restore)
    echo "restore_app:"
    echo "  client_id: $writer"
    echo "  certificate_file: \${CREDENTIALS_DIRECTORY}/restore.pem"
fi
echo "register.sh: put these lines into config.yaml, and $folder/*.pem into /etc/m365stage/credentials/ (chmod 600)" >&2
