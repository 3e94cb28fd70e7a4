import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { resolveStoreUrl } from "../../src/config.ts";
import { WorkflowError } from "../../src/errors.ts";
import { parseDuration } from "../../src/wire/duration.ts";

const USER = join(homedir(), ".config", "buquet", "config.toml");
const PROJECT = ".buquet.toml";

/** Settings from these variables and files, and nothing of the machine that runs the test. */
function resolve(env: Record<string, string>, files: Readonly<Record<string, string | undefined>> = {}): string {
  return resolveStoreUrl({ env, readFile: (path) => files[path] });
}

function refusal(run: () => unknown): WorkflowError {
  try {
    run();
  } catch (error) {
    if (error instanceof WorkflowError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

function connection(name: string, values: Record<string, string>): string {
  const lines = Object.entries(values).map(([member, value]) => `${member} = ${JSON.stringify(value)}`);
  return `[${name}]\n${lines.join("\n")}\n`;
}

describe("the store to open", () => {
  test("is the folder .buquet where nothing is said", () => {
    expect(resolve({})).toBe("file:.buquet");
    expect(resolve({ AWS_REGION: "eu-1" })).toBe("file:.buquet");
    expect(resolve({}, { [PROJECT]: '[worker]\nshards = ["a"]\n' })).toBe("file:.buquet");
  });

  test("is the url that is given, whatever else is said, and no file is read", () => {
    const readFile = (): string => {
      throw new Error("a file was read");
    };
    expect(resolveStoreUrl({ url: "file:data/here", env: { S3_BUCKET: "other" }, readFile })).toBe("file:data/here");
  });

  test("comes from the environment", () => {
    expect(resolve({ S3_BUCKET: "runs" })).toBe("s3://runs");
    expect(resolve({ S3_BUCKET: "runs", S3_ENDPOINT: "http://localhost:9000", S3_REGION: "eu-west-1" })).toBe(
      "s3://runs?endpoint=http%3A%2F%2Flocalhost%3A9000&region=eu-west-1",
    );
  });

  test("takes S3_REGION before AWS_REGION before the file", () => {
    const files = { [PROJECT]: connection("default", { bucket: "runs", region: "file-1" }) };
    expect(resolve({ S3_REGION: "s-1", AWS_REGION: "a-1" }, files)).toBe("s3://runs?region=s-1");
    expect(resolve({ AWS_REGION: "a-1" }, files)).toBe("s3://runs?region=a-1");
    expect(resolve({}, files)).toBe("s3://runs?region=file-1");
  });

  test("is merged member by member: user, project, chosen file, environment", () => {
    const files = {
      [USER]: connection("default", { bucket: "user", region: "user-1", endpoint: "http://user" }),
      [PROJECT]: connection("default", { bucket: "project", region: "project-1" }),
      "chosen.toml": connection("default", { bucket: "chosen" }),
    };
    const all = "s3://env?endpoint=http%3A%2F%2Fuser&region=project-1";
    expect(resolve({ BUQUET_CONFIG: "chosen.toml", S3_BUCKET: "env" }, files)).toBe(all);
    expect(resolve({ BUQUET_CONFIG: "chosen.toml" }, files)).toBe(all.replace("env", "chosen"));
    expect(resolve({}, files)).toBe(all.replace("env", "project"));
    expect(resolve({}, { [USER]: files[USER] })).toBe("s3://user?endpoint=http%3A%2F%2Fuser&region=user-1");
  });

  test.each(["S3_BUCKET", "S3_ENDPOINT", "S3_REGION", "BUQUET_PROFILE", "BUQUET_CONFIG"])(
    "is not a folder where %s was meant and is empty, or is all that was said",
    (name) => {
      const files = { [PROJECT]: connection("profiles.x", { region: "eu-1" }), x: "" };
      for (const empty of ["", " "])
        expect(refusal(() => resolve({ [name]: empty }, files)).message).toBe(
          `${name} is set and empty; unset it, or give it a value`,
        );
      if (name === "S3_BUCKET") return;
      const value = name === "S3_ENDPOINT" ? "http://host" : "x";
      expect(refusal(() => resolve({ [name]: value }, files)).message).toBe(
        `${name} is set, but nothing names a bucket; set S3_BUCKET or bucket in the config file, give the url of a store, or take ${name} away`,
      );
    },
  );

  test.each(["region", "endpoint"])("is not a folder where a file has only the %s of a bucket", (member) => {
    const files = { [PROJECT]: connection("default", { [member]: member === "region" ? "eu-1" : "http://host" }) };
    expect(refusal(() => resolve({}, files)).message).toContain(`${member} in the config file is set, but nothing`);
    expect(resolve({ S3_BUCKET: "runs" }, files)).toContain("s3://runs?");
  });

  test("takes an empty AWS_REGION as AWS does", () => {
    expect(resolve({ S3_BUCKET: "runs", AWS_REGION: "" })).toBe("s3://runs");
  });
});

describe("a profile", () => {
  test("beats every default, also of a file that is read later", () => {
    const files = {
      [USER]: connection("profiles.staging", { bucket: "staging" }),
      [PROJECT]: connection("default", { bucket: "project", region: "eu-1" }),
    };
    expect(resolve({ BUQUET_PROFILE: "staging" }, files)).toBe("s3://staging?region=eu-1");
    expect(resolve({}, files)).toBe("s3://project?region=eu-1");
  });

  test("is taken whole from the last file that has it", () => {
    const files = {
      [USER]: connection("profiles.staging", { bucket: "old", endpoint: "http://old" }),
      [PROJECT]: connection("profiles.staging", { bucket: "new" }),
    };
    expect(resolve({ BUQUET_PROFILE: "staging" }, files)).toBe("s3://new");
  });

  test("is beaten by the environment", () => {
    const files = { [PROJECT]: connection("profiles.staging", { bucket: "staging", region: "eu-1" }) };
    expect(resolve({ BUQUET_PROFILE: "staging", S3_BUCKET: "env" }, files)).toBe("s3://env?region=eu-1");
  });

  test.each(["nowhere", "constructor", "__proto__"])("that no file has is refused: %s", (name) => {
    const files = { [PROJECT]: connection("profiles.staging", { bucket: "staging" }) };
    const error = refusal(() => resolve({ BUQUET_PROFILE: name }, files));
    expect(error.code).toBe("invalid");
    expect(error.message).toContain(name);
  });
});

describe("the user's file", () => {
  const files = { "/xdg/buquet/config.toml": connection("default", { bucket: "xdg" }) };

  test("is where XDG_CONFIG_HOME says", () => {
    expect(resolve({ XDG_CONFIG_HOME: "/xdg" }, files)).toBe("s3://xdg");
  });

  test("is under ~/.config where that is empty or not absolute", () => {
    const both = {
      [USER]: connection("default", { bucket: "user" }),
      "xdg/buquet/config.toml": connection("default", { bucket: "relative" }),
    };
    for (const home of ["", "xdg"]) expect(resolve({ XDG_CONFIG_HOME: home }, both)).toBe("s3://user");
  });

  test("is not read under ~/.config where XDG_CONFIG_HOME is another folder", () => {
    expect(resolve({ XDG_CONFIG_HOME: "/other" }, { [USER]: connection("default", { bucket: "user" }) })).toBe(
      "file:.buquet",
    );
  });
});

describe("a config file", () => {
  test("may hold the sections of buquet's own programs", () => {
    const text = `[default]\nbucket = "runs"\n[queue]\nshard_prefix_len = 2\n[worker.polling]\nstrategy = "adaptive"\n[monitor]\nlater = 1\n`;
    expect(resolve({}, { [PROJECT]: text })).toBe("s3://runs");
  });

  test.each([
    [
      'bucket = "runs"\n',
      'there is no section or member "bucket"; there are default, profiles, queue, worker, monitor',
    ],
    ['[profile.x]\nbucket = "runs"\n', 'there is no section or member "profile"'],
    ['[default]\nbucet = "runs"\n', 'default has no member "bucet"; there are bucket, region, endpoint'],
    ['[default]\nsecret_key = "hunter2"\n', 'default has no member "secret_key"'],
    ['[profiles.x]\nregoin = "hunter2"\n', 'profiles.x has no member "regoin"'],
  ])("may hold nothing that nobody reads: %s", (text, reason) => {
    const { message } = refusal(() => resolve({ S3_BUCKET: "other" }, { [PROJECT]: text }));
    expect(message).toContain(`${PROJECT} cannot be read: ${reason}`);
    expect(message).not.toContain("hunter2");
  });

  test.each([
    ["a broken line", '[default]\nbucket = "runs"\nsecret_key = "hunter2\n', 3],
    ["a broken header", '[default\nsecret_key = "hunter2"\n', 1],
    ["a member twice", 'token = "hunter2"\ntoken = "hunter2"\n', 2],
    ["a value without quotes", "[default]\nsecret_key = hunter2\n", 2],
  ])("with %s is refused by name and line, and nothing of it is repeated", (_, text, line) => {
    const error = refusal(() => resolve({}, { [PROJECT]: text }));
    expect(error.code).toBe("invalid");
    expect(error.message).toContain(`${PROJECT} cannot be read: line ${line},`);
    expect(JSON.stringify([error.message, String(error.cause), error.stack])).not.toContain("hunter2");
  });

  test.each([
    ["default.bucket", '[default]\nbucket = ["hunter2"]\n'],
    ["default", 'default = "hunter2"\n'],
    ["profiles.staging.region", "[profiles.staging]\nregion = 1\n"],
    ["profiles", 'profiles = "hunter2"\n'],
  ])("with a wrong type is refused with the name of the member: %s", (name, text) => {
    const error = refusal(() => resolve({}, { [PROJECT]: text }));
    expect(error.message).toBe(`${PROJECT} cannot be read: ${name} has the wrong type`);
    expect(error.cause).toBeUndefined();
  });

  test("that BUQUET_CONFIG names must exist", () => {
    const error = refusal(() => resolve({ BUQUET_CONFIG: "gone.toml" }));
    expect(error.message).toBe('BUQUET_CONFIG names "gone.toml", which does not exist');
  });

  describe("on a disk", () => {
    const folders: string[] = [];
    afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

    test("is read, and one that cannot be read says why", async () => {
      const folder = await mkdtemp(join(tmpdir(), "buquet-config-"));
      folders.push(folder);
      await mkdir(join(folder, "buquet"));
      await writeFile(join(folder, "buquet", "config.toml"), connection("default", { bucket: "runs" }));
      const env = { XDG_CONFIG_HOME: folder };
      expect(resolveStoreUrl({ env })).toBe("s3://runs");
      const error = refusal(() => resolveStoreUrl({ env: { ...env, BUQUET_CONFIG: folder } }));
      expect(error).toMatchObject({ code: "invalid", message: `${folder} cannot be read: EISDIR` });
    });
  });
});

describe("a duration", () => {
  test.each([
    ["250ms", 250],
    ["30s", 30_000],
    ["5m", 300_000],
    ["2h", 7_200_000],
    ["7d", 604_800_000],
    ["1w", 604_800_000],
    [" 1.5s ", 1_500],
    [0, 0],
    [12, 12],
  ])("%s is %i ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each(["", "5", "5 s", "-5s", "5S", "s", "1e3s", "11000d", Number.NaN, -1, Number.POSITIVE_INFINITY])(
    "%s is none",
    (text) => {
      expect(refusal(() => parseDuration(text)).code).toBe("invalid");
    },
  );
});
