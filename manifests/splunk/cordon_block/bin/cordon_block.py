"""Splunk alert action: posts the rows of a result to Cordon, or has their addresses blocked at once.

Splunk starts it with --execute and gives JSON on standard input; standard error goes to splunkd.log. It needs nothing
but Splunk's own Python 3.7 or later. Exit: 0 all taken, 1 not all, 2 nothing done for lack of something.
"""

import configparser
import csv
import gzip
import http.client
import ipaddress
import json
import os
import re
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

APP = "cordon_block"
# Seconds; Splunk kills the script after maxtime of alert_actions.conf, which is longer.
BUDGET = 90
LONGEST_REQUEST = 30
ROWS_AT_ONCE = 500
BYTES_AT_ONCE = 1000000
LONGEST_ANSWER = 10000000
FIELDS = (
    "src", "src_ip", "orig_src", "source_ip", "attacker", "attacker_ip",
    "clientip", "client_ip", "c_ip", "remote_ip",
)


class Trouble(Exception):
    """What a person reads: what is wrong, and what to do."""

    def __init__(self, text, again=None):
        super().__init__(text)
        # Seconds until it may be tried again; None when that is of no use.
        self.again = again


def say(level, text):
    """A line of splunkd.log; text of somebody else makes no second one."""
    line = "".join(c if c.isprintable() else " " for c in str(text))
    sys.stderr.write("%s %s\n" % (level, line[:1000]))
    sys.stderr.flush()


def read_setup():
    """Of the app and not of the alert: whoever may write an alert could send the token elsewhere."""
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    setup = configparser.ConfigParser(interpolation=None, strict=False)
    files = [os.path.join(home, place, APP + ".conf") for place in ("default", "local")]
    setup.read(files, encoding="utf-8-sig")
    if not setup.has_section("cordon"):
        raise Trouble("no stanza [cordon] in default/%s.conf of the app: install it again" % APP)
    return setup["cordon"]


def base_url(setup):
    url = setup.get("url", "").strip().rstrip("/")
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Trouble("no address of Cordon: set url in local/%s.conf of the app" % APP)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise Trouble("%s would carry the token in the clear: use https" % parts.netloc)
    return url


def is_loopback(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would take the token along."""

    def redirect_request(self, *_):
        return None


def opener(context):
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context), NoRedirect()
    )


def read_token(setup, name, payload):
    """From a file, or from Splunk's own store of secrets."""
    path = setup.get(name + "_file", "").strip()
    try:
        if path:
            with open(path, encoding="ascii") as file:
                token = file.read()
        else:
            token = stored_token(name, payload)
    except (OSError, UnicodeDecodeError) as error:
        raise Trouble("cannot read %s_file %s: %s" % (name, path, error))
    if not re.match(r"^[\x21-\x7e]+$", token.strip()):
        raise Trouble("%s is empty or no token" % name)
    return token.strip()


def stored_token(name, payload):
    """The key of the session goes to splunkd on this machine only, whose certificate nobody vouches for."""
    uri = str(payload.get("server_uri", ""))
    if not is_loopback(urllib.parse.urlsplit(uri).hostname or ""):
        raise Trouble("splunkd is not on this machine: set %s_file in local/%s.conf" % (name, APP))
    entry = urllib.parse.quote("%s:%s:" % (APP, name), safe="")
    url = "%s/servicesNS/nobody/%s/storage/passwords/%s?output_mode=json" % (uri, APP, entry)
    head = {"Authorization": "Splunk %s" % payload.get("session_key", "")}
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with opener(context).open(urllib.request.Request(url, headers=head), timeout=10) as answer:
            return str(json.load(answer)["entry"][0]["content"]["clear_password"])
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise Trouble(
            "Splunk gives no %s of %s (%s): store it, and give the owner of the alert "
            "list_storage_passwords; or set %s_file in local/%s.conf" % (name, APP, error, name, APP)
        )


class Cordon:
    def __init__(self, setup, token_name, payload):
        self.base = base_url(setup)
        self.token = read_token(setup, token_name, payload)
        ca = setup.get("ca_file", "").strip()
        try:
            self.opener = opener(ssl.create_default_context(cafile=ca or None))
        except OSError as error:
            raise Trouble("cannot read ca_file %s: %s" % (ca, error))
        self.end = time.monotonic() + BUDGET

    def keep_trying(self, work):
        """Until it is done, is of no use, or the time is over."""
        pause = 1
        while True:
            try:
                return work()
            except Trouble as trouble:
                if trouble.again is None:
                    raise
                wait = max(pause, trouble.again)
                if time.monotonic() + wait >= self.end:
                    raise Trouble("%s; given up" % trouble)
                say("WARN", "%s; tried again in %ds" % (trouble, wait))
                time.sleep(wait)
                pause = pause * 2

    def ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode("utf-8")
        head = {"Authorization": "Bearer " + self.token, "Content-Type": "application/json"}
        request = urllib.request.Request(self.base + path, data=data, headers=head)
        left = self.end - time.monotonic()
        if left <= 0:
            raise Trouble("no time is left")
        try:
            with self.opener.open(request, timeout=min(LONGEST_REQUEST, left)) as answer:
                return json.loads(answer.read(LONGEST_ANSWER).decode("utf-8"))
        except urllib.error.HTTPError as error:
            raise refused(error)
        except ValueError:
            raise Trouble("who answers at %s is not Cordon" % self.base)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError):
                text = "Cordon did not prove who it is (%s): set ca_file"
                raise Trouble(text % reason.verify_message)
            raise Trouble("cannot reach Cordon: %s" % reason, again=0)


