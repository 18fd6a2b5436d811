#!/usr/bin/env python3
"""What Cortex runs for Cordon: responders that block, lift and ask, and an analyzer that looks up.

Python 3.8 or later and nothing else: the host of Cortex has Python for its other workers, and
rarely anything more.
The definitions beside it say by `config.service` which of them it is.
"""

import ipaddress
import json
import os
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone

TIMEOUT_S = 20
# An answer names at most a few dozen decisions.
LONGEST_ANSWER = 4_000_000
# More observables than this in one alert are no deed of one click.
MOST_TARGETS = 50
# Who clicks twice within this time means the same block.
AT_ONCE = timedelta(seconds=60)
LONGEST_REASON = 500
# In every reason of ours.
BY_CORTEX = " by Cortex, for "

# Data types of TheHive that hold an address or a network; a network has none of its own there.
ADDRESS_TYPES = ("ip", "cidr", "network", "other")

# Nobody outside is blocked by these; a machine of one's own is isolated by other means.
INSIDE = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "224.0.0.0/3",
        "::/127",
        "fc00::/7",
        "fe80::/10",
        "ff00::/8",
    )
]


class Refused(Exception):
    """What the analyst is told in place of a result, with the code of Cordon's answer if it is one."""

    def __init__(self, text, code=None):
        super().__init__(text)
        self.code = code


# ------------------------------------------------------------------ the job


def main():
    job, folder = read_job()
    try:
        check_markings(job)
        report = {"success": True, **service_of(job)(job)}
    except Refused as refused:
        report = failure(job, str(refused))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # Without a report Cortex would only say that there is none.
        told = f"job or answer is not as expected ({type(error).__name__}: {error})"
        report = failure(job, f"{told}; check url, and that Cordon is of the same version")
    write_report(report, folder)
    return 0 if report["success"] else 1


def read_job():
    """From the job folder (Cortex 3 and 4, any runner), else from standard input (before)."""
    folder = sys.argv[1] if len(sys.argv) > 1 else "/job"
    try:
        with open(os.path.join(folder, "input", "input.json"), encoding="utf-8") as file:
            return json.load(file), folder
    except FileNotFoundError:
        pass
    try:
        return json.load(sys.stdin), None
    except ValueError:
        sys.exit(f"no job: neither {folder}/input/input.json nor JSON on standard input")


def write_report(report, folder):
    text = json.dumps(report, ensure_ascii=False)
    if folder is None:
        print(text)
        return
    os.makedirs(os.path.join(folder, "output"), exist_ok=True)
    with open(os.path.join(folder, "output", "output.json"), "w", encoding="utf-8") as file:
        file.write(text)


def check_markings(job):
    """The gates of every worker of Cortex: nothing is sent of what is marked higher."""
    config = config_of(job)
    for name, label in (("tlp", "TLP"), ("pap", "PAP")):
        given = (job.get(name), config.get("max_" + name))
        value, limit = (2 if one is None else one for one in given)
        if config.get("check_" + name) and value > limit:
            raise Refused(f"{label} is higher than allowed.")


def failure(job, text):
    return {"success": False, "errorMessage": text, "input": masked(job)}


def masked(job):
    secret = ("key", "password", "secret")
    config = {
        name: "REMOVED" if any(word in name.lower() for word in secret) else value
        for name, value in config_of(job).items()
    }
    return {**job, "config": config}


def config_of(job):
    config = job.get("config")
    return config if isinstance(config, dict) else {}


def service_of(job):
    services = {"block": block, "lift": lift, "review": review, "lookup": lookup}
    name = config_of(job).get("service")
    if name in services:
        return services[name]
    raise Refused(f"the definition names no service of Cordon ({name!r}); install it anew")


# ------------------------------------------------------------------ the services


