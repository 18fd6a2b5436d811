"""Stands in for the result of one action with one set of parameters."""


class ActionResult:
    def __init__(self, param):
        self.told = {"status": "failed", "message": "", "parameter": param}
        self.told.update(data=[], summary={})

    def add_data(self, item):
        self.told["data"].append(item)

    def update_summary(self, summary):
        self.told["summary"].update(summary)

    def set_status(self, status, message=""):
        self.told.update(status="success" if status else "failed", message=message)
        return status
