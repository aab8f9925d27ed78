"""Deploys template.yaml to an emulator of AWS and asks it things, for the stories.

Reads one JSON object a line ({"do": NAME, "number": N, ...}) and answers each with one line that has its number:
{"ok": ..., "number": N} or {"error": ..., "number": N}.
Run with the emulator's address; with a deed's name after it, that is all it does.
"""

import base64
import collections
import contextlib
import functools
import hashlib
import io
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile

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


def artifact(path, wiring):
    """The zip of an artifact: the program, and a wiring of its own if there is one."""
    info = zipfile.ZipInfo("bootstrap")
    info.external_attr = 0o755 << 16
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with open(path, "rb") as binary:
            archive.writestr(info, binary.read())
        for file in pathlib.Path(wiring).glob("*.json") if wiring else ():
            archive.write(file, f"wiring/{file.name}")
    return packed.getvalue()


def with_numbers(template, parameters):
    """The template with MaximumConcurrency written out. AWS makes a number of what a parameter gives; the emulator keeps
    a text, and then polls no queue."""

    def written(found):
        default = re.search(rf"^  {found[1]}: .*Default: (\d+)", template, re.MULTILINE)
        return f"MaximumConcurrency: {parameters.get(found[1], default[1])}"

    return re.sub(r"MaximumConcurrency: !Ref (\w+)", written, template)


def deploy(artifact_path, template, wiring, parameters, secrets):
    s3, ssm, stacks = client("s3"), client("ssm"), client("cloudformation")
    s3.create_bucket(Bucket="artifacts")
    s3.put_object(Bucket="artifacts", Key="artifact.zip", Body=artifact(artifact_path, wiring))
    with open(template, encoding="utf-8") as file:
        body = file.read().replace("CodeUri: target/lambda.zip", "CodeUri: s3://artifacts/artifact.zip")
    body = with_numbers(body, parameters)
    s3.put_object(Bucket="artifacts", Key="template.yaml", Body=body.encode())
    for name, value in secrets.items():
        if parameters["SecretsIn"] == "SecretsManager":
            client("secretsmanager").create_secret(Name=name, SecretString=value)
        else:
            ssm.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)
    stacks.create_stack(
        StackName=STACK,
        TemplateURL=f"{ENDPOINT}/artifacts/template.yaml",
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )
    for _ in range(600):
        stack = stacks.describe_stacks(StackName=STACK)["Stacks"][0]
        if not stack["StackStatus"].endswith("_IN_PROGRESS"):
            break
        time.sleep(0.1)
    if stack["StackStatus"] != "CREATE_COMPLETE":
        events = stacks.describe_stack_events(StackName=STACK)["StackEvents"]
        failed = [event for event in events if "FAILED" in event["ResourceStatus"]]
        why = [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}" for event in failed]
        raise RuntimeError(f"{stack['StackStatus']}: {why or stack.get('StackStatusReason')}")
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


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


def waiting_lanes():
    """The lanes in which something waits for the one before it: {lane: [done, taken up, [what waits]]}."""
    lanes = {}
    for table in tables():
        rows = [row for row in scan(table) if row["pk"].startswith("l#")]
        heads = {row["pk"]: (int(row.get("done", 0)), int(row.get("started", 0))) for row in rows if row["sk"] == "at"}
        for row in rows:
            done, started = heads.get(row["pk"], (0, 0))
            if row["sk"].startswith("p#") and int(row["sk"][2:]) > done:
                lanes.setdefault(row["pk"], [done, started, []])[2].append(int(row["sk"][2:]))
    return lanes


def open_work():
    """How much is under way: messages in queues (those that wait for their time apart), what is open in tables."""
    sqs, counts = client("sqs"), {"messages": 0, "effects": 0, "deliveries": 0}
    for url in queues("Queue").values():
        wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"]
        counts["messages"] += sum(int(count) for count in attributes.values())
    for table in tables():
        rows = scan(table)
        decided = {row["pk"] for row in rows if row["sk"].startswith("o#")}
        for row in rows:
            if row["sk"].startswith("e#") and row.get("st") not in ("done", "dead"):
                counts["effects"] += 1
            if row["sk"] == "w" and row["pk"] not in decided and "dead" not in row:
                counts["deliveries"] += 1
    return counts


def letters():
    """(queue, receipt handle, body) of every dead letter; they are there again after two seconds."""
    sqs, found = client("sqs"), []
    for name, url in sorted(queues("DeadLetters").items()):
        while True:
            got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=2)
            if not got.get("Messages"):
                break
            found += [(name, message["ReceiptHandle"], message["Body"]) for message in got["Messages"]]
        for at, _ in enumerate(found):
            if found[at][0] == name:
                sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=found[at][1], VisibilityTimeout=0)
    return found


