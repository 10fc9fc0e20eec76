#!/usr/bin/env python3
"""Finds the expressions that g++ 12 compiles wrongly: a co_await beside a temporary that is then destroyed twice.

Reported for each statement that holds a co_await (the body of a nested lambda is made of statements of its own):
  brace    a braced initialiser         co_await send({.url = u});   request r{co_await f()};
  capture  a lambda capturing by copy   co_await run([p] { ... });
  ternary  both branches of ?:          c ? co_await a() : b
  throw    throw                        throw error(co_await f());
The cure is always to name the temporary. `// gcc12-ok: reason` on the line of the co_await excuses it.

Without arguments all of lib, daemon and tests is checked; `--self-test` checks this program."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

TOKEN = re.compile(
    r"""\s+|//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'"""
    r"""|[A-Za-z_]\w*|\d[\w.']*|->|::|<=>|&&|\|\||[^\s\w]""",
    re.S,
)
BEFORE_LAMBDA = {"", "(", ",", "=", "return", "co_return", "{", "&&", "||", "?", ":", "co_await"}
BEFORE_BODY = {")", "else", "try", "do", "const", "noexcept", "override", ""}
SCOPES = {"namespace", "struct", "class", "enum", "union", "extern", "template", "inline"}


def tokens(text):
    """Words and signs with their lines; comments are dropped, literals all look the same."""
    line = 1
    for match in TOKEN.finditer(text):
        word = match.group(0)
        if word[0] in "\"'" or word.startswith('R"'):
            yield '""', line
        elif not word.isspace() and not word.startswith(("//", "/*")):
            yield word, line
        line += word.count("\n")


def captures_by_copy(inner):
    depth, part, parts = 0, [], []
    for word in inner:
        depth += {"(": 1, "[": 1, "{": 1, "<": 1, ")": -1, "]": -1, "}": -1, ">": -1}.get(word, 0)
        if word == "," and depth == 0:
            parts.append(part)
            part = []
        else:
            part.append(word)
    parts.append(part)
    return any(p and p[0] not in ("&", "this") for p in parts)


class Statement:
    def __init__(self, first):
        self.first = first
        self.kinds = set()
        self.awaits = []
        self.open = []  # brackets of this statement that are still open
        self.after_lambda_head = False
        self.before = ""


class Parser:
    """Cuts the text into statements; no C++ grammar, only brackets and what stands before them."""

    def __init__(self, words):
        self.words = words
        self.at = 0
        self.found = []

    def block(self, is_nested):
        while self.at < len(self.words):
            if self.words[self.at][0] == "}":
                self.at += 1
                if is_nested:
                    return
                continue
            self.statement()

    def skip_lambda_head(self, s):
        end, depth = self.at + 1, 1
        while depth and end < len(self.words):
            depth += {"[": 1, "]": -1}.get(self.words[end][0], 0)
            end += 1
        if captures_by_copy([w for w, _ in self.words[self.at + 1 : end - 1]]):
            s.kinds.add("capture")
        s.after_lambda_head = True
        s.before = "]"
        self.at = end

    def is_lambda_head(self, word, s):
        after = self.words[self.at + 1][0] if self.at + 1 < len(self.words) else ""
        return word == "[" and s.before in BEFORE_LAMBDA and after != "["

    def brace(self, s):
        """An opening brace: the body of something, or an initialiser. True if the statement ends with it."""
        if s.after_lambda_head or (not s.open and s.before in BEFORE_BODY):
            is_lambda = s.after_lambda_head
            s.after_lambda_head = False
            self.at += 1
            self.block(True)
            s.before = "}"
            return not is_lambda and not s.open
        if not s.open and self.words[s.first][0] in SCOPES:
            self.at += 1
            self.block(True)
            s.before = "}"
            return False
        s.kinds.add("brace")
        s.open.append("{")
        s.before = "{"
        self.at += 1
        return False

    def word(self, s, word, line):
        if word == "co_await":
            s.awaits.append(line)
        elif word == "throw":
            s.kinds.add("throw")
        elif word == "?":
            s.kinds.add("ternary")
        elif word in "([":
            s.open.append(word)
        elif word in ")]}" and s.open:
            s.open.pop()
        s.before = word
        self.at += 1

    def statement(self):
        s = Statement(self.at)
        while self.at < len(self.words):
            word, line = self.words[self.at]
            if word == ";" and all(b == "{" for b in s.open):
                self.at += 1
                break
            if word == "}" and not s.open:
                break
            if self.is_lambda_head(word, s):
                self.skip_lambda_head(s)
            elif word == "{":
                if self.brace(s):
                    break
            else:
                self.word(s, word, line)
        if s.awaits and s.kinds:
            self.found.append((s.awaits[0], sorted(s.kinds)))
        if self.at == s.first:
            self.at += 1


def without_macros(text):
    """Blanks preprocessor lines and keeps the count of lines."""
    return re.sub(r"(?m)^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: "\n" * m.group(0).count("\n"), text)


def check(text):
    lines = text.split("\n")
    parser = Parser(list(tokens(without_macros(text))))
    parser.block(False)
    return [(line, kinds) for line, kinds in parser.found if "gcc12-ok" not in lines[line - 1]]


BAD = [
    ("co_await send({.url = u});", ["brace"]),
    ("request r{co_await f()};", ["brace"]),
    ("co_return request{1, co_await f()};", ["brace"]),
    ("co_await run([p] { g(); });", ["capture"]),
    ("co_await run([=] { g(); });", ["capture"]),
    ("auto x = c ? co_await f() : 1;", ["ternary"]),
    ("throw failure(co_await f());", ["throw"]),
]
GOOD = [
    "auto x = co_await f();",
    "co_await run([&] { g(); });",
    "co_await run([this] { g(); });",
    "if (auto x = co_await f()) { return; }",
    "request r{1}; co_await send(std::move(r));",
    "auto [a, b] = co_await f();",
    "for (auto& x : co_await f()) { g({x}); }",
    "auto l = [p] { g(); }; co_await run(l);",
    "co_await send({.url = u});  // gcc12-ok: the type has constructors",
]


def self_test():
    bad = 0
    for text, kinds in BAD:
        got = [k for _, k in check("task<void> t() {\n" + text + "\n}\n")]
        if got != [kinds]:
            print(f"co_await.py: {text} gives {got}, expected {[kinds]}")
            bad += 1
    for text in GOOD:
        got = check("task<void> t() {\n" + text + "\n}\n")
        if got:
            print(f"co_await.py: {text} gives {got}, expected nothing")
            bad += 1
    return 1 if bad else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    paths = [pathlib.Path(a) for a in arguments]
    if not paths:
        for folder in ("lib", "daemon", "tests"):
            paths += sorted(p for p in (ROOT / folder).rglob("*") if p.suffix in (".cpp", ".hpp"))
    bad = 0
    for path in paths:
        for line, kinds in check(path.read_text(errors="replace")):
            print(f"{path}:{line}: co_await with {', '.join(kinds)} in one full-expression; name the temporary")
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
