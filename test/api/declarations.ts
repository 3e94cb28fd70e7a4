/**
 * The public API as the built declarations have it: the names that each entry of the package exports, their signatures, their comments, and
 * the types that the signatures mention.
 */
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { type Comment, type Node, parseSync, type Program, type Statement, Visitor } from "oxc-parser";

/** A member of a public class or interface. */
export interface Member {
  readonly name: string;
  /** Its TSDoc comment, without the delimiters; undefined when there is none. */
  readonly comment: string | undefined;
}

/** A name that an entry exports. */
export interface PublicName {
  readonly name: string;
  /** What follows the package's name in an import: `.`, `./testing`. */
  readonly entry: string;
  /** The file of its declaration, from the root of the package. */
  readonly file: string;
  /** Its declarations, without comments and private members. */
  readonly signature: string;
  readonly comment: string | undefined;
  readonly members: readonly Member[];
}

/** Where a name is declared. */
interface Place {
  readonly file: string;
  readonly name: string;
}

interface Declaration {
  readonly node: Node;
  /** The statement around it, with `export` and `declare`. */
  readonly statement: Statement;
}

interface Module {
  readonly file: string;
  readonly text: string;
  readonly comments: readonly Comment[];
  /** Overloads are several declarations of one name. */
  readonly own: ReadonlyMap<string, readonly Declaration[]>;
  readonly imports: ReadonlyMap<string, Place>;
  readonly exports: ReadonlyMap<string, Place>;
  /** Files of which everything is exported. */
  readonly stars: readonly string[];
}

/** The declarations of a built package. */
export class Declarations {
  readonly #root: string;
  readonly #modules = new Map<string, Module>();
  /** The declaration file of each entry. */
  readonly #entries: ReadonlyMap<string, string>;

