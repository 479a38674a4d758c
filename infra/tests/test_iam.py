"""The evaluator of policies, by rows of AWS's own rules."""

import unittest
from typing import Any

from ministack.core import iam_evaluator

from infra.tests.iam import allowed, condition_holds, covers
from infra.tests.simulation import Call, Simulation
from infra.tests.stack import Stack, deploy_role, statements_of, transformed

QUEUE = "arn:aws:sqs:eu-central-1:123456789012:photodrop-thumbnail"
TAG = "aws:ResourceTag/stack"


def allow(action: Any = "sqs:SendMessage", resource: Any = QUEUE, effect: str = "Allow", **condition: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **({"Condition": condition} if condition else {})}


class Evaluation(unittest.TestCase):
    def test_statement_applies_by_action_resource_and_effect(self) -> None:
        rows: list[tuple[bool, list[dict[str, Any]], str, str]] = [
            (False, [], "sqs:SendMessage", QUEUE),
            (True, [allow()], "sqs:SendMessage", QUEUE),
            (True, [allow("SQS:sendmessage")], "sqs:SendMessage", QUEUE),
            (True, [allow("sqs:*")], "sqs:SendMessage", QUEUE),
            (False, [allow("sqs:Send")], "sqs:SendMessage", QUEUE),
            (False, [allow("sqs:*")], "sns:Publish", QUEUE),
            (True, [allow(["sqs:DeleteQueue", "sqs:Send*"])], "sqs:SendMessage", QUEUE),
            (False, [allow(resource=QUEUE.upper())], "sqs:SendMessage", QUEUE),
            (True, [allow(resource=QUEUE[:-1] + "?")], "sqs:SendMessage", QUEUE),
            (False, [allow(resource=QUEUE[:-1] + "[l]")], "sqs:SendMessage", QUEUE),
            (False, [allow(resource=QUEUE + "?")], "sqs:SendMessage", QUEUE),
            # An action that knows no resource is asked for "*", and no ARN matches that.
            (False, [allow()], "sqs:SendMessage", "*"),
            (True, [allow(resource="*")], "sqs:SendMessage", "*"),
            (True, [allow(resource="*")], "sqs:SendMessage", QUEUE),
            # A Deny goes before each Allow, wherever it stands.
            (False, [allow(), allow("*", "*", "Deny")], "sqs:SendMessage", QUEUE),
            (False, [allow(effect="Deny"), allow("*", "*")], "sqs:SendMessage", QUEUE),
            (True, [allow(), allow("sqs:DeleteQueue", effect="Deny")], "sqs:SendMessage", QUEUE),
        ]
        for expected, statements, action, resource in rows:
            with self.subTest(statements=statements, action=action, resource=resource):
                self.assertEqual(allowed(statements, action, resource), expected)

    def test_condition_holds_by_operator_and_key(self) -> None:
        one, two = {TAG: "prod"}, {"aws:TagKeys": ["stack", "owner"]}
        arn = {"lambda:FunctionArn": "arn:aws:lambda:eu-central-1:123456789012:function:photodrop-thumbnail:live"}
        rows: list[tuple[bool, str, str, list[str], dict[str, Any]]] = [
            (True, "StringEquals", TAG, ["prod"], one),
            (True, "StringEquals", TAG.lower().replace("stack", "STACK"), ["prod"], one),
            (True, "StringEquals", TAG, ["dev", "prod"], one),
            (False, "StringEquals", TAG, ["Prod"], one),
            (False, "StringEquals", TAG, ["pro*"], one),
            (True, "StringLike", TAG, ["pro*"], one),
            (False, "StringEquals", TAG, ["prod"], {}),
            (True, "StringEqualsIfExists", TAG, ["prod"], {}),
            (False, "StringEqualsIfExists", TAG, ["dev"], one),
            (False, "StringNotEquals", TAG, ["dev", "prod"], one),
            (True, "StringNotEquals", TAG, ["dev"], one),
            (True, "StringNotEquals", TAG, ["dev"], {}),
            (True, "Null", TAG, ["true"], {}),
            (False, "Null", TAG, ["true"], one),
            (True, "Null", TAG, ["false"], one),
            (True, "Bool", "aws:SecureTransport", ["false"], {"aws:SecureTransport": "False"}),
            (True, "ForAllValues:StringEquals", "aws:TagKeys", ["stack", "owner"], two),
            (False, "ForAllValues:StringEquals", "aws:TagKeys", ["stack"], two),
            (True, "ForAllValues:StringEquals", "aws:TagKeys", ["stack"], {}),
            (True, "ForAnyValue:StringEquals", "aws:TagKeys", ["stack"], two),
            (False, "ForAnyValue:StringEquals", "aws:TagKeys", ["stack"], {}),
            (True, "ArnLike", "lambda:FunctionArn", ["arn:aws:lambda:*:*:function:photodrop-thumbnail:*"], arn),
            (False, "ArnLike", "lambda:FunctionArn", ["arn:aws:lambda:*:function:photodrop-thumbnail:*"], arn),
            (False, "ArnLike", "lambda:FunctionArn", ["arn:*"], arn),
        ]
        for expected, operator, key, values, context in rows:
            with self.subTest(operator=operator, key=key, values=values, context=context):
                self.assertEqual(condition_holds(operator, key, values, context), expected)

    def test_all_conditions_of_a_statement_must_hold(self) -> None:
        statement = allow(StringEquals={TAG: "prod", "sqs:x": "1"})
        self.assertFalse(allowed([statement], "sqs:SendMessage", QUEUE, {TAG: "prod"}))
        self.assertTrue(allowed([statement], "sqs:SendMessage", QUEUE, {TAG: "prod", "sqs:x": "1"}))

    def test_unsupported_parts_of_a_policy_are_refused(self) -> None:
        for statement in ({"Effect": "Allow", "NotAction": "sqs:*", "Action": "*", "Resource": "*"}, allow(resource="arn:${aws:username}"),
                          allow(DateLessThan={"aws:CurrentTime": "2030-01-01"})):
            with self.subTest(statement), self.assertRaises(ValueError):
                allowed([statement], "sqs:SendMessage", QUEUE)

    def test_statement_covers_narrower_ones(self) -> None:
        keys = "dynamodb:LeadingKeys"
        rows: list[tuple[bool, dict[str, Any], str, dict[str, Any]]] = [
            (True, allow(), QUEUE, {}),
            (True, allow(resource="arn:aws:sqs:*"), QUEUE[:-3] + "*", {}),
            (False, allow(resource=QUEUE[:-1] + "?"), QUEUE[:-1] + "*", {}),
            (False, allow(), QUEUE + "*", {}),
            (False, allow(), "*", {}),
            (False, allow(effect="Deny"), QUEUE, {}),
            (True, allow(), QUEUE, {"StringEquals": {keys: "a"}}),
            (False, allow(StringLike={keys: "owner#*"}), QUEUE, {}),
            (True, allow(StringLike={keys: ["owner#*", "health"]}), QUEUE, {"StringEquals": {keys: ["health", "owner#1"]}}),
            (False, allow(StringLike={keys: ["owner#*"]}), QUEUE, {"StringLike": {keys: ["owner#1", "*"]}}),
        ]
        for expected, statement, resource, conditions in rows:
            with self.subTest(statement=statement, resource=resource, conditions=conditions):
                self.assertEqual(covers(statement, "sqs:SendMessage", resource, conditions), expected)

    def test_emulators_evaluator_agrees_on_each_simulated_call(self) -> None:
        # A second opinion: MiniStack's evaluator shares nothing with ours.
        def theirs(policies: list[Any], call: Call) -> bool:
            context = {key.lower(): value for key, value in call.context.items()}
            request = iam_evaluator.EvalContext("arn:aws:iam::123456789012:role/r", "AssumedRole", "123456789012", call.action, call.arn,
                                                str(call.context["aws:RequestedRegion"]), service_context=context)
            return iam_evaluator.evaluate(request, [policies]).decision == "Allow"

        given = {"VariantDelivery": "cloudfront", "GradualDeployment": "true", "BackfillBucket": "old", "PermissionsBoundaryArn": "arn:b"}
        statements = statements_of(deploy_role(ApiId="own0000001"), "ChangeRole")
        parsed = iam_evaluator.parse_policy_document({"Statement": statements})
        answers = {True: 0, False: 0}
        for name in ("photodrop", "photodrop-dev"):
            for resource, call in Simulation(Stack(transformed(prefix=name, **given), name, given=given)).calls():
                answer = allowed(statements, call.action, call.arn, call.context)
                answers[answer] += 1
                with self.subTest(resource, of=name, action=call.action, arn=call.arn):
                    self.assertEqual(theirs(parsed, call), answer)
        self.assertTrue(all(count > 300 for count in answers.values()), answers)


if __name__ == "__main__":
    unittest.main()
