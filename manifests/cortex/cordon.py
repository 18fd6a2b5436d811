#!/usr/bin/env python3
"""What Cortex runs for Cordon: responders that block, lift and ask, and the analyzer that looks an address up.

Python 3.8 or later and nothing else: the host of Cortex has Python for its other workers, and rarely anything more.
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

# Data types of TheHive that hold an address or a network; what it is called there is up to whoever set it up.
ADDRESS_TYPES = ("ip", "cidr", "network", "other")

# Nobody outside is blocked by these; a machine of one's own is isolated by other means.
INSIDE = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.168.0.0/16", "224.0.0.0/3", "::/127", "fc00::/7", "fe80::/10", "ff00::/8",
    )
]  # fmt: skip


class Refused(Exception):
    """What the analyst is told in place of a result."""


# ------------------------------------------------------------------ the job


def main():
    job, folder = read_job()
    try:
        check_markings(job)
        report = {"success": True, **service_of(job)(job)}
    except Refused as refused:
        report = {"success": False, "errorMessage": str(refused), "input": masked(job)}
    write_report(report, folder)
    return 0 if report["success"] else 1


def read_job():
    """From the job folder (Cortex 3 and 4, process and docker), else from standard input (the older form)."""
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
    """The gates that every worker of Cortex has: nothing leaves when the marking is higher than allowed."""
    config = config_of(job)
    for name, label in (("tlp", "TLP"), ("pap", "PAP")):
        limit = config.get("max_" + name)
        value = job.get(name)
        if config.get("check_" + name) and (2 if value is None else value) > (2 if limit is None else limit):
            raise Refused(f"{label} is higher than allowed.")


def masked(job):
    config = {
        name: "REMOVED" if any(word in name.lower() for word in ("key", "password", "secret")) else value
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
    raise Refused(f"the definition names no service of Cordon: {name!r}; install the definitions anew")


# ------------------------------------------------------------------ the services


def block(job):
    config = config_of(job)
    length = length_of(job)
    audience = [one for one in config.get("audience") or [] if one]

    def one(target):
        known = cordon(config, "GET", "/v1/why?" + urllib.parse.urlencode({"address": target}))
        holding = [decision for decision in known["decisions"] if holds(decision, target, audience)]
        longest = max(holding, key=lambda decision: decision["not_after"], default=None)
        if longest and (not length or ends_later(longest["not_after"], length)):
            told = f"{target} is blocked already, until {longest['not_after']} ({longest['id']})"
            return {"target": target, "decision": longest["id"], "state": longest["state"], "message": told}
        body = {"reason": reason_of(job), **({"for": length} if length else {})}
        ours = next((decision["id"] for decision in holding if is_ours(decision, target, audience)), None)
        if ours and length:
            return told_of(cordon(config, "POST", f"/v1/decisions/{ours}/extend?wait_s=3", body))
        if audience:
            body["audience"] = audience
        return told_of(cordon(config, "POST", "/v1/decisions?wait_s=3", {"target": target, **body}))

    return done(job, [outside(target) for target in targets_of(job)], one)


def lift(job):
    def one(target):
        body = {"target": target, "reason": reason_of(job)}
        answer = cordon(config_of(job), "POST", "/v1/addresses/lift", body)
        lifted = [decision["id"] for decision in answer["lifted"]]
        holding = [decision["id"] for decision in answer["still_covered_by"]]
        result = {"target": target, "message": f"{target}: {answer['message']}", "lifted": lifted}
        return {**result, "still_covered_by": holding, **({"tag": "cordon:lifted"} if lifted else {})}

    return done(job, targets_of(job), one)


def review(job):
    """An alert of its own, which the policy judges as it does any other: Cordon says what became of it."""

    def one(target):
        record = {
            "id": f"cortex:{job['data'].get('_id') or job['data'].get('id')}:{target}",
            "attacker": target,
            "rule": {"id": "cortex-review", "name": "an analyst asks for a block"},
            "severity": severity_of(job),
            "groups": ["cortex", "analyst_request"],
            "message": reason_of(job),
            "user": user_of(job),
        }
        answer = cordon(config_of(job), "POST", "/v1/alerts/webhook", record)
        item = answer["items"][0]
        if item["status"] == "refused":
            raise Refused(problem_text(item["problem"]))
        if not item.get("alerts"):
            raise Refused(f"{target} is no single host, and only hosts are judged: block the network instead")
        recorded = item["alerts"][0]
        result = {"target": target, "decision": recorded["decision"], "state": recorded["state"]}
        if recorded["state"] in ("waiting", "pending"):
            told = f"{target} waits for a person as {recorded['decision']}"
            return {**result, "message": told, "tag": "cordon:waiting"}
        told = f"{target} was judged by the policy: {recorded['outcome']}, {recorded['decision']} is {recorded['state']}"
        if recorded["state"] == "noted":
            told += '; nobody is asked. A rule with the verdict review for the group "analyst_request" asks'
        return {**result, "message": told}

    return done(job, [outside(target) for target in targets_of(job)], one)


def lookup(job):
    config = config_of(job)
    data = job.get("data")
    if not isinstance(data, str):
        raise Refused(f"unsupported type {job.get('dataType')}: an analyzer is given one address as text")
    target = address_in(data)
    known = cordon(config, "GET", "/v1/why?" + urllib.parse.urlencode({"address": target}))
    query = urllib.parse.urlencode({"attacker": target, "limit": 100})
    alerts = cordon(config, "GET", "/v1/alerts?" + query)["alerts"]
    waiting = [decision for decision in known["recent"] if decision["state"] == "waiting"]
    taxonomies = [taxonomy(*standing_of(known, waiting))]
    if alerts:
        count = f"{len(alerts)}+" if len(alerts) == 100 else str(len(alerts))
        taxonomies.append(taxonomy("suspicious", "Alerts", count))
    full = {name: value for name, value in known.items() if name != "success"}
    shown = [one["alert"] for one in alerts[:20]]
    for alert in shown:
        alert.pop("original", None)
    full.update(message=f"{target}: {taxonomies[0]['value']}", alerts=shown)
    return {"summary": {"taxonomies": taxonomies}, "full": full, "artifacts": [], "operations": []}


def standing_of(known, waiting):
    if known["blocked"]:
        return "malicious", "Block", f"in force until {known['until']}"
    if known["ordered"]:
        return "malicious", "Block", f"ordered until {known['until']}, on no node yet"
    if waiting:
        return "suspicious", "Block", f"waits for a person ({waiting[0]['id']})"
    if known["decisions"]:
        return "suspicious", "Block", f"{len(known['decisions'])} within it"
    return "info", "Block", "ended" if known["recent"] else "none"


def taxonomy(level, predicate, value):
    return {"level": level, "namespace": "Cordon", "predicate": predicate, "value": value}


# ------------------------------------------------------------------ what is asked, by whom


def targets_of(job):
    """Of an observable its address; of an alert all that its observables hold."""
    data = job.get("data")
    if not isinstance(data, dict):
        raise Refused(f"unsupported type {job.get('dataType')}: a responder is given an object of TheHive")
    if job.get("dataType") == "thehive:alert":
        inside = data.get("artifacts") or data.get("observables") or []
        found = [one.get("data") for one in inside if isinstance(one, dict) and one.get("dataType") == "ip"]
        targets = list(dict.fromkeys(address_in(text) for text in found))
        if not targets:
            raise Refused("the alert has no observable of the type ip")
        if len(targets) > MOST_TARGETS:
            raise Refused(f"the alert has {len(targets)} addresses, more than {MOST_TARGETS}: choose among them")
        return targets
    kind = data.get("dataType")
    if kind not in ADDRESS_TYPES:
        raise Refused(f"unsupported type {kind}: Cordon takes IP addresses and networks, names of hosts it does not")
    return [address_in(data.get("data"))]


def address_in(text):
    """Canonical. Nothing is guessed: not what is defanged, not a name, not a zone."""
    given = text.strip() if isinstance(text, str) else ""
    try:
        if "%" in given:
            raise ValueError
        network = ipaddress.ip_network(given, strict=False)
        return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)
    except ValueError:
        hint = "; write it without brackets" if "[" in given or "(" in given else ""
        raise Refused(f"{given[:60]!r} is no IP address or network{hint}") from None


def outside(target):
    network = ipaddress.ip_network(target)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped and network.prefixlen >= 96:
        network = ipaddress.ip_network(f"{mapped}/{network.prefixlen - 96}", strict=False)
    if any(network.version == one.version and network.overlaps(one) for one in INSIDE):
        raise Refused(f"{target} is a private address or of no single host; nothing was sent")
    return target


def length_of(job):
    """The flavour's own; else what the custom field of the case says; else None, and the policy of Cordon has one."""
    config = config_of(job)
    if config.get("length"):
        return config["length"]
    name = config.get("length_field") or "cordon-length"
    fields = (job["data"].get("case") or job["data"]).get("customFields") if isinstance(job["data"], dict) else None
    field = fields.get(name) if isinstance(fields, dict) else None
    if isinstance(fields, list):
        field = next((one for one in fields if isinstance(one, dict) and one.get("name") == name), None)
    if not isinstance(field, dict):
        return None
    value = next((field[kind] for kind in ("value", "string", "integer", "number") if field.get(kind) is not None), None)
    return f"{value}s" if isinstance(value, int) and not isinstance(value, bool) else value


