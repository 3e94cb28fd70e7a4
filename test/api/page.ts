/** The page of the public API, `docs/api.md`. */
import { format } from "oxfmt";
import type { Declarations, PublicName } from "./declarations.ts";

/** Where the page is, from the root of the package. */
export const API_PAGE = "docs/api.md";

const HEAD = `# The public API

Every name that an entry of the package exports, with its signature, sorted. \`npm run api\` writes this page from the built declarations, and
a test fails while it says something else. A change of this page is a change for users: it belongs into \`CHANGELOG.md\`.
`;

/** The page for a built package. */
export async function apiPage(declarations: Declarations): Promise<string> {
  const sections = declarations.entries.map((entry) => sectionOf(entry, declarations.namesOf(entry)));
  return [HEAD, ...(await Promise.all(sections))].join("\n");
}

async function sectionOf(entry: string, names: readonly PublicName[]): Promise<string> {
  const signatures = names.map(({ signature }) => signature).join("\n\n");
  const { code } = await format("api.d.ts", signatures, { printWidth: 120 });
  return `## \`buquet-workflow${entry.slice(1)}\`\n\n\`\`\`ts\n${code}\`\`\`\n`;
}
