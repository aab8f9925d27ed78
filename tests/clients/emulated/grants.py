"""What each function may ask of AWS, and what it has asked."""

import collections
import json

from emulated.processes import KEYS, remember_keys
from emulated.stack import STACK, client, queues, resources

ASKED = {
    "dynamodb": ["GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"],
    "events": ["PutEvents"],
    "s3": ["GetObject", "PutObject", "HeadObject"],
    "sqs": ["SendMessage"],
    "secretsmanager": ["GetSecretValue"],
    "ssm": ["GetParameter"],
}
MEMBERS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}


def asked_for(cloudtrail, key, name):
    """Every call of this name that was made with this key. The emulator gives the newest fifty and no token for more,
    so it is asked again for those that are no newer than the oldest, to the microsecond, which boto3 would round."""
    wanted = {"AccessKeyId": key, "EventName": name}
    attributes = [{"AttributeKey": k, "AttributeValue": v} for k, v in wanted.items()]
    events, until = {}, None

    def ask_until(params, **_):
        params["body"] = json.dumps(json.loads(params["body"]) | ({"EndTime": until} if until else {})).encode()

    cloudtrail.meta.events.register("before-call.cloudtrail.LookupEvents", ask_until, unique_id="until")
    while True:
        page = cloudtrail.lookup_events(LookupAttributes=attributes, MaxResults=50)["Events"]
        new = {event["EventId"]: event for event in page if event["EventId"] not in events}
        events |= new
        if len(page) < 50 or not new:
            cloudtrail.meta.events.unregister("before-call.cloudtrail.LookupEvents", unique_id="until")
            return list(events.values())
        until = page[-1]["EventTime"].timestamp() + 1e-6


def asked_of(service, name, asked):
    """What a call is about, as the ends of ARNs name it: tables, queues, parameters, secrets, buses.

    A transaction is its single writes: those are what a role is asked for.
    """
    if name == "TransactWriteItems":
        writes = [write for item in asked.get("TransactItems", []) for write in item.items()]
        return [(f"{service}:{MEMBERS[member]}", write["TableName"]) for member, write in writes]
    if name == "BatchWriteItem":
        return [(f"{service}:{name}", table) for table in asked.get("RequestItems", {})]
    if name == "PutEvents":
        return [(f"{service}:{name}", entry["EventBusName"].rsplit("/")[-1]) for entry in asked.get("Entries", [])]
    names = asked.get("TableName"), asked.get("QueueUrl", "").rsplit("/")[-1], asked.get("Name"), asked.get("SecretId")
    return [(f"{service}:{name}", next(filter(None, names)))]


def uses():
    """Which function has asked for what of what, and how often: [[function, action, name, count], ...]."""
    remember_keys()
    cloudtrail, found = client("cloudtrail"), collections.Counter()
    # A function's rule has the same name.
    functions = {it: name.removesuffix("Function") for name, it in resources().items() if name.endswith("Function")}
    for key, function in sorted(dict(KEYS).items()):
        logical = functions[f"{STACK}-{function}"]
        for service, names in ASKED.items():
            for name in names:
                for event in asked_for(cloudtrail, key, name):
                    asked = json.loads(event["CloudTrailEvent"])["requestParameters"] or {}
                    if service == "s3":
                        # A HEAD is allowed by what allows a GET.
                        action = f"s3:{name}".replace("HeadObject", "GetObject")
                        found[logical, action, event["Resources"][0]["ResourceName"]] += 1
                    else:
                        found.update((logical, *of) for of in asked_of(service, name, asked))
    return [[*use, count] for use, count in sorted(found.items())]


def refusals(function):
    """How often a function's log says that AWS has refused it something."""
    group = resources()[f"{function}Log"]
    pages = client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    lines = (event["message"] for page in pages for event in page["events"])
    return sum("AccessDenied" in line or "not authorized" in line for line in lines)


def come_again_after(seconds):
    """Sets when a message that was given back comes again."""
    for url in queues("Queue").values():
        client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(seconds)})


def size(item):
    """An item's bytes as DynamoDB counts them, near enough: names and values."""
    return sum(len(name) + len(str(next(iter(value.values()))).encode()) for name, value in item.items())


def bill():
    """What the functions have asked for so far, in the units that AWS counts: {unit: count}.

    A write of an item is a unit for each KiB, and two in a transaction. What an update leaves behind is not in its
    request: a KiB. A strong read is a unit for each 4 KiB; what it finds is not in its request either: one.
    """
    remember_keys()
    cloudtrail, found = client("cloudtrail"), {}

    def add(unit, count):
        found[unit] = found.get(unit, 0) + count

    for service, names in ASKED.items():
        for name in names:
            events = [event for key in sorted(KEYS) for event in asked_for(cloudtrail, key, name)]
            for event in events:
                asked = json.loads(event["CloudTrailEvent"])["requestParameters"] or {}
                add(f"{service}:{name}", 1)
                if name in ("GetItem", "Query"):
                    add("read units", 1)
                elif name == "TransactWriteItems":
                    for item in asked.get("TransactItems", []):
                        (kind, write), = item.items()
                        add("written items", 1)
                        add("write units", 2 * max(1, -(-size(write.get("Item", {})) // 1024)))
                elif name in ("PutItem", "UpdateItem", "DeleteItem"):
                    add("written items", 1)
                    add("write units", max(1, -(-size(asked.get("Item", {})) // 1024)))
                elif name == "BatchWriteItem":
                    for writes in asked.get("RequestItems", {}).values():
                        for write in writes:
                            add("written items", 1)
                            add("write units", max(1, -(-size(write["PutRequest"]["Item"]) // 1024)))
                elif name == "PutEvents":
                    add("published events", len(asked.get("Entries", [])))
    return found


def roles():
    """Function: the logical name of its role's statements."""
    return {name.removesuffix("Role"): role for name, role in resources().items() if name.endswith("Role")}


def grants():
    """What each role may: {logical name of the function: [[action, resource], ...]}."""
    iam, found = client("iam"), {}
    for name, role in roles().items():
        attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        found[name] = [[policy["PolicyName"], "attached"] for policy in attached]
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            for statement in document["Statement"]:
                listed = lambda value: value if isinstance(value, list) else [value]
                for action in listed(statement["Action"]):
                    found[name] += [[action, resource] for resource in listed(statement["Resource"])]
    return found


def deny(function, action, resource="*"):
    """Takes an action away from a function's role."""
    statement = {"Effect": "Deny", "Action": action, "Resource": resource}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    client("iam").put_role_policy(RoleName=roles()[function], PolicyName="denied", PolicyDocument=json.dumps(document))


def allow(function):
    """Gives it back."""
    client("iam").delete_role_policy(RoleName=roles()[function], PolicyName="denied")
