"""Drives an app as Splunk SOAR's action daemon does: by the app's JSON, then the connector.

Takes {app, config, action, parameters} as JSON on standard input, prints {results, progress}. A
parameter must be there when it is required, be of its type, and pass the check of one of its
`contains`; defaults are filled in by the form, so not here.
"""

import importlib
import json
import sys

given = json.load(sys.stdin)
sys.path.insert(0, given["app"])
app = json.load(open(given["app"] + "/cordon.json", encoding="utf-8"))
action = next(one for one in app["actions"] if one["action"] == given["action"])
module = importlib.import_module(app["main_module"].removesuffix(".py"))
classes = [one for one in vars(module).values() if isinstance(one, type)]
connector = next(one for one in classes if one.__module__ == module.__name__)()
connector.config = given["config"]
connector.identifier = action["identifier"]
if not connector.initialize():
    sys.exit("initialize failed")

KINDS = {"string": str, "password": str, "numeric": (int, float), "boolean": bool}
for parameters in given["parameters"]:
    for name, wanted in action["parameters"].items():
        if name not in parameters:
            if wanted.get("required"):
                sys.exit("the parameter " + name + " is missing")
            continue
        if not isinstance(parameters[name], KINDS[wanted["data_type"]]):
            sys.exit("the parameter " + name + " has the wrong type")
        known = connector.validators
        checks = [known[kind] for kind in wanted.get("contains", []) if kind in known]
        if checks and not any(check(parameters[name]) for check in checks):
            sys.exit("the parameter " + name + " is not valid")
    connector.handle_action(parameters)
results = [one.told for one in connector.results]
print(json.dumps({"results": results, "progress": connector.progress}))