  /** `root`: the folder of the package, with its `package.json`. */
  constructor(root: string) {
    this.#root = root;
    const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      readonly exports: Readonly<Record<string, string | { readonly types: string }>>;
    };
    this.#entries = new Map(
      Object.entries(exports).flatMap(([entry, target]) =>
        typeof target === "string" ? [] : [[entry, join(root, target.types)] as const],
      ),
    );
  }

  /** The entries, as the `exports` of `package.json` spell them. */
  get entries(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** The names of an entry, sorted. */
  namesOf(entry: string): readonly PublicName[] {
    return [...this.#exportsOf(this.#fileOf(entry))]
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, place]) => this.#read(name, entry, place));
  }

  /**
   * Types in the signatures of an entry that neither it nor the main entry exports, each with a declaration that mentions it. A type that the
   * main entry needs has to be there itself.
   */
  hidden(entry: string): readonly string[] {
    const exported = (name: string): readonly Place[] => [...this.#exportsOf(this.#fileOf(name)).values()];
    const queue = [...exported(entry)];
    const seen = new Set([...queue, ...exported(".")].map((place) => this.#keyOf(place)));
    const hidden: string[] = [];
    for (let place = queue.shift(); place !== undefined; place = queue.shift()) {
      for (const name of this.#mentionedBy(place)) {
        const met = this.#find(place.file, name);
        if (met === undefined || seen.has(this.#keyOf(met))) continue;
        seen.add(this.#keyOf(met));
        hidden.push(`${this.#keyOf(met)}, in ${this.#keyOf(place)}`);
        queue.push(met);
      }
    }
    return hidden;
  }

  #fileOf(entry: string): string {
    return this.#entries.get(entry) ?? entry;
  }

  #keyOf({ file, name }: Place): string {
    return `${name} of ${relative(this.#root, file)}`;
  }

  #module(file: string): Module {
    const known = this.#modules.get(file) ?? parse(file);
    this.#modules.set(file, known);
    return known;
  }

  #find(file: string, name: string): Place | undefined {
    const { own, imports, exports, stars } = this.#module(file);
    if (own.has(name)) return { file, name };
    const other = imports.get(name) ?? exports.get(name);
    if (other !== undefined) return this.#find(other.file, other.name);
    return stars.map((star) => this.#find(star, name)).find((found) => found !== undefined);
  }

  #exportsOf(file: string): ReadonlyMap<string, Place> {
    const { own, exports, stars } = this.#module(file);
    const here = [...own]
      .filter(([, [declaration]]) => declaration?.statement.type === "ExportNamedDeclaration")
      .map(([name]): [string, Place] => [name, { file, name }]);
    const named = [...exports].flatMap(([name, place]): [string, Place][] => {
      const found = this.#find(place.file, place.name);
      return found === undefined ? [] : [[name, found]];
    });
    return new Map([...stars.flatMap((star) => [...this.#exportsOf(star)]), ...named, ...here]);
  }

  #declarationsOf({ file, name }: Place): readonly Declaration[] {
    return this.#module(file).own.get(name) ?? [];
  }

  #read(name: string, entry: string, place: Place): PublicName {
    const module = this.#module(place.file);
    const declarations = this.#declarationsOf(place);
    const signature = declarations
      .map(({ statement, node }) => signatureOf(module, statement, node))
      .map((text) => `export ${text.replace(/^(?:export )?(?:declare )?/, "")}`)
      .join("\n");
    return {
      name,
      entry,
      file: relative(this.#root, place.file),
      signature: place.name === name ? signature : signature.replace(place.name, name),
      comment: declarations
        .map(({ statement }) => commentBefore(module, statement.start))
        .find((comment) => comment !== undefined),
      members: declarations.flatMap(({ node }) => this.#membersOf(module, node)),
    };
  }

  /** Members, without those whose comment an editor takes from what the class implements or extends. */
  #membersOf(module: Module, node: Node): readonly Member[] {
    const heirlooms = new Set(this.#parentsOf(module, node).flatMap((place) => this.#memberNames(place)));
    const members = new Map<string, string | undefined>();
    for (const member of bodyOf(node)) {
      const name = nameOf(module, member);
      if (isPrivate(member) || heirlooms.has(name)) continue;
      members.set(name, members.get(name) ?? commentBefore(module, member.start));
    }
    return [...members].map(([name, comment]) => ({ name, comment }));
  }

  #parentsOf(module: Module, node: Node): readonly Place[] {
    return parentsOf(node).flatMap((parent) =>
      parent.type === "Identifier" ? (this.#find(module.file, parent.name) ?? []) : [],
    );
  }

  #memberNames(place: Place): readonly string[] {
    const module = this.#module(place.file);
    return this.#declarationsOf(place).flatMap(({ node }) => [
      ...bodyOf(node).map((member) => nameOf(module, member)),
      ...this.#parentsOf(module, node).flatMap((parent) => this.#memberNames(parent)),
    ]);
  }

  /** Names of types in a declaration, without what is private in it. */
  #mentionedBy(place: Place): ReadonlySet<string> {
    const names = new Set<string>();
    const add = (node: Node): void => {
      if (node.type === "Identifier") names.add(node.name);
    };
    const visitor = new Visitor({
      TSTypeReference: ({ typeName }) => add(typeName),
      TSTypeQuery: ({ exprName }) => add(exprName),
      TSInterfaceHeritage: ({ expression }) => add(expression),
      TSClassImplements: ({ expression }) => add(expression),
      ClassDeclaration: ({ superClass }) => superClass !== null && add(superClass),
    });
    const { text, file } = this.#module(place.file);
    for (const { statement, node } of this.#declarationsOf(place)) {
      const privates = bodyOf(node).filter(isPrivate);
      const visible = blank(text, [
        { start: 0, end: statement.start },
        { start: statement.end, end: text.length },
        ...privates,
      ]);
      visitor.visit(parseSync(file, visible).program);
    }
    return names;
  }
}

// ------------------------------------------------------------------ one file

function parse(file: string): Module {
  const text = readFileSync(file, "utf8");
  const { program, comments, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message}`);
  return { file, text, comments, ...topLevelOf(file, program) };
}

type TopLevel = Pick<Module, "own" | "imports" | "exports" | "stars">;

function topLevelOf(file: string, { body }: Program): TopLevel {
  const own = new Map<string, Declaration[]>();
  const imports = new Map<string, Place>();
  const exports = new Map<string, Place>();
  const stars: string[] = [];
  const declare = (statement: Statement, node: Node): void => {
    const names =
      node.type === "VariableDeclaration"
        ? node.declarations.map(({ id }) => id)
        : "id" in node && node.id !== null
          ? [node.id]
          : [];
    for (const id of names) {
      if (typeof id !== "object" || id === null || !("name" in id) || typeof id.name !== "string") continue;
      own.set(id.name, [...(own.get(id.name) ?? []), { node, statement }]);
    }
  };
  for (const statement of body) {
    if (statement.type === "ImportDeclaration") {
      const from = declarationFile(file, statement.source.value);
      for (const specifier of statement.specifiers)
        if (from !== undefined && specifier.type === "ImportSpecifier")
          imports.set(specifier.local.name, { file: from, name: wordOf(specifier.imported) });
    } else if (statement.type === "ExportAllDeclaration") {
      stars.push(declarationFile(file, statement.source.value) ?? "");
    } else if (statement.type === "ExportNamedDeclaration") {
      if (statement.declaration !== null) declare(statement, statement.declaration);
      for (const { local, exported } of statement.specifiers) {
        const from = statement.source === null ? file : declarationFile(file, statement.source.value);
        if (from !== undefined) exports.set(wordOf(exported), { file: from, name: wordOf(local) });
      }
    } else {
      declare(statement, statement);
    }
  }
  return { own, imports, exports, stars };
}

function wordOf(name: { readonly type: string; readonly name?: string; readonly value?: unknown }): string {
  return name.name ?? String(name.value);
}

/** The declarations of an imported file; undefined for another package. */
function declarationFile(from: string, specifier: string): string | undefined {
  return specifier.startsWith(".") ? join(dirname(from), specifier.replace(/\.[jt]s$/, ".d.ts")) : undefined;
}

type MemberNode = Node & { readonly key?: Node; readonly accessibility?: string | null };

function bodyOf(node: Node): readonly MemberNode[] {
  if (node.type === "ClassDeclaration" || node.type === "TSInterfaceDeclaration") return node.body.body;
  if (node.type !== "TSTypeAliasDeclaration" || node.typeAnnotation.type !== "TSTypeLiteral") return [];
  return node.typeAnnotation.members;
}

/** What a class or an interface implements or extends. */
function parentsOf(node: Node): readonly Node[] {
  if (node.type === "TSInterfaceDeclaration") return node.extends.map(({ expression }) => expression);
  if (node.type !== "ClassDeclaration") return [];
  const implemented = (node.implements ?? []).map(({ expression }) => expression);
  return node.superClass === null ? implemented : [...implemented, node.superClass];
}

function nameOf({ text }: Module, member: MemberNode): string {
  if (member.type === "TSIndexSignature") return "[index]";
  if (member.key === undefined) return member.type;
  const name = text.slice(member.key.start, member.key.end);
  return "computed" in member && member.computed ? `[${name}]` : name;
}

function isPrivate({ key, accessibility }: MemberNode): boolean {
  return accessibility === "private" || key?.type === "PrivateIdentifier";
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** The text with spaces for these spans. */
function blank(text: string, spans: readonly Span[]): string {
  return spans.reduce(
    (left, { start, end }) => left.slice(0, start) + left.slice(start, end).replaceAll(/[^\n]/g, " ") + left.slice(end),
    text,
  );
}

function signatureOf({ text, comments }: Module, statement: Span, node: Node): string {
  const inside = comments.filter(({ start, end }) => start >= statement.start && end <= statement.end);
  const kept: string[] = [];
  let from = statement.start;
  for (const { start, end } of [...inside, ...bodyOf(node).filter(isPrivate)].toSorted((a, b) => a.start - b.start)) {
    kept.push(text.slice(from, start));
    from = end;
  }
  return [...kept, text.slice(from, statement.end)]
    .join("")
    .split("\n")
    .map((line) => line.trimEnd())
    .filter((line) => line !== "")
    .join("\n");
}

/** The TSDoc comment right before a position. */
function commentBefore({ text, comments }: Module, at: number): string | undefined {
  const before = comments.findLast(({ end }) => end <= at);
  if (before === undefined || text.slice(before.end, at).trim() !== "" || !before.value.startsWith("*")) return;
  return before.value
    .slice(1)
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, ""))
    .join("\n")
    .trim();
}
