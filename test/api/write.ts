/** Writes the page of the public API from the built package. */
import { writeFileSync } from "node:fs";
import { Declarations } from "./declarations.ts";
import { API_PAGE, apiPage } from "./page.ts";

writeFileSync(API_PAGE, await apiPage(new Declarations(process.cwd())));