def dead_letters():
    """What is in the queues of dead letters, each with its number; it stays there."""
    told = []
    for number, (_, _, text) in enumerate(letters(), 1):
        body = json.loads(text)
        letter = body.get("switchboard", {}).get("dead-letter") or {"message": body, "reason": "from the queue itself"}
        told.append(letter | {"id": number})
    return told


def redrive(letter):
    """Puts a dead letter back into the queue that it came from."""
    name, receipt, body = letters()[letter - 1]
    sqs, known = client("sqs"), resources()
    sqs.send_message(QueueUrl=known[name.removesuffix("DeadLetters") + "Queue"], MessageBody=body)
    sqs.delete_message(QueueUrl=known[name], ReceiptHandle=receipt)


def send(queue, body):
    """Puts a message into a queue of the stack."""
    client("sqs").send_message(QueueUrl=resources()[queue], MessageBody=body)


def give_again(function, body):
    """Has a function given a message that its queue has given out before."""
    record = {"messageId": "given-again", "body": body, "attributes": {"ApproximateReceiveCount": "2"}}
    name = resources()[f"{function}Function"]
    answer = client("lambda").invoke(FunctionName=name, Payload=json.dumps({"Records": [record]}))
    return json.loads(answer["Payload"].read())


def replace_secret(name, value):
    """Gives a secret of the Parameter Store another value, as an operator does."""
    client("ssm").put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def end_waits(table):
    """Makes every effect of a bridge that waits for its next attempt due now."""
    name = resources()[table]
    for row in scan(name):
        if row.get("st") == "waiting":
            client("dynamodb").update_item(
                TableName=name,
                Key={key: {"S": row[key]} for key in ("pk", "sk")},
                UpdateExpression="SET due = :now",
                ExpressionAttributeValues={":now": {"N": str(int(time.time() * 1000))}},
            )


def timers():
    """How many timers the gate has, and how many of them wait for the Scheduler."""
    schedules = client("scheduler").list_schedules(NamePrefix=f"{STACK}-")["Schedules"]
    rows = [row for row in scan(resources()["ModerationTable"]) if row["pk"] == "t#"]
    return {"timers": len(rows), "schedules": len(schedules)}


def put_off(listener, event, seconds):
    """Writes down that a delivery has failed once and waits that long, as a function does that is killed right then."""
    bridge = "".join(word.capitalize() for word in listener.split(".")[0].split("_"))
    now = int(time.time() * 1000)
    times = {"att": 1, "fst": now, "due": now + 1000 * seconds, "ttl_s": now // 1000 + 86400}
    place = {"pk": {"S": f"r#{listener}#{event}"}, "sk": {"S": "w"}}
    item = place | {name: {"N": str(value)} for name, value in times.items()}
    client("dynamodb").put_item(TableName=resources()[f"{bridge}Table"], Item=item)


def put_on():
    """Forgets every delivery that was put off and that nobody has taken."""
    for table in tables():
        for row in scan(table):
            if row["sk"] == "w":
                client("dynamodb").delete_item(TableName=table, Key={key: {"S": row[key]} for key in ("pk", "sk")})


def configure(text):
    """Gives the gate other rooms and another policy, and ends its process, which has read the old ones."""
    client("ssm").put_parameter(Name=f"/{STACK}/configuration", Value=text, Type="String", Overwrite=True)
    kill("ModerationGate")


def iso(ms):
    """A time as the functions write it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms / 1000)) + f".{ms % 1000:03}Z"


def wake_early():
    """Reminds of every timer of the gate now, as a queue does that cannot wait as long as the timer: how many."""
    rows = [row for row in scan(resources()["ModerationTable"]) if row["pk"] == "t#"]
    for row in rows:
        timer = {"key": row["sk"], "due": iso(int(row["due"]))}
        send("ModerationQueue", json.dumps({"switchboard": {"timer": timer}}))
    return len(rows)


def let_the_scheduler_wake():
    """Makes every timer that waits for the Scheduler due now, and has the Scheduler wake it: the messages that it sends."""
    sent = []
    scheduler, dynamodb = client("scheduler"), client("dynamodb")
    for listed in scheduler.list_schedules(NamePrefix=f"{STACK}-")["Schedules"]:
        schedule = scheduler.get_schedule(Name=listed["Name"])
        timer = json.loads(schedule["Target"]["Input"])["switchboard"]["timer"]
        now = int(time.time() * 1000)
        timer["due"] = iso(now)
        dynamodb.update_item(
            TableName=resources()["ModerationTable"],
            Key={"pk": {"S": "t#"}, "sk": {"S": timer["key"]}},
            UpdateExpression="SET due = :due",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeValues={":due": {"N": str(now)}},
        )
        kept = {name: schedule[name] for name in ("Name", "FlexibleTimeWindow", "ActionAfterCompletion")}
        sent.append(json.dumps({"switchboard": {"timer": timer}}))
        target = schedule["Target"] | {"Input": sent[-1]}
        at = time.strftime("at(%Y-%m-%dT%H:%M:%S)", time.gmtime())
        scheduler.update_schedule(**kept, ScheduleExpression=at, Target=target)
    return sent


def remind_early(of):
    """Reminds the gate's bridge of a timer that is due in half a minute, and that nobody has set."""
    timer = {"key": f"parked/{of}", "due": iso(int(time.time() * 1000) + 30_000)}
    send("ModerationQueue", json.dumps({"switchboard": {"timer": timer}}))


def connections():
    """How many connections of the chat the table knows, and how many places they have in rooms."""
    rows = scan(resources()["WebChatTable"])
    count = lambda prefix: sum(row["pk"].startswith(prefix) for row in rows)
    return {"connections": count("s#connection/"), "places": count("s#room/")}


def lose_connections(of):
    """Makes a person's connections in rooms ones that API Gateway does not know."""
    dynamodb, table = client("dynamodb"), resources()["WebChatTable"]

    def rename(item, connection):
        lost = {name: {"S": value["S"].replace(connection, "lost")} if name in ("pk", "sk") else value for name, value in item.items()}
        dynamodb.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})
        dynamodb.put_item(TableName=table, Item=lost)

    pages = dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    for row in [item for page in pages for item in page["Items"]]:
        if row["pk"]["S"].startswith("s#room/") and json.loads(row["person"]["S"])["name"] == of:
            connection = row["sk"]["S"]
            place = {"pk": {"S": f"s#connection/{connection}"}, "sk": {"S": "at"}}
            rename(dynamodb.get_item(TableName=table, Key=place, ConsistentRead=True)["Item"], connection)
            rename(row, connection)


