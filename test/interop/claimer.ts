/** Claims one task, says so, and stands still until it is killed: a worker that dies with a task in its hands. */
import { nodeHost } from "../../src/host/node.ts";
import { S3Store } from "../../src/store/s3.ts";
import { take } from "./ts-worker.ts";

const [, , id = "", leaseMs = ""] = process.argv;
const {
  S3_BUCKET = "",
  S3_ENDPOINT = "",
  S3_REGION = "",
  AWS_ACCESS_KEY_ID = "",
  AWS_SECRET_ACCESS_KEY = "",
} = process.env;
const host = nodeHost();
const store = await S3Store.open({
  bucket: S3_BUCKET,
  endpoint: S3_ENDPOINT,
  region: S3_REGION,
  credentials: { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY },
  host,
});
const claim = await take({ store, host, skewMarginMs: 2_000 }, id, Number(leaseMs));
process.stdout.write(`${claim.leaseId}\n`);
setInterval(() => {}, 60_000);
