"""What the guarded emulator refuses because AWS does, so that clients are tested against it."""

import json
import unittest

import boto3
from botocore.config import Config

from infra.local import aws
from infra.local.settings import REGION
from infra.tests import test_guarded_ministack

POLICY = {"MinimumLength": 12, "RequireLowercase": True, "RequireUppercase": True, "RequireNumbers": True, "RequireSymbols": False}


class Refusals(test_guarded_ministack.Running):
    def test_a_presigned_request_with_an_authorization_header_is_invalid(self):
        s3 = aws.client("s3", self.access)
        s3.create_bucket(Bucket="two-signatures")
        version_4 = Config(signature_version="s3v4", s3={"addressing_style": "path"})
        signer = boto3.client("s3", endpoint_url=self.access["endpoint"], region_name=REGION, config=version_4,
                              aws_access_key_id="test", aws_secret_access_key=self.access["secret_access_key"])
        url = signer.generate_presigned_url("put_object", Params={"Bucket": "two-signatures", "Key": "a.jpg"})
        path = url.partition(f":{self.port}")[2]
        for authorization in ("Bearer token", "Basic dGVzdDp0ZXN0", "AWS test:c2ln"):
            status, text = self.ask("PUT", path, {"authorization": authorization}, b"bytes")
            self.assertEqual(status, 400, text)
            self.assertIn("<Code>InvalidArgument</Code>", text)
        self.assertEqual(s3.list_objects_v2(Bucket="two-signatures")["KeyCount"], 0)
        self.assertEqual(self.ask("PUT", path, {}, b"bytes")[0], 200)

    def test_a_new_password_needs_its_session_and_the_rules_of_the_pool(self):
        cognito = aws.client("cognito-idp", self.access)
        pool = cognito.create_user_pool(PoolName="rules", Policies={"PasswordPolicy": POLICY})["UserPool"]["Id"]
        client = cognito.create_user_pool_client(UserPoolId=pool, ClientName="c", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"])
        client_id = client["UserPoolClient"]["ClientId"]
        cognito.admin_create_user(UserPoolId=pool, Username="jane", TemporaryPassword="Temporary-1234", MessageAction="SUPPRESS")

        def call(operation, **body):
            headers = {"x-amz-target": f"AWSCognitoIdentityProviderService.{operation}", "content-type": "application/x-amz-json-1.1"}
            status, text = self.ask("POST", "/", headers, json.dumps({"ClientId": client_id, **body}).encode())
            return status, json.loads(text)

        def sign_in(password):
            return call("InitiateAuth", AuthFlow="USER_PASSWORD_AUTH", AuthParameters={"USERNAME": "jane", "PASSWORD": password})[1]

        def choose(session, password, name="jane"):
            return call("RespondToAuthChallenge", ChallengeName="NEW_PASSWORD_REQUIRED", Session=session,
                        ChallengeResponses={"USERNAME": name, "NEW_PASSWORD": password})

        def refusal(answer):
            status, body = answer
            self.assertEqual(status, 400, body)
            return body["__type"].split("#")[-1]

        challenge = sign_in("Temporary-1234")
        self.assertEqual(challenge["ChallengeName"], "NEW_PASSWORD_REQUIRED")
        session = challenge["Session"]
        for weak in ("Short1", "all lower case 1", "ALL UPPER CASE 1", "No digits at all", ""):
            self.assertEqual(refusal(choose(session, weak)), "InvalidPasswordException", weak)
        for other in ("", "another", session[:-4]):
            self.assertEqual(refusal(choose(other, "Long enough 123")), "NotAuthorizedException")
        self.assertEqual(refusal(choose(session, "Long enough 123", "joe")), "NotAuthorizedException")
        status, body = choose(session, "Long enough 123")
        self.assertEqual(status, 200, body)
        self.assertIn("AccessToken", body["AuthenticationResult"])
        self.assertIn("AuthenticationResult", sign_in("Long enough 123"))
        self.assertEqual(refusal(choose(session, "Long enough 456")), "NotAuthorizedException", "a session is used once")


if __name__ == "__main__":
    unittest.main()
