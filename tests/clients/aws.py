"""Deploys template.yaml to an emulator of AWS and asks it things, for the stories.

Reads one JSON object a line ({"do": NAME, ...}) and answers each with one line: {"ok": ...} or {"error": ...}.
Run with the emulator's address as the only argument.
"""

import io
import json
import sys
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


def artifact(path):
    """The zip of an artifact: one file, executable."""
    info = zipfile.ZipInfo("bootstrap")
    info.external_attr = 0o755 << 16
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with open(path, "rb") as binary:
            archive.writestr(info, binary.read())
    return packed.getvalue()


def deploy(artifact_path, template, parameters, secrets):
    s3, ssm, stacks = client("s3"), client("ssm"), client("cloudformation")
    s3.create_bucket(Bucket="artifacts")
    s3.put_object(Bucket="artifacts", Key="artifact.zip", Body=artifact(artifact_path))
    with open(template, encoding="utf-8") as file:
        body = file.read().replace("CodeUri: target/lambda/", "CodeUri: s3://artifacts/artifact.zip")
    s3.put_object(Bucket="artifacts", Key="template.yaml", Body=body.encode())
    for name, value in secrets.items():
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


def resources():
    """Logical id: physical id, of every resource of the stack."""
    pages = client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=STACK)
    listed = [resource for page in pages for resource in page["StackResourceSummaries"]]
    return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in listed}


DEEDS = {"deploy": deploy, "resources": resources}

for line in sys.stdin:
    asked = json.loads(line)
    try:
        answer = {"ok": DEEDS[asked.pop("do")](**asked)}
    except Exception as error:  # whatever it is, the test shows it
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer, default=str), flush=True)
