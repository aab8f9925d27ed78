"""The functions as the emulator runs them: processes of this machine."""

import contextlib
import os
import pathlib
import random
import signal
import threading
import time

from emulated.stack import ENDPOINT, STACK, client, resources


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
