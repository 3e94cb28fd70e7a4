/** Keys that may do what a policy says and nothing else, on servers that enforce policies. */
import { permissionsOf, type Policy } from "./page.ts";
import type { Server } from "../store/fixtures/servers.ts";

/** What a program signs with. */
export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** Servers whose policies are enforced, and how they are given. */
export const ENFORCING = ["minio", "versitygw"] as const;

/** Gives each name its policy for this bucket and returns its keys. */
export async function grant(
  server: Server,
  bucket: string,
  policies: Readonly<Record<string, Policy>>,
): Promise<Readonly<Record<string, Keys>>> {
  return server.name === "minio" ? grantSessions(server, policies) : grantByBucket(server, bucket, policies);
}

/** A session of the owner under a policy of its own: what it may do is what both may. */
async function grantSessions(
  server: Server,
  policies: Readonly<Record<string, Policy>>,
): Promise<Readonly<Record<string, Keys>>> {
  const keys: Record<string, Keys> = {};
  for (const [name, policy] of Object.entries(policies)) {
    const form = new URLSearchParams({
      Action: "AssumeRole",
      Version: "2011-06-15",
      DurationSeconds: "3600",
      Policy: JSON.stringify(policy),
    });
    const answer = await sendSigned(server, "POST", "/", form.toString(), "sts", {
      "content-type": "application/x-www-form-urlencoded",
    });
    const member = (tag: string): string => new RegExp(`<${tag}>([^<]+)</${tag}>`).exec(answer)?.[1] ?? "";
    keys[name] = {
      accessKeyId: member("AccessKeyId"),
      secretAccessKey: member("SecretAccessKey"),
      sessionToken: member("SessionToken"),
    };
  }
  return keys;
}

/** Users who own nothing, and one policy of the bucket for all of them. */
async function grantByBucket(
  server: Server,
  bucket: string,
  policies: Readonly<Record<string, Policy>>,
): Promise<Readonly<Record<string, Keys>>> {
  const keys: Record<string, Keys> = {};
  for (const name of Object.keys(policies)) {
    const user = { accessKeyId: name, secretAccessKey: `secret of ${name}` };
    const body = `<Account><Access>${name}</Access><Secret>${user.secretAccessKey}</Secret><Role>user</Role></Account>`;
    await sendSigned(server, "PATCH", "/create-user", body, "s3");
    keys[name] = user;
  }
  const Statement = mergeStatements(bucket, policies);
  const library = await import("@aws-sdk/client-s3");
  const Policy = JSON.stringify({ Version: "2012-10-17", Statement });
  await server.admin.send(new library.PutBucketPolicyCommand({ Bucket: bucket, Policy }));
  return keys;
}

/** The policies as one, in which no permission is written twice: this server keeps no more than 4 KB. */
function mergeStatements(bucket: string, policies: Readonly<Record<string, Policy>>): readonly unknown[] {
  const holders = new Map<string, string[]>();
  for (const [name, policy] of Object.entries(policies)) {
    for (const { action, keys } of permissionsOf(policy)) {
      const permission = `${action} ${keys}`;
      holders.set(permission, [...(holders.get(permission) ?? []), name]);
    }
  }
  const merged = new Map<string, { Effect: string; Principal: object; Action: string; Resource: string[] }>();
  for (const [permission, names] of holders) {
    const [Action = "", keys = ""] = permission.split(" ");
    const place = `${Action} ${names.join(" ")}`;
    const statement = merged.get(place) ?? { Effect: "Allow", Principal: { AWS: names }, Action, Resource: [] };
    statement.Resource.push(`arn:aws:s3:::${bucket}${keys === "" ? "" : `/${keys}`}`);
    merged.set(place, statement);
  }
  return [...merged.values()];
}

/** A request that the library has no command for, signed by the owner with the library's own signer. */
async function sendSigned(
  server: Server,
  method: string,
  path: string,
  body: string,
  service: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { hostname, port, host, protocol } = new URL(server.endpoint);
  const signing = { name: "sigv4", signingName: service, signingRegion: "us-east-1", properties: {} };
  const signer = await server.admin.config.signer(signing);
  const plain = {
    method,
    protocol,
    hostname,
    port: Number(port),
    path,
    query: {},
    body,
    headers: { host, ...headers },
  };
  const signed = await signer.sign(plain as unknown as Parameters<typeof signer.sign>[0], {
    signingService: service,
    signingRegion: "us-east-1",
  });
  const answer = await fetch(server.endpoint + path, { method, body, headers: signed.headers });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${server.name} answered ${answer.status} to ${method} ${path}: ${text}`);
  return text;
}