def block(job):
    config = config_of(job)
    length = length_of(job)
    audience = [one for one in config.get("audience") or [] if one]

    def one(target):
        outside(target)
        known = asked_why(config, target)
        longest = longest_of(known, target, audience)
        if longest and (not length or ends_later(longest["not_after"], length)):
            result = already(longest, target)
            return {**result, "message": result["message"] + but_allowed(known)}
        body = {"reason": reason_of(job), **({"for": length} if length else {})}
        ours = [one["id"] for one in known["decisions"] if is_ours(one, target, audience)]
        if ours and length:
            result = extended(ours[0], body)
        else:
            there = {"audience": audience} if audience else {}
            order = {"target": target, **there, **body}
            result = told_of(cordon(config, "POST", "/v1/decisions?wait_s=3", order))
        return {**result, "message": result["message"] + but_allowed(known)}

    def extended(decision, body):
        try:
            path = f"/v1/decisions/{decision}/extend?wait_s=3"
            return told_of(cordon(config, "POST", path, body))
        except Refused as refused:
            # By Cordon's clock it lasts as long as is wished, though not by the one here.
            same = cordon(config, "GET", f"/v1/decisions/{decision}")["decision"]
            if refused.code != "conflict" or same["state"] not in ("issued", "applied"):
                raise
            return already(same, same["target"])

    return done(job, targets_of(job), one)


def asked_why(config, target):
    return cordon(config, "GET", "/v1/why?" + urllib.parse.urlencode({"address": target}))


def longest_of(known, target, audience):
    holding = [one for one in known["decisions"] if holds(one, target, audience)]
    return max(holding, key=lambda decision: decision["not_after"], default=None)


def lift(job):
    def one(target):
        body = {"target": target, "reason": reason_of(job)}
        answer = cordon(config_of(job), "POST", "/v1/addresses/lift", body)
        lifted = [decision["id"] for decision in answer["lifted"]]
        holding = [decision["id"] for decision in answer["still_covered_by"]]
        told = {"target": target, "message": f"{target}: {answer['message']}", "lifted": lifted}
        tag = {"tag": "cordon:lifted"} if lifted else {}
        return {**told, "still_covered_by": holding, **tag}

    return done(job, targets_of(job), one)


def review(job):
    """An alert of its own, which the policy judges as any other: Cordon says what it came to."""

    def one(target):
        if "/" in outside(target):
            raise Refused(f"{target} is a network; a person is asked about single hosts only")
        data = job["data"]
        record = {
            "id": f"cortex:{data.get('_id') or data.get('id')}:{target}",
            "attacker": target,
            "rule": {"id": "cortex-review", "name": "an analyst asks for a block"},
            "severity": severity_of(job),
            "groups": ["cortex", "analyst_request"],
            "message": reason_of(job),
            "user": user_of(job),
        }
        item = cordon(config_of(job), "POST", "/v1/alerts/webhook", record)["items"][0]
        if item["status"] == "refused":
            raise Refused(problem_text(item["problem"]))
        recorded = item["alerts"][0]
        decision, state = recorded["decision"], recorded["state"]
        result = {"target": target, "decision": decision, "state": state}
        if state in ("waiting", "pending"):
            told = f"{target} waits for a person as {decision}"
            return {**result, "message": told, "tag": "cordon:waiting"}
        told = f"{target} was judged by the policy: {recorded['outcome']}, {decision} is {state}"
        if state == "noted":
            told += '; nobody is asked. A rule with the verdict review for the group'
            told += ' "analyst_request" asks'
        return {**result, "message": told}

    return done(job, targets_of(job), one)


