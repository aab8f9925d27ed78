"""Deploys template.yaml to an emulator of AWS and asks it things, for the stories.

Reads one JSON object a line ({"do": NAME, "number": N, ...}) and answers each with one line that has its number:
{"ok": ..., "number": N} or {"error": ..., "number": N}.
Run with the emulator's address; with a deed's name after it, that is all it does.
"""

import json
import sys

# What is compiled would lie beside the sources.
sys.dont_write_bytecode = True

from emulated import deploying, grants, people, processes, stack, work

DEEDS = {
    "deploy": deploying.deploy,
    "resources": stack.resources,
    "open": work.open_work,
    "waiting-lanes": work.waiting_lanes,
    "dead-letters": work.dead_letters,
    "redrive": work.redrive,
    "send": work.send,
    "give-again": work.give_again,
    "replace-secret": stack.replace_secret,
    "end-waits": work.end_waits,
    "timers": work.timers,
    "let-the-scheduler-wake": work.let_the_scheduler_wake,
    "put-off": work.put_off,
    "put-on": work.put_on,
    "configure": work.configure,
    "wake-early": work.wake_early,
    "remind-early": work.remind_early,
    "connections": people.connections,
    "lose-connections": people.lose_connections,
    "configuration": stack.configuration,
    "distribution": stack.distribution,
    "at-the-edge": stack.at_the_edge,
    "account": people.account,
    "tokens-of-another-client": people.tokens_of_another_client,
    "sign-as-the-pool": people.sign_as_the_pool,
    "trace": work.trace,
    "journal": work.journal,
    "logs": work.logs,
    "bill": grants.bill,
    "grants": grants.grants,
    "uses": grants.uses,
    "refusals": grants.refusals,
    "come-again-after": grants.come_again_after,
    "deny": grants.deny,
    "allow": grants.allow,
    "kill": processes.kill,
    "kill-one": processes.kill_one,
    "processes-of": processes.processes_of,
    "set": processes.set_variable,
    "describe": stack.describe,
}

if len(sys.argv) > 2:
    print(json.dumps(DEEDS[sys.argv[2]](), indent=1))
    sys.exit()

processes.watch_keys()
for line in sys.stdin:
    asked = json.loads(line)
    number = asked.pop("number")
    try:
        answer = {"ok": DEEDS[asked.pop("do")](**asked)}
    except Exception as error:  # whatever it is, the test shows it
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer | {"number": number}, default=str), flush=True)
