"""A stack whose AWS answers are written down."""

from infra.local.target import Target

OUTPUTS = {
    "ApiUrl": "https://a1.execute-api.eu-central-1.amazonaws.com", "ApiId": "a1", "TableName": "photos",
    "OriginalsBucketName": "originals", "ThumbnailsBucketName": "thumbnails",
    "UploadFunctionName": "photodrop-upload", "ThumbnailFunctionName": "photodrop-thumbnail",
    "UploadLogGroupName": "/aws/lambda/photodrop-upload", "ThumbnailLogGroupName": "/aws/lambda/photodrop-thumbnail",
    "ApiLogGroupName": "/aws/vendedlogs/apigateway/photodrop",
    "ThumbnailQueueUrl": "https://sqs.eu-central-1.amazonaws.com/123456789012/photodrop-thumbnail",
    "FailureQueueUrl": "https://sqs.eu-central-1.amazonaws.com/123456789012/failures",
    "AlarmTopic": "arn:aws:sns:eu-central-1:123456789012:alarms", "DashboardName": "photodrop",
}


class Recorder:
    """A client that gives written answers: one for every call of a kind, or a list of them in order."""

    def __init__(self, **answers):
        self.answers = answers
        self.calls = []

    def __getattr__(self, name):
        if name not in self.answers:
            raise AttributeError(name)

        def call(**asked):
            self.calls.append((name, asked))
            answer = self.answers[name]
            if isinstance(answer, list):
                answer = answer.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def get_paginator(self, name):
        outer = self

        class Paginator:
            def paginate(self, **asked):
                yield getattr(outer, name)(**asked)

        return Paginator()


def with_alarms(*names):
    """CloudFormation, for a stack that has these alarms and a resource that is none."""
    resources = [("AWS::CloudWatch::Alarm", name) for name in names] + [("AWS::CloudWatch::Dashboard", "photodrop-dashboard"), ("X", None)]
    return Recorder(list_stack_resources={"StackResourceSummaries": [
        {"ResourceType": kind, **({"PhysicalResourceId": name} if name else {})} for kind, name in resources]})


def target(clients, **other):
    """The stack photodrop, seen through these clients."""
    given = {"name": "photodrop", "local": True, "outputs": OUTPUTS, "parameters": {}, "status": "CREATE_COMPLETE",
             "api_url": OUTPUTS["ApiUrl"], "token": None, **other}
    return Target(client=lambda service: clients[service], **given)
