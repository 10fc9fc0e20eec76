#!/bin/sh
# Starts one Bareos daemon in its container: configuration from /config into /etc/bareos (which is in memory), the
# Director's own resources with the secrets, the catalog's tables if there are none.
set -eu
daemon=$1
case $daemon in
    bareos-fd | bareos-sd | bareos-dir) ;;
    *) exec "$@" ;;
esac
umask 077
cp -R "/config/$daemon.d" /etc/bareos/

# own FOLDER FILE: standard input, unless the configuration brings that file.
own() {
    mkdir -p "/etc/bareos/$daemon.d/$1"
    [ -e "/etc/bareos/$daemon.d/$1/$2" ] || cat > "/etc/bareos/$daemon.d/$1/$2"
}
case $daemon in
    bareos-fd)
        own client myself.conf << END
Client {
  Name = m365-stage-fd
}
END
        own messages Standard.conf << END
Messages {
  Name = Standard
  Director = bareos-dir = all, !skipped, !restored
}
END
        ;;
    bareos-sd)
        own storage bareos-sd.conf << END
Storage {
  Name = bareos-sd
  Maximum Concurrent Jobs = 20
}
END
        own messages Standard.conf << END
Messages {
  Name = Standard
  Director = bareos-dir = all
}
END
        ;;
    bareos-dir)
        PGPASSWORD=$(cat /run/secrets/catalog-password)
        export PGPASSWORD
        cp /config/m365-operator.conf /etc/bareos/
        cp -R /etc/bareos-scripts /etc/bareos/scripts
        own director bareos-dir.conf << END
Director {
  Name = bareos-dir
  Query File = "/usr/lib/bareos/scripts/query.sql"
  Maximum Concurrent Jobs = 10
  Password = "$(cat /run/secrets/console-password)"
  Messages = m365
}
END
        own catalog MyCatalog.conf << END
Catalog {
  Name = MyCatalog
  DB Address = $PGHOST
  DB Name = $PGDATABASE
  DB User = $PGUSER
  DB Password = "$PGPASSWORD"
}
END
        cat > /etc/bareos/bconsole.conf << END
Director {
  Name = bareos-dir
  Address = localhost
  Password = "$(cat /run/secrets/console-password)"
}
END
        # The Web UI speaks no TLS to the Director; their network is closed to everybody else.
        sed -i 's/^  Profile = .*/&\n  TLS Enable = no/' /etc/bareos/bareos-dir.d/console/m365-operator.conf
        if ! psql -qtc 'SELECT VersionId FROM Version' > /dev/null 2>&1; then
            /usr/lib/bareos/scripts/make_bareos_tables
        fi
        ;;
esac
exec "$daemon" -f