def lookup(job):
    config = config_of(job)
    data = job.get("data")
    if not isinstance(data, str):
        kind = job.get("dataType")
        raise Refused(f"unsupported type {kind}: an analyzer is given one address as text")
    target = address_in(data)
    known = asked_why(config, target)
    query = urllib.parse.urlencode({"attacker": target, "limit": 100})
    alerts = cordon(config, "GET", "/v1/alerts?" + query)["alerts"]
    waiting = [decision for decision in known["recent"] if decision["state"] == "waiting"]
    taxonomies = [taxonomy(*standing_of(known, waiting))]
    if alerts:
        count = f"{len(alerts)}+" if len(alerts) == 100 else str(len(alerts))
        taxonomies.append(taxonomy("suspicious", "Alerts", count))
    full = {name: value for name, value in known.items() if name != "success"}
    named = [{**one["alert"], "original": None} for one in alerts[:20]]
    full.update(message=f"{target}: {taxonomies[0]['value']}", alerts=named)
    return {"summary": {"taxonomies": taxonomies}, "full": full, "artifacts": [], "operations": []}


def standing_of(known, waiting):
    if known["blocked"]:
        return "malicious", "Block", f"in force until {known['until']}"
    if known["allowed"]:
        return "info", "Block", f"let pass until {known['allowed']['until']}"
    if known["ordered"]:
        return "malicious", "Block", f"ordered until {known['until']}, on no node yet"
    if waiting:
        return "suspicious", "Block", f"waits for a person ({waiting[0]['id']})"
    if known["partly"]:
        return "suspicious", "Block", "of a part of its traffic"
    if known["decisions"]:
        return "suspicious", "Block", f"{len(known['decisions'])} within it"
    return "info", "Block", "ended" if known["recent"] else "none"


def taxonomy(level, predicate, value):
    return {"level": level, "namespace": "Cordon", "predicate": predicate, "value": value}


# ------------------------------------------------------------------ what is asked, by whom


def targets_of(job):
    """Of an observable its address; of an alert all that its observables hold."""
    data, kind = job.get("data"), job.get("dataType")
    if not isinstance(data, dict):
        raise Refused(f"unsupported type {kind}: a responder is given an object of TheHive")
    if kind == "thehive:alert":
        inside = data.get("artifacts") or data.get("observables") or []
        found = [one for one in inside if isinstance(one, dict) and one.get("dataType") == "ip"]
        targets = list(dict.fromkeys(address_in(one.get("data")) for one in found))
        if not targets:
            raise Refused("the alert has no observable of the type ip")
        if len(targets) > MOST_TARGETS:
            raise Refused(f"the alert has {len(targets)} addresses, more than {MOST_TARGETS}")
        return targets
    if data.get("dataType") not in ADDRESS_TYPES:
        kind = data.get("dataType")
        raise Refused(f"unsupported type {kind}: Cordon takes IP addresses and networks, no names")
    return [address_in(data.get("data"))]


def address_in(text):
    """Canonical. Nothing is guessed: not what is defanged, not a name, not a zone."""
    given = text.strip() if isinstance(text, str) else ""
    try:
        if "%" in given:
            raise ValueError
        network = ipaddress.ip_network(given, strict=False)
        alone = network.prefixlen == network.max_prefixlen
        return str(network.network_address if alone else network)
    except ValueError:
        hint = "; write it without brackets" if "[" in given or "(" in given else ""
        raise Refused(f"{given[:60]!r} is no IP address or network{hint}") from None


def outside(target):
    network = ipaddress.ip_network(target)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped and network.prefixlen >= 96:
        network = ipaddress.ip_network(f"{mapped}/{network.prefixlen - 96}", strict=False)
    if any(network.version == one.version and network.overlaps(one) for one in INSIDE):
        raise Refused(f"{target} is a private address, or of no single host; nothing was sent")
    return target


def length_of(job):
    """The flavour's own; else what the custom field of the case says; else None: Cordon has one."""
    config = config_of(job)
    if config.get("length"):
        return config["length"]
    data = job.get("data")
    fields = (data.get("case") or data).get("customFields") if isinstance(data, dict) else None
    value = field_in(fields, config.get("length_field") or "cordon-length")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{int(value)}s"
    return value if isinstance(value, str) else None


