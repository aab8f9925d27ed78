"""Deploys template.yaml to the emulator."""

import io
import pathlib
import re
import time
import zipfile

from emulated.stack import ENDPOINT, STACK, client


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