def user_of(job):
    parameters = job.get("parameters")
    return (parameters.get("user") if isinstance(parameters, dict) else None) or "somebody"


def reason_of(job):
    data = job["data"]
    case = data.get("case") or (data if job.get("dataType") == "thehive:case" else None)
    alert = data.get("alert") or (data if job.get("dataType") == "thehive:alert" else None)
    where = "TheHive"
    if isinstance(case, dict):
        where = f"case {case.get('caseId') or case.get('number')} \"{case.get('title')}\" in TheHive"
    elif isinstance(alert, dict):
        where = f"alert {alert.get('sourceRef')} of {alert.get('source')} \"{alert.get('title')}\" in TheHive"
    text = f"{user_of(job)}{BY_CORTEX}{where}"
    return "".join(c if c.isprintable() else " " for c in text)[:LONGEST_REASON]


def severity_of(job):
    inside = job["data"].get("case") or job["data"].get("alert") or job["data"]
    severity = inside.get("severity")
    return {1: 25, 2: 50, 3: 75, 4: 95}.get(severity, 50)


def holds(decision, target, audience):
    """Whether it blocks all of the target wherever it is wished. What we ordered before is for who was meant then."""
    if not ipaddress.ip_network(target).version == ipaddress.ip_network(decision["target"]).version:
        return False
    if not ipaddress.ip_network(target).subnet_of(ipaddress.ip_network(decision["target"])):
        return False
    there = set(decision["audience"])
    return "all" in there or (bool(audience) and set(audience) <= there) or is_ours(decision, target, audience)


