/** What passes for a store where one is given. */
import { type Check, objectWith } from "../settings.ts";
import type { ObjectStore } from "./object-store.ts";

/** A store of any class; `storeCases` tests whether it is a good one. */
export const isStore: Check<ObjectStore> = objectWith(
  "capabilities",
  "get",
  "put",
  "delete",
  "list",
  "versions",
  "getVersion",
  "time",
);
