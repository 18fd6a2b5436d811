"""Stands in for the class that Splunk SOAR's action daemon drives.

Not imitated: state, vault, polling, cancelling, `finalize`.
"""


class BaseConnector:
    def __init__(self):
        self.validators = {}
        self.results = []
        self.progress = []

    def get_config(self):
        return self.config

    def get_action_identifier(self):
        return self.identifier

    def set_validator(self, contains, check):
        self.validators[contains] = check

    def save_progress(self, text):
        self.progress.append(text)

    def add_action_result(self, result):
        self.results.append(result)
        return result