def configuration():
    """What the functions read as switchboard.toml."""
    return client("ssm").get_parameter(Name=f"/{STACK}/configuration")["Parameter"]["Value"]


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


def account(mail, name, password, group):
    """Makes an account of the user pool."""
    cognito, pool = client("cognito-idp"), resources()["People"]
    said = {"email": mail, "email_verified": "true", "name": name}
    attributes = [{"Name": key, "Value": value} for key, value in said.items()]
    made = cognito.admin_create_user(UserPoolId=pool, Username=mail, UserAttributes=attributes, MessageAction="SUPPRESS")
    user = made["User"]["Username"]
    cognito.admin_set_user_password(UserPoolId=pool, Username=user, Password=password, Permanent=True)
    cognito.create_group(UserPoolId=pool, GroupName=group)
    cognito.admin_add_user_to_group(UserPoolId=pool, Username=user, GroupName=group)


def tokens_of_another_client(mail, password):
    """What the pool gives an account for a client that is not the chat."""
    cognito, pool = client("cognito-idp"), resources()["People"]
    flows = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    other = cognito.create_user_pool_client(UserPoolId=pool, ClientName="another", ExplicitAuthFlows=flows)
    words = {"USERNAME": mail, "PASSWORD": password}
    begun = cognito.initiate_auth(
        ClientId=other["UserPoolClient"]["ClientId"], AuthFlow="USER_PASSWORD_AUTH", AuthParameters=words
    )
    return begun["AuthenticationResult"]


