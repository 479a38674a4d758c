// What photodrop's upload function is measured beside: a presigned PUT and a record, and nothing of its quotas, checks and logs.
import { randomUUID } from 'node:crypto';
import { DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { serve } from './runtime.mjs';

const local = Boolean(process.env.AWS_ENDPOINT_URL);
const dynamodb = new DynamoDBClient({});
const s3 = new S3Client({ forcePathStyle: local });
const { PHOTODROP_TABLE_NAME: table, PHOTODROP_ORIGINALS_BUCKET: bucket } = process.env;

await serve(async (event) => {
  if (event.rawPath === '/health') return { statusCode: 200, body: '{"status":"ok"}' };
  const owner = event.requestContext.authorizer.jwt.claims.sub;
  const { content_type: type, size_bytes: size } = JSON.parse(event.body);
  const id = randomUUID();
  const key = `coldstart/${id}`;
  const url = await getSignedUrl(
    s3,
    new PutObjectCommand({ Bucket: bucket, Key: key, ContentType: type, ContentLength: size, IfNoneMatch: '*' }),
    { expiresIn: 900, signableHeaders: new Set(['content-type', 'content-length', 'if-none-match']) },
  );
  await dynamodb.send(
    new PutItemCommand({
      TableName: table,
      Item: { pk: { S: `COLDSTART#${owner}` }, sk: { S: id }, key: { S: key }, status: { S: 'pending' } },
      ConditionExpression: 'attribute_not_exists(pk)',
    }),
  );
  return { statusCode: 201, body: JSON.stringify({ photo_id: id, upload: { method: 'PUT', url } }) };
});
