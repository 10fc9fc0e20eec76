"""The rules for names in tree/, written anew from the design: nothing is taken from the program under test."""

import hashlib
import os
import re

SIDECARS = ".m365"


def short_tag(data, length):
    digits = "0123456789abcdefghijklmnopqrstuv"
    number = int.from_bytes(hashlib.sha256(data).digest(), "big")
    return "".join(digits[(number >> (256 - 5 * (i + 1))) & 31] for i in range(length))


def cut(data, size):
    """The longest prefix of at most `size` bytes that does not cut a UTF-8 sequence."""
    if len(data) <= size:
        return data
    while size > 0 and data[size] & 0xC0 == 0x80:
        size -= 1
    return data[:size]


def is_control(byte):
    return byte < 0x20 or byte == 0x7F


def fits(name):
    if not name or len(name) > 255 or name in (b".", b"..", b".m365", b".m365stage"):
        return False
    if any(byte == 0x2F or is_control(byte) for byte in name):
        return False
    return not (len(name) == 250 and re.fullmatch(rb"~[0-9a-v]{16}", name[-17:]))


def tagged_name(name, remote_id):
    clean = bytes(0x5F if byte == 0x2F or is_control(byte) else byte for byte in name)
    dot = clean.rfind(b".")
    if dot <= 0 or len(clean) - dot > 16:
        dot = len(clean)
    extension = clean[dot:]
    tag = b"~" + short_tag(remote_id + b"\0" + name, 16).encode()
    return cut(clean[:dot], 255 - len(tag) - len(extension)) + tag + extension


def local_name(name, remote_id):
    return name if fits(name) else tagged_name(name, remote_id)


def sidecar_name(local):
    if len(local) + 5 <= 255:
        return local + b".json"
    stem = cut(local, 233)
    return stem + b"_" * (233 - len(stem)) + b"~" + short_tag(local, 16).encode() + b".json"


def sidecar_path(path):
    folder, leaf = os.path.split(path)
    return os.path.join(folder, SIDECARS.encode(), sidecar_name(leaf))
