"""Stands in for XSOAR's server and its CommonServerPython: runs an integration for one command.

Takes {script, command, params, args} as JSON on standard input, prints what the script returned as
JSON. Not imitated: the proxy settings, the war room, merging outputs into the context by their key,
and everything else of CommonServerPython.
"""

import json
import sys

given = json.load(sys.stdin)
returned = []


class demisto:
    params = staticmethod(lambda: given["params"])
    args = staticmethod(lambda: given["args"])
    command = staticmethod(lambda: given["command"])


class DemistoException(Exception):
    pass


class EntryType:
    NOTE = 1
    ERROR = 4


class CommandResults:
    def __init__(
        self,
        outputs_prefix=None,
        outputs_key_field=None,
        outputs=None,
        readable_output=None,
        raw_response=None,
        entry_type=EntryType.NOTE,
    ):
        if outputs is not None and not outputs_prefix:
            raise ValueError("outputs need a prefix")
        context = {outputs_prefix: outputs} if outputs else {}
        self.shown = {"type": entry_type, "text": readable_output, "context": context}


def argToList(value):
    if not value:
        return []
    return value if isinstance(value, list) else [one.strip() for one in value.split(",")]


def tableToMarkdown(name, rows, headers=None):
    cells = [headers] + [[str(row.get(key)) for key in headers] for row in rows]
    return "\n".join(["### " + name] + ["|" + "|".join(row) + "|" for row in cells])


def handle_proxy():
    return {}


def return_results(results):
    for one in results if isinstance(results, list) else [results]:
        text = {"type": EntryType.NOTE, "text": one, "context": {}}
        returned.append(one.shown if isinstance(one, CommandResults) else text)


def return_error(message):
    print(json.dumps([{"type": EntryType.ERROR, "text": message, "context": {}}]))
    sys.exit(0)


exec(compile(given["script"], "integration", "exec"), {**globals(), "__name__": "__main__"})
print(json.dumps(returned))
