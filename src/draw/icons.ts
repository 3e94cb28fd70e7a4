/** The states of a step as small pictures, ten pixels square. */

/** A picture and what it means. */
export interface Icon {
  readonly meaning: string;
  readonly path: string;
  /** Whether its areas are filled. */
  readonly solid?: boolean;
}

const ICONS: Readonly<Record<string, Icon>> = {
  blocked: { meaning: "not yet: waits for others", path: "M1.5 5h.01M5 5h.01M8.5 5h.01" },
  delaying: { meaning: "waits for its delay", path: "M9 5A4 4 0 1 1 1 5A4 4 0 1 1 9 5ZM5 2.8V5L6.5 6.2" },
  running: { meaning: "runs", path: "M3 1.8L8.2 5L3 8.2Z", solid: true },
  waiting: { meaning: "waits for a signal", path: "M2.4 1.2H7.6M2.4 8.8H7.6M3 1.2C3 4 7 6 7 8.8M7 1.2C7 4 3 6 3 8.8" },
  held: { meaning: "held: resume or skip", path: "M3.4 1.8V8.2M6.6 1.8V8.2" },
  completed: { meaning: "completed", path: "M1.8 5.4L4 7.8L8.2 2.4" },
  undone: { meaning: "undone", path: "M4 1.6L1.4 4.2L4 6.8M1.6 4.2H6A2.3 2.3 0 0 1 6 8.8H4.5" },
  failed: { meaning: "failed", path: "M2 2L8 8M8 2L2 8" },
  skipped: { meaning: "skipped", path: "M1.8 2L5.6 5L1.8 8ZM8.2 2V8", solid: true },
  not_needed: { meaning: "nothing to undo", path: "M2 5H8" },
};

const OTHER: Icon = { meaning: "", path: "M6.5 5A1.5 1.5 0 1 1 3.5 5A1.5 1.5 0 1 1 6.5 5Z", solid: true };

/** The picture of a state of a step. */
export function iconOf(key: string): Icon {
  return ICONS[key] ?? { ...OTHER, meaning: key };
}

/** Those pictures that a drawing uses, in the order of a step's life. */
export function legendOf(keys: ReadonlySet<string>): readonly Icon[] {
  const known = Object.keys(ICONS).filter((key) => keys.has(key));
  return [...known, ...[...keys].filter((key) => ICONS[key] === undefined)].map(iconOf);
}
