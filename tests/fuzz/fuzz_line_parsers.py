"""Fuzz one parser: python -m tests.fuzz.fuzz_line_parsers <parser> [libFuzzer's options] [folder]

For a minute, from the corpus of the suite, new inputs kept in a folder of their own:

    mkdir -p /tmp/found
    python -m tests.fuzz.fuzz_line_parsers amazon_items_line -max_total_time=60 \\
        /tmp/found tests/fuzz/corpus/amazon_items_line

Needs atheris (`pip install atheris`), which the suite does not: tests/fuzz/test_corpus.py replays
the corpus without it. An input that breaks the property is left as crash-<hash>; give it a name,
put it in the parser's corpus, and repair the parser.
"""

import sys

import atheris

with atheris.instrument_imports(include=["pipeline.ingest", "csv", "ast"]):
    from tests.fuzz.parsers import PARSERS


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in PARSERS:
        sys.exit(f"unknown parser {name!r}; known parsers: {', '.join(PARSERS)}")

    def once(data: bytes) -> None:
        PARSERS[name](data)

    atheris.Setup([sys.argv[0], *sys.argv[2:]], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
