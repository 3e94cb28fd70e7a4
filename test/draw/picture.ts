/** A drawing read back: what stands where. */

/** A rectangle on the sheet. */
export interface Area {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** A state as it was drawn. */
export interface DrawnState {
  readonly id: string;
  readonly tags: string;
  readonly classes: ReadonlySet<string>;
  readonly area: Area;
  readonly parent: DrawnState | undefined;
  readonly children: readonly DrawnState[];
}

/** A way as it was drawn, along its corners. */
export interface DrawnEdge {
  readonly look: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** A text as it was drawn. */
export interface DrawnText {
  readonly text: string;
  readonly classes: string;
  readonly x: number;
  readonly y: number;
  readonly anchor: string;
  /** The state that it is a part of; undefined in the legend. */
  readonly owner: DrawnState | undefined;
}

/** All of a drawing. */
export interface Picture {
  readonly states: readonly DrawnState[];
  readonly edges: readonly DrawnEdge[];
  readonly texts: readonly DrawnText[];
  /** Names of all elements. */
  readonly elements: ReadonlySet<string>;
  /** Names of all attributes. */
  readonly attributes: ReadonlySet<string>;
}

const numbers = (text: string): readonly number[] => (text.match(/-?\d+(\.\d+)?/g) ?? []).map(Number);

/** Reads what `chartSvg` wrote. Throws where that is no well-formed XML. */
export function readPicture(svg: string): Picture {
  const states: DrawnState[] = [];
  const edges: DrawnEdge[] = [];
  const texts: DrawnText[] = [];
  const elements = new Set<string>();
  const names = new Set<string>();
  const open: { name: string; state?: DrawnState; edge?: string }[] = [];
  const pattern = /<(\/?)([A-Za-z]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|([^<]+)|(<)/g;
  for (const [, close, name = "", written = "", empty, content, stray] of svg.matchAll(pattern)) {
    if (stray !== undefined) throw new Error("a < that begins no tag");
    const state = open.findLast((entry) => entry.state !== undefined)?.state;
    if (content !== undefined) {
      if (/&(?!(amp|lt|gt|quot|#39);)/.test(content)) throw new Error(`a bare & in ${content}`);
      const text = texts.at(-1);
      if (open.at(-1)?.name === "text" && text !== undefined)
        texts[texts.length - 1] = { ...text, text: unescape(content) };
      continue;
    }
    if (close === "/") {
      const last = open.pop();
      if (last?.name !== name) throw new Error(`</${name}> closes <${last?.name}>`);
      continue;
    }
    const attributes = new Map([...written.matchAll(/([\w:-]+)="([^"]*)"/g)].map(([, key, value]) => [key, value]));
    const attribute = (key: string): string => unescape(attributes.get(key) ?? "");
    elements.add(name);
    for (const key of attributes.keys()) names.add(key ?? "");
    const classes = attribute("class").split(" ");
    const entry: (typeof open)[number] = { name };
    if (name === "g" && classes.includes("state")) {
      const drawn: DrawnState = {
        id: attribute("data-state"),
        tags: attribute("data-tags"),
        classes: new Set(classes),
        area: { left: 0, top: 0, right: 0, bottom: 0 },
        parent: state,
        children: [],
      };
      (state?.children as DrawnState[] | undefined)?.push(drawn);
      states.push(drawn);
      entry.state = drawn;
    } else if (name === "g" && classes.includes("edge")) entry.edge = classes[1] ?? "";
    if (classes.includes("box") && state !== undefined) Object.assign(state.area, areaOf(name, attribute));
    const edge = open.at(-1)?.edge;
    if (edge !== undefined && name === "path" && !classes.includes("head"))
      edges.push({ look: edge, points: pointsOf(attribute("d")) });
    if (name === "text") {
      texts.push({
        text: "",
        classes: attribute("class"),
        x: Number(attribute("x")),
        y: Number(attribute("y")),
        anchor: attribute("text-anchor"),
        owner: state,
      });
    }
    if (empty !== "/") open.push(entry);
  }
  if (open.length > 0) throw new Error(`<${open.at(-1)?.name}> is not closed`);
  return { states, edges, texts, elements, attributes: names };
}

function areaOf(name: string, attribute: (key: string) => string): Area {
  if (name === "path") {
    const [left = 0, top = 0, right = 0, , , , bottom = 0] = numbers(attribute("d"));
    return { left, top, right, bottom };
  }
  const [left, top] = [Number(attribute("x")), Number(attribute("y"))];
  return { left, top, right: left + Number(attribute("width")), bottom: top + Number(attribute("height")) };
}

/** The corners of a way; a round one by the point that it goes round. */
function pointsOf(path: string): readonly (readonly [number, number])[] {
  return [...path.matchAll(/([MLQ])([^MLQ]*)/g)].map(([, , rest = ""]) => {
    const [x = 0, y = 0] = numbers(rest);
    return [x, y] as const;
  });
}

const unescape = (text: string): string =>
  text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&");