def refused(error):
    try:
        problem = json.loads(error.read(100000).decode("utf-8"))
        text = "%s; %s" % (problem["detail"], problem.get("remedy", ""))
    except (OSError, ValueError, KeyError, TypeError):
        text = "no more was said"
    text = "Cordon answered %d: %s" % (error.code, text)
    if error.code < 500 and error.code not in (408, 425, 429):
        return Trouble(text)
    after = error.headers.get("Retry-After", "")
    return Trouble(text, again=int(after) if after.isdigit() else 0)


def read_rows(payload, most):
    """All rows of the result, up to the limit, and whether there were more."""
    path = payload.get("results_file")
    if not path or not os.path.exists(path):
        first = payload.get("result")
        return ([first] if isinstance(first, dict) and first else []), False
    csv.field_size_limit(10000000)
    rows = []
    with gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="") as file:
        for row in csv.DictReader(file):
            if len(rows) == most:
                return rows, True
            rows.append({key: value for key, value in row.items() if key and value})
    return rows, False


def records(rows, payload, field):
    """As the connector reads them: a row, its search and its run. The run and the row make the id of the alert."""
    names = ("app", "owner", "results_link", "search_name", "sid")
    shared = {name: payload.get(name) for name in names}
    if field:
        shared["configuration"] = {"field": field}
    return [dict(shared, result=row) for row in rows]


def portions(items):
    portion, size = [], 0
    for item in items:
        length = len(json.dumps(item))
        if portion and (len(portion) == ROWS_AT_ONCE or size + length > BYTES_AT_ONCE):
            yield portion
            portion, size = [], 0
        portion.append(item)
        size += length
    if portion:
        yield portion


def send_alerts(setup, payload, rows, field):
    cordon = Cordon(setup, "token", payload)
    done, bad = 0, 0
    for portion in portions(records(rows, payload, field)):
        answer = cordon.keep_trying(lambda: cordon.ask("/v1/alerts/splunk", portion))
        counts = ("stored", "repeats", "ignored", "refused")
        say("INFO", " ".join("%s=%s" % (name, answer[name]) for name in counts))
        for item in answer["items"]:
            if item["status"] == "refused":
                bad += 1
                why = item["problem"]
                told = "%s; %s" % (why["detail"], why.get("remedy", ""))
                say("ERROR", "row %d: %s" % (done + item["index"] + 1, told))
        done += len(portion)
    return bad == 0


