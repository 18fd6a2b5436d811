"""Cordon's actions in Splunk SOAR: each is one call of its HTTP API."""

import ipaddress

import phantom.app as phantom
from phantom.action_result import ActionResult
from phantom.base_connector import BaseConnector

from cordon_client import Cordon, sentence

USUAL_REASON = "playbook in Splunk SOAR"

ACTIONS = {
    "test_connectivity": lambda cordon, param: cordon.decisions(limit=1),
    "block_ip": lambda cordon, param: cordon.block(param["ip"], param.get("length"), why(param)),
    "unblock_ip": lambda cordon, param: cordon.lift(param["ip"], why(param)),
    "lookup_ip": lambda cordon, param: cordon.explain(param["ip"]),
    "list_decisions": lambda cordon, param: cordon.decisions(
        param.get("state", "applied"), param.get("limit")
    ),
    "list_questions": lambda cordon, param: cordon.questions(param.get("limit")),
    "approve_decision": lambda cordon, param: cordon.approve(param["decision_id"], why(param)),
    "decline_decision": lambda cordon, param: cordon.decline(param["decision_id"], why(param)),
}


class CordonConnector(BaseConnector):
    def initialize(self):
        config = self.get_config()
        self.cordon = Cordon(config.get("url"), config.get("api_key"), config.get("certificate"))
        # The platform's own check takes no networks; Cordon says what it does not take.
        self.set_validator("ip", is_target)
        self.set_validator("ipv6", is_target)
        return phantom.APP_SUCCESS

    def handle_action(self, param):
        action = self.get_action_identifier()
        result = self.add_action_result(ActionResult(dict(param)))
        status, body = ACTIONS[action](self.cordon, param)
        said = sentence(status, body)
        if not 200 <= status < 300:
            self.save_progress(said)
            return result.set_status(phantom.APP_ERROR, said)
        if action == "test_connectivity":
            self.save_progress("Cordon answers, and the token is good")
            return result.set_status(phantom.APP_SUCCESS)
        for decision in decisions_in(body):
            result.add_data(decision)
        known = ("ordered", "blocked", "until")
        result.update_summary({name: body[name] for name in known if name in body})
        return result.set_status(phantom.APP_SUCCESS, said)


def why(param):
    return param.get("reason") or USUAL_REASON


def is_target(text):
    try:
        ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return False
    return True


def decisions_in(body):
    one = [body["decision"]] if body.get("decision") else []
    asked = [question["decision"] for question in body.get("questions") or []]
    return one + asked + (body.get("decisions") or body.get("lifted") or [])