def sign_as_the_pool(state, use, claims):
    """A token of these claims, signed with the pool's own key for tokens of that use."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding

    pem = pathlib.Path(state, "cognito-pool-keys", f"{resources()['People']}-{use}.pem").read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    kid = base64.b64encode(hashlib.sha256(public).digest()).decode()
    part = lambda value: base64.urlsafe_b64encode(value).rstrip(b"=")
    said = b".".join(part(json.dumps(it).encode()) for it in ({"alg": "RS256", "kid": kid}, claims))
    return (said + b"." + part(key.sign(said, padding.PKCS1v15(), hashes.SHA256()))).decode()


def trace(word):
    """What the journal knows by a word: envelopes, oldest first."""
    dynamodb, table = client("dynamodb"), resources()["JournalTable"]

    def query(partition):
        pages = dynamodb.get_paginator("query").paginate(
            TableName=table,
            ConsistentRead=True,
            KeyConditionExpression="pk = :p",
            ExpressionAttributeValues={":p": {"S": partition}},
        )
        return [item for page in pages for item in page["Items"]]

    def known_by(word):
        return {item["sk"]["S"] for item in query(f"w#{word}")}

    def read(place):
        return json.loads(query("e#" + place.split("#", 1)[1])[0]["event"]["S"])

    places = known_by(word) or {f"#{word}"} if query(f"e#{word}") else known_by(word)
    # What belongs to the same messages belongs to the story.
    details = [read(place)["detail"] for place in places]
    messages = {detail.get("message", {}).get("id") or detail.get("message_id") for detail in details}
    for message in messages - {None}:
        places |= known_by(message)
    return [{"event": read(place)} for place in sorted(places)]


def journal():
    """Every event that the journal has."""
    rows = scan(resources()["JournalTable"])
    return [json.loads(row["event"]) for row in rows if row["sk"] == "e"]


def logs():
    """What the functions have logged."""
    found = {}
    for name, group in resources().items():
        if not name.endswith("Log"):
            continue
        pages = client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
        lines = [event["message"] for page in pages for event in page["events"]]
        found[group] = [line for line in lines if line.startswith("{")]
    return found


def processes():
    """Process id: environment, of each function that the emulator runs."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            pairs = (entry.split("=", 1) for entry in path.read_text(errors="replace").split("\0") if "=" in entry)
            environment = dict(pairs)
            command = path.with_name("cmdline").read_text()
        except OSError:
            continue
        if environment.get("AWS_ENDPOINT_URL") == ENDPOINT and "bootstrap" in command:
            found[int(path.parent.name)] = environment
    return found


# Each process of a function has credentials of its own, and may have ended when its calls are counted.
KEYS = {}


def remember_keys():
    for environment in processes().values():
        function = environment["AWS_LAMBDA_FUNCTION_NAME"].removeprefix(f"{STACK}-")
        KEYS[environment["AWS_ACCESS_KEY_ID"]] = function


def watch_keys():
    """Remembers them from now on, until this program ends: a process may live for less than a story."""

    def watch():
        while True:
            remember_keys()
            time.sleep(0.2)

    threading.Thread(target=watch, daemon=True).start()


def processes_of(function):
    """The ids of the processes of a function, or of all, if empty."""
    name = resources()[f"{function}Function"] if function else None
    return sorted(
        process
        for process, environment in processes().items()
        if name in (None, environment["AWS_LAMBDA_FUNCTION_NAME"])
    )


def kill(function):
    """Kills the processes of a function (or of all, if empty) at once; gives how many."""
    victims = processes_of(function)
    for process in victims:
        os.kill(process, signal.SIGKILL)
    return len(victims)


def kill_one():
    """Kills a process at random; gives the function that it was of, or nothing where none runs."""
    running = processes()
    if not running:
        return None
    victim = random.choice(sorted(running))
    with contextlib.suppress(ProcessLookupError):
        os.kill(victim, signal.SIGKILL)
    return running[victim]["AWS_LAMBDA_FUNCTION_NAME"]


def set_variable(name, value):
    """Sets a variable in the environment of every function; those that run end."""
    functions = client("lambda")
    for logical, function in resources().items():
        if logical.endswith("Function"):
            variables = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
            functions.update_function_configuration(
                FunctionName=function, Environment={"Variables": variables | {name: value}}
            )
    kill("")


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


DEEDS = {
    "deploy": deploy,
    "resources": resources,
    "open": open_work,
    "waiting-lanes": waiting_lanes,
    "dead-letters": dead_letters,
    "redrive": redrive,
    "send": send,
    "give-again": give_again,
    "replace-secret": replace_secret,
    "end-waits": end_waits,
    "timers": timers,
    "let-the-scheduler-wake": let_the_scheduler_wake,
    "put-off": put_off,
    "put-on": put_on,
    "configure": configure,
    "wake-early": wake_early,
    "remind-early": remind_early,
    "connections": connections,
    "lose-connections": lose_connections,
    "configuration": configuration,
    "distribution": distribution,
    "at-the-edge": at_the_edge,
    "account": account,
    "tokens-of-another-client": tokens_of_another_client,
    "sign-as-the-pool": sign_as_the_pool,
    "trace": trace,
    "journal": journal,
    "logs": logs,
    "bill": bill,
    "grants": grants,
    "uses": uses,
    "refusals": refusals,
    "come-again-after": come_again_after,
    "deny": deny,
    "allow": allow,
    "kill": kill,
    "kill-one": kill_one,
    "processes-of": processes_of,
    "set": set_variable,
    "describe": describe,
}

if len(sys.argv) > 2:
    print(json.dumps(DEEDS[sys.argv[2]](), indent=1))
    sys.exit()

watch_keys()
for line in sys.stdin:
    asked = json.loads(line)
    number = asked.pop("number")
    try:
        answer = {"ok": DEEDS[asked.pop("do")](**asked)}
    except Exception as error:  # whatever it is, the test shows it
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer | {"number": number}, default=str), flush=True)
