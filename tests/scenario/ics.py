"""Reads .ics files with parsers of others (python3-icalendar, python3-dateutil) and expands them.

A series is expanded from what the file says alone: DTSTART, RRULE, EXDATE, RECURRENCE-ID and VTIMEZONE.
"""

import base64
import datetime
import hashlib
import io
import re

import icalendar
from dateutil import rrule, tz

UTC = datetime.timezone.utc


def unfolded(text):
    return re.sub(r"\r?\n[ \t]", "", text)


class Calendar:
    """One .ics file."""

    def __init__(self, data):
        for line in data.split(b"\r\n"):
            assert len(line) <= 75, f"a line of {len(line)} bytes: {line[:90]!r}"
            assert b"\n" not in line and b"\r" not in line, f"a bare line break: {line[:90]!r}"
            line.decode()  # no character is cut
        self.text = data.decode()
        parsed = icalendar.Calendar.from_ical(data)
        assert not parsed.errors, parsed.errors
        assert str(parsed["VERSION"]) == "2.0" and parsed["PRODID"]
        self.zones = self.read_zones()
        self.events = parsed.walk("VEVENT")
        assert self.events, "no event"
        for event in self.events:
            for name in ("UID", "DTSTAMP", "DTSTART"):
                assert name in event, f"{name} is missing"
            assert not event.errors, event.errors

    def read_zones(self):
        blocks = re.findall(r"BEGIN:VTIMEZONE.*?END:VTIMEZONE\r?\n", unfolded(self.text), re.S)
        if not blocks:
            return {}
        known = tz.tzical(io.StringIO("".join(blocks).replace("\r\n", "\n")))
        return {name: known.get(name) for name in known.keys()}

    def moment(self, event, name):
        """A time of the event, aware of its zone, or a date."""
        return self.value(event[name])

    def value(self, prop):
        value = prop.dt
        if not isinstance(value, datetime.datetime):
            return value
        zone = prop.params.get("TZID")
        if zone:
            assert zone in self.zones, f"no VTIMEZONE for {zone}"
            return value.replace(tzinfo=self.zones[zone])
        assert value.utcoffset() == datetime.timedelta(0), f"a floating time: {value}"
        return value.replace(tzinfo=UTC)

    def master(self):
        found = [e for e in self.events if "RECURRENCE-ID" not in e]
        assert len(found) == 1, "not exactly one master"
        return found[0]

    def length(self, event):
        start = self.moment(event, "DTSTART")
        end = self.moment(event, "DTEND") if "DTEND" in event else start
        if isinstance(start, datetime.datetime):
            return end.astimezone(UTC) - start.astimezone(UTC)
        return end - start

    def occurrences(self, until, most=5000):
        """(start, end, subject) of each, in order; aware times in UTC, or dates."""
        master = self.master()
        start = self.moment(master, "DTSTART")
        whole_days = not isinstance(start, datetime.datetime)
        changed = {}
        for event in self.events:
            if "RECURRENCE-ID" in event:
                changed[self.moment(event, "RECURRENCE-ID")] = event
        out = []
        for at in self.starts(master, start, until, whole_days, most):
            event = changed.pop(at, master)
            length = self.length(event)
            begin = at if event is master else self.moment(event, "DTSTART")
            begin = begin if whole_days else begin.astimezone(UTC)
            out.append((begin, begin + length, str(event.get("SUMMARY", ""))))
        wanted = [at for at in changed if (at < until.date() if whole_days else at < until)]
        assert not wanted, f"no occurrence for {wanted}"
        return out

    def starts(self, master, start, until, whole_days, most):
        if "RRULE" not in master:
            return [start]
        text = master["RRULE"].to_ical().decode()
        naive = datetime.datetime.combine(start, datetime.time()) if whole_days else start
        rule = rrule.rrulestr(text, dtstart=naive)
        dropped = master.get("EXDATE", [])
        dropped = {self.value(d) for one in (dropped if isinstance(dropped, list) else [dropped])
                   for d in self.dates_of(one)}
        out = []
        for at in rule:
            if (at.replace(tzinfo=UTC) if whole_days else at.astimezone(UTC)) >= until or len(out) >= most:
                break
            at = at.date() if whole_days else at
            if at not in dropped:
                out.append(at)
        missing = dropped - set(d.date() if whole_days else d for d in rule.between(
            naive - datetime.timedelta(1), naive + datetime.timedelta(3000), count=3000))
        assert not missing, f"EXDATE {missing} is no occurrence"
        return out

    @staticmethod
    def dates_of(prop):
        for one in prop.dts:
            one.params = prop.params
            yield one

    def attachments(self, event):
        """sha256 of each attachment, in order."""
        found = event.get("ATTACH", [])
        return [hashlib.sha256(base64.b64decode(str(a), validate=True)).hexdigest()
                for a in (found if isinstance(found, list) else [found])]
