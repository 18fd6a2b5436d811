"""Stands in for Shuffle's app SDK 0.0.40 as a command line starts it.

`--standalone --action=NAME name=value ...` makes the class, calls the method with the values as
text, and prints what it gave. Not imitated: the server of swarm mode, sending results to the
backend, references ($node.field), loops over lists, files, caches, the time limit of 30 s, Liquid
templates and proxies.
"""

import sys


class AppBase:
    @classmethod
    def run(cls, action=""):
        arguments = [one for one in sys.argv[1:] if one != "--standalone"]
        pairs = dict(one.split("=", 1) for one in arguments)
        method = getattr(cls(), pairs.pop("--action"))
        print("\n===== Successful result From the Function (JSON: True) =====\n")
        print(method(**pairs))
