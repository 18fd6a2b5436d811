"""Stands in for the constants of Splunk SOAR's app library."""

APP_SUCCESS = True
APP_ERROR = False
