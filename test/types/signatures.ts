/** Which types stand in the signatures of the entries of the built package, and which of them cannot be named by those who import it. */
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** A declaration: its file and its name there. */
interface Place {
  readonly file: string;
  readonly name: string;
}

interface Declarations {
  readonly imports: ReadonlyMap<string, Place>;
  readonly exports: ReadonlyMap<string, Place>;
  /** Files of which everything is exported. */
  readonly stars: readonly string[];
  /** The text of each declaration by its name. */
  readonly own: ReadonlyMap<string, string>;
}

/** Types that no entry exports, each with a declaration that mentions it. `root`: the folder of the built package. */
export function hiddenTypes(root: string, entries: readonly string[]): readonly string[] {
  const read = new Map<string, Declarations>();
  const declarationsOf = (file: string): Declarations => {
    const known = read.get(file) ?? parse(file);
    read.set(file, known);
    return known;
  };
  const find = (file: string, name: string): Place | undefined => {
    const { own, imports, exports, stars } = declarationsOf(file);
    if (own.has(name)) return { file, name };
    const other = exports.get(name) ?? imports.get(name);
    if (other !== undefined) return find(other.file, other.name);
    return stars.map((star) => find(star, name)).find((found) => found !== undefined);
  };
  const exportsOf = (file: string): readonly Place[] => {
    const { own, exports, stars } = declarationsOf(file);
    const here = [...own].filter(([, text]) => text.startsWith("export ")).map(([name]) => ({ file, name }));
    return [
      ...here,
      ...[...exports.values()].flatMap((place) => find(place.file, place.name) ?? []),
      ...stars.flatMap(exportsOf),
    ];
  };
  const textOf = ({ file, name }: Place): string => declarationsOf(file).own.get(name) ?? "";
  const keyOf = ({ file, name }: Place): string => `${name} of ${relative(root, file)}`;
  const seen = new Set<string>();
  const hidden: string[] = [];
  const queue: Place[] = [];
  for (const place of entries.flatMap((entry) => exportsOf(join(root, entry)))) {
    seen.add(keyOf(place));
    queue.push(place);
  }
  for (let place = queue.shift(); place !== undefined; place = queue.shift()) {
    const { own, imports } = declarationsOf(place.file);
    for (const name of wordsOf(textOf(place))) {
      const met = own.has(name) || imports.has(name) ? find(place.file, name) : undefined;
      // A constant is mentioned by `typeof`, which gives its type without its name.
      if (met === undefined || seen.has(keyOf(met)) || /^(export )?declare const /.test(textOf(met))) continue;
      seen.add(keyOf(met));
      hidden.push(`${keyOf(met)}, in ${keyOf(place)}`);
      queue.push(met);
    }
  }
  return hidden;
}

/** Names of types in a declaration: no member names, no texts, nothing private. */
function wordsOf(text: string): ReadonlySet<string> {
  const code = text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""').replaceAll(/\b(?:private|#)\w*[^;]*;/g, "");
  return new Set([...code.matchAll(/(?<![.\w])[A-Za-z_]\w*\b(?!\??:|\w)/g)].map(([word]) => word));
}

function parse(file: string): Declarations {
  const text = readFileSync(file, "utf8")
    .replaceAll(/\/\*[\s\S]*?\*\//g, "")
    .replaceAll(/\/\/.*$/gm, "");
  const fileOf = (from: string): string => join(dirname(file), from.replace(/\.(?:ts|js)$/, ".d.ts"));
  const named = (keyword: string): ReadonlyMap<string, Place> => {
    const statement = new RegExp(`^${keyword} (?:type )?\\{([^}]*)\\} from "(\\.[^"]*)";`, "gm");
    const places = [...text.matchAll(statement)].flatMap(([, names = "", from = ""]) =>
      names.split(",").map((part): [string, Place] => {
        const [name = "", alias = name] = part
          .trim()
          .replace(/^type /, "")
          .split(" as ");
        return [alias, { file: fileOf(from), name }];
      }),
    );
    return new Map(places.filter(([name]) => name !== ""));
  };
  const stars = [...text.matchAll(/^export (?:type )?\* from "(\.[^"]*)";/gm)].map(([, from = ""]) => fileOf(from));
  const own = new Map<string, string>();
  const beginnings = [
    ...text.matchAll(/^(?:export )?(?:declare )?(?:abstract )?(?:type|interface|class|function|const|enum) (\w+)/gm),
  ];
  for (const [index, { 1: name = "", index: from }] of beginnings.entries())
    own.set(name, `${own.get(name) ?? ""}${text.slice(from, beginnings[index + 1]?.index)}`);
  return { imports: named("import"), exports: named("export"), stars, own };
}
