/** Settings that come from outside: urls, environment, `.buquet.toml`. All of it is hostile until it is checked. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { parse as parseToml } from "smol-toml";
import { z } from "zod";
import { WorkflowError } from "./errors.ts";

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

/**
 * The store to open: the url that is given, else `S3_BUCKET` and its like, else `.buquet.toml`, else the folder `.buquet`.
 *
 * Low to high, as in buquet: `[default]` of the user's file, of `./.buquet.toml`, of the file that `BUQUET_CONFIG` names; the profile
 * that `BUQUET_PROFILE` names, whole, from the last file that has it; the environment.
 * @throws {WorkflowError} `invalid` for anything that cannot be understood.
 */
export function resolveStoreUrl(source: SettingsSource = {}): string {
  if (source.url !== undefined) return source.url;
  const env = source.env ?? process.env;
  const file = readConnection(source.readFile ?? readIfThere, env);
  const bucket = filled(env["S3_BUCKET"]) ?? filled(file.bucket);
  if (bucket === undefined) return "file:.buquet";
  checkBucket(bucket, filled(env["S3_BUCKET"]) === undefined ? "the config file" : "S3_BUCKET");
  const endpoint = checkEndpoint(
    filled(env["S3_ENDPOINT"]) ?? filled(file.endpoint),
    filled(env["S3_ENDPOINT"]) === undefined ? "the endpoint in the config file" : "S3_ENDPOINT",
  );
  const region = filled(env["S3_REGION"]) ?? filled(env["AWS_REGION"]) ?? filled(file.region);
  const query = new URLSearchParams();
  if (endpoint !== undefined) query.set("endpoint", endpoint);
  if (region !== undefined) query.set("region", region);
  const text = query.toString();
  return `s3://${bucket}${text === "" ? "" : `?${text}`}`;
}

/** The bucket, if it can be one; `where` says who named it. @throws {WorkflowError} `invalid` */
export function checkBucket(bucket: string, where: string): string {
  if (/^[a-z0-9][a-z0-9._-]{1,62}$/i.test(bucket)) return bucket;
  throw new WorkflowError("invalid", `${JSON.stringify(bucket)} is not the name of a bucket; check ${where}`);
}

/** The url of a server, if it can be one. It is not repeated: it may hold credentials. @throws {WorkflowError} `invalid` */
export function checkEndpoint(endpoint: string | undefined, where: string): string | undefined {
  if (endpoint === undefined) return undefined;
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new WorkflowError("invalid", `${where} is not an http or https url`);
  }
  if (url.username !== "" || url.password !== "") {
    throw new WorkflowError(
      "invalid",
      `${where} holds credentials; put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`,
    );
  }
  return endpoint;
}

function filled(value: string | undefined): string | undefined {
  return value === undefined || value.trim() === "" ? undefined : value.trim();
}

/** Where users keep the settings of programs: `XDG_CONFIG_HOME`, if it is absolute, else `~/.config`. */
function configHome(env: Readonly<Record<string, string | undefined>>): string {
  const home = filled(env["XDG_CONFIG_HOME"]);
  return home !== undefined && isAbsolute(home) ? home : join(filled(env["HOME"]) ?? homedir(), ".config");
}

function readConnection(
  read: (path: string) => string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Connection {
  const name = filled(env["BUQUET_PROFILE"]);
  const chosen = filled(env["BUQUET_CONFIG"]);
  let connection: Connection = {};
  let profile: Connection | undefined;
  for (const path of [join(configHome(env), "buquet", "config.toml"), ".buquet.toml", chosen]) {
    if (path === undefined) continue;
    const text = read(path);
    if (text === undefined) {
      if (path !== chosen) continue;
      throw new WorkflowError("invalid", `BUQUET_CONFIG names ${JSON.stringify(path)}, which does not exist`);
    }
    const config = parseConfig(path, text);
    connection = { ...connection, ...config.default };
    if (name !== undefined && Object.hasOwn(config.profiles ?? {}, name)) profile = config.profiles?.[name];
  }
  if (name !== undefined && profile === undefined) {
    throw new WorkflowError(
      "invalid",
      `BUQUET_PROFILE names ${JSON.stringify(name)}, which no config file has under [profiles]`,
    );
  }
  return { ...connection, ...profile };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new WorkflowError("invalid", `${path} cannot be read: ${code ?? "unknown reason"}`, { cause: error });
  }
}

/** What the parsers say quotes the line, which may hold a secret: only the place is told, and they are not the cause. */
function parseConfig(path: string, text: string): z.infer<typeof configSchema> {
  let values: unknown;
  try {
    values = parseToml(text);
  } catch (error) {
    const { line = 1, column = 1 } = (error ?? {}) as { line?: number; column?: number };
    throw new WorkflowError("invalid", `${path} cannot be read: line ${line}, column ${column} is not TOML`);
  }
  const parsed = configSchema.safeParse(values);
  if (parsed.success) return parsed.data;
  const place = parsed.error.issues[0]?.path.map(String).join(".") ?? "";
  throw new WorkflowError("invalid", `${path} cannot be read: ${place} has the wrong type`);
}