def field_in(fields, name):
    """TheHive has them as {name: {type: value}}, or as [{name, value}]."""
    if isinstance(fields, list):
        named = [one for one in fields if isinstance(one, dict) and one.get("name") == name]
        return named[0].get("value") if named else None
    field = fields.get(name) if isinstance(fields, dict) else None
    if not isinstance(field, dict):
        return None
    return field.get("integer") if field.get("string") is None else field["string"]


def user_of(job):
    parameters = job.get("parameters")
    return (parameters.get("user") if isinstance(parameters, dict) else None) or "somebody"


def reason_of(job):
    data = job["data"]
    case = data.get("case")
    alert = data if job.get("dataType") == "thehive:alert" else data.get("alert")
    where = "an observable of TheHive"
    if isinstance(case, dict):
        number = case.get("caseId") or case.get("number")
        where = f'case {number} "{case.get("title")}" in TheHive'
    elif isinstance(alert, dict):
        name = f"{alert.get('sourceRef')} of {alert.get('source')}"
        where = f'alert {name} "{alert.get("title")}" in TheHive'
    text = f"{user_of(job)}{BY_CORTEX}{where}"
    return "".join(c if c.isprintable() else " " for c in text)[:LONGEST_REASON]


def severity_of(job):
    inside = job["data"].get("case") or job["data"].get("alert") or job["data"]
    severity = inside.get("severity")
    return {1: 25, 2: 50, 3: 75, 4: 95}.get(severity, 50)


def holds(decision, target, audience):
    """Whether it blocks all of the target wherever it is wished: not a limit, not one port."""
    narrowing = ("interface", "peer", "peer_interface", "protocol", "ports")
    narrow = any(decision.get(name) for name in narrowing)
    if decision["action"] != "block" or narrow or decision["direction"] not in ("in", "both"):
        return False
    inner, outer = ipaddress.ip_network(target), ipaddress.ip_network(decision["target"])
    if inner.version != outer.version or not inner.subnet_of(outer):
        return False
    there = set(decision["audience"])
    everywhere = "all" in there or (bool(audience) and set(audience) <= there)
    return everywhere or is_ours(decision, target, audience)


def is_ours(decision, target, audience):
    """Made by an earlier click, which a repeated one lengthens; it was for whom is meant."""
    by_cortex = decision["origin"] == "manual" and BY_CORTEX in (decision["note"] or "")
    same = not audience or set(audience) == set(decision["audience"])
    return by_cortex and same and decision["target"] == target


def ends_later(until, length):
    """Whether it lasts as long as is wished. What is no length is for Cordon to refuse."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
    if length[-1] not in units or not length[:-1].isdigit():
        return False
    end = datetime.strptime(until, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    wished = timedelta(seconds=int(length[:-1]) * units[length[-1]])
    return end >= datetime.now(timezone.utc) + wished - AT_ONCE


# ------------------------------------------------------------------ what is answered


def but_allowed(known):
    """A block does nothing while the address is let pass: whoever clicked has to know."""
    passes = known["allowed"]
    if not passes:
        return ""
    only = passes["only"] and f", only {passes['only']}"
    by = f"{passes['by']} ({passes['decision']})"
    return f"; but it is let pass until {passes['until']} by {by}{only}"


def already(decision, target):
    told = f"{target} is blocked already, until {decision['not_after']} ({decision['id']})"
    return {**shown(decision), "message": told}


def told_of(answer):
    decision, notice = answer["decision"], answer.get("notice")
    result = shown(decision)
    if decision["state"] == "waiting":
        return {**result, "message": notice or decision["message"], "tag": "cordon:waiting"}
    told = f"{decision['target']} is blocked until {decision['not_after']}: {decision['message']}"
    told += f" ({decision['id']})" + (f"; {notice}" if notice else "")
    return {**result, "message": told, "tag": "cordon:blocked"}


def shown(decision):
    named = {name: decision[name] for name in ("target", "state", "not_after")}
    return {**named, "decision": decision["id"]}


def done(job, targets, act):
    """One result for each address. Of several, what was refused spoils nothing for the others."""
    results, problems = [], []
    for target in targets:
        try:
            results.append(act(target))
        except Refused as refused:
            problems.append({"target": target, "problem": str(refused)})
    if not results:
        raise Refused("; ".join(problem["problem"] for problem in problems))
    told = [result["message"] for result in results] + [one["problem"] for one in problems]
    full = {"message": "; ".join(told), "results": results, "problems": problems}
    return {"full": full, "operations": operations(job, results)}


def operations(job, results):
    """Marks that people see. Each may fail by itself, so Cordon never reads one of them back."""
    tags = sorted({result["tag"] for result in results if "tag" in result})
    kinds = {"thehive:case_artifact": "AddTagToArtifact", "thehive:alert": "AddTagToAlert"}
    where = kinds.get(job.get("dataType"))
    return [{"type": where, "tag": tag} for tag in tags] if where else []


# ------------------------------------------------------------------ Cordon


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token goes nowhere but where it was meant for."""

    def redirect_request(self, *_):
        return None


