"""The configuration of examples/bareos, in the dialect of Debian's Bacula 9.6.

Both descend from one program, and most of it is the same to the letter. What is not is written down here, and nothing
else: a directive that Bacula does not know stops its daemon, so a misspelled one in the examples shows.
"""

import os
import re
import shlex


class Resource:
    """`kind { key = value ... nested { ... } }`; values as they are written, keys as they are written."""

    def __init__(self, kind):
        self.kind = kind
        self.items = []  # (key, value) or Resource

    def value(self, key):
        wanted = plain(key)
        for item in self.items:
            if not isinstance(item, Resource) and plain(item[0]) == wanted:
                return item[1]
        return None

    @property
    def name(self):
        return self.value("Name").strip('"')

    def set(self, key, value):
        """Replaces the directive, or adds it."""
        wanted = plain(key)
        kept = [i for i in self.items if isinstance(i, Resource) or plain(i[0]) != wanted]
        self.items = [*kept, (key, value)]

    def drop(self, *keys):
        unwanted = {plain(key) for key in keys}
        self.items = [i for i in self.items if isinstance(i, Resource) or plain(i[0]) not in unwanted]

    def nested(self, kind):
        return [i for i in self.items if isinstance(i, Resource) and plain(i.kind) == plain(kind)]

    def walk(self):
        yield self
        for item in self.items:
            if isinstance(item, Resource):
                yield from item.walk()

    def text(self, depth=0):
        pad = "  " * depth
        lines = [f"{pad}{self.kind} {{"]
        for item in self.items:
            lines.append(item.text(depth + 1) if isinstance(item, Resource) else f"{pad}  {item[0]} = {item[1]}")
        return "\n".join([*lines, f"{pad}}}"])


def plain(word):
    """Case and spaces of a directive mean nothing."""
    return re.sub(r"\s", "", word).lower()


def without_comment(line):
    quoted = False
    for at, letter in enumerate(line):
        if letter == '"' and line[at - 1 : at] != "\\":
            quoted = not quoted
        elif letter == "#" and not quoted:
            return line[:at]
    return line


def parse(text, where):
    """The resources of a file."""
    found = []
    open_now = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = without_comment(raw).strip()
        opened = re.fullmatch(r"([A-Za-z ]+?)\s*\{", line)
        if not line:
            continue
        if opened:
            resource = Resource(opened[1])
            (open_now[-1].items if open_now else found).append(resource)
            open_now.append(resource)
        elif line == "}":
            open_now.pop()
        elif "=" in line and open_now and not line.startswith('"'):
            key, value = line.split("=", 1)
            open_now[-1].items.append((key.strip(), value.strip()))
        elif line.startswith('"') and open_now:  # a value in several pieces
            key, value = open_now[-1].items.pop()
            open_now[-1].items.append((key, value[:-1] + line[1:]))
        else:
            raise ValueError(f"{where}:{number}: {raw}")
    if open_now:
        raise ValueError(f"{where}: {open_now[-1].kind} is not closed")
    return found


def read_folder(folder):
    """All resources below a folder, of files that end in .conf."""
    found = []
    for top, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if name.endswith(".conf"):
                path = os.path.join(top, name)
                with open(path, encoding="utf-8") as f:
                    found += parse(f.read(), path)
    return found


def director(resources):
    """What the Director reads. Bacula has no profiles: a console has the lists itself."""
    profiles = {r.name: r for r in resources if plain(r.kind) == "profile"}
    out = []
    for resource in resources:
        kind = plain(resource.kind)
        if kind == "profile":
            continue
        if kind == "console":
            profile = profiles[resource.value("Profile")]
            resource.drop("Profile")
            resource.items += [i for i in profile.items if plain(i[0]) not in ("name", "description", "scheduleacl")]
            # Bacula asks for these as well when files are restored.
            resource.items += [("Directory ACL", "*all*")]
        if kind == "fileset":
            for options in (o for include in resource.nested("Include") for o in include.nested("Options")):
                if options.value("Signature") == "XXH128":
                    options.set("Signature", "SHA1")
                if options.value("Compression") == "LZ4":
                    options.set("Compression", "LZO")
        out.append(resource)
    return out


def file_daemon(resources):
    for resource in resources:
        resource.drop("Allowed Script Dir", "Description")
    return resources


def storage_daemon(resources, folder):
    """A device of files in a folder stands in for the bucket."""
    for resource in resources:
        resource.drop("Description")
        if plain(resource.kind) == "device":
            resource.drop("Device Options")
            resource.set("Device Type", "File")
            resource.set("Archive Device", folder)
    return resources


def replace(resources, pairs):
    """Replaces paths and programs in all values; longer ones first."""
    for resource in resources:
        for part in resource.walk():
            for at, item in enumerate(part.items):
                if not isinstance(item, Resource):
                    value = item[1]
                    for old, new in pairs:
                        value = value.replace(old, new)
                    part.items[at] = (item[0], value)


def quoted(word):
    """A word for a Command, which is read by Bacula's own rules and holds no quotes."""
    if word != shlex.quote(word):
        raise ValueError(f"no plain word: {word}")
    return word
