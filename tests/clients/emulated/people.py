"""The chat's connections, and the user pool's accounts."""

import base64
import hashlib
import json
import pathlib

from emulated.stack import client, resources, scan


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
