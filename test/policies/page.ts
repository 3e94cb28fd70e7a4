/** The policies of docs/policies.md, as they stand on the page. */
import { blocksOf } from "../docs/pages.ts";
import { readFileSync } from "node:fs";

const PAGE = "docs/policies.md";

/** The programs that use a bucket. */
export const ROLES = ["client", "worker", "operator"] as const;

/** One of them. */
export type Role = (typeof ROLES)[number];

/** A policy of the language that S3 knows. */
export interface Policy {
  readonly Version: string;
  readonly Statement: readonly Statement[];
}

interface Statement {
  readonly Effect: "Allow" | "Deny";
  readonly Principal?: unknown;
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: unknown;
}

/** A permission: an action on keys of this form; `""`: on the bucket. */
export interface Permission {
  readonly action: string;
  readonly keys: string;
}

/** The policy under the heading with this name, for a bucket. */
export function policyOf(name: Role | "guard", bucket: string): Policy {
  const lines = readFileSync(PAGE, "utf8").split("\n");
  const heading = lines.indexOf(`### ${name}`);
  const block = blocksOf(PAGE).find(({ line }) => line > heading);
  if (heading < 0 || block?.language !== "json") throw new Error(`${PAGE} has no policy under "### ${name}"`);
  return JSON.parse(block.text.replaceAll("BUCKET", bucket)) as Policy;
}

/** What a policy without conditions and denials permits, one by one. */
export function permissionsOf(policy: Policy): readonly Permission[] {
  return policy.Statement.flatMap(({ Action, Resource }) =>
    [Action]
      .flat()
      .flatMap((action) =>
        [Resource].flat().map((resource) => ({ action, keys: resource.replace(/^arn:aws:s3:::[^/]+\/?/, "") })),
      ),
  );
}

/** Whether a permission is one for this key. */
export function fits({ keys }: Permission, key: string): boolean {
  const literal = keys.split("*").map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${literal.join(".*")}$`, "su").test(key);
}

/** The rows of the table: key and the letters of each role. */
export function tableOf(): ReadonlyMap<string, Readonly<Record<Role, string>>> {
  const rows = [...readFileSync(PAGE, "utf8").matchAll(/^\| `([\w*./-]+)` \|([GVPD ]*)\|([GVPD ]*)\|([GVPD ]*)\|$/gm)];
  return new Map(
    rows.map(([, key = "", client = "", worker = "", operator = ""]) => [
      key,
      { client: client.trim(), worker: worker.trim(), operator: operator.trim() },
    ]),
  );
}
