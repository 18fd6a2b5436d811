"""Calls Cordon's HTTP API with a token of limited scope; nothing but Python itself is needed."""

import base64
import http.client
import json
import re
import ssl
from urllib import error, parse, request

TIMEOUT_S = 10
USUAL_LENGTH = "4h"
LARGEST_ANSWER = 16 * 1024 * 1024
LOOPBACK = ("localhost", "127.0.0.1", "::1")
TOKEN = re.compile(r"[\w.~+/=-]+", re.ASCII)


class NoRedirect(request.HTTPRedirectHandler):
    """The token goes to the address that was set up, and to no other."""

    def redirect_request(self, *args):
        return None


class Cordon:
    """Every method gives (status, body): the status of HTTP, or 0 without an answer; a dictionary.

    `certificate` is PEM text. When given, it is trusted and no other; else those of the system are.
    """

    def __init__(self, url, token, certificate=""):
        self.url = (url or "").strip().rstrip("/")
        self.token = (token or "").strip()
        self.certificate = (certificate or "").strip()

    def block(self, target, length, reason):
        order = {"target": target, "for": length or USUAL_LENGTH, "reason": reason}
        return self.call("POST", "/v1/decisions", body=order)

    def lift(self, target, reason):
        return self.call("POST", "/v1/addresses/lift", body={"target": target, "reason": reason})

    def explain(self, address):
        return self.call("GET", "/v1/why", query={"address": address})

    def decisions(self, state="", limit=""):
        return self.call("GET", "/v1/decisions", query={"state": state, "limit": limit})

    def questions(self, limit=""):
        return self.call("GET", "/v1/review", query={"limit": limit})

    def approve(self, decision, reason):
        return self.call("POST", path_of(decision, "approve"), body={"reason": reason})

    def decline(self, decision, reason):
        return self.call("POST", path_of(decision, "decline"), body={"reason": reason})

    def send(self, records, connector="webhook"):
        return self.call("POST", "/v1/alerts/" + parse.quote(connector, safe=""), body=records)

    def call(self, method, path, query=None, body=None):
        try:
            return self.fetch(self.prepare(method, path, query, body))
        except (OSError, ValueError, http.client.HTTPException) as why:
            return 0, problem("unreachable", str(getattr(why, "reason", why)))

    def prepare(self, method, path, query, body):
        place = parse.urlsplit(self.url)
        if place.scheme != "https" and not (place.scheme == "http" and place.hostname in LOOPBACK):
            raise ValueError("the address of Cordon has to begin with https://")
        if not TOKEN.fullmatch(self.token):
            raise ValueError("the token is none of Cordon's")
        asked = {name: value for name, value in (query or {}).items() if value not in ("", None)}
        url = self.url + path + ("?" + parse.urlencode(asked) if asked else "")
        headers = {"Authorization": "Bearer " + self.token, "Accept": "application/json"}
        if body is None:
            return request.Request(url, headers=headers, method=method)
        headers["Content-Type"] = "application/json"
        return request.Request(url, json.dumps(body).encode(), headers, method=method)

    def fetch(self, prepared):
        opener = request.build_opener(NoRedirect(), request.HTTPSHandler(context=self.trust()))
        try:
            with opener.open(prepared, timeout=TIMEOUT_S) as answer:
                return answer.status, read(answer)
        except error.HTTPError as refused:
            with refused:
                return refused.code, read(refused)

    def trust(self):
        """Always verifies. A certificate that lost its line breaks in a form is still read."""
        if not self.certificate:
            return ssl.create_default_context()
        begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
        blocks = re.findall(begin + "(.+?)" + end, self.certificate, re.DOTALL)
        if not blocks:
            raise ValueError("the certificate of Cordon is no PEM text")
        der = b"".join(base64.b64decode(re.sub(r"\s+", "", block)) for block in blocks)
        return ssl.create_default_context(cadata=der)


def path_of(decision, verb):
    return "/v1/decisions/" + parse.quote(decision, safe="") + "/" + verb


def read(answer):
    text = answer.read(LARGEST_ANSWER)
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    return body if isinstance(body, dict) else problem("not_cordon", "this answer is not Cordon's")


def problem(code, detail):
    remedy = "check the address, the certificate and that the service runs"
    return {"success": False, "code": code, "detail": detail, "remedy": remedy}


def sentence(status, body):
    """What came of a call, for a person."""
    if not 200 <= status < 300:
        return ": ".join(str(body[part]) for part in ("detail", "remedy") if body.get(part))
    if "ordered" in body:
        return explained(body)
    decision = body.get("decision") or {}
    return body.get("notice") or body.get("message") or decision.get("message") or "done"


def explained(body):
    passes = body.get("allowed")
    said = "{} {}".format(body["address"], held(body, passes))
    if not passes:
        return said
    only = passes["only"] and ", only " + passes["only"]
    by = "{} ({})".format(passes["by"], passes["decision"])
    return "{}; allowed until {} by {}{}".format(said, passes["until"], by, only)


def held(body, passes):
    if body["blocked"]:
        return "is blocked, until {}".format(body["until"])
    if body["ordered"]:
        unheard = "" if passes else ", and no kernel has confirmed it"
        return "is ordered to be blocked{}, until {}".format(unheard, body["until"])
    return "is blocked or limited for a part of its traffic" if body.get("partly") else "is not blocked"
