// What photodrop's thumbnail function is measured beside: six files of a photo by sharp, in its best way (bench/sharp.mjs), and a record.
import { DynamoDBClient, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import sharp from 'sharp';
import { serve } from './runtime.mjs';

const local = Boolean(process.env.AWS_ENDPOINT_URL);
const dynamodb = new DynamoDBClient({});
const s3 = new S3Client({ forcePathStyle: local });
const { PHOTODROP_TABLE_NAME: table, PHOTODROP_THUMBNAILS_BUCKET: bucket } = process.env;

await serve(async (event) => {
  // S3's own test event: nothing to do, for photodrop as well.
  if (event.Event === 's3:TestEvent') return null;
  const { s3: where } = event.Records[0];
  const got = await s3.send(new GetObjectCommand({ Bucket: where.bucket.name, Key: where.object.key }));
  let source = sharp(await got.Body.transformToByteArray()).autoOrient();
  const id = crypto.randomUUID();
  for (const side of [1280, 480, 160]) {
    const { data, info } = await source
      .resize(side, side, { fit: 'inside', withoutEnlargement: true })
      .raw()
      .toBuffer({ resolveWithObject: true });
    const raw = { raw: { width: info.width, height: info.height, channels: info.channels } };
    source = sharp(data, raw);
    const files = { webp: await sharp(data, raw).webp({ quality: 80 }).toBuffer(), jpeg: await sharp(data, raw).jpeg({ quality: 80 }).toBuffer() };
    await Promise.all(
      Object.entries(files).map(([format, body]) =>
        s3.send(new PutObjectCommand({ Bucket: bucket, Key: `coldstart/${id}/${side}.${format}`, Body: body, ContentType: `image/${format}` })),
      ),
    );
  }
  await dynamodb.send(
    new UpdateItemCommand({
      TableName: table,
      Key: { pk: { S: 'COLDSTART#thumbnail' }, sk: { S: id } },
      UpdateExpression: 'SET #s = :ready',
      ExpressionAttributeNames: { '#s': 'status' },
      ExpressionAttributeValues: { ':ready': { S: 'ready' } },
    }),
  );
  return { made: 6 };
});
