/** Settings that come from outside: urls, environment, `.buquet.toml`, durations. All of it is hostile until it is checked. */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { parse as parseToml } from "smol-toml";
import { z } from "zod";
import { WorkflowError } from "./errors.ts";

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
/** Ten years. */
const LONGEST_MS = 315_360_000_000;

/**
 * Milliseconds of a duration: `"250ms"`, `"30s"`, `"5m"`, `"2h"`, `"7d"`, `"1w"`, or a number of milliseconds.
 * @throws {WorkflowError} `invalid`
 */
export function parseDuration(value: string | number): number {
  const match = typeof value === "string" ? /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/.exec(value.trim()) : undefined;
  const ms =
    typeof value === "number"
      ? value
      : match == null
        ? Number.NaN
        : Number(match[1]) * (UNIT_MS[match[2] ?? ""] ?? Number.NaN);
  if (!Number.isFinite(ms) || ms < 0 || ms > LONGEST_MS) {
    throw new WorkflowError(
      "invalid",
      `${JSON.stringify(value)} is not a duration; write "250ms", "30s", "5m", "2h", "7d", "1w" or milliseconds, up to ten years`,
    );
  }
  return ms;
}

/** Where settings come from; the process by default. */
export interface SettingsSource {
  readonly url?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Reads a file; undefined when it is not there. */
  readonly readFile?: (path: string) => string | undefined;
}

const connectionSchema = z.looseObject({
  bucket: z.string().optional(),
  region: z.string().optional(),
  endpoint: z.string().optional(),
});
const configSchema = z.looseObject({
  default: connectionSchema.optional(),
  profiles: z.record(z.string(), connectionSchema).optional(),
});

interface Connection {
  readonly bucket?: string | undefined;
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
}

/** The store to open: the url that is given, else `S3_BUCKET` and its like, else `.buquet.toml`, else the folder `.buquet`. */
export function resolveStoreUrl(source: SettingsSource = {}): string {
  if (source.url !== undefined) return source.url;
  const env = source.env ?? process.env;
  const file = readConnection(source, env);
  const bucket = filled(env["S3_BUCKET"]) ?? file.bucket;
  if (bucket === undefined) return "file:.buquet";
  if (!/^[a-z0-9][a-z0-9._-]{1,62}$/i.test(bucket)) {
    throw new WorkflowError("invalid", `${JSON.stringify(bucket)} is not the name of a bucket; check S3_BUCKET`);
  }
  const endpoint = checkEndpoint(filled(env["S3_ENDPOINT"]) ?? file.endpoint);
  const region = filled(env["S3_REGION"]) ?? filled(env["AWS_REGION"]) ?? file.region;
  const query = new URLSearchParams();
  if (endpoint !== undefined) query.set("endpoint", endpoint);
  if (region !== undefined) query.set("region", region);
  const text = query.toString();
  return `s3://${bucket}${text === "" ? "" : `?${text}`}`;
}

function checkEndpoint(endpoint: string | undefined): string | undefined {
  if (endpoint === undefined) return undefined;
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new WorkflowError("invalid", "S3_ENDPOINT is not an http or https url");
  }
  if (url.username !== "" || url.password !== "") {
    throw new WorkflowError(
      "invalid",
      "S3_ENDPOINT holds credentials; put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    );
  }
  return endpoint;
}

function filled(value: string | undefined): string | undefined {
  return value === undefined || value.trim() === "" ? undefined : value.trim();
}

function readConnection(source: SettingsSource, env: Readonly<Record<string, string | undefined>>): Connection {
  const read =
    source.readFile ??
    ((path: string): string | undefined => (existsSync(path) ? readFileSync(path, "utf8") : undefined));
  const profile = filled(env["BUQUET_PROFILE"]);
  const paths = [
    join(homedir(), ".config", "buquet", "config.toml"),
    ".buquet.toml",
    ...(filled(env["BUQUET_CONFIG"]) === undefined ? [] : [filled(env["BUQUET_CONFIG"]) as string]),
  ];
  let connection: Connection = {};
  let profileFound = profile === undefined;
  for (const path of paths) {
    const text = read(path);
    if (text === undefined) continue;
    const config = parseConfig(path, text);
    connection = { ...connection, ...config.default };
    const chosen = profile === undefined ? undefined : config.profiles?.[profile];
    if (chosen === undefined) continue;
    profileFound = true;
    connection = { ...connection, ...chosen };
  }
  if (!profileFound)
    throw new WorkflowError(
      "invalid",
      `BUQUET_PROFILE names ${JSON.stringify(profile)}, which no config file has under [profiles]`,
    );
  return connection;
}

function parseConfig(path: string, text: string): z.infer<typeof configSchema> {
  try {
    return configSchema.parse(parseToml(text));
  } catch (error) {
    // The parser quotes the line, which may hold a secret: only its place is told.
    const { line, column } = (error ?? {}) as { line?: number; column?: number };
    const where = line === undefined ? "a value has the wrong type" : `line ${line}, column ${column ?? 1}`;
    throw new WorkflowError("invalid", `${path} cannot be read: ${where}`);
  }
}
