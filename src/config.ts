/** Resolves settings from urls, the environment and `.buquet.toml`. Nothing in them is trusted before it is checked. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { parse as parseToml } from "smol-toml";
import { z } from "zod";
import { WorkflowError } from "./errors.ts";
import { bucketName, regionName, serverUrl } from "./store/s3-settings.ts";

/** Where settings come from; the process by default. */
export interface SettingsSource {
  readonly url?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Reads a file; undefined when it is not there. */
  readonly readFile?: (path: string) => string | undefined;
}

const connectionSchema = z.strictObject({
  bucket: z.string().optional(),
  region: z.string().optional(),
  endpoint: z.string().optional(),
});
/** Sections that programs of buquet read from the same file. They are not checked here. */
const FOREIGN_SECTIONS = {
  queue: z.unknown().optional(),
  worker: z.unknown().optional(),
  monitor: z.unknown().optional(),
};
const configSchema = z.strictObject({
  default: connectionSchema.optional(),
  profiles: z.record(z.string(), connectionSchema).optional(),
  ...FOREIGN_SECTIONS,
});
const SECTION_NAMES = Object.keys(configSchema.shape);
const CONNECTION_NAMES = Object.keys(connectionSchema.shape);

interface Connection {
  readonly bucket?: string | undefined;
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
}

/** The variables that choose a bucket. An empty one is refused, so that a script with an unset value does not open another store. */
const VARIABLES = ["S3_BUCKET", "S3_ENDPOINT", "S3_REGION", "BUQUET_PROFILE", "BUQUET_CONFIG"] as const;
type Chosen = Readonly<Partial<Record<(typeof VARIABLES)[number], string>>>;

/**
 * The store to open: the url that is given, else `S3_BUCKET` and its like, else `.buquet.toml`, else the folder `.buquet`.
 *
 * Low to high, as in buquet: `[default]` of the user's file, of `./.buquet.toml`, of the file that `BUQUET_CONFIG` names; the profile
 * that `BUQUET_PROFILE` names, whole, from the last file that has it; the environment.
 * @throws {WorkflowError} `invalid` for anything that cannot be understood, and for settings of a bucket where nothing names one.
 */
export function resolveStoreUrl(source: SettingsSource = {}): string {
  if (source.url !== undefined) return source.url;
  const env = source.env ?? process.env;
  const chosen = readVariables(env);
  const file = readConnection(source.readFile ?? readIfThere, env, chosen);
  const bucket = chosen.S3_BUCKET ?? file.bucket;
  if (bucket === undefined) return withoutBucket(chosen, file);
  const endpoint = chosen.S3_ENDPOINT ?? file.endpoint;
  const region = chosen.S3_REGION ?? awsRegion(env) ?? file.region;
  const query = new URLSearchParams();
  if (endpoint !== undefined) query.set("endpoint", endpoint);
  if (region !== undefined) query.set("region", region);
  const text = query.toString();
  return `s3://${bucket}${text === "" ? "" : `?${text}`}`;
}

function readVariables(env: Readonly<Record<string, string | undefined>>): Chosen {
  const chosen: Chosen = Object.fromEntries(
    VARIABLES.flatMap((name) => {
      const value = env[name]?.trim();
      if (value === "") invalid(`${name} is set and empty; unset it, or give it a value`);
      return value === undefined ? [] : [[name, value]];
    }),
  );
  checkConnection({ bucket: chosen.S3_BUCKET, region: chosen.S3_REGION, endpoint: chosen.S3_ENDPOINT }, (member) =>
    `S3_${member}`.toUpperCase(),
  );
  return chosen;
}

/** AWS treats an empty variable as unset. */
function awsRegion(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const region = filled(env["AWS_REGION"]);
  return region === undefined ? undefined : regionName(region, "AWS_REGION", invalid);
}

/**
 * A folder, unless a setting was given that only buckets have: then the name of the bucket is missing, and a folder would be an empty
 * store.
 */
function withoutBucket(chosen: Chosen, { endpoint, region }: Connection): string {
  const stray =
    VARIABLES.find((name) => chosen[name] !== undefined) ??
    (endpoint !== undefined || region !== undefined
      ? `${endpoint === undefined ? "region" : "endpoint"} in the config file`
      : undefined);
  if (stray === undefined) return "file:.buquet";
  return invalid(
    `${stray} is set, but nothing names a bucket; set S3_BUCKET or bucket in the config file, give the url of a store, or take ${stray} away`,
  );
}

function checkConnection(connection: Connection, nameOf: (member: keyof Connection) => string): void {
  const { bucket, region, endpoint } = connection;
  if (bucket !== undefined) bucketName(bucket, nameOf("bucket"), invalid);
  if (region !== undefined) regionName(region, nameOf("region"), invalid);
  if (endpoint !== undefined) serverUrl(endpoint, nameOf("endpoint"), invalid);
}

function invalid(reason: string): never {
  throw new WorkflowError("invalid", reason);
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
  { BUQUET_PROFILE: name, BUQUET_CONFIG: chosen }: Chosen,
): Connection {
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

/**
 * Messages of the parsers quote the line, which may hold a secret. Only its position is reported, and the parser error is not attached as a
 * cause.
 */
function parseConfig(path: string, text: string): z.infer<typeof configSchema> {
  let values: unknown;
  try {
    values = parseToml(text);
  } catch (error) {
    const { line = 1, column = 1 } = (error ?? {}) as { line?: number; column?: number };
    throw new WorkflowError("invalid", `${path} cannot be read: line ${line}, column ${column} is not TOML`);
  }
  const parsed = configSchema.safeParse(values);
  if (!parsed.success) return invalid(`${path} cannot be read: ${complaintOf(parsed.error.issues[0])}`);
  const { default: first, profiles = {} } = parsed.data;
  if (first !== undefined) checkConnection(first, (member) => `default.${member} in ${path}`);
  for (const [name, profile] of Object.entries(profiles))
    checkConnection(profile, (member) => `profiles.${name}.${member} in ${path}`);
  return parsed.data;
}

/** Names positions and members, never a value. */
function complaintOf(issue: z.core.$ZodIssue | undefined): string {
  const place = issue?.path.map(String).join(".") ?? "";
  if (issue?.code !== "unrecognized_keys") return `${place} has the wrong type`;
  const [stray] = issue.keys;
  return place === ""
    ? `there is no section or member ${JSON.stringify(stray)}; there are ${SECTION_NAMES.join(", ")}`
    : `${place} has no member ${JSON.stringify(stray)}; there are ${CONNECTION_NAMES.join(", ")}`;
}
