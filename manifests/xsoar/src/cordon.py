"""Cordon's commands in XSOAR: each is one call of its HTTP API for each address or decision."""

import demistomock as demisto
from CommonServerPython import *

from cordon_client import Cordon, sentence


def block(cordon, args):
    length, reason = args.get("length"), args.get("reason")
    return each(argToList(args.get("ip")), lambda target: cordon.block(target, length, reason))


def lift(cordon, args):
    reason = args.get("reason")
    return each(argToList(args.get("ip")), lambda target: cordon.lift(target, reason))


def approve(cordon, args):
    reason = args.get("reason")
    return each(argToList(args.get("id")), lambda decision: cordon.approve(decision, reason))


def decline(cordon, args):
    reason = args.get("reason")
    return each(argToList(args.get("id")), lambda decision: cordon.decline(decision, reason))


def explain(cordon, args):
    return each(argToList(args.get("ip")), cordon.explain)


def list_decisions(cordon, args):
    return listed("Decisions", cordon.decisions(args.get("state"), args.get("limit")))


def list_questions(cordon, args):
    return listed("Questions", cordon.questions(args.get("limit")))


def test_module(cordon, args):
    status, body = cordon.decisions(limit=1)
    return "ok" if status == 200 else sentence(status, body)


COMMANDS = {
    "test-module": test_module,
    "cordon-block": block,
    "cordon-lift": lift,
    "cordon-approve": approve,
    "cordon-decline": decline,
    "cordon-explain": explain,
    "cordon-decision-list": list_decisions,
    "cordon-question-list": list_questions,
}


def each(subjects, call):
    """One that is refused does not take the others with it; when all are, the command fails."""
    answers = [(subject, call(subject)) for subject in subjects]
    if not any(200 <= status < 300 for _, (status, _) in answers):
        refusals = "; ".join(said(*answer) for answer in answers)
        raise DemistoException(refusals or "nothing was named")
    return [result for subject, answer in answers for result in shown(subject, answer)]


def listed(title, answer):
    status, body = answer
    if status != 200:
        raise DemistoException(sentence(status, body))
    return result(title, "Cordon.Decision", "id", decisions_in(body), body)


def said(subject, answer):
    return "{}: {}".format(subject, sentence(*answer))


def shown(subject, answer):
    """Decisions go to Cordon.Decision, what is known of an address to Cordon.Address."""
    status, body = answer
    text = said(subject, answer)
    if not 200 <= status < 300:
        return [CommandResults(readable_output=text, entry_type=EntryType.ERROR)]
    rows = decisions_in(body)
    if "ordered" not in body:
        return [result(text, "Cordon.Decision", "id", rows, body)]
    known = {name: value for name, value in body.items() if name != "success"}
    address = result(text, "Cordon.Address", "address", known, body)
    return [address] + ([result("Decisions", "Cordon.Decision", "id", rows, body)] if rows else [])


def result(text, prefix, key, outputs, raw):
    rows = outputs if isinstance(outputs, list) else [outputs]
    columns = ["id", "target", "state", "message", "not_after"]
    table = tableToMarkdown(text, rows, headers=columns) if key == "id" and rows else text
    return CommandResults(
        readable_output=table,
        outputs_prefix=prefix,
        outputs_key_field=key,
        outputs=outputs,
        raw_response=raw,
    )


def decisions_in(body):
    asked = [question["decision"] for question in body.get("questions") or []]
    one = [body["decision"]] if body.get("decision") else []
    return one + asked + (body.get("decisions") or body.get("lifted") or [])


def main():
    params = demisto.params()
    try:
        handle_proxy()
        token = (params.get("credentials") or {}).get("password")
        cordon = Cordon(params.get("url"), token, params.get("certificate"))
        return_results(COMMANDS[demisto.command()](cordon, demisto.args()))
    except Exception as why:
        return_error(str(why))


if __name__ in ("__main__", "__builtin__", "builtins"):
    main()
