"""What CloudFormation asks IAM for when it makes, reads, changes and removes the resources of a stack.

By the permissions of the handlers in the CloudFormation registry's schemas, as cfn-lint ships them, on each resource's own ARN."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.tests import reference
from infra.tests.iam import Context, matches
from infra.tests.stack import ACCOUNT, Stack, registry

REGISTRY = registry()

# Permissions of handlers that IAM does not know: other names of actions that stand beside them.
UNKNOWN_TO_IAM = {
    "apigateway:TagResource", "apigateway:UntagResource", "cloudfront:CreateDistributionWithTags", "s3:DeleteBucketAnalyticsConfiguration",
    "s3:DeleteBucketCors", "s3:DeleteBucketEncryption", "s3:DeleteBucketLifecycle", "s3:DeleteBucketMetricsConfiguration",
    "s3:DeleteBucketReplication", "s3:PutBucketReplication", "s3:PutObjectLockConfiguration", "s3:REST.PUT.OBJECT",
}
# Permissions that a handler needs for a property alone: the property's name, by type and pattern of actions.
FOR_A_PROPERTY: dict[str, dict[str, str]] = {
    "AWS::ApiGatewayV2::Api": {"s3:getObject": "BodyS3Location"},
    "AWS::ApiGatewayV2::Authorizer": {"iam:PassRole": "AuthorizerCredentialsArn"},
    "AWS::ApiGatewayV2::Integration": {"iam:PassRole": "CredentialsArn"},
    "AWS::CloudFront::Distribution": {
        "cloudfront:*ConnectionGroup": "ConnectionMode", "cloudfront:GetVpcOrigin": "VpcOriginConfig",
        "cloudfront:UpdateDistributionWithStagingConfig": "Staging"},
    "AWS::CodeDeploy::DeploymentGroup": {"codedeploy:RegisterOnPremisesInstance": "OnPremisesInstanceTagFilters"},
    "AWS::Cognito::UserPool": {
        "iam:PassRole": "SmsConfiguration", "iam:CreateServiceLinkedRole": "EmailConfiguration", "kms:*": "KMSKeyID",
        "cognito-idp:AddCustomAttributes": "Schema"},
    "AWS::Cognito::UserPoolClient": {"iam:*": "AnalyticsConfiguration"},
    "AWS::DynamoDB::Table": {
        "*Kinesis*": "KinesisStreamSpecification", "kinesis:*": "KinesisStreamSpecification", "*Import": "ImportSourceSpecification",
        "dynamodb:ImportTable": "ImportSourceSpecification", "logs:*": "ImportSourceSpecification", "s3:*": "ImportSourceSpecification",
        "dynamodb:*TableReplica": "Replicas", "dynamodb:*Item": "Replicas", "dynamodb:Scan": "Replicas", "dynamodb:Query": "Replicas",
        "iam:CreateServiceLinkedRole": "Replicas", "kms:*": "KMSMasterKeyId",
        "dynamodb:PutResourcePolicy": "ResourcePolicy", "dynamodb:DeleteResourcePolicy": "ResourcePolicy"},
    "AWS::Events::EventBus": {"kms:*": "KmsKeyIdentifier", "events:*Permission": "Policy"},
    "AWS::IAM::Policy": {"iam:*UserPolicy": "Users", "iam:*GroupPolicy": "Groups"},
    "AWS::IAM::Role": {"iam:AttachRolePolicy": "ManagedPolicyArns", "iam:DetachRolePolicy": "ManagedPolicyArns"},
    "AWS::KMS::Key": {"kms:DisableKey": "Enabled", "kms:EnableKey": "Enabled"},
    "AWS::Lambda::Alias": {"codedeploy:*": "CodeDeployLambdaAliasUpdate"},
    "AWS::Lambda::EventSourceMapping": {"kms:*": "KmsKeyArn"},
    "AWS::Lambda::Function": {
        "ec2:*": "VpcConfig", "elasticfilesystem:*": "FileSystemConfigs", "s3files:*": "FileSystemConfigs", "kms:*": "KmsKeyArn",
        "lambda:GetLayerVersion": "Layers", "lambda:GetCodeSigningConfig": "CodeSigningConfigArn",
        "lambda:PassCapacityProvider": "CapacityProviderConfig"},
    "AWS::Logs::LogGroup": {
        "logs:*DataProtectionPolicy": "DataProtectionPolicy", "firehose:*": "DataProtectionPolicy", "logs:*IndexPolicy": "FieldIndexPolicies",
        "logs:*KmsKey": "KmsKeyId", "logs:DeleteResourcePolicy": "ResourcePolicyDocument",
        "logs:PutLogGroupDeletionProtection": "DeletionProtectionEnabled", "logs:PutBearerTokenAuthentication": "BearerTokenAuthenticationEnabled"},
    "AWS::S3::Bucket": {
        "s3tables:*": "MetadataConfiguration", "s3:*BucketMetadata*TableConfiguration": "MetadataConfiguration",
        "s3:PutAnalyticsConfiguration": "AnalyticsConfigurations", "s3:PutInventoryConfiguration": "InventoryConfigurations",
        "s3:PutMetricsConfiguration": "MetricsConfigurations", "s3:*BucketWebsite": "WebsiteConfiguration",
        "s3:PutAccelerateConfiguration": "AccelerateConfiguration", "iam:PassRole": "ReplicationConfiguration",
        "s3:PutReplicationConfiguration": "ReplicationConfiguration", "s3:Put*Acl": "AccessControl",
        "s3:GetBucketAcl": "AccessControl", "s3:PutBucketObjectLockConfiguration": "ObjectLockConfiguration",
        "s3:PutBucketLogging": "LoggingConfiguration", "s3:PutBucketVersioning": "VersioningConfiguration",
        "s3:PutIntelligentTieringConfiguration": "IntelligentTieringConfigurations", "s3:DeleteObject": "ReplicationConfiguration"},
    "AWS::SNS::Subscription": {"iam:*": "SubscriptionRoleArn"},
    "AWS::SNS::Topic": {"iam:*": "DeliveryStatusLogging", "sns:PutDataProtectionPolicy": "DataProtectionPolicy"},
}
# Permissions that a handler names and that the role needs for nothing.
NEVER_NEEDED = {
    # A role without a boundary may do what its policies say.
    "AWS::IAM::Role": {"iam:DeleteRolePermissionsBoundary"},
    # PUT imports an API and sets tags, which these have not.
    **dict.fromkeys(("AWS::ApiGatewayV2::Authorizer", "AWS::ApiGatewayV2::Integration", "AWS::ApiGatewayV2::Route"), {"apigateway:PUT"}),
}
# What the services' guides ask for beyond the registry's schemas.
BESIDES: dict[str, dict[str, list[str]]] = {
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging.html
    "AWS::ApiGatewayV2::Stage": {"create": [
        "logs:DescribeLogGroups", "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
        "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies"]},
    # A stack's roles change and go with a stack: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-servicerole.html
    "AWS::IAM::Role": {"read": ["iam:ListRoleTags"]},
}


@dataclass
class Call:
    """One thing that CloudFormation does to a resource."""

    handler: str
    action: str
    arn: str
    context: Context = field(default_factory=dict)


def has_property(value: Any, name: str) -> bool:
    """Whether a property is set, at any depth."""
    match value:
        case dict():
            return name in value or any(has_property(item, name) for item in value.values())
        case list():
            return any(has_property(item, name) for item in value)
        case _:
            return False


def is_kept(resource: Mapping[str, Any]) -> bool:
    """Whether CloudFormation leaves it when the stack or the resource goes; what never came to be it removes all the same."""
    return resource.get("DeletionPolicy") in {"Retain", "RetainExceptOnCreate"}


class Simulation:
    """CloudFormation's calls for one stack, by the handlers of the registry's schemas."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.unknown: set[str] = set()

    def calls(self) -> Iterator[tuple[str, Call]]:
        for name, resource in self.stack.resources.items():
            for call in self.of(name, resource):
                yield name, call

    def of(self, name: str, resource: Mapping[str, Any]) -> Iterator[Call]:
        kind = resource["Type"]
        schema = REGISTRY[kind]
        handlers = {handler: list(schema["handlers"].get(handler, {}).get("permissions", ())) for handler in ("create", "read", "update", "delete")}
        for handler, more in BESIDES.get(kind, {}).items():
            handlers[handler] += more
        for handler, permissions in handlers.items():
            if handler == "delete" and is_kept(resource):
                continue
            for place, permission in enumerate(dict.fromkeys(permissions)):
                entry = reference.action(permission)
                if not entry:
                    if self.is_needed(kind, permission, resource):
                        self.unknown.add(permission)
                    continue
                action = f"{permission.split(':')[0].lower()}:{entry['privilege']}"
                if self.is_needed(kind, action, resource):
                    context = self.context(name, resource, handler, action, first=place == 0)
                    for arn in self.targets(name, resource, action, handler):
                        yield Call(handler, action, arn, context)

    def is_needed(self, kind: str, action: str, resource: Mapping[str, Any]) -> bool:
        if action in NEVER_NEEDED.get(kind, ()):
            return False
        wanted = [name for pattern, name in FOR_A_PROPERTY.get(kind, {}).items() if matches(pattern, action, fold=True)]
        # What reads the resource's settings is called whether they are set or not.
        reads = action.split(":")[1].startswith(("Get", "Describe", "List")) and action != "dynamodb:GetItem"
        if wanted and reads and reference.action(action) and reference.resource_types(action) & OWN_TYPES.get(kind, set()):
            return True
        return not wanted or any(has_property(resource, name) for name in wanted)

    def targets(self, name: str, resource: Mapping[str, Any], action: str, handler: str) -> list[str]:
        """The resources about which IAM is asked: those of the action's types, or "*" where it knows none."""
        if not reference.resource_types(action):
            return ["*"]
        found = [arn for arn in self.arns(name, resource, handler) if reference.fits(action, arn)]
        assert found, f"{name}: {action} is about {reference.resource_types(action)}, and no ARN here is one"
        return found

    def arns(self, name: str, resource: Mapping[str, Any], handler: str) -> list[str]:
        """A resource's own ARN, its parts', and those of what it names."""
        stack, kind, properties = self.stack, resource["Type"], resource["Properties"]
        own = stack.physical(name)
        api = f"arn:aws:apigateway:{stack.region}::/apis"
        match kind:
            case "AWS::ApiGatewayV2::Api":
                # The tags' resource is the API's ARN, encoded.
                return [api if handler == "create" else f"{api}/{own}", f"arn:aws:apigateway:{stack.region}::/tags/arn%3Aaws%3Aapigateway"]
            case "AWS::ApiGatewayV2::Stage" | "AWS::ApiGatewayV2::Authorizer" | "AWS::ApiGatewayV2::Integration" | "AWS::ApiGatewayV2::Route":
                all_of_them = f"{api}/{properties['ApiId']}/{kind.rpartition('::')[2].lower()}s"
                return [all_of_them, f"{all_of_them}/{properties.get('StageName', own)}"]
            case "AWS::CodeDeploy::DeploymentGroup":
                return [stack.arn("codedeploy", f"deploymentgroup:{properties['ApplicationName']}/{own}"),
                        stack.arn("codedeploy", f"application:{properties['ApplicationName']}"),
                        stack.arn("codedeploy", f"deploymentconfig:{properties['DeploymentConfigName']}"), properties["ServiceRoleArn"]]
            case "AWS::Lambda::Alias":
                function = stack.arn("lambda", f"function:{properties['FunctionName']}")
                groups = [arn for other, more in stack.resources.items() if more["Type"] == "AWS::CodeDeploy::DeploymentGroup"
                          for arn in self.arns(other, more, handler)]
                return [function, f"{function}:{properties['Name']}", *groups]
            case "AWS::Lambda::Version" | "AWS::Lambda::EventInvokeConfig":
                function = stack.arn("lambda", f"function:{properties['FunctionName']}")
                return [function, f"{function}:{properties.get('Qualifier', '1')}"]
            case "AWS::Lambda::Permission":
                return [properties["FunctionName"]]
            case "AWS::Lambda::Function":
                code = properties["Code"]
                return [stack.attribute(name, "Arn"), properties["Role"], f"arn:aws:s3:::{code['S3Bucket']}/{code['S3Key']}"]
            case "AWS::Scheduler::Schedule":
                return [stack.attribute(name, "Arn"), properties["Target"]["RoleArn"]]
            case "AWS::Cognito::UserPoolClient":
                return [stack.named("AWS::Cognito::UserPool", properties["UserPoolId"])]
            case "AWS::S3::BucketPolicy":
                return [stack.named("AWS::S3::Bucket", properties["Bucket"])]
            case "AWS::SNS::TopicPolicy":
                return properties["Topics"]
            case "AWS::SNS::Subscription":
                return [properties["TopicArn"]]
            case "AWS::SQS::QueuePolicy":
                return [stack.arn("sqs", url.rpartition("/")[2]) for url in properties["Queues"]]
            case "AWS::IAM::Policy":
                return [stack.named("AWS::IAM::Role", role, f"/photodrop/{stack.name}/{stack.region}/") for role in properties["Roles"]]
            case "AWS::Logs::LogGroup":
                # CreateLogGroup and others are asked with a stream's part behind the name, those of tags without.
                # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
                return [stack.arn("logs", f"log-group:{own}"), stack.arn("logs", f"log-group:{own}:log-stream:")]
            case _:
                return [stack.attribute(name, "Arn")]

    def context(self, name: str, resource: Mapping[str, Any], handler: str, action: str, *, first: bool) -> Context:
        """What IAM knows of the request: tags of a resource that is there, tags of a request that makes one, and the action's own keys."""
        kind, properties = resource["Type"], resource["Properties"]
        stack = self.stack
        tags = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", ())} if isinstance(properties.get("Tags", ()), list) else {}
        verb = action.split(":")[1]
        # A resource gets its tags with the request that makes it; only after that they are the resource's.
        makes = handler == "create" and (first or verb.startswith(("Create", "Tag")))
        context: dict[str, str] = {"aws:RequestedRegion": stack.region}
        if makes:
            context.update({f"aws:RequestTag/{key}": value for key, value in tags.items()})
        else:
            tagged = {"AWS::Cognito::UserPoolClient": "AWS::Cognito::UserPool"}.get(kind, kind)
            if REGISTRY[tagged].get("tagging", {}).get("cloudFormationSystemTags"):
                tags["aws:cloudformation:stack-name"] = stack.name
            context.update({f"aws:ResourceTag/{key}": value for key, value in tags.items()})
        if kind == "AWS::Cognito::UserPoolClient":
            context["aws:ResourceTag/aws:cloudformation:stack-name"] = stack.name
        if action.startswith("s3:"):
            context["aws:ResourceAccount"] = ACCOUNT
        if action == "iam:PassRole":
            context["iam:PassedToService"] = f"{own_service(kind)}.amazonaws.com"
        elif kind == "AWS::IAM::Role" and "PermissionsBoundary" in properties:
            context["iam:PermissionsBoundary"] = properties["PermissionsBoundary"]
        elif kind == "AWS::IAM::Policy":
            (role,) = [stack.resources[other]["Properties"] for other in stack.resources if stack.physical(other) == properties["Roles"][0]]
            context["iam:PermissionsBoundary"] = role["PermissionsBoundary"]
        if kind == "AWS::Lambda::EventSourceMapping":
            context["lambda:FunctionArn"] = properties["FunctionName"]
        return context


# The types of the reference that are the resource itself: what reads it is called whatever it has.
OWN_TYPES = {"AWS::S3::Bucket": {"bucket"}, "AWS::DynamoDB::Table": {"table"}, "AWS::Logs::LogGroup": {"log-group"}, "AWS::SNS::Topic": {"topic"}}


def own_service(kind: str) -> str:
    service = kind.split("::")[1].lower()
    return {"apigatewayv2": "apigateway", "cognito": "cognito-idp"}.get(service, service)
