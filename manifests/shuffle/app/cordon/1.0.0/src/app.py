"""Cordon's actions in Shuffle: each is one call of its HTTP API."""

import json

from shuffle_sdk import AppBase

from cordon_client import Cordon, sentence


class CordonApp(AppBase):
    __version__ = "1.0.0"
    app_name = "Cordon"

    def block_address(self, url, api_key, target, reason, length="", certificate=""):
        return told(Cordon(url, api_key, certificate).block(target, length, reason))

    def lift_address(self, url, api_key, target, reason, certificate=""):
        return told(Cordon(url, api_key, certificate).lift(target, reason))

    def lookup_address(self, url, api_key, address, certificate=""):
        return told(Cordon(url, api_key, certificate).explain(address))

    def list_blocked(self, url, api_key, state="applied", limit="", certificate=""):
        return told(Cordon(url, api_key, certificate).decisions(state or "applied", limit))

    def list_questions(self, url, api_key, limit="", certificate=""):
        return told(Cordon(url, api_key, certificate).questions(limit))

    def approve_decision(self, url, api_key, decision_id, reason, certificate=""):
        return told(Cordon(url, api_key, certificate).approve(decision_id, reason))

    def decline_decision(self, url, api_key, decision_id, reason, certificate=""):
        return told(Cordon(url, api_key, certificate).decline(decision_id, reason))

    def send_alert(self, url, api_key, alert, connector="webhook", certificate=""):
        try:
            records = json.loads(alert) if isinstance(alert, str) else alert
        except ValueError:
            detail, remedy = "the alert is no JSON", "give one JSON object, such as $exec"
            return told((0, {"success": False, "detail": detail, "remedy": remedy}))
        return told(Cordon(url, api_key, certificate).send(records, connector or "webhook"))


def told(answer):
    """Flat, so that a branch can ask for $node.state; the whole answer is in `body`."""
    status, body = answer
    decision = body.get("decision") or first_decision(body)
    flat = {
        "success": 200 <= status < 300,
        "status": status,
        "message": sentence(status, body),
        "decision_id": decision.get("id") or decision.get("decision"),
        "state": decision.get("state"),
        "outcome": decision.get("outcome"),
        "body": body,
    }
    return json.dumps(flat)


def first_decision(body):
    """Of the first alert that was sent; one node sends one."""
    for item in body.get("items") or []:
        for recorded in item.get("alerts") or []:
            return recorded
    return {}


if __name__ == "__main__":
    CordonApp.run()