def is_ours(decision, target, audience):
    """Made by an earlier click, which a repeated one lengthens: Cortex runs a responder as often as somebody clicks."""
    by_cortex = decision["origin"] == "manual" and BY_CORTEX in (decision["note"] or "")
    return by_cortex and decision["target"] == target and (not audience or set(audience) == set(decision["audience"]))


def ends_later(until, length):
    """Whether what stands lasts as long as is wished. A length that is not understood here is for Cordon to refuse."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
    if length[-1] not in units or not length[:-1].isdigit():
        return False
    end = datetime.strptime(until, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    wished = timedelta(seconds=int(length[:-1]) * units[length[-1]])
    return end >= datetime.now(timezone.utc) + wished - AT_ONCE


# ------------------------------------------------------------------ what is answered


def told_of(answer):
    decision = answer["decision"]
    result = {"target": decision["target"], "decision": decision["id"], "state": decision["state"]}
    if decision["state"] == "waiting":
        return {**result, "message": answer.get("notice") or decision["message"], "tag": "cordon:waiting"}
    told = f"{decision['target']} is blocked until {decision['not_after']}: {decision['message']} ({decision['id']})"
    if answer.get("notice"):
        told += f"; {answer['notice']}"
    return {**result, "not_after": decision["not_after"], "message": told, "tag": "cordon:blocked"}


def done(job, targets, act):
    """One result for each address. Of several, those that were refused spoil nothing for the others."""
    results, problems = [], []
    for target in targets:
        try:
            results.append(act(target))
        except Refused as refused:
            problems.append({"target": target, "problem": str(refused)})
    if not results:
        raise Refused("; ".join(problem["problem"] for problem in problems))
    message = "; ".join([result["message"] for result in results] + [problem["problem"] for problem in problems])
    full = {"message": message, "results": results, **({"problems": problems} if problems else {})}
    return {"full": full, "operations": operations(job, results)}


def operations(job, results):
    """Marks that people see. Each may fail by itself, so Cordon never reads one of them back."""
    tags = sorted({result["tag"] for result in results if "tag" in result})
    where = {"thehive:case_artifact": "AddTagToArtifact", "thehive:alert": "AddTagToAlert"}.get(job.get("dataType"))
    return [{"type": where, "tag": tag} for tag in tags] if where else []


# ------------------------------------------------------------------ Cordon


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token goes nowhere but where it was meant for."""

    def redirect_request(self, *_):
        return None


def cordon(config, method, path, body=None):
    """One operation of its API: manifests/openapi.json. Raises Refused with its problem and remedy."""
    url = base_of(config) + path
    data = None if body is None else json.dumps(body).encode()
    headers = {
        "Authorization": f"Bearer {config.get('api_key') or ''}",
        "Content-Type": "application/json",
        "User-Agent": "cordon-cortex",
    }
    try:
        with opener_for(config).open(urllib.request.Request(url, data, headers, method=method), timeout=TIMEOUT_S) as got:
            return json.loads(got.read(LONGEST_ANSWER))
    except urllib.error.HTTPError as error:
        raise Refused(refusal(error)) from None
    except urllib.error.URLError as error:
        raise Refused(f"cannot reach Cordon at {base_of(config)}: {error.reason}; check url, and cacerts of Cortex") from None
    except OSError as error:
        raise Refused(f"Cordon at {base_of(config)} broke off: {error}; try again") from None
    except ValueError:
        raise Refused(f"what answers at {base_of(config)} is not Cordon; check url") from None


def refusal(error):
    try:
        return problem_text(json.loads(error.read(LONGEST_ANSWER)))
    except (ValueError, KeyError, TypeError, OSError):
        return f"what answers at url is not Cordon (status {error.code}); check url"


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
    authorities = os.path.join(sys.argv[1] if len(sys.argv) > 1 else "/job", "input", "cacerts")
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
    return urllib.request.build_opener(proxy, NoRedirect, urllib.request.HTTPSHandler(context=context))


if __name__ == "__main__":
    sys.exit(main())