def cordon(config, method, path, body=None):
    """One operation of its API (manifests/openapi.json). Raises Refused with problem and remedy."""
    url = base_of(config) + path
    data = None if body is None else json.dumps(body).encode()
    headers = {
        "Authorization": f"Bearer {config.get('api_key') or ''}",
        "Content-Type": "application/json",
        "User-Agent": "cordon-cortex",
    }
    request = urllib.request.Request(url, data, headers, method=method)
    where = base_of(config)
    try:
        with opener_for(config).open(request, timeout=TIMEOUT_S) as answer:
            return json.loads(answer.read(LONGEST_ANSWER))
    except urllib.error.HTTPError as error:
        raise refusal(error) from None
    except urllib.error.URLError as error:
        hint = "check url, and cacerts of Cortex"
        raise Refused(f"cannot reach Cordon at {where}: {error.reason}; {hint}") from None
    except OSError as error:
        raise Refused(f"Cordon at {where} broke off: {error}; try again") from None
    except ValueError:
        raise Refused(f"what answers at {where} is not Cordon; check url") from None


def refusal(error):
    try:
        problem = json.loads(error.read(LONGEST_ANSWER))
        return Refused(problem_text(problem), problem.get("code"))
    except (ValueError, KeyError, TypeError, OSError):
        return Refused(f"what answers at url is not Cordon (status {error.code}); check url")


def problem_text(problem):
    remedy = problem.get("remedy")
    return problem["detail"] + (f" ({remedy})" if remedy else "")


def base_of(config):
    url = (config.get("url") or "").rstrip("/")
    read = urllib.parse.urlsplit(url)
    local = read.hostname in ("localhost", "::1") or (read.hostname or "").startswith("127.")
    if read.scheme == "https" or (read.scheme == "http" and local):
        return url
    raise Refused("url is no https address of Cordon; plain http is for the same machine only")


def opener_for(config):
    """Proxy and authorities as Cortex hands them over."""
    folder = sys.argv[1] if len(sys.argv) > 1 else "/job"
    authorities = os.path.join(folder, "input", "cacerts")
    context = ssl.create_default_context(cafile=os.environ.get("REQUESTS_CA_BUNDLE") or None)
    if os.path.exists(authorities):
        context.load_verify_locations(cafile=authorities)
    given = config.get("proxy") if isinstance(config.get("proxy"), dict) else {}
    proxies = {
        scheme: given.get(scheme) or config.get(f"proxy_{scheme}")
        for scheme in ("http", "https")
        if given.get(scheme) or config.get(f"proxy_{scheme}")
    }
    # Without a word of Cortex the environment counts, as for its other workers.
    proxy = urllib.request.ProxyHandler(proxies or None)
    https = urllib.request.HTTPSHandler(context=context)
    return urllib.request.build_opener(proxy, NoRedirect, https)


if __name__ == "__main__":
    sys.exit(main())
