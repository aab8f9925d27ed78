"""The deployed stack as everything here reaches it, and what is in it."""

import functools
import json
import subprocess
import sys

import boto3
from botocore.config import Config

ENDPOINT = sys.argv[1]
SETTINGS = {
    "endpoint_url": ENDPOINT,
    "region_name": "us-east-1",
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
    "config": Config(retries={"max_attempts": 3}),
}
STACK = "hub"


def client(service):
    return boto3.client(service, **SETTINGS)


@functools.cache
def resources():
    """Logical id: physical id, of every resource of the stack."""
    pages = client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=STACK)
    listed = [resource for page in pages for resource in page["StackResourceSummaries"]]
    return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in listed}


def queues(ending):
    return {name: url for name, url in resources().items() if name.endswith(ending) and url.startswith("http")}


def scan(table):
    pages = client("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    return [{name: next(iter(value.values())) for name, value in item.items()} for page in pages for item in page["Items"]]


def tables():
    return [name for logical, name in resources().items() if logical.endswith("Table") and logical != "JournalTable"]


def configuration():
    """What the functions read as switchboard.toml."""
    return client("ssm").get_parameter(Name=f"/{STACK}/configuration")["Parameter"]["Value"]


def describe():
    """What is deployed: patterns of rules, handlers, what each refers to, how many batches of a queue are handled at once,
    and what is watched."""
    known = resources()
    events, functions = client("events"), client("lambda")
    rules = events.list_rules(EventBusName=known["Bus"])["Rules"]
    mappings = functions.list_event_source_mappings()["EventSourceMappings"]
    listed = [page for page in functions.get_paginator("list_functions").paginate()]
    handlers = {f["FunctionName"]: f["Handler"] for page in listed for f in page["Functions"]}
    given = {f["Handler"]: f["Environment"]["Variables"] for page in listed for f in page["Functions"]}
    referred = lambda variables: [each.split("=") for each in variables.get("SWITCHBOARD_PARAMETERS", "").split(",") if each]
    return {
        "rules": {rule["Name"].removeprefix(f"{STACK}-"): json.loads(rule["EventPattern"]) for rule in rules},
        "handlers": sorted(handlers.values()),
        "references": {handler: dict(referred(variables)) for handler, variables in given.items()},
        "concurrency": {
            handlers[mapping["FunctionArn"].split(":")[6]]: mapping.get("ScalingConfig", {}).get("MaximumConcurrency")
            for mapping in mappings
        },
        "watched": watched(),
    }


def watched():
    """What wakes somebody: [metric, what it is counted of] of each alarm; [log group, pattern, metric] of each filter."""
    alarms = [a for page in client("cloudwatch").get_paginator("describe_alarms").paginate() for a in page["MetricAlarms"]]
    pages = client("logs").get_paginator("describe_metric_filters").paginate()
    filters = [kept for page in pages for kept in page["metricFilters"]]
    return {
        "alarms": [
            [alarm["MetricName"], *(dimension["Value"] for dimension in alarm["Dimensions"])]
            for alarm in alarms
            if resources()["Alarms"] in alarm["AlarmActions"]
        ],
        "lines": [
            [kept["logGroupName"], kept["filterPattern"], kept["metricTransformations"][0]["metricName"]] for kept in filters
        ],
    }


def distribution():
    """The name of the pages' distribution."""
    found = client("cloudfront").get_distribution(Id=resources()["Distribution"])
    return found["Distribution"]["DomainName"]


def at_the_edge(path):
    """What the function at the edge makes of a path. The emulator has no TestFunction: its live code is run here."""
    name = resources()["SocketPath"].rsplit("/", 1)[-1]
    code = client("cloudfront").get_function(Name=name, Stage="LIVE")["FunctionCode"].read().decode()
    event = json.dumps({"request": {"method": "GET", "uri": path, "querystring": {}, "headers": {}, "cookies": {}}})
    program = f"{code}\nconsole.log(handler({event}).uri)"
    return subprocess.run(["node", "-e", program], check=True, capture_output=True, text=True).stdout.strip()


def replace_secret(name, value):
    """Gives a secret of the Parameter Store another value, as an operator does."""
    client("ssm").put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)
