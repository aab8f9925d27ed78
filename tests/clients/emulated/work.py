"""What is under way, and what becomes of it: queues, lanes, effects, dead letters, timers; the journal and the logs."""

import json
import time

from emulated.processes import kill
from emulated.stack import STACK, client, queues, resources, scan, tables


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


def end_waits(table):
    """Makes every effect of a bridge that waits for its next attempt due now: how many."""
    name = resources()[table]
    waiting = [row for row in scan(name) if row.get("st") == "waiting"]
    for row in waiting:
        client("dynamodb").update_item(
            TableName=name,
            Key={key: {"S": row[key]} for key in ("pk", "sk")},
            UpdateExpression="SET due = :now",
            ExpressionAttributeValues={":now": {"N": str(int(time.time() * 1000))}},
        )
    return len(waiting)


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


def timers():
    """How many timers the gate has, and how many of them wait for the Scheduler."""
    schedules = client("scheduler").list_schedules(NamePrefix=f"{STACK}-")["Schedules"]
    rows = [row for row in scan(resources()["ModerationTable"]) if row["pk"] == "t#"]
    return {"timers": len(rows), "schedules": len(schedules)}


def iso(ms):
    """A time as the functions write it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms / 1000)) + f".{ms % 1000:03}Z"


def configure(text):
    """Gives the gate other rooms and another policy, and ends its process, which has read the old ones."""
    client("ssm").put_parameter(Name=f"/{STACK}/configuration", Value=text, Type="String", Overwrite=True)
    kill("ModerationGate")


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