def addresses_in(row, fields):
    """Of the first field that holds any; several values stand beside the field as $one$;$two$."""
    for field in fields:
        several = row.get("__mv_" + field) or ""
        texts = re.findall(r"\$((?:[^$]|\$\$)*)\$(?:;|$)", several)
        texts = texts or re.split(r"[\s,;]+", str(row.get(field) or ""))
        found = [text.strip() for text in texts if is_target(text.strip())]
        if found:
            return found
    return []


def is_target(text):
    try:
        ipaddress.ip_network(text, strict=False)
        return True
    except ValueError:
        return False


def block_all(setup, payload, rows, field, length):
    """One block for each address and run: one that is there already is left alone."""
    fields = (field,) if field else FIELDS
    targets = list(dict.fromkeys(target for row in rows for target in addresses_in(row, fields)))
    if not targets:
        say("WARN", "no address in %s of %d rows: nothing to block" % (", ".join(fields), len(rows)))
        return False
    most = int(setup.get("most_blocks", "20"))
    good = len(targets) <= most
    if not good:
        text = "%d addresses, of which %d are blocked: see the search, or most_blocks"
        say("ERROR", text % (len(targets), most))
    cordon = Cordon(setup, "review_token", payload)
    name = str(payload.get("search_name") or "without a name")
    reason = "Splunk alert %s (%s)" % (name[:300], str(payload.get("sid"))[:150])
    for target in targets[:most]:
        try:
            cordon.keep_trying(lambda: block(cordon, target, reason, length))
        except Trouble as trouble:
            good = False
            say("ERROR", "%s is not blocked: %s" % (target, trouble))
    return good


def block(cordon, target, reason, length):
    """Looks first, at each try: what was blocked when an answer was lost is not blocked twice."""
    query = urllib.parse.urlencode({"target": target, "limit": 100})
    for decision in cordon.ask("/v1/decisions?" + query)["decisions"]:
        if decision["note"] == reason:
            say("INFO", "%s: this run has its decision %s" % (target, decision["id"]))
            return
    order = {"target": target, "reason": reason}
    if length:
        order["for"] = length
    decision = cordon.ask("/v1/decisions", order)["decision"]
    say("INFO", "%s: %s (%s)" % (target, decision["message"], decision["id"]))


def run(payload):
    setup = read_setup()
    params = payload.get("configuration") or {}
    mode = params.get("mode") or "alert"
    field = (params.get("field") or "").strip()
    most = int(setup.get("most_rows", "10000"))
    rows, more = read_rows(payload, most)
    if more:
        say("ERROR", "more than %d rows, only so many are taken: see the search, or most_rows" % most)
    if not rows:
        say("INFO", "no rows")
        return not more
    if mode == "alert":
        return send_alerts(setup, payload, rows, field) and not more
    if mode == "block":
        length = (params.get("length") or "").strip()
        return block_all(setup, payload, rows, field, length) and not more
    raise Trouble("mode is alert or block, not %s" % mode)


def main(arguments):
    if arguments[1:2] != ["--execute"]:
        say("FATAL", "Splunk starts this as %s.py --execute" % APP)
        return 2
    try:
        payload = json.loads(sys.stdin.buffer.read().decode("utf-8"))
        if not isinstance(payload, dict):
            raise ValueError("it is no object")
    except ValueError as error:
        say("FATAL", "standard input is not what Splunk gives with payload_format = json: %s" % error)
        return 2
    try:
        return 0 if run(payload) else 1
    except Trouble as trouble:
        say("ERROR", trouble)
        return 2
    except (OSError, EOFError, ValueError, KeyError, TypeError, csv.Error) as error:
        say("ERROR", "%s: %s" % (type(error).__name__, error))
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv))
